"""Whether the servos on a bus are those of a robot, all there, of the right model, and calibrated as its file says."""

from typing import TYPE_CHECKING

from assets.robots.robot import Robot
from sim2real.drivers.driver import DriverError
from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.calibration import Calibration, CalibrationError, MotorCalibration, make_calibration

if TYPE_CHECKING:
    from sim2real.drivers.feetech.bus import FeetechBus

_CALIBRATION = {"homing_offset": r.HOMING_OFFSET, "range_min": r.MIN_POSITION, "range_max": r.MAX_POSITION}


def servo_name(servo: int, joint: str) -> str:
    return f"servo {servo} ({joint})"


def known(bus: "FeetechBus", register: r.Register, servo: int) -> int:
    """The register of a servo that answered before."""
    value = bus.read(register, servo)
    if value is None:
        raise DriverError(f"servo {servo} at {bus.port} answered before and does not now: check its cable and the power supply")
    return value


def check_servos(bus: "FeetechBus", joints: tuple[str, ...]) -> None:
    """Raises DriverError unless the servo of every joint answers, and is an STS3215."""
    models = {servo: bus.read(r.MODEL_NUMBER, servo) for servo in bus.ids}
    names = {servo: servo_name(servo, joint) for servo, joint in zip(bus.ids, joints, strict=True)}
    missing = [servo for servo, model in models.items() if model is None]
    if len(missing) == len(models):
        raise DriverError(_silence(bus))
    if missing:
        raise DriverError(
            f"no answer from {', '.join(names[servo] for servo in missing)} at {bus.port}: each servo passes the bus on to the"
            " next, so check the cable that leads to the first of them; and that each has an id of its own"
        )
    for servo, model in models.items():
        if model != r.MODEL:
            raise DriverError(f"{names[servo]} is of model {model}, expected {r.MODEL}, an STS3215")


def checked_calibration(bus: "FeetechBus", robot: Robot, given: Calibration | None, source: str) -> Calibration:
    """The one that the servos hold, which must be the given one, if any: theirs counts, as it is they who subtract the homing
    offset. `source` is the name of the given one's file."""
    own = tuple(
        MotorCalibration(servo, drive_mode, **{field: known(bus, where, servo) for field, where in _CALIBRATION.items()})
        for servo, drive_mode in zip(bus.ids, _drive_modes(robot, given), strict=True)
    )
    if given is None:
        try:
            return make_calibration(robot, own, f"the calibration in the servos at {bus.port}")
        except CalibrationError as error:
            raise DriverError(str(error)) from error
    for joint, wanted, found in zip(robot.joints, given.motors, own, strict=True):
        for field in _CALIBRATION:
            if getattr(wanted, field) != getattr(found, field):
                raise DriverError(
                    f"{servo_name(wanted.id, joint)} holds another calibration than {source}: {field} {getattr(found, field)},"
                    f" expected {getattr(wanted, field)}. Give the file that belongs to this arm, or let LeRobot write this one"
                    " into the servos: `lerobot-calibrate`, and ENTER"
                )
    return given


def _drive_modes(robot: Robot, given: Calibration | None) -> list[int]:
    """No servo knows its own: LeRobot's way of building the arm is taken where there is no file."""
    return [0] * robot.num_joints if given is None else [motor.drive_mode for motor in given.motors]


def _silence(bus: "FeetechBus") -> str:
    """What to say where no servo answers."""
    found = bus.answering_rate()
    if found is not None:
        return f"the servos at {bus.port} listen at {found} baud, not {r.BAUD_RATES[0]}: set it with `lerobot-setup-motors`"
    return (
        f"none of the servos {bus.ids[0]} to {bus.ids[-1]} answers at {bus.port}, at any baud rate: check that this is the"
        " arm's port, that its power supply is on, and the cable to the first servo"
    )
