"""Where robots are drawn: each on its plate, moving as it moves, on a floor that stays where it is in the world."""

import dataclasses

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.scene import flat_ground, scene_spec
from envs.registry import make_task
from envs.task import Task
from rl.stage import Stage
from tests.envs.walker import ROBOT, walker_task

NUM_ENVS = 3


def poses(stage: Stage, seed: int = 0) -> np.ndarray:
    """The walker somewhere, turned somehow, (num_envs, nq)."""
    random = np.random.default_rng(seed)
    qpos = np.tile(stage.model.qpos0, (stage.num_envs, 1))
    qpos[:, :2] = random.uniform(-30, 30, (stage.num_envs, 2))
    qpos[:, 3:7] = random.normal(size=(stage.num_envs, 4))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    qpos[:, 7:] = random.uniform(-1, 1, (stage.num_envs, stage.model.nq - 7))
    return qpos


def make_stage(task: Task, num_envs: int) -> Stage:
    return Stage(task, num_envs, task.scene().compile())


@pytest.fixture(scope="module")
def stage() -> Stage:
    return make_stage(walker_task(), NUM_ENVS)


def test_a_walking_robot_stays_on_its_plate_and_moves_as_it_moves(stage):
    qpos = poses(stage)
    scenery = stage.place(qpos, np.zeros((NUM_ENVS, 1)))
    base = stage.model.body(ROBOT.base).id
    np.testing.assert_allclose(scenery.body_position[base][:, :2], stage.cells[:, :2], atol=1e-5)
    np.testing.assert_allclose(scenery.body_position[base][:, 2], qpos[:, 2], atol=1e-5)
    data = mujoco.MjData(stage.model)
    for env in range(NUM_ENVS):
        data.qpos[:] = qpos[env]
        mujoco.mj_forward(stage.model, data)
        shift = scenery.body_position[base, env] - data.xpos[base]
        np.testing.assert_allclose(scenery.body_position[base:, env], data.xpos[base:] + shift, atol=1e-5)
        np.testing.assert_allclose(scenery.body_quat[base:, env], data.xquat[base:], atol=1e-5)


def test_the_floor_moves_beneath_a_robot_as_the_world_does(stage):
    """Tiles lie on a checker pattern of the world, on the plate, and cover half of it, wherever the robot is."""
    tile = stage.side / 6
    for seed in range(20):
        qpos = poses(stage, seed)
        scenery = stage.place(qpos, np.zeros((NUM_ENVS, 1)))
        plates, size = scenery.plate_position, scenery.tile_size.reshape(NUM_ENVS, -1, 2)
        np.testing.assert_allclose(plates, stage.cells, atol=1e-5)
        middle = scenery.tile_position.reshape(NUM_ENVS, -1, 3)
        np.testing.assert_allclose(middle[..., 2], 0, atol=1e-6)
        assert (size >= 0).all()
        np.testing.assert_allclose(size.prod(axis=-1).sum(axis=1), stage.side**2 / 2, rtol=1e-4)
        seen = size.min(axis=-1) > 1e-4
        assert (np.abs(middle[..., :2] - plates[:, None, :2]) + size / 2 < stage.side / 2 + 1e-5)[seen].all()
        in_world = middle[..., :2] - stage.cells[:, None, :2] + qpos[:, None, :2]
        square = np.floor(in_world / tile).astype(int)
        assert (square.sum(axis=-1) % 2 == 0)[seen].all()


@given(st.integers(1, 30))
@settings(max_examples=10)
def test_plates_do_not_overlap_and_are_all_before_the_camera(num_envs):
    stage = make_stage(walker_task(), num_envs)
    apart = np.abs(stage.cells[:, None] - stage.cells[None]).max(axis=-1) + 1e9 * np.eye(num_envs)
    assert apart.min() > stage.side
    position, at = stage.camera
    forward = (at - position) / np.linalg.norm(at - position)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    corners = stage.cells[:, None] + stage.side / 2 * np.array([[x, y, 0.0] for x in (-1, 1) for y in (-1, 1)])
    to = corners.reshape(-1, 3) - position
    depth = to @ forward
    assert (np.abs(to @ up) < np.tan(np.deg2rad(20)) * depth).all()
    assert (np.abs(to @ right) < 1.6 * np.tan(np.deg2rad(20)) * depth).all()  # of a window 1.6 times as wide as high


def test_a_fixed_arm_shows_its_command_and_each_its_own():
    task = make_task("so101-reach")
    stage = make_stage(task, 2)
    command = np.array([[0.2, 0.1, 0.3, 1, 0, 0, 0], [0.1, -0.2, 0.25, 0.6, 0, 0.8, 0]])
    scenery = stage.place(np.tile(stage.model.qpos0, (2, 1)), command)
    base, target = (stage.model.body(name).id for name in (task.robot.base, "target"))
    for env in range(2):
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, scenery.body_quat[base, env].astype(float))
        expected = scenery.body_position[base, env] + turn.reshape(3, 3) @ command[env, :3]
        np.testing.assert_allclose(scenery.body_position[target, env], expected, atol=1e-5)
    apart = scenery.body_position[base, 1] - scenery.body_position[base, 0]
    np.testing.assert_allclose(apart, stage.cells[1] - stage.cells[0], atol=1e-5)
    assert np.linalg.norm(apart) > stage.side


def test_robots_on_uneven_ground_share_it():
    def steps(spec: mujoco.MjSpec) -> None:
        flat_ground(spec)
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[1, 1, 0.1], pos=[3, 0, 0.1], contype=1, conaffinity=0)

    stage = make_stage(dataclasses.replace(walker_task(), scene=lambda: scene_spec(ROBOT, terrain=steps)), NUM_ENVS)
    qpos = poses(stage)
    scenery = stage.place(qpos, np.zeros((NUM_ENVS, 1)))
    assert stage.shared
    np.testing.assert_allclose(scenery.body_position[stage.model.body(ROBOT.base).id], qpos[:, :3], atol=1e-5)


def test_a_command_shown_otherwise_than_by_places_is_told():
    task = dataclasses.replace(walker_task(), show=lambda model, command: {"geom_rgba": 0.5 * model.geom_rgba})
    stage = make_stage(task, 1)
    with pytest.warns(UserWarning, match="geom_rgba"):
        stage.place(stage.model.qpos0[None], np.zeros((1, 1)))
