import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.registry import KINDS, ROBOTS, make_env, make_task, task_descriptions
from envs.task import TaskError


def test_kinds_name_robots_that_there_are():
    assert {robot for kind in KINDS.values() for robot in kind.robots} == set(ROBOTS)


@pytest.mark.parametrize("name", ["go2-velocity-flat", "so101-reach"])
def test_a_task_bears_the_name_that_it_is_asked_for_by(name):
    task = make_task(name)
    assert task.name == name
    assert task.description == task_descriptions()[name]


def test_tasks_need_no_model_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    for name in task_descriptions():
        make_task(name).robot.spec()


@pytest.mark.parametrize("name", ["go2-reach", "so101-velocity-flat", "reach", "so101"])
def test_a_kind_that_does_not_fit_the_robot_is_no_task(name):
    with pytest.raises(TaskError, match=f"unknown task '{name}'.*so101-reach"):
        make_task(name)


@pytest.mark.parametrize("name", task_descriptions())
def test_a_task_runs(name):
    task = make_task(name)
    assert task.name == name
    num_envs = 24
    env = make_env(task, num_envs, "native")
    state, step = jax.jit(env.reset)(jax.random.key(0)), jax.jit(env.step)
    sizes = env.observation_size
    sometimes = {f"metric/{term.name}" for term in task.metrics if term.where is not None}
    actions = np.random.default_rng(0).uniform(-1, 1, (25, num_envs, env.num_actions))
    for action in actions:
        for kind, size in sizes.items():
            assert state.observation[kind].shape == (num_envs, size)
        state = step(state, jnp.asarray(action, jnp.float32))
        told = {name: value for name, value in state.metrics.items() if name not in sometimes}
        learned_from = (state.observation, state.last_critic_observation, state.reward, told)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(learned_from))
    assert set(state.metrics) == set(env.metric_names)
    assert state.metrics["failed/diverged"].sum() == 0
    assert (np.abs(state.observation["policy"]) < 50).all()


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(TaskError, match="unknown task 'go2-velocity': did you mean go2-velocity-flat"):
        make_task("go2-velocity")
