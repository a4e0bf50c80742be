import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.deploy.timing import Durations


@given(st.lists(st.integers(0, 49_000_000), min_size=1, max_size=300), st.sampled_from([50, 90, 99, 99.9]))
def test_percentiles_are_numpys_to_the_microsecond(values, share):
    durations = Durations()
    for value in values:
        durations.add(value)
    expected = 1e-6 * float(np.percentile(values, share, method="inverted_cdf"))
    assert durations.percentile(share) == pytest.approx(expected, abs=1.001e-3)


def test_what_took_longer_than_all_bins_is_not_made_shorter():
    durations = Durations()
    for value in (1_000_000, 3_000_000_000):
        durations.add(value)
    told = durations.to_json()
    assert told["max_ms"] == told["p99_ms"] == 3000.0
    assert told["histogram"]["counts"][-1] == 1
    assert sum(told["histogram"]["counts"]) == told["count"] == 2


def test_nothing_measured_has_no_percentile():
    assert Durations().to_json()["p99_ms"] is None
