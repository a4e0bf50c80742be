"""The same correction in an environment as in a replay, and in no exported policy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.delta.corrected_task import corrected_task
from envs.delta.errors import DeltaError
from envs.delta.features import History, feature_count, features
from envs.delta.model import Kind
from sim.randomization import Randomization, Uniform
from sim2real.export.program import policy_program
from sim2real.export.record import record
from tests.envs.delta.models import STEPS, made_model
from tests.envs.walker import NUM_ENVS, ROBOT, make_env, walker_task
from tests.sim2real.export.exportable import made_ppo, made_state, walking

COUNT = 9


@pytest.mark.parametrize("kind", ["shared", "whole-body"])
def test_an_environment_corrects_as_a_replay_does(kind: Kind) -> None:
    """Histories that are stacked by hand of what robots did are answered with what was added to their targets."""
    model = made_model(ROBOT, kind)
    task = walker_task(randomization=Randomization(), correction=model, correction_scale=Uniform(0.5, 1.0))
    env = make_env(task)
    state = jax.jit(env.reset)(jax.random.key(1))
    step = jax.jit(env.step)
    rng = np.random.default_rng(0)
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    largest = 0.0
    for _ in range(COUNT):
        action = jnp.asarray(0.5 * rng.normal(size=(NUM_ENVS, 2)), jnp.float32)
        position = np.asarray(state.physics.qpos)[:, env.layout.qpos_index]
        velocity = np.asarray(state.physics.qvel)[:, env.layout.qvel_index]
        asked = np.asarray(env.joint_target(action, state.measured))
        rows.append((position, velocity, asked))
        state = step(state, action)
        newest_first = [rows[max(0, len(rows) - 1 - i)] for i in range(STEPS)]
        past = (jnp.asarray(np.stack(part, axis=1)) for part in zip(*newest_first, strict=True))
        said = np.asarray(model.correct(History(*past, begun=jnp.ones(NUM_ENVS, bool))))
        scale = np.asarray(state.episode["correction_scale"])[:, None]
        given = np.asarray(state.targets[:, 0]) - asked
        np.testing.assert_allclose(given, scale * np.array(ROBOT.action_scale) * said, atol=2e-6)
        largest = max(largest, np.abs(given).max())
    assert largest > 0.01


def test_another_robot_is_refused() -> None:
    other = dataclasses.replace(ROBOT, name="other")
    env = make_env(walker_task(correction=made_model(other)))
    with pytest.raises(DeltaError, match=r"'other'.*'walker'"):
        env.reset(jax.random.key(0))


def test_another_control_period_is_refused() -> None:
    task = walker_task()
    assert corrected_task(task, model := made_model(ROBOT), Uniform(0.5, 1.0)).correction is model
    with pytest.raises(DeltaError, match=r"0\.01 s.*0\.02 s"):
        corrected_task(task, made_model(ROBOT, period=0.01))


def test_an_exported_policy_does_not_hold_the_correction() -> None:
    """Bit for bit the same program, which is held against the targets that were asked for."""
    task = walking()
    corrected = dataclasses.replace(task, correction=made_model(task.robot))
    programs = []
    for each in (task, corrected):
        ppo = made_ppo(each)
        programs.append(policy_program(ppo, made_state(ppo).policy).model({}).SerializeToString())
    assert programs[0] == programs[1]
    ppo = made_ppo(corrected, num_envs=2)
    recording = record(ppo, made_state(ppo).policy, 3)
    low, high = np.asarray(ppo.env.layout.joint_range).T
    asked = np.clip(np.array(task.robot.default_pose) + np.array(task.robot.action_scale) * recording.followed, low, high)
    np.testing.assert_allclose(recording.target, asked, atol=1e-6)


def test_features_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    position, velocity, target = rng.normal(size=(3, STEPS, 2))
    history = History(*(jnp.asarray(x, jnp.float32) for x in (position, velocity, target)), begun=jnp.ones((), bool))
    scale, gain = np.array([0.5, 0.25]), np.array([1.0, 2.0])
    found = np.asarray(features(history, jnp.asarray(scale, jnp.float32), 0.02, gain))
    assert found.shape == (2, feature_count(STEPS))
    np.testing.assert_allclose(found[1, :STEPS], 2.0 * (target - position)[:, 1] / 0.25, rtol=1e-5)
    np.testing.assert_allclose(found[1, STEPS : 2 * STEPS], velocity[:, 1] * 0.02 / 0.25, rtol=1e-5)
    changes, slow = found[1, 2 * STEPS : 3 * STEPS - 1], found[1, 3 * STEPS - 1 :].reshape(2, 5)
    np.testing.assert_allclose(changes, (target[:-1, 1] - target[1:, 1]) / 0.25, rtol=1e-4, atol=1e-5)
    latest = velocity[:3, 1] * 0.02 / 0.25
    per_period = [*latest, 2 * latest[0] - latest[1], 3 * latest[0] - 2 * latest[1]]
    np.testing.assert_allclose(slow, np.tanh(np.array([per_period]) / [[0.01], [0.04]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["shared", "whole-body"])
def test_a_mirrored_motion_is_corrected_the_other_way(kind: Kind) -> None:
    """But for what is always added, a servo's bias or the weight of a cable, say."""
    model = made_model(ROBOT, kind=kind)
    always = model.params["params"]["always"]
    unbiased = model.replace(params={"params": {**model.params["params"], "always": jnp.zeros_like(always)}})
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, ROBOT.num_joints, feature_count(STEPS))), jnp.float32)
    np.testing.assert_allclose(unbiased.members(-x), -unbiased.members(x), atol=1e-6)
    assert np.abs(model.members(-x) + model.members(x)).max() > 0.01


def test_a_past_that_there_is_not_is_what_came_first() -> None:
    history = History.empty(3, 1)
    for value in (1.0, 2.0):
        history = history.push(jnp.full(1, value), jnp.full(1, value), jnp.full(1, value))
    np.testing.assert_array_equal(history.position[:, 0], [2.0, 1.0, 1.0])
