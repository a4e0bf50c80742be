"""What each joint of a robot may do while it is excited: `Room`, positions, speeds and accelerations with a margin.

    room = Room.of(GO2)
    room.pick(np.array([0, 1])).gain(np.array([0.5, 10.0]))

A robot's description has no accelerations: here they are what a part of the motor's torque gives the inertia that it sees in
the default pose, after gravity. The amplitude that a joint gets unless told otherwise is the robot's own `action_scale`, by
which policies move it, as far as its range has room. A joint whose default pose is near a stop moves about another centre.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from assets.robots.robot import Robot
from sim2real.excite.mechanics import Mechanics

_RANGE_MARGIN = 0.05  # of the range, at either end
_SPEED_SHARE = 0.5  # of the largest speed: joints overshoot their targets where these are near the controllers' resonance
_TORQUE_SHARE = 0.5  # of the largest torque, for accelerating


@dataclass(frozen=True, eq=False)
class Room:
    """Arrays (joints,)."""

    rest: np.ndarray
    """The default pose (rad)."""
    low: np.ndarray
    """Of targets (rad)."""
    high: np.ndarray
    center: np.ndarray
    """About which the joint moves (rad)."""
    amplitude: np.ndarray
    """rad"""
    velocity: np.ndarray
    """rad/s"""
    acceleration: np.ndarray
    """rad/s²"""

    @classmethod
    def of(cls, robot: Robot, mechanics: Mechanics) -> "Room":
        """With amplitudes of the robot's `action_scale`."""
        rest, effort = np.array(robot.default_pose, float), np.array(robot.effort_limits, float)
        ranges = mechanics.ranges
        margin = np.where(np.isfinite(ranges).all(axis=1), _RANGE_MARGIN * (ranges[:, 1] - ranges[:, 0]), 0.0)
        # A default pose within the margin is where every motion begins.
        low, high = np.minimum(ranges[:, 0] + margin, rest), np.maximum(ranges[:, 1] - margin, rest)
        inertia, bias = mechanics.inertia_and_bias(rest)
        share = min(_SPEED_SHARE, 0.9 * robot.safety.target_speed)
        room = cls(
            rest=rest,
            low=low,
            high=high,
            center=rest,
            amplitude=np.zeros_like(rest),
            velocity=share * np.array(robot.velocity_limits, float),
            acceleration=np.maximum(_TORQUE_SHARE * effort - np.abs(bias), 0.1 * effort) / inertia,
        )
        return room.with_amplitude(np.array(robot.action_scale, float))

    def with_amplitude(self, amplitude: np.ndarray) -> "Room":
        """With these (rad) as far as there is room, and the centres moved from the default pose only as far as they need."""
        amplitude = np.minimum(amplitude, 0.5 * (self.high - self.low))
        center = np.clip(self.rest, self.low + amplitude, self.high - amplitude)
        return replace(self, amplitude=amplitude, center=center)

    def pick(self, joints: np.ndarray) -> "Room":
        """That of some joints, by index."""
        return Room(**{field.name: getattr(self, field.name)[joints] for field in fields(self)})

    def gain(self, frequency: np.ndarray) -> np.ndarray:
        """The share of its amplitude that a joint can have at a frequency (Hz), (..., joints): less beyond the frequencies from
        which its speed, and then its acceleration, is the limit."""
        by_speed = self.velocity / (2 * np.pi * self.amplitude)
        by_acceleration = np.sqrt(self.acceleration / self.amplitude) / (2 * np.pi)
        return (1.0 + (frequency / by_speed) ** 4 + (frequency / by_acceleration) ** 8) ** -0.25
