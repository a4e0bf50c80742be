"""Each part of a gap, found again in what the robot does."""

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, SO101
from assets.robots.robot import Robot
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.gap import (
    Contact,
    Encoder,
    Gap,
    GapError,
    Imu,
    Joints,
    Links,
    Messages,
    Motor,
    Payload,
    Values,
)
from sim2real.twin.motors import Motors
from sim2real.twin.simulated import SimulatedRobot
from tests.sim2real.twin.robot_commands import hold

STEP = 0.001


def arm(gap: Gap, seed: int = 0, **settings: float) -> SimulatedRobot:
    return SimulatedRobot(SO101, gap, seed, start="standing", **{"rate": 500.0, "physics_step": STEP, **settings})


def pan(torque: float, stiffness: float = 0.0, position: float = 0.0, sequence: int = 0) -> RobotCommand:
    """For the arm's first joint, which no gravity loads; the others hold."""
    command = hold(SO101, sequence=sequence)
    for array, value in ((command.torque, torque), (command.stiffness, stiffness), (command.position, position)):
        array[0] = value
    command.damping[0] = 0.0
    return command


def run(robot: SimulatedRobot, command: RobotCommand | None, periods: int) -> list[RobotState]:
    return [robot.step(command) for _ in range(periods)]


def test_links_and_payload_weigh_what_they_should() -> None:
    nominal = SimulatedRobot(GO2, start="standing").model
    gap = Gap(
        links=Links(Values((("*", 1.5), ("base_link", 2.0))), Values((("base_link", 0.03),))),
        payload=Payload(3.0, position=(0.0, 0.0, 0.1)),
    )
    model = SimulatedRobot(GO2, gap, start="standing").model
    base, calf = model.body("base_link").id, model.body("FL_calf").id
    assert model.body_mass[base] == pytest.approx(2.0 * nominal.body_mass[base])
    assert model.body_mass[calf] == pytest.approx(1.5 * nominal.body_mass[calf])
    np.testing.assert_allclose(model.body_ipos[base] - nominal.body_ipos[base], [0.03, 0, 0], atol=1e-12)
    np.testing.assert_allclose(model.body_inertia[calf], 1.5 * nominal.body_inertia[calf])
    expected = 1.5 * nominal.body_subtreemass[base] + 0.5 * nominal.body_mass[base] + 3.0
    assert model.body_subtreemass[base] == pytest.approx(expected)


def test_a_payload_is_felt_in_the_torque_that_holds_it() -> None:
    pose = np.array([0.0, 0.6, 0.0, 0.0, 0.0, 0.0])
    held = []
    for mass in (0.0, 0.3):
        robot = arm(Gap(joints=Joints(frictionloss=Values.everywhere(0.0)), payload=Payload(mass, "gripper")))
        state = run(robot, hold(SO101, pose), 800)[-1]
        data, model = robot.data, robot.model
        jacobian = np.zeros((3, model.nv))
        mujoco.mj_jac(model, data, jacobian, None, data.xpos[model.body("gripper").id], model.body("gripper").id)
        held.append((state.torque[1], jacobian[2, 1]))
    lever = held[1][1]
    assert abs(lever) > 0.1
    assert held[1][0] - held[0][0] == pytest.approx(0.3 * 9.81 * lever, rel=0.02)


def test_feet_slide_where_the_friction_says() -> None:
    """A block on the feet's friction: gravity is tilted until the robot slides, between the coefficients tried."""
    for friction, slides in ((0.5, True), (0.8, False)):
        robot = SimulatedRobot(GO2, Gap(contact=Contact(foot_friction=friction)), start="standing", physics_step=STEP)
        run(robot, hold(GO2, scale=3.0), 150)
        slope = np.arctan(0.65)
        robot.model.opt.gravity[:] = 9.81 * np.array([0.0, np.sin(slope), -np.cos(slope)]) * 0.5
        begin = robot.data.geom("FL").xpos.copy()
        run(robot, hold(GO2, scale=3.0), 150)
        moved = np.linalg.norm(robot.data.geom("FL").xpos[:2] - begin[:2])
        assert (moved > 0.02) == slides


def test_a_heavier_rotor_speeds_up_more_slowly() -> None:
    robot = arm(Gap(joints=Joints(Values.everywhere(0.2), Values.everywhere(0.0), Values.everywhere(0.0))))
    speed = run(robot, pan(0.5), 5)[-1].velocity[0]
    inertia = np.zeros((robot.model.nv, robot.model.nv))
    mujoco.mj_fullM(robot.model, robot.data, inertia)
    assert robot.model.dof_armature[0] == 0.2
    assert speed == pytest.approx(0.5 / inertia[0, 0] * 5 * robot.period, rel=0.02)


def test_strength_scales_what_is_exerted_and_the_robot_does_not_know() -> None:
    robot = arm(Gap(motor=Motor(strength=Values((("shoulder_*", 0.5),)))))
    state = robot.step(pan(100.0))
    assert state.torque[0] == SO101.effort_limits[0]
    assert robot.torque[0] == 0.5 * SO101.effort_limits[0]
    assert robot.torque[4] == state.torque[4]


