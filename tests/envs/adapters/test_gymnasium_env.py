"""A single environment through gymnasium's eyes: its own checks, seeds, ends of episodes and pictures."""

import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.adapters.gymnasium_env import GymnasiumEnv
from envs.task import TaskError
from tests.envs.walker import ROBOT, STOP, make_env, walker_task

TASK = walker_task(episode_seconds=0.1)
LIMIT = TASK.action_limit


@pytest.fixture(scope="module")
def env():
    env = GymnasiumEnv(make_env(TASK, 1), render_mode="rgb_array", width=64, height=48)
    yield env
    env.close()


@pytest.fixture(scope="module")
def plain_step(env):
    return jax.jit(env.env.step)


def actions(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, 2)).astype(np.float32)


def run(env: GymnasiumEnv, seed: int | None, steps: int = 4) -> list[np.ndarray]:
    return [env.reset(seed=seed)[0], *(env.step(action)[0] for action in actions(steps))]


def test_gymnasium_finds_no_fault(env):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_env(env)
    # Neither an observation nor an action has a natural bound here; and this one was not made by name.
    expected = ("value is -infinity", "value is infinity", "symmetric and normalized space", "not having a spec")
    assert not [str(w.message) for w in told if not any(text in str(w.message) for text in expected)]


def test_a_seed_gives_the_same_trajectory_bit_for_bit(env):
    first, again, other = run(env, 7), run(env, 7), run(env, 8)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_without_a_seed_episodes_differ_but_follow_from_the_seed_before(env):
    runs = []
    for _ in range(2):
        env.reset(seed=3)
        runs.append([env.reset()[0], env.reset()[0]])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][0], runs[0][1])


def test_an_episode_is_that_of_the_environment_itself(env, plain_step):
    """Parity with `Env.step` on the same key: observation, critic, reward and what failed."""
    env.reset(seed=11)
    state = env._state
    for action in actions(4):
        observation, reward, terminated, truncated, info = env.step(action)
        state = plain_step(state, jnp.asarray(action)[None])
        np.testing.assert_allclose(observation, state.observation["policy"][0], atol=1e-6)
        np.testing.assert_allclose(info["critic"], state.observation["critic"][0], atol=1e-6)
        assert reward == pytest.approx(float(state.reward[0]))
        assert not terminated
        assert not truncated
        assert info["metrics"].keys() == set(env.env.metric_names)
        assert info["metrics"]["reward/alive"] == 2.0


def test_time_being_up_truncates_and_shows_where_the_robot_stood(env, plain_step):
    env.reset(seed=0)
    for i, action in enumerate(actions(5)):
        before = env._state
        observation, _, terminated, truncated, info = env.step(action)
        assert not terminated
        assert truncated == (i == 4)
    # The critic sees the true state, of which the policy's sensors see the joints; neither is the next episode's first.
    joints = info["critic"][[8, 7]]  # qpos: free joint, left, right; policy order: right, left
    np.testing.assert_allclose(observation[:2], joints - ROBOT.default_pose, atol=1e-5)
    stepped = plain_step(before, jnp.asarray(action)[None])
    np.testing.assert_allclose(info["critic"], stepped.last_critic_observation[0], atol=1e-6)
    following, _ = env.reset()
    np.testing.assert_allclose(following, stepped.observation["policy"][0], atol=1e-6)
    assert np.abs(following - observation).max() > 0.01


def test_a_failure_terminates_and_tells_what_failed(env):
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step(np.array([STOP + 1, 0], np.float32))
    assert terminated
    assert not truncated
    assert info["metrics"]["failed/stopped"] == 1.0
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step(np.zeros(2, np.float32))
    env.reset()
    assert not env.step(np.zeros(2, np.float32))[2]


def test_a_simulation_that_diverges_ends_with_numbers(env):
    env.reset(seed=0)
    physics = env._state.physics
    env._state = env._state.replace(physics=physics.replace(qvel=physics.qvel.at[:, 6:].set(1e9)))
    observation, reward, terminated, _, info = env.step(np.zeros(2, np.float32))
    assert terminated
    assert info["metrics"]["failed/diverged"] == 1.0
    assert np.isfinite([*observation, *info["critic"], reward]).all()
    assert np.abs(observation).max() <= 100


def test_pictures_show_where_the_episode_ended(env):
    env.reset(seed=0)
    start = env.render()
    assert start.shape == (48, 64, 3)
    assert start.dtype == np.uint8
    assert start.std() > 5
    np.testing.assert_array_equal(start, env.render())
    env.step(np.array([STOP + 1, 0], np.float32))
    end = env.render()
    env.reset()
    assert not np.array_equal(end, env.render())


def test_what_is_returned_may_be_written_to(env):
    observation, info = env.reset(seed=0)
    observation[:] = 0
    info["critic"][:] = 0
    assert env.step(np.zeros(2, np.float32))[0].any()


def test_actions_are_within_what_the_task_keeps(env):
    assert env.action_space == gymnasium.spaces.Box(-LIMIT, LIMIT, (2,), np.float32)
    with pytest.raises(ValueError, match="expected \\(2,\\)"):
        env.step(np.zeros(3))


def test_misuse_is_told(env):
    with pytest.raises(TaskError, match="GymnasiumVectorEnv"):
        GymnasiumEnv(make_env(TASK, 2))
    with pytest.raises(TaskError, match="rgb_array"):
        GymnasiumEnv(env.env, render_mode="human")
    with pytest.raises(TaskError, match="'low'"):
        env.reset(options={"low": 0})
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        GymnasiumEnv(env.env).step(np.zeros(2))
