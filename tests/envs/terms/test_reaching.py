"""Terms of reaching on the SO-101: errors of known poses, commands against MuJoCo's own kinematics."""

import math

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import PANDA, SO101
from assets.scene import compile_for_physics, scene_spec
from envs.kinematics import Kinematics
from envs.proprioception import Proprioception, multiply
from envs.terms import reaching
from envs.view import Layout, View

ARM = Kinematics.of(SO101)
LAYOUT = Layout.of(SO101, compile_for_physics(scene_spec(SO101)))
NONE = jnp.zeros(6)


def about(axis: tuple[float, float, float], angle: float) -> jax.Array:
    return jnp.array([math.cos(angle / 2), *(math.sin(angle / 2) * np.array(axis))])


def view(position=(0.3, 0.0, 0.2), quat=(1.0, 0.0, 0.0, 0.0), command=None, **told) -> View:
    readings = np.zeros(LAYOUT.model.nsensordata)
    readings[LAYOUT.sensors["gripperframe_pos"]] = position
    readings[LAYOUT.sensors["gripperframe_quat"]] = quat
    fields = {"qpos": NONE, "qvel": NONE, "action": NONE, "last_action": NONE, "time": jnp.zeros(())}
    fields |= {"command_time": jnp.zeros(()), "fields": {}, "memory": {}, "layout": LAYOUT, "dt": 0.02}
    command = jnp.array([*position, *quat]) if command is None else command
    return View(sensordata=jnp.asarray(readings, jnp.float32), command=command, **(fields | told))


@pytest.fixture(scope="module")
def way():
    term = jax.jit(lambda sensed: reaching.way_to_go(ARM, length=0.2)(sensed, SO101))

    def at(joints: np.ndarray, command: jax.Array) -> np.ndarray:
        still = Proprioception(jnp.asarray(joints, jnp.float32), NONE, jnp.zeros(4), jnp.zeros(3), command, NONE)
        return np.asarray(term(still))

    return at


@pytest.fixture(scope="module")
def commands() -> np.ndarray:
    sample = jax.jit(jax.vmap(reaching.reachable_pose(ARM, SO101, clearance=0.03)))
    return np.asarray(sample(jax.random.split(jax.random.key(0), 400)), float)


def test_the_step_to_the_position_leads_there():
    """Newton's steps: each leaves a small share of the error of the one before."""

    def step(joints: jax.Array, command: jax.Array) -> jax.Array:
        still = Proprioception(joints, NONE, jnp.zeros(4), jnp.zeros(3), command, NONE)
        return reaching.step_to_position(ARM, damping=1e-3, longest=0.1)(still, SO101)

    term = jax.jit(jax.vmap(step))
    low, high = np.deg2rad(-60), np.deg2rad(60)
    joints = jnp.asarray(np.random.default_rng(0).uniform(low, high, (200, 6)), jnp.float32)
    where = jax.jit(jax.vmap(lambda q: ARM.end_effector(ARM.poses(q))[0]))
    shift = 0.02 * np.random.default_rng(1).normal(size=(200, 3)) / np.sqrt(3)
    command = jnp.concatenate([where(joints) + shift, jnp.tile(jnp.array([1.0, 0, 0, 0]), (200, 1))], axis=1)
    errors = [np.linalg.norm(command[:, :3] - where(joints), axis=1)]
    for _ in range(2):
        joints = joints + term(joints, command)
        errors.append(np.linalg.norm(command[:, :3] - where(joints), axis=1))
    assert np.median(errors[1] / errors[0]) < 0.1
    assert np.median(errors[2]) < 1e-4


def test_the_step_to_a_far_position_is_no_longer_than_asked():
    joints = jnp.zeros(6)
    position = ARM.end_effector(ARM.poses(joints))[0]
    term = jax.jit(lambda seen: reaching.step_to_position(ARM, damping=0.03, longest=0.05)(seen, SO101))

    def step(length: float) -> np.ndarray:
        command = jnp.concatenate([position + jnp.array([0.0, length, 0.0]), jnp.zeros(4)])
        return np.asarray(term(Proprioception(joints, NONE, jnp.zeros(4), jnp.zeros(3), command, NONE)))

    at_length, beyond = step(0.05), step(0.4)
    np.testing.assert_allclose(at_length, beyond, rtol=1e-4)
    assert np.abs(at_length).max() > 0.05


