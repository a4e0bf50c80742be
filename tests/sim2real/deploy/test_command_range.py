"""What a policy is commanded that is asked for anything at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.deploy.command_range import CommandError, CommandRange

LIMITS = np.array([(-1.0, 1.0), (0.2, 0.4), (0.0, 0.0)])
FREE = CommandRange(("a", "b", "c"), LIMITS, np.array([0.0, 0.3, 0.0]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_a_command_is_near_the_range_and_as_asked_within_it(asked):
    asked = np.array(asked)
    commanded = FREE.nearest(asked)
    room = 0.006 * np.ptp(LIMITS, axis=1) + 1e-5
    assert ((LIMITS[:, 0] - room <= commanded) & (commanded <= LIMITS[:, 1] + room)).all()
    within = (LIMITS[:, 0] <= asked) & (asked <= LIMITS[:, 1])
    assert (commanded == asked)[within].all()
    assert set(FREE.changes(asked, commanded)) <= {name for name, inside in zip("abc", within, strict=True) if not inside}
    np.testing.assert_array_equal(FREE.nearest(commanded), commanded)


def test_what_is_no_number_stays_so():
    assert np.isnan(FREE.nearest(np.array([np.nan, 0.3, 0.0]))).tolist() == [True, False, False]


def test_a_command_of_another_size_is_refused():
    with pytest.raises(CommandError, match=r"shape \(2,\), expected one entry for each of a, b, c"):
        FREE.nearest(np.zeros(2))


def test_entries_that_do_not_go_together_are_told_apart_from_those_out_of_range():
    unit = CommandRange(("w", "x"), np.array([(0.0, 1.0), (-1.0, 1.0)]), np.array([1.0, 0.0]), lambda q: q / np.hypot(*q))
    asked = np.array([0.3, 4.0])
    told = unit.changes(asked, unit.nearest(asked))
    assert told["x"] == "the x is asked to be 4, trained were -1 to 1: 0.958 is commanded"
    asked = np.array([0.3, 0.4])
    told = unit.changes(asked, unit.nearest(asked))
    assert told["w"] == "the w is asked to be 0.3, which does not go with the other entries: 0.6 is commanded"
