"""Velocity tracking on flat ground, for any quadruped `Robot`."""

import jax.numpy as jnp

from assets.robots.robot import Robot, RobotError
from assets.scene import scene_spec
from envs.task import (
    CommandTerm,
    CriticTerm,
    InitialState,
    MemoryTerm,
    MetricTerm,
    PolicyTerm,
    RewardTerm,
    Task,
    TerminationTerm,
)
from envs.terms import locomotion, mirrors, observations
from sim.randomization import (
    ActuatorGains,
    CenterOfMass,
    Inertia,
    JointOffset,
    Latency,
    Mass,
    MotorStrength,
    Payload,
    Push,
    Randomization,
    SensorBias,
    SensorNoise,
    Uniform,
    armature,
    friction,
    friction_loss,
    joint_damping,
)

DESCRIPTION = "walk at a commanded velocity and yaw rate on flat ground"

_COMMAND_SIGN = (1.0, -1.0, -1.0)


def velocity_flat(robot: Robot) -> Task:
    """Follow a commanded forward and sideways velocity and yaw rate on flat ground, and stand still when they are zero."""
    if len(robot.feet) != 4 or robot.imu_site is None:
        raise RobotError(f"robot {robot.name!r}: velocity tracking is for a quadruped with an IMU; it names feet {robot.feet}")
    return Task(
        name=f"{robot.name}-velocity-flat",
        description=DESCRIPTION,
        robot=robot,
        scene=lambda: scene_spec(robot),
        command=CommandTerm(
            names=("forward velocity (m/s)", "sideways velocity (m/s)", "yaw rate (rad/s)"),
            sample=locomotion.uniform_velocity((-1.0, 1.0), (-0.5, 0.5), (-1.0, 1.0), standing=0.1),
            seconds=(4.0, 8.0),
            mirror_sign=_COMMAND_SIGN,
        ),
        policy_observation=(
            PolicyTerm("angular_velocity", observations.angular_velocity, scale=0.25),
            PolicyTerm("projected_gravity", observations.projected_gravity),
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity, scale=0.05),
            PolicyTerm("last_action", observations.last_action),
            PolicyTerm("command", observations.command),
        ),
        critic_observation=(
            CriticTerm("base_linear_velocity", lambda v: v.base_linear_velocity, mirror=mirrors.polar),
            CriticTerm("base_angular_velocity", lambda v: v.base_angular_velocity, 0.25, mirrors.axial),
            CriticTerm("projected_gravity", lambda v: v.projected_gravity, mirror=mirrors.polar),
            CriticTerm("base_height", lambda v: v.height_above_ground, mirror=mirrors.same),
            CriticTerm("joint_position", observations.true_joint_position, mirror=mirrors.joints),
            CriticTerm("joint_velocity", lambda v: v.joint_velocity, 0.05, mirrors.joints),
            CriticTerm("joint_torque", lambda v: v.joint_torque, 0.05, mirrors.joints),
            CriticTerm("last_action", lambda v: v.action, mirror=mirrors.joints),
            CriticTerm("command", lambda v: v.command, mirror=mirrors.signs(*_COMMAND_SIGN)),
            CriticTerm("foot_position", observations.feet_from_base, mirror=mirrors.feet_polar),
            CriticTerm("foot_velocity", lambda v: v.foot_velocity.ravel(), 0.2, mirrors.feet_polar),
            CriticTerm("foot_contact", observations.foot_contact, mirror=mirrors.feet),
            CriticTerm("air_time", lambda v: v.memory["air_time"], mirror=mirrors.feet),
            CriticTerm("stance_time", lambda v: jnp.minimum(v.memory["stance_time"], 1.0), mirror=mirrors.feet),
            CriticTerm("foot_friction", observations.foot_friction, mirror=mirrors.feet),
            CriticTerm("base_mass", observations.base_mass, mirror=mirrors.signs(1.0, 1.0, -1.0, 1.0)),
            CriticTerm("motor_gains", observations.motor_gains, mirror=mirrors.joint_properties),
        ),
        rewards=(
            RewardTerm("track_planar_velocity", locomotion.track_planar_velocity, 1.5),
            RewardTerm("track_yaw_rate", locomotion.track_yaw_rate, 0.75),
            RewardTerm("planar_velocity_error", locomotion.planar_velocity_error, -1.0),
            RewardTerm("yaw_rate_error", locomotion.yaw_rate_error, -0.4),
            RewardTerm("alive", locomotion.alive, 1.0),
            RewardTerm("near_default_pose", locomotion.near_default_pose, 0.2),
            RewardTerm("tilt", locomotion.tilt, -2.0),
            RewardTerm("vertical_velocity", locomotion.vertical_velocity, -0.3),
            RewardTerm("roll_pitch_rate", locomotion.roll_pitch_rate, -0.02),
            RewardTerm("base_height", locomotion.base_height, -10.0),
            RewardTerm("joint_power", locomotion.joint_power, -0.0005),
            RewardTerm("action_rate", locomotion.action_rate, -0.005),
            RewardTerm("joint_limits", locomotion.joint_limits, -1.0),
            RewardTerm("limb_contact", locomotion.limb_contact, -0.2),
            RewardTerm("air_time", locomotion.air_time, 4.0),
            RewardTerm("trot", locomotion.trot, 1.0),
            RewardTerm("long_stance_or_swing", locomotion.long_stance_or_swing, -0.1),
            RewardTerm("foot_slip", locomotion.foot_slip, -0.05),
            RewardTerm("foot_clearance", locomotion.foot_clearance(0.09), -0.3),
            RewardTerm("pose_while_standing", locomotion.pose_while_standing, -0.2),
        ),
        terminations=(
            TerminationTerm("toppled", locomotion.toppled),
            TerminationTerm("base_contact", locomotion.base_contact),
        ),
        memory=(
            MemoryTerm("air_time", locomotion.zero_per_foot, locomotion.update_air_time),
            MemoryTerm("stance_time", locomotion.zero_per_foot, locomotion.update_stance_time),
        ),
        metrics=(
            MetricTerm("planar_velocity_error", locomotion.planar_velocity_error),
            MetricTerm("yaw_rate_error", locomotion.yaw_rate_error),
            MetricTerm("planar_velocity_error_at_rest", locomotion.planar_velocity_error_at_rest),
            MetricTerm("yaw_rate_error_at_rest", locomotion.yaw_rate_error_at_rest),
        ),
        randomization=_randomization(robot),
        initial_state=InitialState(joint_position=0.1, joint_velocity=0.2, linear_velocity=0.3, angular_velocity=0.3, tilt=0.1),
        action_limit=1.0,  # half a radian from the default pose: a gait's whole range, to the ends of which a policy may go
        minimum_reward=-2.0,
        termination_cost=2.0,
    )


