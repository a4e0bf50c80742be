import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl.aggregate import Aggregate, Labelled
from tests.rl.tracking import make_env, tracking_task

HISTORY, LENGTH, BLOCKS, NUM_ENVS = 4, 3, 3, 5


@pytest.fixture(scope="module")
def recorded():
    """Seven rollouts of an environment with a history whose episodes last five steps: the ring, and what was really seen."""
    env = make_env(tracking_task(observation_history=HISTORY, episode_seconds=0.1), NUM_ENVS)
    frame = env.observation_size["policy"] // HISTORY
    step = jax.jit(env.step)
    state = jax.jit(env.reset)(jax.random.key(0))
    data = Aggregate.of(BLOCKS, LENGTH, NUM_ENVS, frame, 1)
    write, seen, keys = jax.jit(lambda data, u, steps: data.write(u, steps)), [], jax.random.split(jax.random.key(1), 21)
    rings = []
    for rollout in range(7):
        steps = []
        for i in range(LENGTH):
            now = len(seen)
            observation = state.observation["policy"]
            seen.append(np.asarray(observation))
            age = jnp.round(state.time / 0.02).astype(jnp.int32)
            steps.append(Labelled(observation[:, -frame:], age, jnp.full((NUM_ENVS, 1), float(now))))
            state = step(state, jax.random.uniform(keys[rollout * LENGTH + i], (NUM_ENVS, 1), minval=-1.0))
        data = write(data, rollout, jax.tree.map(lambda *x: jnp.stack(x), *steps))
        rings.append(data)
    return rings, np.stack(seen)


def test_the_history_is_put_together_as_the_environment_stacked_it(recorded):
    rings, seen = recorded
    for rollouts in (1, 3, 7):
        first = max(0, (rollouts - BLOCKS) * LENGTH + HISTORY - 1) if rollouts > BLOCKS else 0
        step, env = np.meshgrid(np.arange(first, rollouts * LENGTH), np.arange(NUM_ENVS), indexing="ij")
        observation, action = rings[rollouts - 1].at(jnp.asarray(step.ravel()), jnp.asarray(env.ravel()), HISTORY)
        np.testing.assert_array_equal(observation, seen[step.ravel(), env.ravel()])
        np.testing.assert_array_equal(action[:, 0], step.ravel())


def test_samples_are_of_all_steps_whose_history_is_there(recorded):
    rings, seen = recorded
    for rollouts, steps in ((2, range(6)), (3, range(9)), (7, range(12 + HISTORY - 1, 21))):
        observation, action = rings[rollouts - 1].sample(jax.random.key(2), jnp.int32(rollouts), 2000, HISTORY)
        step = np.asarray(action[:, 0]).astype(int)
        assert set(step) == set(steps)
        assert np.bincount(step)[list(steps)].min() > 0.7 * 2000 / len(steps)
        alike = (seen[step] == np.asarray(observation)[:, None]).all(-1)
        assert alike.any(-1).all()
        assert set(alike.argmax(-1)) == set(range(NUM_ENVS))
