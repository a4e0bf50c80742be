"""What a Go2 makes of a `LowCmd_`: `CommandReader` checks it as strictly as it can be checked and reads it.

    read = CommandReader(GO2).read(cdr, sequence)       # a RobotCommand, or a string that says why it is refused

Nobody outside Unitree knows all that the robot's firmware checks. This is stricter than it needs to be: a command that passes
has everything that the robot is documented to want.
"""

import numpy as np

from assets.robots.robot import Robot
from sim2real.drivers.unitree.crc import is_intact
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import HEAD, LOW_LEVEL, NUM_MOTORS, POSITION_OFF, SERVO_MODE, VELOCITY_OFF, LowCmd_
from sim2real.robot_io import RobotCommand

_FIELDS = ("q", "dq", "tau", "kp", "kd")
_ROUNDING = 1e-4  # of limits, as numbers come as float32


class CommandReader:
    """For one robot, whose limits commands must keep."""

    def __init__(self, robot: Robot):
        self._layout = Layout(LowCmd_)
        self._joints = robot.joints
        self._motors = np.array([motor.index for motor in robot.motors])
        self._signs = np.array([float(motor.sign) for motor in robot.motors])
        self._unused = np.setdiff1d(np.arange(NUM_MOTORS), self._motors)
        self._lowest, self._highest = robot.joint_ranges().T
        self._fastest = np.array(robot.velocity_limits)
        self._strongest = np.array(robot.effort_limits)

    def read(self, cdr: bytes, sequence: int) -> RobotCommand | str:
        if len(cdr) != self._layout.cdr_size:
            return f"{len(cdr)} bytes, expected {self._layout.cdr_size}"
        struct = self._layout.from_cdr(cdr)
        if not is_intact(struct):
            return "wrong checksum"
        message = self._layout.record(struct)
        motors = message["motor_cmd"]
        values = np.stack([motors[field][self._motors] for field in _FIELDS]).astype(float)
        values[:3] *= self._signs
        if refusal := self._wrong_frame(message) or self._wrong_motors(motors) or self._beyond_limits(*values):
            return refusal
        position, velocity, torque, stiffness, damping = values
        position = np.where(stiffness > 0.0, position, 0.0)
        return RobotCommand(sequence, position, np.where(damping > 0.0, velocity, 0.0), torque, stiffness, damping)

    def _wrong_frame(self, message: np.ndarray) -> str | None:
        if tuple(message["head"]) != HEAD:
            return f"head {bytes(message['head']).hex(' ')}, expected fe ef"
        if message["level_flag"] != LOW_LEVEL:
            return f"level_flag {message['level_flag']:#x}, expected {LOW_LEVEL:#x}"
        if message["gpio"] != 0:
            return f"gpio {message['gpio']}, expected 0"
        return None

    def _wrong_motors(self, motors: np.ndarray) -> str | None:
        if (wrong := motors["mode"][self._motors] != SERVO_MODE).any():
            joint = int(np.argmax(wrong))
            return f"mode {motors['mode'][self._motors[joint]]} of {self._joints[joint]}, expected {SERVO_MODE}"
        unused = motors[self._unused]
        off = (unused["q"] == np.float32(POSITION_OFF)) & (unused["dq"] == np.float32(VELOCITY_OFF))
        if not (off & (unused["tau"] == 0) & (unused["kp"] == 0) & (unused["kd"] == 0)).all():
            return (
                f"an unused motor with a target, a gain or a torque; expected q {POSITION_OFF:g}, dq {VELOCITY_OFF:g}, else 0"
            )
        return None

    def _beyond_limits(
        self, position: np.ndarray, velocity: np.ndarray, torque: np.ndarray, stiffness: np.ndarray, damping: np.ndarray
    ) -> str | None:
        """A target counts where its gain is not zero. Every comparison is false of NaN."""
        within = {
            "gain": (stiffness >= 0.0) & (stiffness < np.inf) & (damping >= 0.0) & (damping < np.inf),
            "position": (stiffness == 0.0) | (position >= self._lowest - _ROUNDING) & (position <= self._highest + _ROUNDING),
            "velocity": (damping == 0.0) | (np.abs(velocity) <= self._fastest + _ROUNDING),
            "torque": np.abs(torque) <= self._strongest + _ROUNDING,
        }
        for what, fine in within.items():
            if not fine.all():
                return f"{what} of {self._joints[int(np.argmin(fine))]} beyond its limits"
        return None
