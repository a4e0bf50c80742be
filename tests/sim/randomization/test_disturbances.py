import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.randomization import Latency
from sim.randomization.disturbances import delayed_commands, interpolate_delay

LENGTH, SUBSTEPS = 5, 4
HISTORIES = st.lists(st.floats(-1, 1, width=32), min_size=LENGTH, max_size=LENGTH).map(np.array)

interpolated = jax.jit(interpolate_delay)
delayed = jax.jit(delayed_commands, static_argnums=2)


@given(HISTORIES, st.floats(0, LENGTH - 1))
def test_a_delayed_reading_lies_on_the_line_between_samples(history, delay):
    found = interpolated(jnp.asarray(history, jnp.float32), jnp.float32(delay))
    assert float(found) == pytest.approx(np.interp(delay, np.arange(LENGTH), history), abs=1e-5)


@pytest.mark.parametrize("delay, expected", [(-1.0, 0.0), (0.0, 0.0), (2.0, 2.0), (4.0, 4.0), (9.0, 4.0)])
def test_a_reading_is_never_newer_than_now_nor_older_than_the_oldest(delay, expected):
    history = jnp.arange(5.0)
    assert interpolated(history, jnp.float32(delay)) == expected


def test_a_history_of_one_has_no_delay():
    assert interpolate_delay(jnp.ones((1, 3)), jnp.float32(2.0)).tolist() == [1.0, 1.0, 1.0]


def held(history: np.ndarray, delay: float, time: np.ndarray) -> np.ndarray:
    """What the motors hold at a time in control steps from now, as command i was sent at -i and arrives delay later."""
    newest = np.ceil(delay - time - 1e-12).astype(int)
    return history[np.clip(newest, 0, len(history) - 1)]


@given(HISTORIES, st.floats(0, LENGTH - 2))
def test_motors_get_the_mean_of_what_is_held_during_each_substep(history, delay):
    # the oracle integrates the continuous-time hold numerically
    fine = 2000
    time = (np.arange(SUBSTEPS * fine) + 0.5) / (SUBSTEPS * fine)
    expected = held(history, delay, time).reshape(SUBSTEPS, fine).mean(axis=1)
    found = delayed(jnp.asarray(history, jnp.float32), jnp.float32(delay), SUBSTEPS)
    np.testing.assert_allclose(found, expected, atol=2 * 2 / fine)


@given(st.floats(0, LENGTH - 2), st.integers(0, LENGTH - 1))
def test_no_command_counts_less_than_nothing_and_all_together_once(delay, sent):
    one_hot = jnp.zeros(LENGTH).at[sent].set(1.0)
    assert (delayed(one_hot, jnp.float32(delay), SUBSTEPS) >= -1e-6).all()
    np.testing.assert_allclose(delayed(jnp.ones(LENGTH), jnp.float32(delay), SUBSTEPS), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "substeps_late, expected", [(0, [0, 0, 0, 0]), (1, [1, 0, 0, 0]), (4, [1, 1, 1, 1]), (6, [2, 2, 1, 1])]
)
def test_whole_substeps_of_delay_average_nothing(substeps_late, expected):
    history = jnp.arange(5.0)[:, None] * jnp.ones(2)
    found = delayed(history, jnp.float32(substeps_late / SUBSTEPS), SUBSTEPS)
    np.testing.assert_allclose(found, np.array(expected)[:, None] * np.ones(2), atol=1e-6)


@pytest.mark.parametrize("longest", [-0.01, math.inf, math.nan])
def test_a_latency_without_a_sound_limit_is_refused(longest):
    with pytest.raises(ValueError, match="longest must be finite"):
        Latency(longest=longest)
