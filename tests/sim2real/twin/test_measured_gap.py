"""A twin that differs as a calibration found moves as the calibration's own replay of the robot does."""

import numpy as np
import pytest

from assets.robots.go2 import GO2
from assets.robots.so101 import SO101
from envs.measured import Measured, MeasuredError, Measurement
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Gap, Joints, Payload, Values
from sim2real.twin.measured import measured_gap
from sim2real.twin.simulated import SimulatedRobot


def measured(robot, *found: tuple[str, str, float]) -> Measured:
    return Measured(robot.name, robot.joints, tuple(Measurement(q, (m,), v, v, v) for q, m, v in found), ())


def test_what_was_measured_is_the_gap_and_what_is_given_counts_before_it():
    found = measured(
        GO2,
        ("armature", "FL_calf_joint", 0.03),
        ("damping", "FL_calf_joint", 0.4),
        ("strength", "FR_hip_joint", 0.8),
        ("offset", "RL_hip_joint", 0.02),
        ("delay", "FL_hip_joint", 0.012),
        ("mass", "FL_thigh", 1.2),
        ("payload", "FL_calf", 0.25),
    )
    gap = measured_gap(found, GO2, Gap(joints=Joints(damping=Values.everywhere(0.7))))
    at = GO2.joints.index("FL_calf_joint")
    assert gap.joints.armature.over(GO2.joints, 0.01)[at] == 0.03
    assert (gap.joints.damping.over(GO2.joints, 0.1) == 0.7).all()
    assert gap.motor.strength.over(GO2.joints, 1.0)[GO2.joints.index("FR_hip_joint")] == 0.8
    assert gap.encoder.offset.over(GO2.joints, 0.0)[GO2.joints.index("RL_hip_joint")] == 0.02
    assert gap.command_messages.latency == 0.012
    assert (gap.payload.mass, gap.payload.body) == (0.25, "FL_calf")
    assert measured_gap(found, GO2, Gap(payload=Payload(1.0))).payload.mass == 1.0
    nominal, heavier = SimulatedRobot(GO2, Gap()), SimulatedRobot(GO2, gap)
    thigh = nominal.model.body("FL_thigh").mass[0]
    np.testing.assert_allclose(heavier.model.body("FL_thigh").mass[0], 1.2 * thigh)
    np.testing.assert_allclose(heavier.model.body_mass.sum(), nominal.model.body_mass.sum() + 0.2 * thigh + 0.25)


def test_gains_that_a_servo_keeps_are_the_measured_ones():
    """A softer servo sags further under gravity, by as much as it is softer."""
    sags = []
    for stiffness in (1.0, 0.25):
        found = measured(SO101, *(("stiffness", joint, stiffness * 0.02) for joint in SO101.joints))
        robot = SimulatedRobot(SO101, measured_gap(found, SO101, Gap(joints=Joints(frictionloss=Values.everywhere(0.0)))))
        pose = np.array(SO101.default_pose)
        zero = np.zeros(SO101.num_joints)
        command = RobotCommand(0, pose, zero, zero, np.array(SO101.stiffness), np.array(SO101.damping))
        for _ in range(1500):
            state = robot.step(command)
        sags.append(abs(state.position - pose).max())
    assert sags[0] > 1e-3
    assert 3.0 < sags[1] / sags[0] < 5.0


def test_a_calibration_of_another_robot_or_of_what_it_lacks_is_refused():
    with pytest.raises(MeasuredError, match="of 'go2'"):
        measured_gap(measured(GO2), SO101)
    with pytest.raises(MeasuredError, match="'tail', which 'go2' does not have"):
        measured_gap(measured(GO2, ("armature", "tail", 0.1)), GO2)
    with pytest.raises(MeasuredError, match="payloads on 2 bodies"):
        measured_gap(measured(GO2, ("payload", "FL_calf", 0.1), ("payload", "FR_calf", 0.1)), GO2)
