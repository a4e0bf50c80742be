"""LeRobot's calibration file, and the angles that it makes of servo positions."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.robots.so101 import SO101
from sim2real.drivers.feetech.calibration import (
    Calibration,
    CalibrationError,
    MotorCalibration,
    load_calibration,
    make_calibration,
    nominal_calibration,
)

# In LeRobot's layout, of an arm swept by hand.
ARM = {
    "shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -371, "range_min": 741, "range_max": 3362},
    "shoulder_lift": {"id": 2, "drive_mode": 0, "homing_offset": 1042, "range_min": 822, "range_max": 3199},
    "elbow_flex": {"id": 3, "drive_mode": 0, "homing_offset": 955, "range_min": 869, "range_max": 3070},
    "wrist_flex": {"id": 4, "drive_mode": 0, "homing_offset": -1345, "range_min": 812, "range_max": 3181},
    "wrist_roll": {"id": 5, "drive_mode": 0, "homing_offset": 88, "range_min": 0, "range_max": 4095},
    "gripper": {"id": 6, "drive_mode": 0, "homing_offset": 1565, "range_min": 1973, "range_max": 3449},
}
RANGES = SO101.joint_ranges()


def arm(**changes: dict) -> Calibration:
    motors = (MotorCalibration(**{**ARM[joint], **changes.get(joint, {})}) for joint in SO101.joints)
    return Calibration(SO101.joints, tuple(motors), tuple(RANGES[:, 0]))


def written(path: Path, told: object) -> Path:
    path.write_text(told if isinstance(told, str) else json.dumps(told, indent=4))
    return path


def test_lerobots_file_is_read_and_written_alike(tmp_path: Path):
    calibration = load_calibration(written(tmp_path / "arm.json", ARM), SO101)
    assert calibration.ids == (1, 2, 3, 4, 5, 6)
    calibration.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == ARM
    assert load_calibration(tmp_path / "again.json", SO101) == calibration
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "arm.json"]


def test_lerobots_zeros_are_the_models():
    """A joint's mid-range is zero in both; the gripper is closed at LeRobot's 0 and at the model's lower limit."""
    calibration = arm()
    middle = np.array([(m["range_min"] + m["range_max"]) / 2 for m in ARM.values()])
    angles = calibration.angles(middle)
    np.testing.assert_allclose(angles[:5], 0.0, atol=1e-12)
    closed = calibration.angles(np.array([2047.5] * 5 + [1973]))
    np.testing.assert_allclose(closed[5], RANGES[5, 0], atol=1e-9)


@pytest.mark.parametrize(
    "steps, values",
    [
        # what FeetechMotorsBus._normalize of LeRobot 0.4.4 says of these ranges
        (1500, (-48.13186813186813,) * 5 + (5.953338696701529,)),
        (2047, (-0.04395604395604396,) * 5 + (49.9597747385358,)),
        (2600, (48.57142857142857,) * 5 + (94.44891391794047,)),
    ],
)
def test_lerobots_own_values(steps: int, values: tuple[float, ...]):
    ranges = [(800, 3295), (914, 3181), (950, 3145), (971, 3124), (200, 3895), (1426, 2669)]
    told = [MotorCalibration(i + 1, 0, 37, low, high) for i, (low, high) in enumerate(ranges)]
    calibration = make_calibration(SO101, tuple(told), "the arm")
    angles = calibration.angles(np.full(6, float(steps)))
    np.testing.assert_allclose(calibration.lerobot_values(angles), values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(calibration.angles_of_lerobot(np.array(values)), angles, atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.integers(0, 5), st.booleans())
def test_angles_within_the_range_come_back_to_half_a_step(shares: list[float], joint: int, inverted: bool):
    name = SO101.joints[joint]
    calibration = arm(**{name: {"drive_mode": int(inverted)}})
    ends = np.array([[m.range_min, m.range_max] for m in calibration.motors], float)
    angles = calibration.angles(ends[:, 0] + np.array(shares) * (ends[:, 1] - ends[:, 0]))
    back = calibration.angles(calibration.steps(angles))
    assert np.abs(back - angles).max() <= math.pi / 4096 + 1e-9
    assert np.abs(calibration.angles_of_lerobot(calibration.lerobot_values(angles)) - angles).max() < 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_no_goal_is_outside_the_calibrated_range(angles: list[float]):
    calibration = arm()
    for steps, motor in zip(calibration.steps(np.array(angles)), calibration.motors, strict=True):
        assert motor.range_min <= steps <= motor.range_max


def test_a_motor_that_turns_against_its_joint_counts_backwards():
    there, against = arm(), arm(shoulder_pan={"drive_mode": 1}, gripper={"drive_mode": 1})
    steps = there.zeros.copy()
    steps[0] += 100
    assert there.angles(steps)[0] == -against.angles(steps)[0] > 0
    wide_open = against.angles(np.array([2000.0] * 5 + [1973.0]))[5]
    assert wide_open == pytest.approx(RANGES[5, 0] + (3449 - 1973) * 2 * math.pi / 4096)


def test_a_nominal_arm_reaches_the_models_limits():
    calibration = nominal_calibration(SO101)
    low = calibration.angles(np.array([motor.range_min for motor in calibration.motors], float))
    high = calibration.angles(np.array([motor.range_max for motor in calibration.motors], float))
    assert np.all(low <= RANGES[:, 0] + 0.002)
    assert np.all(high >= RANGES[:, 1] - 0.002)


@pytest.mark.parametrize(
    "told, message",
    [
        ("{", "no JSON"),
        ("[" * 60_000, "no JSON"),
        ("[]", "must have the motors shoulder_pan"),
        ({joint: ARM[joint] for joint in list(ARM)[:5]}, "must have the motors"),
        (ARM | {"head": ARM["gripper"]}, "must have the motors"),
        (ARM | {"gripper": 3}, "'gripper' must have id, drive_mode"),
        (ARM | {"gripper": ARM["gripper"] | {"id": "6"}}, "id of 'gripper' must be a whole number, found '6'"),
        (ARM | {"gripper": ARM["gripper"] | {"id": True}}, "id of 'gripper' must be a whole number"),
        (ARM | {"gripper": ARM["gripper"] | {"id": 5}}, "share an id"),
        (ARM | {"gripper": ARM["gripper"] | {"homing_offset": 2048}}, "homing_offset of 'gripper' is 2048"),
        (ARM | {"gripper": ARM["gripper"] | {"range_min": 3449}}, "range_max of 'gripper' is 3449, expected 3450"),
        (ARM | {"gripper": ARM["gripper"] | {"drive_mode": 2}}, "drive_mode of 'gripper' is 2"),
        (ARM | {"elbow_flex": ARM["elbow_flex"] | {"range_min": 0, "range_max": 4095}}, "not swept"),
    ],
    ids=range(13),
)
def test_a_file_that_is_not_lerobots_is_told(tmp_path: Path, told: object, message: str):
    with pytest.raises(CalibrationError, match=message):
        load_calibration(written(tmp_path / "arm.json", told), SO101)


def test_files_that_cannot_be_read_or_written_are_told(tmp_path: Path):
    with pytest.raises(CalibrationError, match="huggingface"):
        load_calibration(tmp_path / "absent.json", SO101)
    (tmp_path / "long.json").write_text(" " * 100_000 + "{}")
    with pytest.raises(CalibrationError, match="must have the motors"):
        load_calibration(tmp_path / "long.json", SO101)
    with pytest.raises(CalibrationError, match="cannot write"):
        arm().save(tmp_path / "long.json" / "arm.json")
