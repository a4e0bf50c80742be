"""What is worked out of a command: always of the present one, and no more often than one is drawn."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.start import Start
from envs.task import CommandTerm, CriticTerm, PolicyTerm, RewardTerm, Task
from tests.envs.walker import NUM_ENVS, STOP, make_env, walker_task
from tests.rl.tracking import Heavier


def of(command: jax.Array) -> dict[str, jax.Array]:
    """By operations whose results are the same whatever else is computed beside them."""
    return {"twice": 2.0 * command, "square": jnp.square(command[0])}


def asking(reference: Any, shown: bool, **changes: Any) -> Task:
    """The walker's task, where all kinds of terms use that of their command: as they are shown it, or by working it out."""

    def square(seen: Any) -> jax.Array:
        return seen.reference["square"] if shown else of(seen.command)["square"]

    task = walker_task(episode_seconds=0.2, **changes)
    return dataclasses.replace(
        task,
        command=dataclasses.replace(task.command, reference=reference),
        policy_observation=(*task.policy_observation, PolicyTerm("square", lambda sensed, robot: square(sensed))),
        critic_observation=(*task.critic_observation, CriticTerm("square", square)),
        rewards=(*task.rewards, RewardTerm("square", square, 1.0)),
    )


def run(env, steps: int, seed: int = 0) -> list:
    """States; commands are renewed every third step, episodes fail here and there and their time is up every tenth step."""
    rng = np.random.default_rng(seed)
    step = jax.jit(env.step_and_last)
    states = [(jax.jit(env.reset)(jax.random.key(seed)),) * 2]
    for _ in range(steps):
        action = rng.uniform(-0.5, 0.5, (NUM_ENVS, 2)) + (rng.uniform(size=(NUM_ENVS, 1)) < 0.1) * np.array([2 * STOP, 0])
        states.append(step(states[-1][0], jnp.asarray(action, jnp.float32)))
    return states


@pytest.fixture(scope="module")
def states() -> list:
    return run(make_env(asking(of, shown=True)), 25)


def test_it_is_always_of_the_present_command(states):
    for both in states:
        for state in both:
            np.testing.assert_array_equal(state.reference["twice"], 2.0 * np.asarray(state.command))
            np.testing.assert_array_equal(state.reference["square"], np.square(state.command[:, 0]))
    ended = np.array([state.terminated | state.truncated for state, _ in states])
    renewed = np.diff([state.command[:, 0] for state, _ in states], axis=0) != 0
    assert ended.any()
    assert (renewed & ~ended[1:]).any()
    assert (~renewed).any()


def test_terms_see_what_they_would_have_worked_out_themselves(states):
    """To the last bit of the whole state."""
    for ours, theirs in zip(states, run(make_env(asking(lambda command: (), shown=False)), 25), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            leaves = (jax.tree.leaves(x.replace(reference=())) for x in (a, b))
            for x, y in zip(*leaves, strict=True):
                np.testing.assert_array_equal(x, y)


def test_a_command_that_somebody_gives_has_its_own(states):
    env = make_env(asking(of, shown=True))
    held = jax.jit(env.hold_command)(states[4][0], jnp.array([0.375]))
    np.testing.assert_array_equal(held.command, 0.375)
    np.testing.assert_array_equal(held.reference["twice"], np.full((NUM_ENVS, 1), 0.75))
    np.testing.assert_array_equal(held.reference["square"], np.full(NUM_ENVS, 0.375**2))
    later = jax.jit(env.step)(held, jnp.zeros((NUM_ENVS, 2)))
    np.testing.assert_array_equal(later.observation["policy"][:, -1], np.float32(0.375**2))
    np.testing.assert_array_equal(later.metrics["reward/square"], np.float32(0.375**2))


class Faster(Heavier):
    """Asks for one more at each start."""

    def begin(self, key: jax.Array, start: Start, layout: Any) -> Start:
        return start.replace(command=start.command + 1.0)


def test_a_command_that_a_curriculum_changes_has_its_own():
    env = make_env(asking(of, shown=True, curriculum=Faster()))
    state = jax.jit(env.reset)(jax.random.key(0))
    assert (state.command > 1.0).all()
    np.testing.assert_array_equal(state.reference["twice"], 2.0 * np.asarray(state.command))


def test_it_is_worked_out_only_when_commands_are_drawn():
    worked_out = []

    def told(command: jax.Array) -> jax.Array:
        jax.debug.callback(lambda x: worked_out.append(float(x)), command[0])
        return command

    term = CommandTerm(("speed (m/s)",), lambda key: jax.random.uniform(key, (1,)), (0.05, 0.05), reference=told)
    env = make_env(walker_task(command=term))
    reset, step = jax.jit(env.reset), jax.jit(env.step)

    def count(state) -> int:
        jax.block_until_ready(state)
        jax.effects_barrier()
        found = len(worked_out)
        worked_out.clear()
        return found

    counts = [count(state := reset(jax.random.key(0)))]
    for _ in range(6):
        counts.append(count(state := step(state, jnp.zeros((NUM_ENVS, 2)))))
    assert counts == [NUM_ENVS, 0, 0, NUM_ENVS, 0, 0, NUM_ENVS]
