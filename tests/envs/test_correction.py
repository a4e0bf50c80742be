"""A correction of joint targets in an environment: where it sits, what it remembers, and that it is nowhere else."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.env import EnvState
from envs.view import Layout
from sim.randomization import JointOffset, Latency, Randomization, Uniform
from tests.envs.walker import NUM_ENVS, ROBOT, STOP, make_env, walker_task

# What the robots of the tests differ in: encoders that are off, and commands that come late.
RANDOM = Randomization(model=(JointOffset(Uniform(-0.05, 0.05)),), action_latency=Latency(Uniform(0.0, 0.02), longest=0.025))
STEPS = 12


class Lean:
    """Adds `size` rad to every target, and what it was given to its memory."""

    def __init__(self, size: float):
        self.size = size

    def initial(self, layout: Layout) -> Any:
        n = layout.robot.num_joints
        return {"count": jnp.zeros((), jnp.int32), "asked": jnp.zeros(n), "position": jnp.zeros(n), "velocity": jnp.zeros(n)}

    def apply(
        self, memory: Any, target: jax.Array, position: jax.Array, velocity: jax.Array, scale: jax.Array
    ) -> tuple[jax.Array, Any]:
        told = {"count": memory["count"] + 1, "asked": target, "position": position, "velocity": velocity}
        return target + scale * self.size, told


def actions() -> np.ndarray:
    made = 0.5 * np.random.default_rng(0).normal(size=(STEPS, NUM_ENVS, ROBOT.num_joints)).astype(np.float32)
    made[6, 2, 0] = 2 * STOP  # one robot begins anew
    return made


def run(**changes: Any) -> list[EnvState]:
    env = make_env(walker_task(randomization=RANDOM, episode_seconds=5.0, **changes))
    state = jax.jit(env.reset)(jax.random.key(0))
    step, states = jax.jit(env.step), [state]
    for action in actions():
        states.append(state := step(state, jnp.asarray(action)))
    return states


@pytest.fixture(scope="module")
def plain() -> list[EnvState]:
    return run()


@pytest.fixture(scope="module")
def leaning() -> list[EnvState]:
    return run(correction=Lean(0.1), correction_scale=Uniform(0.5, 1.0))


def test_a_correction_of_nothing_changes_nothing(plain: list[EnvState]) -> None:
    """Bit for bit, what is drawn included."""
    for bare, state in zip(plain, run(correction=Lean(0.0), correction_scale=Uniform(0.5, 1.0)), strict=True):
        episode = {name: value for name, value in state.episode.items() if name != "correction_scale"}
        for a, b in zip(jax.tree.leaves(bare), jax.tree.leaves(state.replace(correction=None, episode=episode)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_targets_are_corrected_by_the_episodes_share(leaning: list[EnvState]) -> None:
    scales = np.stack([state.episode["correction_scale"] for state in leaning[1:]])
    assert scales.min() >= 0.5
    assert scales.max() <= 1.0
    assert len(np.unique(scales)) == NUM_ENVS + 1
    assert (np.ptp(np.delete(scales, 2, axis=1), axis=0) == 0).all()  # all but robot 2 are in their first episode
    for state in leaning[1:]:
        ended = np.asarray(state.terminated | state.truncated)
        asked = np.asarray(state.correction["asked"]) + 0.1 * np.asarray(state.episode["correction_scale"])[:, None]
        np.testing.assert_allclose(np.asarray(state.targets[:, 0])[~ended], asked[~ended], atol=1e-6)


def test_corrected_robots_move_otherwise_and_their_policies_are_not_told(
    plain: list[EnvState], leaning: list[EnvState]
) -> None:
    # Before the first corrected target has had any effect, policies see the same.
    np.testing.assert_array_equal(plain[0].observation["policy"], leaning[0].observation["policy"])
    np.testing.assert_array_equal(plain[3].last_action, leaning[3].last_action)
    assert not np.allclose(plain[3].physics.qpos, leaning[3].physics.qpos, atol=1e-3)


def test_a_correction_is_given_what_encoders_read(leaning: list[EnvState]) -> None:
    env = make_env(walker_task(randomization=RANDOM))
    for before, after in itertools.pairwise(leaning[:6]):
        offset = before.physics.fields["actuator_biasprm"]
        bias = np.asarray(offset)[:, :, 0] / -np.asarray(offset)[:, :, 1]
        position = np.asarray(before.physics.qpos)[:, env.layout.qpos_index]
        read = np.asarray(after.correction["position"])
        np.testing.assert_allclose(np.abs(read - position), np.abs(bias), atol=1e-5)
        np.testing.assert_array_equal(after.correction["velocity"], np.asarray(before.physics.qvel)[:, env.layout.qvel_index])


def test_a_new_episode_remembers_nothing_of_the_last(leaning: list[EnvState]) -> None:
    counts = np.stack([state.correction["count"] for state in leaning])
    assert counts[6].tolist() == [6] * NUM_ENVS
    assert counts[7].tolist() == [7, 7, 0, 7, 7, 7]
    assert counts[-1].tolist() == [12, 12, 5, 12, 12, 12]


def test_a_correction_is_no_part_of_what_an_observation_is(plain: list[EnvState]) -> None:
    task = walker_task(randomization=RANDOM)
    corrected = dataclasses.replace(task, correction=Lean(0.1))
    assert make_env(task).observation_size == make_env(corrected).observation_size