def test_the_way_to_a_posture_counts_from_where_the_joints_are():
    posture = jnp.arange(6.0)
    still = Proprioception(jnp.full(6, 0.3), NONE, jnp.zeros(4), jnp.zeros(3), jnp.zeros(7), NONE, reference=posture)
    np.testing.assert_allclose(reaching.way_to_posture(still, SO101), np.arange(6) - 0.3, atol=1e-6)
    there = view(qpos=jnp.full(6, 0.3), reference=posture)
    np.testing.assert_allclose(reaching.true_way_to_posture(there), np.arange(6) - 0.3, atol=1e-6)


def test_what_is_small_of_a_term_is_told_apart_and_what_is_large_bounded():
    ways = jnp.array([0.0, 1e-3, 0.02, -0.02, 2.0, -200.0])
    told = reaching.with_fine(lambda sensed, robot: ways, 0.02)(None, SO101)
    np.testing.assert_array_equal(told[:6], ways)
    np.testing.assert_allclose(told[6:], [0, 1 / 21, 0.5, -0.5, 1 / 1.01, -1 / 1.0001], rtol=1e-5)


def test_going_towards_a_posture_and_back_earns_nothing():
    """The reward is the rate of a potential: over a closed way of the joints it sums to zero, whatever the posture."""
    term = jax.jit(lambda q, v: reaching.towards_posture(near=0.1)(view(qpos=q, qvel=v, reference=jnp.full(6, 0.4))))
    phase = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    centre, width = np.linspace(-0.5, 0.8, 6), np.linspace(0.2, 1.2, 6)
    rates = [term(centre + width * np.sin(p), width * np.cos(p)) for p in phase]
    assert np.abs(rates).max() > 1
    assert np.mean(rates) == pytest.approx(0, abs=1e-3)
    assert term(jnp.zeros(6), jnp.ones(6)) > 0 > term(jnp.zeros(6), -jnp.ones(6))


class TestErrors:
    def test_none_at_the_command(self):
        assert reaching.position_error(view()) == 0
        assert reaching.orientation_error(view()) == pytest.approx(0, abs=1e-6)
        assert reaching.near_position(0.02)(view()) == pytest.approx(1)

    def test_position_is_a_distance(self):
        here = view(command=jnp.array([0.3, 0.03, 0.24, 1, 0, 0, 0]))
        assert reaching.position_error(here) == pytest.approx(0.05)
        assert reaching.near_position(0.05)(here) == pytest.approx(1 - math.tanh(1), abs=1e-5)

    @pytest.mark.parametrize("angle", [1e-4, 0.3, 1.5, 3.1])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_orientation_is_the_angle_between_whichever_quaternion_tells_it(self, angle, sign):
        start = about((0.6, 0.0, 0.8), 1.0)
        target = sign * multiply(about((0.0, 1.0, 0.0), angle), start)
        here = view(quat=start, command=jnp.concatenate([jnp.array([0.3, 0.0, 0.2]), target]))
        assert reaching.orientation_error(here) == pytest.approx(angle, rel=1e-2)

    @pytest.mark.parametrize("robot, seconds", [(SO101, 2.0), (PANDA, 3.5)])
    def test_errors_are_settled_once_the_slowest_joint_had_its_time(self, robot, seconds):
        is_settled = reaching.is_settled(robot)
        assert not is_settled(view(command_time=jnp.float32(seconds - 0.02)))
        assert is_settled(view(command_time=jnp.float32(seconds)))

    def test_a_joint_near_the_speed_at_which_the_arm_is_let_down_costs_the_more_the_faster_it_is(self):
        limit = SO101.safety.velocity * np.array(SO101.velocity_limits)
        cost = reaching.overspeed(0.85)
        assert cost(view(qvel=jnp.asarray(0.85 * limit))) == pytest.approx(0, abs=1e-6)
        assert cost(view(qvel=jnp.asarray(-0.95 * limit))) == pytest.approx(6 * 0.1, abs=1e-5)

    def test_at_rest_is_the_default_pose(self):
        position, quat = ARM.end_effector(ARM.poses(jnp.zeros(6)))
        here = view(command=jnp.concatenate([position, quat]))
        assert reaching.position_error_at_rest(ARM, SO101)(here) == pytest.approx(0, abs=1e-6)
        assert reaching.orientation_error_at_rest(ARM, SO101)(here) == pytest.approx(0, abs=1e-6)

    def test_speeds_count_by_their_limits(self):
        assert reaching.joint_speed(view(qvel=jnp.full(6, 4.71))) == pytest.approx(6)


