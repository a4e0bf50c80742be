"""Goals that move away with success."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import PANDA
from envs.push import GOAL_HIGH, GOAL_LOW, push
from envs.registry import make_env
from envs.task import TaskError
from envs.terms.goals import GoalCurriculum
from rl.evaluate import hold_places

NUM_ENVS = 64


@pytest.fixture(scope="module")
def env():
    return make_env(push(PANDA), NUM_ENVS, "native")


def _asked(env, state) -> np.ndarray:
    place = state.physics.qpos[:, env.layout.tracked][:, :2]
    return np.linalg.norm(np.asarray(state.command - place), axis=1)


def test_first_goals_are_near_and_in_the_direction_of_those_that_the_task_draws(env):
    state = jax.jit(env.reset)(jax.random.key(0))
    drawn = make_env(hold_places(push(PANDA)), NUM_ENVS, "native")
    whole = jax.jit(drawn.reset)(jax.random.key(0))
    np.testing.assert_allclose(state.physics.qpos, whole.physics.qpos, atol=1e-6)
    np.testing.assert_allclose(_asked(env, state), 0.3 * _asked(drawn, whole), rtol=1e-3)
    assert (whole.command >= np.array(GOAL_LOW)).all()
    assert (whole.command <= np.array(GOAL_HIGH)).all()
    np.testing.assert_allclose(state.curriculum["asked"], _asked(env, state), rtol=1e-4)


def test_who_arrives_is_asked_for_more_next_time_and_who_makes_it_worse_for_less(env):
    """Episodes are ended by time right after the object was put where the test wants it."""
    state = jax.jit(env.reset)(jax.random.key(1))
    step = jax.jit(env.step)
    nothing = jnp.zeros((NUM_ENVS, env.num_actions))
    levels = []
    for away in (0.0, 0.0, 0.0, 0.4):
        goal = np.asarray(state.command) + np.array([0.0, away])
        qpos = np.asarray(state.physics.qpos).copy()
        start = env.layout.tracked.start
        qpos[:, start : start + 2] = np.clip(goal, (0.25, -0.39), (0.83, 0.39))
        all_, old = jnp.ones(NUM_ENVS, bool), state.physics
        physics = env.physics.reset(old, all_, jnp.asarray(qpos), old.qvel, old.fields)
        end = jnp.full(NUM_ENVS, env.task.episode_seconds - 1e-4)
        state = step(state.replace(time=end, physics=physics), nothing)
        assert state.truncated.all()
        levels.append(np.asarray(state.curriculum["level"]))
    assert [set(level.tolist()) for level in levels] == [{1}, {2}, {3}, {2}]
    share = 0.3 + 0.7 * 2 / 7
    assert _asked(env, state).max() < share * 0.35
    np.testing.assert_allclose(state.curriculum["asked"], _asked(env, state), rtol=1e-4)


def test_levels_end_where_goals_are_the_tasks_own():
    goals = GoalCurriculum(arrived=0.03, levels=4)
    progress = {"level": jnp.int32(3), "asked": jnp.float32(0.2)}

    class Arrived:
        command = jnp.zeros(2)
        tracked_position = jnp.zeros(3)

    assert goals.judge(progress, Arrived(), jnp.array(False))["level"] == 3  # type: ignore[arg-type]
    assert goals.judge(progress, Arrived(), jnp.array(True))["level"] == 2  # type: ignore[arg-type]
    assert goals.judge(progress | {"level": jnp.int32(0)}, Arrived(), jnp.array(True))["level"] == 0  # type: ignore[arg-type]


def test_places_that_there_are_not_are_refused():
    with pytest.raises(TaskError, match="goals have no level"):
        hold_places(push(PANDA), {"level": ("3",)})