def _randomization(robot: Robot) -> Randomization:
    return Randomization(
        model=(
            Mass(Uniform(0.9, 1.1)),
            Inertia(Uniform(0.9, 1.1)),
            CenterOfMass(Uniform(-0.02, 0.02), robot.base),
            Payload(robot.base, Uniform(0.0, 2.0), (0.0, 0.0, 0.08), Uniform(-0.05, 0.05)),
            *(friction(Uniform(0.4, 1.2), foot) for foot in robot.feet),
            armature(Uniform(0.8, 1.2)),
            joint_damping(Uniform(0.7, 1.3)),
            friction_loss(Uniform(0.5, 1.5)),
            ActuatorGains(Uniform(0.9, 1.1), Uniform(0.9, 1.1)),
            MotorStrength(Uniform(0.9, 1.1)),
            JointOffset(Uniform(-0.02, 0.02)),
        ),
        action_latency=Latency(Uniform(0.0, 0.02), Uniform(-0.002, 0.002), longest=0.025),
        observation_latency=Latency(Uniform(0.0, 0.01), Uniform(-0.002, 0.002), longest=0.015),
        noise=SensorNoise(joint_position=0.01, joint_velocity=1.0, angular_velocity=0.2, orientation=0.03),
        bias=SensorBias(angular_velocity=0.02, orientation=0.02),
        push=Push(interval=Uniform(5.0, 10.0), linear=0.5, angular=0.5),
    )