class TestTheWayToGo:
    def pose(self, joints: np.ndarray) -> jax.Array:
        return jnp.concatenate(ARM.end_effector(ARM.poses(jnp.asarray(joints, jnp.float32))))

    def test_is_nothing_at_the_command(self, way):
        joints = np.array([0.2, -0.3, 0.4, 0.5, 0.6, 0.1])
        np.testing.assert_allclose(way(joints, self.pose(joints)), 0, atol=2e-6)

    def test_going_it_in_small_steps_arrives(self, way):
        start, goal = np.zeros(6), np.array([0.5, -0.4, 0.3, 0.4, -0.6, 0.0])
        command = self.pose(goal)
        joints = start
        for _ in range(300):
            joints = joints + 0.2 * way(joints, command)[6:]
        left = way(joints, command)
        assert np.linalg.norm(left[:3]) < 2e-3
        assert np.linalg.norm(left[3:6]) < 2e-2
        assert joints[5] == 0, "the jaw does not move the gripper"


class TestCommands:
    def test_differ_and_are_above_the_table_and_not_in_the_base(self, commands):
        assert len(np.unique(commands.round(4), axis=0)) == len(commands)
        assert commands[:, 2].min() > 0.0
        inside = (commands[:, :3] > ARM.base_box[0]) & (commands[:, :3] < ARM.base_box[1])
        assert not inside.all(axis=1).any()
        assert np.ptp(commands[:, 0]) > 0.4
        assert np.ptp(commands[:, 1]) > 0.6

    def test_are_unit_quaternions_of_one_sign(self, commands):
        np.testing.assert_allclose(np.linalg.norm(commands[:, 3:], axis=1), 1, atol=1e-5)
        assert (commands[:, 3] >= 0).all()

    def test_the_default_is_where_an_arm_in_its_default_pose_is(self):
        default = np.array(reaching.default_pose(ARM, SO101))
        model = SO101.spec().compile()
        data = mujoco.MjData(model)
        data.qpos[:] = SO101.default_pose
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(default[:3], data.site("gripperframe").xpos, atol=1e-6)
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, data.site("gripperframe").xmat)
        assert abs(quat @ default[3:]) == pytest.approx(1.0, abs=1e-6)

    def test_the_arm_reaches_them(self, commands):
        """Inverse kinematics by damped least squares, from several starts, meets the drawn poses within the joints' ranges, but
        for a few in which it gets stuck; five joints meet no pose that was made up."""
        model = SO101.spec().compile()
        data, site = mujoco.MjData(model), model.site("gripperframe").id
        low, high = SO101.joint_ranges().T
        rng = np.random.default_rng(0)

        def reached(command: np.ndarray) -> bool:
            return any(self.solve(model, data, site, command, rng.uniform(low, high), low, high) for _ in range(10))

        assert sum(reached(command) for command in commands[:20]) >= 16
        made_up = np.concatenate([commands[:5, :3], commands[5:10, 3:]], axis=1)
        assert not any(reached(command) for command in made_up)

    def solve(self, model, data, site, command, start, low, high) -> bool:
        joints = start
        for _ in range(60):
            data.qpos[:] = joints
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            jacobian = np.zeros((6, model.nv))
            mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], site)
            quat, turn = np.zeros(4), np.zeros(3)
            mujoco.mju_mat2Quat(quat, data.site_xmat[site])
            mujoco.mju_mulQuat(quat, command[3:], quat * [1, -1, -1, -1])
            mujoco.mju_quat2Vel(turn, quat, 1.0)
            error = np.concatenate([command[:3] - data.site_xpos[site], turn])
            if np.abs(error[:3]).max() < 1e-3 and np.abs(error[3:]).max() < 1e-2:
                return True
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(6), error)
            joints = np.clip(joints + np.clip(step, -0.3, 0.3), low, high)
        return False


@pytest.mark.parametrize("quat", [(1, 0, 0, 0), (-0.5, 0.1, 0.2, 0.3), (0, 0, 0, 0), (0.2, -0.9, 0.9, 0.1)])
def test_entries_chosen_one_by_one_become_a_pose(quat):
    """The same turn as the four numbers mean to MuJoCo, as a unit quaternion with w >= 0."""
    chosen = np.array([0.1, -0.2, 0.3, *quat], np.float32)
    pose = np.asarray(reaching.as_pose(jnp.asarray(chosen)))
    np.testing.assert_array_equal(pose[:3], chosen[:3])
    assert np.linalg.norm(pose[3:]) == pytest.approx(1.0, abs=1e-6)
    assert pose[3] >= 0
    unit = chosen[3:].astype(float)
    mujoco.mju_normalize4(unit)
    ours, theirs = np.empty(9), np.empty(9)
    mujoco.mju_quat2Mat(ours, pose[3:].astype(float))
    mujoco.mju_quat2Mat(theirs, unit)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
