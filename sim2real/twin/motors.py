"""The robot's motors: from commands to the torques of each physics step, as the electronics beside each motor computes them.

torque = feed-forward + stiffness (target - reading) + damping (target velocity - velocity), of the encoder's reading on the
motor's side; within the effort limit and the torque-speed line; times the motor's strength.
"""

from collections.abc import Sequence

import numpy as np

from assets.robots.robot import Robot
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Gap, Values

AMBIENT = 25.0
"""°C"""
# A motor of this kind holds about a third of its largest torque for ever, and is then this much warmer than its surroundings;
# it gets there with this time constant. Figures of the usual size, not of one motor's data sheet.
_CONTINUOUS_SHARE = 1 / 3
_RISE = 50.0  # K
_TIME_CONSTANT = 300.0  # s


class Motors:
    """Those of one robot, joints in policy order."""

    def __init__(self, robot: Robot, gap: Gap):
        names, motor, encoder = robot.joints, gap.motor, gap.encoder
        self._effort = np.array(robot.effort_limits)
        self._strength = motor.strength.over(names, 1.0)
        self._stiffness = motor.stiffness_scale.over(names, 1.0)
        self._damping = motor.damping_scale.over(names, 1.0)
        self._stall = motor.stall_torque.over(names, np.inf)
        self._no_load = motor.no_load_speed.over(names, np.inf)
        limited = bool(motor.stall_torque.patterns or motor.no_load_speed.patterns)
        if limited:  # either end of the line alone: the robot's own description gives the other
            self._stall = np.where(np.isinf(self._stall), self._effort, self._stall)
            self._no_load = np.where(np.isinf(self._no_load), np.array(robot.velocity_limits), self._no_load)
        self._limited = limited
        self._offset = encoder.offset.over(names, 0.0)
        self._resolution = resolution(encoder.resolution, names)
        self.temperature = np.full(len(names), AMBIENT)
        """°C"""

    def reading(self, position: np.ndarray) -> np.ndarray:
        """What the encoders read at the motors' true positions (rad)."""
        return quantise(position + self._offset, self._resolution)

    def torque(self, command: RobotCommand, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """What the electronics believe to exert (N m); the motors exert that times their strength."""
        error = command.position - self.reading(position)
        stiffness, damping = self._stiffness * command.stiffness, self._damping * command.damping
        wish = command.torque + stiffness * error + damping * (command.velocity - velocity)
        if not self._limited:
            return np.minimum(np.maximum(wish, -self._effort), self._effort)
        # Only in the direction of motion does the voltage run out.
        with_motion = self._stall * np.maximum(1.0 - np.abs(velocity) / self._no_load, 0.0)
        forward = np.where(velocity > 0, with_motion, self._stall)
        backward = np.where(velocity < 0, with_motion, self._stall)
        return np.clip(wish, -np.minimum(backward, self._effort), np.minimum(forward, self._effort))

    def exerted(self, torque: np.ndarray) -> np.ndarray:
        """By motors whose electronics believe to exert this torque (N m)."""
        return torque * self._strength

    def warm(self, torque: np.ndarray, seconds: float) -> None:
        """Let the motors exert a torque for so long: a body of one heat capacity, heated by the square of the torque."""
        load = torque / (_CONTINUOUS_SHARE * self._effort)
        goal = AMBIENT + _RISE * load**2
        self.temperature = goal + (self.temperature - goal) * np.exp(-seconds / _TIME_CONSTANT)


def resolution(values: Values, names: Sequence[str]) -> np.ndarray | None:
    """Of each name, 0 where a reading is exact; None where all are."""
    found = values.over(names, 0.0)
    return found if found.any() else None


def quantise(values: np.ndarray, resolution: np.ndarray | float | None) -> np.ndarray:
    """The nearest multiples of the resolution; the values themselves where that is 0 or None."""
    if resolution is None:
        return values
    if np.all(resolution):
        return np.rint(values / resolution) * resolution
    step = np.where(resolution, resolution, 1.0)
    return np.where(resolution, np.rint(values / step) * step, values)
