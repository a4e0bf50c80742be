"""Windows of logs as environments, against the same windows simulated for a correction; and PPO on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim2real.calibrate.replay import Signals, suspended_spec
from sim2real.calibrate.windows import cut
from sim2real.delta.log_env import LogEnv
from sim2real.delta.part import Part
from sim2real.delta.reinforced import learn_by_ppo
from sim2real.delta.samples import sample
from sim2real.delta.training import Architecture
from sim2real.twin.gap import Gap
from tests.sim2real.delta.leg import LEG, multisine, record

ARCHITECTURE = Architecture(steps=4)
LATE = Signals(np.array([0.013]), np.array([0.02]), np.ones(1), np.ones(1), np.ones(1), np.zeros(2))
NUM_ENVS = 8


@pytest.fixture(scope="module")
def part() -> Part:
    log = record(Gap(), multisine(3.0, 3), "multisine", 3)
    windows = cut(log, 0.2)
    model = suspended_spec(LEG, 0.002).compile()
    return Part(LEG, windows, sample(LEG, log, windows, ARCHITECTURE.period), model, LATE, ARCHITECTURE.steps, 0.002)


@pytest.fixture(scope="module")
def env(part: Part) -> LogEnv:
    return LogEnv(LEG, [part], ARCHITECTURE, NUM_ENVS)


def test_an_episode_is_what_a_correction_sees(part: Part, env: LogEnv) -> None:
    """Positions, histories and corrections are those of `Part.follow`, but for the first control steps, as an episode has no
    corrections before it."""
    action = np.array([0.3, -0.2, 0.5], np.float32)
    said = np.asarray(env.correction(jnp.asarray(action)))
    given = [np.zeros(3)] * part.steps_run.before + [said] * part.steps_run.count
    left = iter(given)
    found = part.follow(lambda history: np.tile(next(left), (len(part), 1)))
    state = jax.jit(env.reset)(jax.random.key(0))
    window = np.asarray(state.window)
    step = jax.jit(env.step)
    for k in range(1, part.steps_run.count):
        state = step(state, jnp.tile(jnp.asarray(action), (NUM_ENVS, 1)))
        assert not np.asarray(state.truncated).any()
        position, velocity = part.steps_run.joint_states(found.run.states[k][window])
        np.testing.assert_allclose(state.history.position[:, 0], position, atol=2e-5)
        np.testing.assert_allclose(state.history.velocity[:, 0], velocity, atol=2e-3)
        past = found.histories[part.steps_run.before + k]
        np.testing.assert_allclose(state.history.target, np.asarray(past.target)[window], atol=1e-6)
    state = step(state, jnp.tile(jnp.asarray(action), (NUM_ENVS, 1)))
    assert np.asarray(state.truncated).all()
    assert (np.asarray(state.step) == 0).all()


def test_the_log_itself_is_rewarded_most(env: LogEnv) -> None:
    """The twin has no gap but what the fixture's signals make up: to do much is to leave the log."""
    state, step = jax.jit(env.reset)(jax.random.key(0)), jax.jit(env.step)
    still = step(state, jnp.zeros((NUM_ENVS, 3)))
    wild = step(state, jnp.full((NUM_ENVS, 3), 5.0))
    assert (np.asarray(still.reward) > np.asarray(wild.reward)).all()


def test_ppo_counts_its_simulation_steps(part: Part) -> None:
    found = learn_by_ppo(LEG, [part], ARCHITECTURE, physics_steps=1, num_envs=NUM_ENVS)
    assert found.simulated == NUM_ENVS * found.ppo.config.rollout_length * part.steps_run.per_step
    errors, given = found.errors(part)
    assert errors.shape == part.replay.measured.shape
    assert np.isfinite(given).all()
    assert given.shape == (len(part), part.steps_run.count, 3)