def test_the_stall_torque_and_the_no_load_speed_are_seen() -> None:
    gap = Gap(motor=Motor(stall_torque=Values.everywhere(2.0), no_load_speed=Values.everywhere(4.0)))
    free = Gap(motor=gap.motor, joints=Joints(damping=Values.everywhere(0.0), frictionloss=Values.everywhere(0.0)))
    assert arm(gap).step(pan(100.0)).torque[0] == pytest.approx(2.0, rel=0.05)
    robot = arm(free)
    speeds, torques = [], []
    for _ in range(60):
        speeds.append(robot.data.qvel[0])
        torques.append(robot.step(pan(100.0)).torque[0])
    np.testing.assert_allclose(torques, 2.0 * (1.0 - np.array(speeds) / 4.0), atol=0.1)
    assert 2.0 < speeds[-1] < 4.0


def test_a_motor_brakes_with_all_its_torque_at_any_speed() -> None:
    motors = Motors(SO101, Gap(motor=Motor(stall_torque=Values.everywhere(2.0), no_load_speed=Values.everywhere(4.0))))
    fast = np.full(6, 5.0)
    push, brake = (hold(SO101, scale=0.0) for _ in range(2))
    push.torque[:], brake.torque[:] = 9.0, -9.0
    np.testing.assert_array_equal(motors.torque(push, np.zeros(6), fast), 0.0)
    np.testing.assert_array_equal(motors.torque(brake, np.zeros(6), fast), -2.0)


def breakaway(gap: Gap) -> float:
    """The torque, slowly raised, at which the arm's first joint has set off: a step or two later than it begins to (N m)."""
    robot = arm(gap)
    run(robot, pan(0.0), 5)
    for torque in np.arange(0.1, 1.0, 0.02):
        if abs(run(robot, pan(float(torque)), 15)[-1].velocity[0]) > 0.03:
            return float(torque)
    return np.inf


def test_friction_holds_up_to_its_breakaway_torque_and_then_lets_go() -> None:
    light = Values.everywhere(0.01)
    coulomb = Joints(damping=light, frictionloss=Values.everywhere(0.2))
    stribeck = Joints(damping=light, frictionloss=coulomb.frictionloss, breakaway=Values.everywhere(0.5))
    assert breakaway(Gap(joints=coulomb)) == pytest.approx(0.22, abs=0.03)
    assert breakaway(Gap(joints=stribeck)) == pytest.approx(0.52, abs=0.03)
    # Under way, both have the same friction.
    ends = []
    for joints in (coulomb, stribeck):
        robot = arm(Gap(joints=joints))
        robot.data.qvel[0] = 1.0
        ends.append(run(robot, pan(0.4), 40)[-1].velocity[0])
    assert ends[0] == pytest.approx(ends[1], rel=0.02)


def test_viscous_friction_adds_to_damping() -> None:
    gap = Gap(
        joints=Joints(damping=Values.everywhere(0.3), frictionloss=Values.everywhere(0.0), viscous=Values.everywhere(0.5))
    )
    robot = arm(gap)
    assert run(robot, pan(0.8), 300)[-1].velocity[0] == pytest.approx(0.8 / (0.3 + 0.5), rel=0.03)


def test_backlash_lets_the_link_swing_by_its_width_while_the_encoder_stands_still() -> None:
    half = 0.03
    robot = arm(Gap(joints=Joints(backlash=Values((("shoulder_pan", half),)))))
    body = robot.model.body("shoulder").id
    grip, link, encoder = pan(0.0, stiffness=200.0), [], []
    for sign in (1.0, -1.0):
        for _ in range(200):
            robot.data.xfrc_applied[body, 5] = 0.2 * sign  # N m about the vertical
            state = robot.step(grip)
        link.append(robot.data.qpos[0] + robot.data.joint("shoulder_pan_backlash").qpos[0])
        encoder.append(state.position[0])
    assert abs(link[0] - link[1]) == pytest.approx(2 * half, rel=0.1)
    assert abs(encoder[0] - encoder[1]) < 0.003


def test_offset_and_resolution_are_the_encoders_and_the_controllers() -> None:
    gap = Gap(encoder=Encoder(offset=Values((("shoulder_pan", 0.2),)), resolution=Values.everywhere(0.001)))
    robot = arm(gap)
    state = run(robot, hold(SO101), 400)[-1]
    assert robot.data.qpos[0] == pytest.approx(-0.2, abs=0.005)
    assert state.position[0] == pytest.approx(0.0, abs=0.005)
    np.testing.assert_allclose(state.position / 0.001, np.round(state.position / 0.001), atol=1e-6)


