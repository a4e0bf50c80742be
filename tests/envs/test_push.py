"""Pushing as a whole: a hand-written policy that goes behind the object and pushes brings it to its goal, whatever it is of."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2, PANDA, RobotError
from envs.kinematics import Kinematics
from envs.planar import posture
from envs.push import HIGH, LOW, push
from envs.registry import make_env
from envs.task import TaskError
from envs.terms.pushing import SETTLING
from rl.evaluate import hold_places
from rl.ppo import PPO, PPOConfig
from sim.randomization import AnyObject
from sim2real.export.program import ExportError, policy_program
from tests.sim2real.export.exportable import made_state

NUM_ENVS, STEPS = 32, 260


@pytest.fixture(scope="module")
def task():
    """As it is evaluated."""
    return hold_places(push(PANDA))


@pytest.fixture(scope="module")
def env(task):
    return make_env(task, NUM_ENVS, "native")


def behind_and_push(observation: jax.Array) -> jax.Array:
    """Actions (envs, 2) of one who sees what the policy last saw: around the object, behind it, to the goal."""
    frame = observation.reshape(NUM_ENVS, 3, -1)[:, -1]
    tool, way = -frame[:, 0:2] / 3, frame[:, 2:4] / 3
    ahead = way / jnp.maximum(jnp.linalg.norm(way, axis=1, keepdims=True), 1e-3)
    along = jnp.sum(tool * ahead, axis=1, keepdims=True)
    aside = tool - along * ahead
    distance = jnp.linalg.norm(aside, axis=1, keepdims=True)
    outward = aside / jnp.maximum(distance, 1e-3)
    around = jnp.where(distance < 0.11, outward * 0.14 - tool, -0.12 * ahead + outward * 0.13 - tool)
    step = jnp.where(along < -0.03, jnp.where(distance < 0.015, 0.5 * way - 2 * aside, -0.1 * ahead - tool), around)
    step = jnp.where(jnp.linalg.norm(way, axis=1, keepdims=True) > 0.015, step, 0.0)
    return jnp.clip(30 * step, -1, 1)


@pytest.fixture(scope="module")
def episode(env):
    """Environments' states over the first 5 s; arrays (steps, num_envs, ...)."""

    def step(state, _):
        seen = state.observation["policy"]
        pose = state.physics.qpos[:, env.layout.tracked]
        state = env.step(state, behind_and_push(seen))
        told = {"metrics": state.metrics, "command_time": state.command_time, "reward": state.reward, "lost": state.terminated}
        return state, told | {"seen": seen, "pose": pose, "qpos": state.physics.qpos, "sensors": state.physics.sensordata}

    start = jax.jit(env.reset)(jax.random.key(0))
    told = jax.jit(lambda state: jax.lax.scan(step, state, None, length=STEPS)[1])(start)
    return jax.device_get(told) | {"fields": jax.device_get(start.physics.fields)}


def test_whoever_goes_behind_and_pushes_brings_most_objects_to_their_goal(episode):
    distance = episode["metrics"]["metric/distance"]
    assert np.median(distance[0]) > 0.1
    assert np.median(distance[-1]) < 0.03
    assert episode["lost"].mean() < 0.01


def test_each_environment_has_an_object_of_its_own(task, env, episode):
    shelf = next(term for term in task.randomization.model if isinstance(term, AnyObject)).shelf
    body, geoms = env.physics.model.body(shelf.name).id, shelf.geom_ids(env.physics.model)
    assert len(np.unique(np.round(episode["fields"]["body_mass"][:, body], 4))) > NUM_ENVS // 3
    assert np.ptp(episode["fields"]["geom_friction"][:, geoms[0], 0]) > 0.3


def test_doing_nothing_costs_nothing_and_pushing_pays(episode):
    still = np.linalg.norm(np.diff(episode["pose"][..., :2], axis=0), axis=2) < 1e-5
    assert still[5:].mean() > 0.05
    assert episode["reward"][5:-1][still[5:]].min() > -0.003  # of a step: an action that changes costs a little
    assert episode["reward"][-50:].mean() > 1.5 * episode["reward"][:25].mean()


def test_objects_begin_anywhere_in_the_rectangle_turned_any_way(episode):
    place, turn = episode["pose"][0, :, :2], 2 * np.arctan2(episode["pose"][0, :, 6], episode["pose"][0, :, 3])
    assert (place >= np.array(LOW) - 1e-5).all()
    assert (place <= np.array(HIGH) + 1e-5).all()
    assert np.ptp(place, axis=0) == pytest.approx(np.subtract(HIGH, LOW), rel=0.35)
    assert len(np.unique(np.floor(turn % (2 * np.pi)))) >= 5


