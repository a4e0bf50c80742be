"""Reaching for commanded poses, for any `Robot` that is an arm on a fixed base with an end effector."""

import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import scene_spec
from envs.action import RelativeJointPosition
from envs.kinematics import Kinematics
from envs.posture import promising_postures, solved
from envs.task import CommandTerm, CriticTerm, InitialState, MetricTerm, PolicyTerm, RewardTerm, Task
from envs.terms import locomotion, observations, reaching
from sim.randomization import (
    ActuatorGains,
    Inertia,
    JointOffset,
    Latency,
    Mass,
    MotorStrength,
    Randomization,
    SensorNoise,
    Uniform,
    armature,
    friction_loss,
    joint_damping,
)

DESCRIPTION = "bring the gripper to a commanded pose"

_TARGET = "target"

_SHARE = 0.05  # of the robot's action scale that an action of 1 is
_AHEAD = 0.01  # s: so old is the position that a target counts from, while it holds, at the least
_BETWEEN = (1.0, 3.0)  # s, from a command's errors counting as settled to the next command


def reach(robot: Robot) -> Task:
    """Bring the end effector to a commanded position and orientation, drawn anew every few seconds and reachable.

    The metrics `settled_position_error` (m) and `settled_orientation_error` (rad) are means over the steps that come long
    enough after a new command for the arm to be there (`reaching.settling_seconds`: 2.0 s of the SO-101, 3.5 of the Panda), the
    second half or third of each command's time: how near the arm gets, not how far it started.
    `position_error` and `orientation_error` are means over all steps; `..._at_rest` are those of an arm that stays in its
    default pose. Encoders are off by up to 0.01 rad, which no policy can measure: part of the error is theirs.
    """
    arm = Kinematics.of(robot)
    step = reaching.step_to_position(arm, damping=0.03, longest=0.1)
    starts = promising_postures(arm, robot, count=256, best=4, length=0.2)
    settling, is_settled = reaching.settling_seconds(robot), reaching.is_settled(robot)
    return Task(
        name=f"{robot.name}-reach",
        description=DESCRIPTION,
        robot=robot,
        scene=lambda: _scene(robot),
        command=CommandTerm(
            names=("x (m)", "y (m)", "z (m)", "qw", "qx", "qy", "qz"),
            sample=reaching.reachable_pose(arm, robot, clearance=0.03),
            seconds=(settling + _BETWEEN[0], settling + _BETWEEN[1]),
            nearest=reaching.as_pose,
            default=reaching.default_pose(arm, robot),
            reference=solved(starts, arm, robot, steps=6, length=0.2),
        ),
        policy_observation=(
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity, scale=0.1),
            PolicyTerm("last_action", observations.last_action),
            PolicyTerm("command", observations.command),
            PolicyTerm("way_to_go", reaching.way_to_go(arm, length=0.2)),
            PolicyTerm("step_to_position", reaching.with_fine(step, 0.02)),
            PolicyTerm("way_to_posture", reaching.with_fine(reaching.way_to_posture, 0.05)),
        ),
        critic_observation=(
            CriticTerm("joint_position", observations.true_joint_position),
            CriticTerm("joint_velocity", lambda v: v.joint_velocity, scale=0.1),
            CriticTerm("joint_torque", lambda v: v.joint_torque, scale=0.1),
            CriticTerm("last_action", lambda v: v.action),
            CriticTerm("command", lambda v: v.command),
            CriticTerm("end_effector", lambda v: v.end_effector_position),
            CriticTerm("shift", lambda v: v.command[:3] - v.end_effector_position),
            CriticTerm("position_error", reaching.position_error),
            CriticTerm("near_position", reaching.near_position(0.02)),
            CriticTerm("orientation_error", reaching.orientation_error),
            CriticTerm("way_to_posture", reaching.true_way_to_posture),
            CriticTerm("motor_gains", observations.motor_gains),
        ),
        rewards=(
            RewardTerm("position_error", reaching.position_error, -4.0),
            RewardTerm("near_position", reaching.near_position(0.1), 1.0),
            RewardTerm("at_position", reaching.near_position(0.02), 2.0),
            RewardTerm("orientation_error", reaching.orientation_error, -0.5),
            RewardTerm("near_orientation", reaching.near_orientation(0.2), 1.0),
            RewardTerm("towards_posture", reaching.towards_posture(near=0.1), 0.5),
            RewardTerm("joint_speed", reaching.joint_speed, -0.05),
            RewardTerm("overspeed", reaching.overspeed(0.8), -20.0),
            RewardTerm("action_rate", locomotion.action_rate, -0.01),
            RewardTerm("joint_limits", locomotion.joint_limits, -1.0),
            RewardTerm("limb_contact", locomotion.limb_contact, -0.5),
        ),
        terminations=(),
        action=RelativeJointPosition(_SHARE),
        action_limit=_action_limit(robot),
        discount=0.99,  # some ways lead away from the target first, where a joint's limit is between
        metrics=(
            MetricTerm("settled_position_error", reaching.position_error, is_settled),
            MetricTerm("settled_orientation_error", reaching.orientation_error, is_settled),
            MetricTerm("position_error", reaching.position_error),
            MetricTerm("orientation_error", reaching.orientation_error),
            MetricTerm("position_error_at_rest", reaching.position_error_at_rest(arm, robot)),
            MetricTerm("orientation_error_at_rest", reaching.orientation_error_at_rest(arm, robot)),
        ),
        randomization=_randomization(robot),
        initial_state=InitialState(joint_position=0.5, joint_velocity=0.2),
        show=_show,
    )


