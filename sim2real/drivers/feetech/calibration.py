"""The calibration of an arm of Feetech servos, in the file that LeRobot writes, and what it says of joint angles.

    calibration = load_calibration(Path("my_arm.json"), SO101)
    angles = calibration.angles(steps)                     # rad, joints in policy order
    calibration.lerobot_values(angles)                     # degrees, and 0 to 100 for the gripper

LeRobot's file holds for each motor its id, drive_mode (1: it turns against its joint), homing_offset (steps, kept in the servo,
which subtracts it from its encoder), range_min and range_max (steps: the joint's two stops, as they were swept by hand; the
wrist roll, which has none in LeRobot's eyes, gets the whole turn).

Its conventions meet those of the arm's model: LeRobot's zero of a joint is the middle of its range, so is the model's (the
`new_calib` one), and both count the same way. The gripper is the exception: LeRobot's 0 is its closed end, which is the lower
limit of the model's joint. Between its zero and any position, an angle is counted in encoder steps, never stretched to the
range that was swept.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.errors import UserError
from assets.robots.robot import Robot
from assets.whole_file import whole_file
from sim2real.drivers.feetech.registers import STEPS, STEPS_PER_RADIAN

_GRIPPER = "gripper"
_WHOLE_TURN = "wrist_roll"
_LARGEST_FILE = 1 << 16
_LARGEST_ID = 252
_LARGEST_OFFSET = 2047
# How far a range swept by hand may exceed the model's: above it, somebody else's arm or a servo as it left the factory.
_WIDEST = 1.5


class CalibrationError(UserError, ValueError):
    """A calibration cannot be read or does not fit the robot; the message names the file, the motor and the remedy."""


@dataclass(frozen=True)
class MotorCalibration:
    """One motor, in the words and units of LeRobot's file."""

    id: int
    drive_mode: int
    homing_offset: int
    """Steps."""
    range_min: int
    """Steps."""
    range_max: int
    """Steps."""


@dataclass(frozen=True)
class Calibration:
    """Of every motor of a robot, joints in policy order."""

    joints: tuple[str, ...]
    motors: tuple[MotorCalibration, ...]
    lower: tuple[float, ...]
    """The model's lower joint limits (rad)."""

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(motor.id for motor in self.motors)

    @property
    def signs(self) -> np.ndarray:
        """(num_joints,) -1 where the motor turns against its joint."""
        return np.array([-1.0 if motor.drive_mode else 1.0 for motor in self.motors])

    @property
    def zeros(self) -> np.ndarray:
        """(num_joints,) what the motors' positions are where the joints are at zero, in steps."""
        middle = np.array([(motor.range_min + motor.range_max) / 2 for motor in self.motors])
        closed = np.array([motor.range_max if motor.drive_mode else motor.range_min for motor in self.motors])
        gripper = np.array([joint == _GRIPPER for joint in self.joints])
        return np.where(gripper, closed - self.signs * np.array(self.lower) * STEPS_PER_RADIAN, middle)

    def angles(self, steps: np.ndarray) -> np.ndarray:
        """(num_joints,) rad, of present positions in steps."""
        return self.signs * (steps - self.zeros) / STEPS_PER_RADIAN

    def steps(self, angles: np.ndarray) -> np.ndarray:
        """(num_joints,) the goal positions nearest to the angles (rad), none outside the calibrated ranges."""
        exact = self.zeros + self.signs * angles * STEPS_PER_RADIAN
        low, high = ([getattr(motor, name) for motor in self.motors] for name in ("range_min", "range_max"))
        return np.clip(np.rint(exact), low, high).astype(int)

    def lerobot_values(self, angles: np.ndarray) -> np.ndarray:
        """What LeRobot's `SO101Follower(use_degrees=True)` calls these angles: degrees, and 0 to 100 for the gripper."""
        origin, scale = self._lerobot()
        return (self.zeros + self.signs * angles * STEPS_PER_RADIAN - origin) * scale

    def angles_of_lerobot(self, values: np.ndarray) -> np.ndarray:
        """(num_joints,) rad, of LeRobot's degrees, and 0 to 100 for the gripper."""
        origin, scale = self._lerobot()
        return self.angles(values / scale + origin)

    def angles_of_normalised(self, values: np.ndarray) -> np.ndarray:
        """(num_joints,) rad, of what LeRobot gives without `use_degrees`: -100 to 100 of the calibrated range, and 0 to 100 for
        the gripper."""
        middle = np.array([(motor.range_min + motor.range_max) / 2 for motor in self.motors])
        half = np.array([(motor.range_max - motor.range_min) / 2 for motor in self.motors])
        gripper = np.array([joint == _GRIPPER for joint in self.joints])
        return np.where(gripper, self.angles_of_lerobot(values), self.angles(middle + self.signs * values / 100 * half))

    def _lerobot(self) -> tuple[np.ndarray, np.ndarray]:
        """Where LeRobot's values are zero (steps), and what a step adds. It counts 4,095 steps to a turn; its degrees know no
        drive mode."""
        origin, scale = [], []
        for joint, motor in zip(self.joints, self.motors, strict=True):
            span = motor.range_max - motor.range_min
            if joint != _GRIPPER:
                origin.append((motor.range_min + motor.range_max) / 2)
                scale.append(360 / (STEPS - 1))
            else:
                origin.append(motor.range_max if motor.drive_mode else motor.range_min)
                scale.append(-100 / span if motor.drive_mode else 100 / span)
        return np.array(origin), np.array(scale)

    def save(self, path: Path) -> None:
        """Write the file as LeRobot does, whole or not at all."""
        told = {joint: asdict(motor) for joint, motor in zip(self.joints, self.motors, strict=True)}
        with whole_file(path, CalibrationError) as partial:
            partial.write_text(json.dumps(told, indent=4) + "\n")