def test_the_policy_sees_the_object_late_and_noisily_but_well_enough(episode):
    seen = episode["seen"].reshape(STEPS, NUM_ENVS, 3, -1)[:, :, -1, 4:7] / 3
    error = np.abs(seen - episode["pose"][..., :3])
    still = slice(0, 8)  # it has not been touched yet
    assert 0.001 < error[still].mean() < 0.003
    assert error[still].max() < 0.006


def test_the_tool_keeps_its_height_and_its_place(env, episode):
    tool = episode["sensors"][75:, :, env.layout.sensors["tool_pos"]]
    assert np.quantile(np.abs(tool[..., 2] - 0.03), 0.99) < 0.015
    assert tool[..., 0].min() > 0.31
    assert np.abs(tool[..., 1]).max() < 0.33


def test_settled_figures_count_from_four_seconds_after_a_goal(episode):
    settled = episode["metrics"]["metric/settled_distance"]
    early = episode["command_time"] < SETTLING - 0.03
    assert np.isnan(settled[early & ~episode["lost"]]).mean() > 0.98
    assert np.isfinite(settled[-1]).any()


def test_training_begins_in_all_parts_of_an_episode_and_evaluation_in_none(env):
    """One goal lasts an episode: who begins together would end together for ever."""
    ppo = PPO(env, PPOConfig(minibatches=1))
    state = jax.jit(ppo.init)(jax.random.key(3)).env
    assert np.ptp(state.time) > 6.0
    np.testing.assert_allclose(state.time / 0.02, np.round(state.time / 0.02), atol=1e-3)
    assert (state.command_time == 0).all(), "the goal is as new as the episode"

    def step(state, _):
        state = env.step(state, jnp.zeros((NUM_ENVS, env.num_actions)))
        return state, state.truncated

    truncated = np.asarray(jax.jit(lambda state: jax.lax.scan(step, state, None, length=100)[1])(state))
    assert 0 < truncated.sum() < NUM_ENVS // 2, "those that were in the last 2 s of 8"
    assert (jax.jit(env.reset)(jax.random.key(3)).time == 0).all()


def test_commands_that_change_within_an_episode_need_no_staggering(task):
    env = make_env(replace(task, command=replace(task.command, seconds=(2.0, 3.0))), 4, "native")
    assert (jax.jit(PPO(env, PPOConfig(minibatches=1)).init)(jax.random.key(3)).env.time == 0).all()


def test_a_place_out_of_reach_is_told():
    with pytest.raises(RobotError, match=r"'panda' can't bring its tool to \(1\.2, 0, 0\.1\)"):
        posture(Kinematics.of(PANDA), PANDA, (1.2, 0, 0.1))


def test_a_picture_shows_the_goal(task):
    model = task.scene().compile()
    for name, value in task.show(model, np.array([0.5, 0.1])).items():
        getattr(model, name)[...] = value
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.body("goal").xpos, (0.5, 0.1, 0), atol=1e-9)


def test_a_robot_without_an_end_effector_is_refused():
    with pytest.raises(RobotError, match="no end effector"):
        push(GO2)


@pytest.mark.parametrize("body", ["ball", "hand"])
def test_what_is_no_free_body_of_the_scene_is_told(task, body):
    with pytest.raises(TaskError, match=f"task 'panda-push': tracked names '{body}', which is no free body"):
        make_env(replace(task, tracked=body), 1, "native")


def test_no_driver_has_a_camera_yet_and_the_term_that_needs_one_is_named(env):
    ppo = PPO(env, PPOConfig(minibatches=1))
    with pytest.raises(ExportError, match=r"term 'object_and_goal' of task 'panda-push' reads where 'object' is, which no"):
        policy_program(ppo, made_state(ppo).policy)


@pytest.mark.long("compiling a Panda with MJX takes minutes")
@pytest.mark.parametrize("engine", ["mjx", "warp"])
def test_other_engines_move_each_environments_own_object(task, engine):
    env = make_env(task, 4, engine)
    state = jax.jit(env.reset)(jax.random.key(0))
    step = jax.jit(env.step)
    for _ in range(5):
        state = step(state, jnp.zeros((4, env.num_actions)))
    env.physics.check_overflow(state.physics)
    assert not state.physics.diverged.any()
    shelf = next(term for term in task.randomization.model if isinstance(term, AnyObject)).shelf
    assert len(np.unique(state.physics.fields["body_mass"][:, env.physics.model.body(shelf.name).id])) > 1
