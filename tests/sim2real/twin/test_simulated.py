"""The simulated robot without a gap is the training's physics, and tells of itself what is true."""

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, SO101
from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from sim2real.robot_io import RobotCommand
from sim2real.twin.simulated import SimulatedRobot
from tests.sim2real.twin.robot_commands import hold

STEP = 0.001


@pytest.mark.parametrize("robot", [GO2, SO101], ids=lambda robot: robot.name)
def test_without_a_gap_it_moves_as_the_training_scene_does_at_an_equal_step(robot: Robot) -> None:
    twin = SimulatedRobot(robot, rate=1 / STEP, physics_step=STEP, start="standing")
    model = compile_for_physics(scene_spec(robot, timestep=STEP))
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = twin.data.qpos, twin.data.qvel
    joints = [model.joint(name).qposadr[0] for name in robot.joints]
    for i in range(600):
        target = np.array(robot.default_pose) + 0.3 * np.sin(0.01 * i * np.arange(1, robot.num_joints + 1))
        state = twin.step(hold(robot, target, sequence=i))
        data.ctrl[:] = target
        mujoco.mj_step(model, data)
        # Equal formulas in another order of adding: rounding, which contacts make larger.
        np.testing.assert_allclose(state.position, data.qpos[joints], atol=1e-6)
    assert np.abs(data.qpos[joints] - robot.default_pose).max() > 0.1


@pytest.mark.parametrize("robot", [GO2, SO101], ids=lambda robot: robot.name)
def test_each_command_turns_its_own_joint(robot: Robot) -> None:
    start = "hanging" if robot.is_floating else "standing"
    twin = SimulatedRobot(robot, start=start)
    low, high = robot.joint_ranges().T
    pose = np.clip(twin.step(hold(robot)).position, low + 0.3, high - 0.3)
    for _ in range(300):
        rest = twin.step(hold(robot, pose))
    for joint in range(robot.num_joints):
        target = pose.copy()
        target[joint] += 0.2
        for _ in range(150):
            state = twin.step(hold(robot, target))
        moved = state.position - rest.position
        assert np.abs(moved).argmax() == joint
        assert moved[joint] > 0.1
        for _ in range(150):
            twin.step(hold(robot, pose))


def test_a_floating_robot_lies_on_its_belly_and_stands_up_when_told_to() -> None:
    twin = SimulatedRobot(GO2)
    assert not twin.is_standing
    assert twin.base_height < 0.12
    assert twin.tilt < 0.2
    begin = twin.step(None)
    for i in range(1000):
        share = min(1.0, i / 500)
        pose = begin.position + share * (np.array(GO2.default_pose) - begin.position)
        state = twin.step(hold(GO2, pose, scale=2.0))
    assert twin.is_standing
    assert twin.falls == 0
    assert abs(twin.base_height - GO2.standing_height) < 0.05
    np.testing.assert_allclose(np.linalg.norm(state.acceleration), 9.81, atol=0.3)
    np.testing.assert_allclose(state.quaternion, [1, 0, 0, 0], atol=0.05)
    np.testing.assert_allclose(state.angular_velocity, 0.0, atol=0.1)


def test_going_down_under_command_is_a_fall_and_being_let_down_is_none() -> None:
    twin = SimulatedRobot(GO2, start="standing")
    for _ in range(500):
        twin.step(None)
    assert (twin.is_standing, twin.falls) == (False, 0)
    twin = SimulatedRobot(GO2, start="standing")
    for _ in range(500):
        twin.step(hold(GO2, scale=0.05))
    assert (twin.is_standing, twin.falls) == (False, 1)


def test_torque_is_bounded_by_the_effort_limit() -> None:
    twin = SimulatedRobot(GO2, start="hanging")
    zero = np.zeros(12)
    state = twin.step(RobotCommand(0, zero, zero, np.full(12, 1e6), zero, zero))
    np.testing.assert_array_equal(state.torque, GO2.effort_limits)


def test_states_count_periods_and_bear_simulated_time() -> None:
    twin = SimulatedRobot(SO101, rate=200.0, start="standing")
    states = [twin.step(None) for _ in range(3)]
    assert [state.sequence for state in states] == [1, 2, 3]
    assert [state.stamp_ns for state in states] == [5_000_000, 10_000_000, 15_000_000]
    assert np.isnan(states[0].quaternion).all()
    assert np.isnan(states[0].angular_velocity).all()


def test_a_motor_that_strains_warms_and_cools_at_rest() -> None:
    twin = SimulatedRobot(SO101, rate=50.0, physics_step=0.002, start="standing")
    cold = twin.step(None).temperature
    for _ in range(100):
        state = twin.step(hold(SO101, np.array([0, 0.5, 0, 0, 0, 0.0])))
    assert (state.temperature >= cold).all()
    hot = state.temperature.max()
    assert hot > cold[0] + 0.01
    for _ in range(100):
        state = twin.step(None)
    assert state.temperature.max() < hot