def test_noise_and_bias_have_their_size() -> None:
    imu = Imu(gyro_noise=0.05, gyro_bias=(0.1, -0.2, 0.3), acceleration_noise=0.4, orientation_bias=(0.1, 0.0, 0.0))
    gap = Gap(encoder=Encoder(noise=Values.everywhere(0.02), velocity_noise=Values.everywhere(0.3)), imu=imu)
    robot = SimulatedRobot(GO2, gap, start="hanging", physics_step=0.002)
    states = run(robot, None, 400)  # it is at rest
    gyro = np.array([state.angular_velocity for state in states])
    np.testing.assert_allclose(gyro.mean(axis=0), imu.gyro_bias, atol=0.02)
    np.testing.assert_allclose(gyro.std(axis=0), 0.05, rtol=0.2)
    assert np.array([state.position for state in states]).std(axis=0) == pytest.approx(0.02, rel=0.25)
    assert np.array([state.velocity for state in states]).std(axis=0) == pytest.approx(0.3, rel=0.25)
    np.testing.assert_allclose(states[-1].quaternion, [np.cos(0.05), np.sin(0.05), 0, 0], atol=0.02)


def test_imu_readings_lie_on_their_grids() -> None:
    robot = SimulatedRobot(GO2, Gap(imu=Imu(gyro_resolution=0.01, quaternion_resolution=0.005)), start="standing")
    state = run(robot, None, 40)[-1]
    for values, grid in ((state.angular_velocity, 0.01), (state.quaternion, 0.005)):
        assert np.abs(values).max() > grid
        np.testing.assert_allclose(values / grid, np.round(values / grid), atol=1e-9)


@pytest.mark.parametrize("periods", [0, 1, 4])
def test_commands_take_effect_as_late_as_they_are(periods: int) -> None:
    robot = arm(Gap(command_messages=Messages(latency=periods * 0.002)))
    run(robot, pan(0.0, sequence=1), 8)
    states = run(robot, pan(0.3, sequence=2), 8)
    assert [state.torque[0] == pytest.approx(0.3) for state in states].index(True) == periods


def test_states_are_as_old_as_they_are_late() -> None:
    robot = arm(Gap(state_messages=Messages(latency=0.006)))
    states = run(robot, None, 10)
    assert [state.sequence for state in states] == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_a_jittery_link_keeps_the_order_and_its_bounds() -> None:
    robot = arm(Gap(state_messages=Messages(latency=0.006, jitter=0.004)), physics_step=0.002)
    ages = np.array([i - state.sequence for i, state in enumerate(run(robot, None, 400), start=1)])[10:]
    assert (np.diff(ages) <= 1).all()
    assert set(ages) <= {1, 2, 3, 4, 5}
    assert len(set(ages)) > 2


def test_messages_are_lost_as_often_as_told() -> None:
    robot = arm(Gap(state_messages=Messages(drop=0.2), command_messages=Messages(drop=0.3)), physics_step=0.002)
    arrived = {state.sequence for state in run(robot, None, 1000)}
    assert len(arrived) / 1000 == pytest.approx(0.8, abs=0.05)
    obeyed = set()
    for sequence in range(1000):
        robot.step(pan(0.001 * (sequence + 1), sequence=sequence))
        obeyed.add(round(float(robot.torque[0]), 6))
    assert len(obeyed) / 1000 == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("robot", [GO2, SO101], ids=lambda robot: robot.name)
def test_the_same_seed_gives_the_same_states_bit_for_bit(robot: Robot) -> None:
    everywhere = Values.everywhere
    gap = Gap(
        joints=Joints(backlash=everywhere(0.01), breakaway=everywhere(0.6)),
        encoder=Encoder(noise=everywhere(0.01)),
        imu=Imu(gyro_noise=0.1),
        command_messages=Messages(0.004, 0.003, 0.1),
        state_messages=Messages(0.004, 0.003, 0.1),
    )

    def record(seed: int) -> list[bytes]:
        twin = SimulatedRobot(robot, gap, seed, start="standing", physics_step=0.001)
        states = [twin.step(hold(robot, sequence=i)) for i in range(60)]
        return [state.position.tobytes() + state.angular_velocity.tobytes() for state in states]

    assert record(3) == record(3)
    assert record(3) != record(4)


@pytest.mark.parametrize(
    "gap, told",
    [
        (Gap(links=Links(Values((("base", 2.0),)))), "did you mean 'base_link'"),
        (Gap(joints=Joints(backlash=Values((("FL_calf", 0.1),)))), "did you mean 'FL_calf_joint'"),
        (Gap(joints=Joints(breakaway=Values.everywhere(0.1))), "no less than its frictionloss"),
        (Gap(joints=Joints(backlash=Values.everywhere(0.1), armature=Values.everywhere(0.0))), "needs a rotor"),
        (Gap(payload=Payload(1.0, "trunk")), "no name matches 'trunk'"),
    ],
)
def test_what_does_not_fit_the_robot_is_refused(gap: Gap, told: str) -> None:
    with pytest.raises(GapError, match=told):
        SimulatedRobot(GO2, gap, start="standing")