def make_calibration(robot: Robot, motors: tuple[MotorCalibration, ...], source: str) -> Calibration:
    """Of motors in policy order, which `source` told. Raises CalibrationError where they contradict the robot."""
    ranges = robot.joint_ranges()
    for joint, motor, (low, high) in zip(robot.joints, motors, ranges, strict=True):
        _check_motor(joint, motor, source)
        span, model = motor.range_max - motor.range_min, (high - low) * STEPS_PER_RADIAN
        if span > _WIDEST * model and joint != _WHOLE_TURN:
            raise CalibrationError(
                f"{source}: {joint!r} has a range of {span} steps, but the joint's own is about {model:.0f}: it was not swept"
                " from stop to stop; calibrate the arm with `lerobot-calibrate`"
            )
    ids = [motor.id for motor in motors]
    if len(set(ids)) < len(ids):
        raise CalibrationError(f"{source}: two motors share an id, found {ids}; each servo on the bus has its own")
    return Calibration(robot.joints, motors, tuple(ranges[:, 0]))


def load_calibration(path: Path, robot: Robot) -> Calibration:
    """The calibration in a file as LeRobot writes it. Raises CalibrationError where it cannot be used."""
    remedy = "; LeRobot keeps its calibrations below ~/.cache/huggingface/lerobot/calibration/robots"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        told = json.loads(content) if len(content) <= _LARGEST_FILE else None
    except OSError as error:
        raise CalibrationError(f"cannot read the calibration {path}: {error.strerror or error}{remedy}") from error
    except (ValueError, RecursionError) as error:
        raise CalibrationError(f"the calibration {path} is no JSON: {error}{remedy}") from error
    if not isinstance(told, dict) or set(told) != set(robot.joints):
        found = ", ".join(map(str, list(told)[:12])) if isinstance(told, dict) else "something else"
        raise CalibrationError(f"the calibration {path} must have the motors {', '.join(robot.joints)}; found {found}{remedy}")
    motors = tuple(_motor(joint, told[joint], f"the calibration {path}") for joint in robot.joints)
    return make_calibration(robot, motors, f"the calibration {path}")


def nominal_calibration(robot: Robot) -> Calibration:
    """Of an arm that was calibrated to the letter: joint limits at the stops, zero at half a turn."""
    middle = (STEPS - 1) / 2
    ranges = robot.joint_ranges()
    motors = []
    for joint, motor, (low, high) in zip(robot.joints, robot.motors, ranges, strict=True):
        reach = (high - low) / 2 if joint == _GRIPPER else max(-low, high)
        half = min(reach * STEPS_PER_RADIAN, middle)
        motors.append(MotorCalibration(motor.index + 1, 0, 0, math.floor(middle - half), math.ceil(middle + half)))
    return make_calibration(robot, tuple(motors), f"the nominal calibration of {robot.name}")


def _motor(joint: str, told: Any, source: str) -> MotorCalibration:
    fields = MotorCalibration.__dataclass_fields__
    if not isinstance(told, dict) or set(told) != set(fields):
        found = ", ".join(map(str, list(told)[:12])) if isinstance(told, dict) else type(told).__name__
        raise CalibrationError(f"{source}: {joint!r} must have {', '.join(fields)}; found {found}")
    for name, value in told.items():
        if type(value) is not int:
            raise CalibrationError(f"{source}: {name} of {joint!r} must be a whole number, found {value!r:.60}")
    return MotorCalibration(**told)


def _check_motor(joint: str, motor: MotorCalibration, source: str) -> None:
    bounds = {
        "id": (0, _LARGEST_ID),
        "drive_mode": (0, 1),
        "homing_offset": (-_LARGEST_OFFSET, _LARGEST_OFFSET),
        "range_min": (0, STEPS - 2),
        "range_max": (motor.range_min + 1, STEPS - 1),
    }
    for name, (low, high) in bounds.items():
        if not low <= getattr(motor, name) <= high:
            raise CalibrationError(f"{source}: {name} of {joint!r} is {getattr(motor, name)}, expected {low} to {high}")
