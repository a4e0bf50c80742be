"""The robot's safety filter, looking on in an evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.registry import make_env, make_task
from envs.safety import CAUSES
from rl.safety import Watchman


@pytest.fixture(scope="module")
def env():
    return make_env(make_task("go2-velocity-flat"), 4, "native")


@pytest.mark.long("it compiles the walk")
def test_what_would_let_a_real_robot_down_is_seen_in_simulation(env):
    """Of four robots one lies on its side, one's joint is far too fast, one's target is no number."""
    watchman = Watchman(env)
    state = jax.jit(env.reset)(jax.random.key(0))
    n = env.num_actions
    sensed = np.array(state.sensed)
    sensed[:, :, n : 2 * n] = 0.0
    sensed[:, :, 2 * n : 2 * n + 4] = [1.0, 0.0, 0.0, 0.0]
    sensed[0, :, 2 * n : 2 * n + 4] = [np.cos(0.7), np.sin(0.7), 0.0, 0.0]
    sensed[1, :, n + 3] = 80.0
    targets = np.array(state.targets)
    after = targets.copy()
    after[2, 0, 5] = np.nan
    before = state.replace(sensed=jnp.asarray(sensed), targets=jnp.asarray(targets))
    trips = np.asarray(watchman(before, state.replace(targets=jnp.asarray(after))))
    found = [{name for name, tripped in zip(CAUSES, row, strict=True) if tripped} for row in trips]
    assert found == [{"tilt"}, {"velocity"}, {"bad_command"}, set()]


def test_a_new_episode_has_not_jumped(env):
    state = jax.jit(env.reset)(jax.random.key(1))
    assert not np.asarray(Watchman(env)(state, state))[:, CAUSES.index("jump")].any()
