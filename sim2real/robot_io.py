"""What goes between a robot and a policy: `RobotState` comes in, `RobotCommand` goes out, whatever the robot and its bus.

Joints are in policy order, the order of `Robot.joints`, in SI units; a driver maps them by name to its motors. Arrays are
float64 and of NumPy. Stamps are nanoseconds of this machine's monotonic clock (`time.monotonic_ns`).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RobotState:
    """What a robot said of itself in one message. What a robot does not measure is NaN."""

    stamp_ns: int
    """When the message arrived."""
    sequence: int
    """The robot's own counter of its messages or ticks; one that stands still is a frozen robot."""
    position: np.ndarray
    """(num_joints,) rad"""
    velocity: np.ndarray
    """(num_joints,) rad/s"""
    torque: np.ndarray
    """(num_joints,) N m, as the robot estimates it"""
    temperature: np.ndarray
    """(num_joints,) °C of the motors"""
    quaternion: np.ndarray
    """(4,) w, x, y, z: from the IMU's frame to the world's, its heading arbitrary; NaN without an IMU"""
    angular_velocity: np.ndarray
    """(3,) rad/s in the IMU's frame; NaN without an IMU"""
    acceleration: np.ndarray
    """(3,) m/s² in the IMU's frame, gravity included; NaN without an IMU"""
    intact: bool = True
    """Whether the message's checksum was right. The quantities of one that was not are as they came."""
    rivals: int = 0
    """How many others give this robot commands at the time."""
    overtaken: int = 0
    """How many states came since the one that was read before, and were not looked at."""


@dataclass(frozen=True, eq=False)
class RobotCommand:
    """What each joint's controller is to do: torque = feed-forward + stiffness (target - position) + damping (target velocity -
    velocity). Gains of zero and no feed-forward leave a joint limp; stiffness zero with some damping lets it sink slowly."""

    sequence: int
    """Of the commands that one run of the runtime sends, from 0."""
    position: np.ndarray
    """(num_joints,) targets, rad"""
    velocity: np.ndarray
    """(num_joints,) targets, rad/s"""
    torque: np.ndarray
    """(num_joints,) feed-forward, N m"""
    stiffness: np.ndarray
    """(num_joints,) N m/rad"""
    damping: np.ndarray
    """(num_joints,) N m s/rad"""
