import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.randomization import Distribution, LogUniform, Normal, Uniform

COUNT = 4000
# XLA takes float32's subnormal numbers for zero.
NUMBERS = st.floats(-10, 10, width=32, allow_subnormal=False)
BOUNDS = st.tuples(NUMBERS, NUMBERS).map(sorted)


def draws(distribution: Distribution, seed: int = 0) -> np.ndarray:
    return np.asarray(distribution.sample(jax.random.key(seed), (COUNT,)), float)


def assert_mean(values: np.ndarray, mean: float, std: float) -> None:
    """Within five standard errors, and float32's rounding."""
    assert abs(values.mean() - mean) <= 5 * std / math.sqrt(COUNT) + 1e-6 * (1 + abs(mean))


@given(BOUNDS, st.integers(0, 1000))
def test_a_uniform_stays_within_its_bounds_around_their_middle(bounds, seed):
    low, high = bounds
    values = draws(Uniform(low, high), seed)
    assert np.float32(low) <= values.min()
    assert values.max() <= np.float32(high)
    assert_mean(values, (low + high) / 2, (high - low) / math.sqrt(12))


@given(st.floats(0.05, 1), st.floats(1, 20), st.integers(0, 1000))
def test_a_log_uniform_is_as_often_below_its_geometric_mean_as_above(low, ratio, seed):
    values = draws(LogUniform(low, low * ratio), seed)
    assert low * (1 - 1e-5) <= values.min()
    assert values.max() <= low * ratio * (1 + 1e-5)
    assert_mean(np.log(values), math.log(low) + math.log(ratio) / 2, math.log(ratio) / math.sqrt(12))


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0.5, 4), st.integers(0, 1000))
def test_a_normal_is_centred_and_cut_off(mean, std, cutoff, seed):
    values = draws(Normal(mean, std, cutoff), seed)
    assert np.abs(values - mean).max() <= cutoff * std * (1 + 1e-5) + 1e-5
    assert_mean(values, mean, std)


def test_a_normal_has_its_standard_deviation():
    assert draws(Normal(2.0, 0.5, cutoff=6.0)).std() == pytest.approx(0.5, rel=0.05)


def test_equal_bounds_are_a_constant():
    np.testing.assert_array_equal(draws(Uniform(0.25, 0.25)), 0.25)
    np.testing.assert_allclose(draws(LogUniform(0.25, 0.25)), 0.25, rtol=1e-6)
    np.testing.assert_array_equal(draws(Normal(0.25, 0.0)), 0.25)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1.0, 0.0),
        lambda: Uniform(0.0, math.inf),
        lambda: LogUniform(0.0, 1.0),
        lambda: LogUniform(2.0, 1.0),
        lambda: Normal(0.0, -1.0),
        lambda: Normal(math.nan, 1.0),
        lambda: Normal(0.0, 1.0, cutoff=0.0),
    ],
)
def test_impossible_bounds_are_refused(make):
    with pytest.raises(ValueError, match=r"(Uniform|LogUniform|Normal) needs"):
        make()