_GAINS = Uniform(0.9, 1.1)  # of a servo's own


def _randomization(robot: Robot) -> Randomization:
    return Randomization(
        model=(
            Mass(Uniform(0.9, 1.1)),
            Inertia(Uniform(0.9, 1.1)),
            armature(Uniform(0.8, 1.2)),
            joint_damping(Uniform(0.7, 1.3)),
            friction_loss(Uniform(0.5, 1.5)),
            ActuatorGains(_GAINS, _GAINS),
            MotorStrength(Uniform(0.9, 1.1)),
            JointOffset(Uniform(-0.01, 0.01)),
        ),
        action_latency=Latency(Uniform(0.0, 0.02), Uniform(-0.002, 0.002), longest=0.025),
        observation_latency=Latency(Uniform(0.0, 0.01), Uniform(-0.002, 0.002), longest=0.015),
        noise=SensorNoise(joint_position=0.005, joint_velocity=0.06 * min(robot.velocity_limits)),
    )


def _action_limit(robot: Robot) -> float:
    """Targets are no farther ahead than what makes a joint as fast as the safety filter lets it: a servo of stiffness k and
    damping d follows a target at velocity v by v d / k, and the target itself falls back by v times its age. Of the drawn gains
    and ages those count by which it follows the closest: no draw is much too fast, and all are led enough."""
    limit, k, d, scale = map(np.array, (robot.velocity_limits, robot.stiffness, robot.damping, robot.action_scale))
    behind = (_GAINS.low / _GAINS.high) * d / k
    return float((robot.safety.velocity * limit * (_AHEAD + behind) / (_SHARE * scale)).min())


def _scene(robot: Robot) -> mujoco.MjSpec:
    """The arm on a table, and in pictures the commanded pose: a red, a green and a blue stick along its axes."""
    spec = scene_spec(robot)
    target = spec.body(robot.base).add_body(name=_TARGET)
    for i, axis in enumerate(np.eye(3)):
        target.add_geom(
            name=f"{_TARGET}_{'xyz'[i]}",
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            size=[0.003, 0, 0],
            fromto=[0, 0, 0, *(0.05 * axis)],
            rgba=[*axis, 1],
            group=2,
            contype=0,
            conaffinity=0,
            mass=0,
        )
    return spec


def _show(model: mujoco.MjModel, command: np.ndarray) -> dict[str, np.ndarray]:
    pos, quat, target = model.body_pos.copy(), model.body_quat.copy(), model.body(_TARGET).id
    pos[target], quat[target] = command[:3], command[3:]
    return {"body_pos": pos, "body_quat": quat}
