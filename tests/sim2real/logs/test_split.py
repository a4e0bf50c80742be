"""Parts of a log: what was commanded is told from what was not, nothing goes missing in between, and what is left out is
said."""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.calibrate.windows import cut
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.logs.split import commanded, liveliest, stretches
from tests.sim2real.calibrate.leg import made_up


def with_targets(known: np.ndarray) -> RobotLog:
    """1000 samples at 500 Hz, with targets where `known`."""
    log = made_up()
    target = log["target"]
    values = np.where(known[:, None], target.values, np.nan)
    return replace(log, streams={**log, "target": Stream(target.stamps, values)})


def sent_until(log: RobotLog, samples: int) -> RobotLog:
    """Whose commands end before its positions do."""
    target = log["target"]
    return replace(log, streams={**log, "target": Stream(target.stamps[:samples], target.values[:samples])})


def test_all_that_was_commanded_is_kept_and_no_window_holds_what_was_not():
    known = np.zeros(1000, bool)
    known[100:300] = known[500:900] = True
    whole = with_targets(known)
    part = commanded(whole)
    np.testing.assert_array_equal(part["position"].stamps, whole["position"].stamps[100:900])
    np.testing.assert_array_equal(np.isfinite(part["target"].values).all(axis=1), known[100:900])
    np.testing.assert_array_equal(part["stiffness"].values, whole["stiffness"].values)
    assert part.name == whole.name
    windows = cut(part, 0.25)
    begins, ends = windows.start + 0.2, windows.start + 0.45  # s of the whole log
    assert ((ends <= 0.6) | (begins >= 1.0)).all()
    assert (ends <= 0.6).any()
    assert (begins >= 1.0).sum() >= 2
    assert any("says nothing from 0.60 to 1.00 s" in note for note in part.notes)
    again = commanded(part)
    assert again.content_hash == part.content_hash


def test_stretches_are_told_apart_the_longest_first():
    known = np.zeros(1000, bool)
    known[100:300] = known[400:900] = True
    known[600] = False  # a blank cell parts nothing
    whole = with_targets(known)
    long, short = stretches(whole)
    np.testing.assert_array_equal(long["position"].stamps, whole["position"].stamps[400:900])
    np.testing.assert_array_equal(short["position"].stamps, whole["position"].stamps[100:300])


def test_a_last_command_does_not_hold_for_ever():
    whole = made_up(2000)
    part = commanded(sent_until(whole, 1000))
    assert len(part["position"]) == 1000
    assert any("'target' says nothing from 2.00 to 4.00 s" in note and "Record the commands" in note for note in part.notes)
    torn = np.r_[0:500, 1000:2000]
    target = whole["target"]
    hole = commanded(replace(whole, streams={**whole, "target": Stream(target.stamps[torn], target.values[torn])}))
    starts = cut(hole, 0.25).start
    assert not ((starts + 0.25 > 1.01) & (starts < 2.0)).any()
    assert starts[-1] > 3.0


def test_a_target_that_was_sent_once_in_a_while_holds_until_the_next():
    log = made_up(2000)
    once = Stream(log["target"].stamps[[0, 700, 1100]], log["target"].values[[0, 700, 1100]])
    seldom = replace(log, streams={**log, "target": once})
    assert commanded(seldom) is seldom


def test_of_a_long_log_the_part_that_moves_most_is_taken_and_that_is_said():
    log = made_up(5000)
    position = log["position"]
    still = np.where(position.seconds[:, None] < 6.0, position.values[:1], position.values)
    lazy = replace(log, streams={**log, "position": Stream(position.stamps, still)})
    assert liveliest(lazy, 10.0) is lazy
    part = liveliest(lazy, 4.0)
    assert part["position"].seconds[0] == pytest.approx(6.0, abs=0.01)
    assert 3.9 <= part.seconds <= 4.0
    assert "of its 10 s those from 6 to 10 s" in part.notes[0]


def test_a_log_that_is_commanded_to_its_end_keeps_it():
    known = np.ones(1000, bool)
    assert commanded(with_targets(known)) is not None
    known[0] = False
    part = commanded(with_targets(known))
    assert len(part["position"]) == len(part["target"]) == 999


def test_a_log_without_targets_is_left_as_it_is():
    whole = with_targets(np.zeros(1000, bool))
    assert commanded(whole) is whole
    bare = replace(whole, streams={"position": whole["position"]})
    assert commanded(bare) is bare
