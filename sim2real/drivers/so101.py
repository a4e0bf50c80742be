"""The driver of an SO-101: six Feetech STS3215 servos on a serial bus, calibrated by LeRobot.

    driver = So101Driver("/dev/ttyACM0", calibration=Path("my_arm.json"))
    driver.connect()
    driver.acquire()
    driver.write(command)
    state = driver.read()

The servos control position, within their own torque limit. A command's stiffness and damping become their P and D coefficients,
the nearest but never 0, which count as proportional to both; their pair (16, 32) has the gains of the robot's description. What
a position servo cannot do is refused: a feed-forward torque, a target velocity, gains beyond its coefficients. Where stiffness
and damping are 0, a joint's torque is switched off.

To damp does not switch the torque off: an arm that goes limp falls. The servos hold where they are with so little torque
(`DAMPING_TORQUE`) that an outstretched arm sinks, slowly, as their drives brake it, and then rests on what is below or on that
torque; a hand moves it. `close` leaves it so. Servos hold their last goal when nobody commands them any more: where the computer
dies or its cable is pulled before it could damp, only the arm's power switch makes it let go.

Every read asks the six servos and waits for them, some 3 ms on the real bus and `_SHARE` of a period at most. Voltages, loads
and speeds are the servos' own; a torque is estimated from the share of the voltage that drives the motor and the speed. No
motor counts its messages: `sequence` counts the answers. No real arm has been driven with this yet.
"""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assets.robots.robot import Robot
from assets.robots.so101 import SO101
from sim2real.drivers.driver import DriverError
from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.calibration import Calibration, load_calibration
from sim2real.drivers.feetech.roll_call import check_servos, checked_calibration, known, servo_name
from sim2real.robot_io import RobotCommand, RobotState

if TYPE_CHECKING:
    from sim2real.drivers.feetech.bus import FeetechBus, Reply

DAMPING_TORQUE = 0.15
"""The share of a servo's largest torque that it holds with in damping: 0.5 N m, where an outstretched arm needs 0.86 N m at its
shoulder."""
P_COEFFICIENT, D_COEFFICIENT = 16, 32
"""With which a servo has the stiffness and damping of the robot's description: LeRobot's for this arm."""
_ACCELERATION = 254  # the largest, as LeRobot sets it
_SHARE = 0.5  # of a period, that a read may wait for the servos
_CONNECT_SECONDS = 5.0
_POSITION_MODE = 0
_LARGEST_COEFFICIENT = 254


class _NoStateError(DriverError):
    pass


class So101Driver:
    """A `Driver`. Without a calibration file, the one that the servos hold is trusted: LeRobot writes it there, too."""

    robot: Robot
    rate: float

    def __init__(self, address: str, calibration: Path | None = None, robot: Robot = SO101, rate: float = 50.0):
        """`address` is the serial port; `rate` of states and commands (Hz)."""
        self.robot, self.rate = robot, rate
        self._address = address
        self._given = None if calibration is None else load_calibration(calibration, robot)
        self._file = calibration
        self._calibration: Calibration | None = None
        self._bus: FeetechBus | None = None
        self._state: RobotState | None = None
        self._acquired = False
        self._gains: tuple[tuple[int, int], ...] = ()
        self._torque_on: tuple[bool, ...] = ()
        self._limits: dict[int, int] = {}
        self._faults: dict[int, int] = {}

    def connect(self) -> None:
        bus_type = _bus_type()
        self.close()
        ids = self._given.ids if self._given else tuple(motor.index + 1 for motor in self.robot.motors)
        self._bus = bus_type(self._address, ids, patience=_SHARE / self.rate)
        self._state, self._faults = None, {}
        try:
            self._bus.open()
            check_servos(self._bus, self.robot.joints)
            self._calibration = checked_calibration(self._bus, self.robot, self._given, str(self._file))
            self._await_state()
        except DriverError:
            self._bus.close()
            raise

    def acquire(self) -> None:
        """Take command where the arm is: torque on, at the gains of the robot's description, its goal the present position.

        Raises DriverError where a servo is in another mode than position, or does not take what it is told.
        """
        bus = self._open_bus()
        for joint, servo in zip(self.robot.joints, bus.ids, strict=True):
            mode = bus.read(r.OPERATING_MODE, servo)
            if mode != _POSITION_MODE:
                raise DriverError(
                    f"{servo_name(servo, joint)} is in operating mode {mode}, expected {_POSITION_MODE}, position:"
                    " set it with LeRobot or Feetech's FD software"
                )
        bus.sync_write(r.GOAL_POSITION, self._goals(self._await_state().position))
        self._gains, self._torque_on, self._limits = (), (), {}
        for servo in bus.ids:
            bus.write(r.LOCK, servo, 1)  # so that gains are written to no EEPROM
            bus.write(r.RETURN_DELAY, servo, 0)
            bus.write(r.ACCELERATION, servo, _ACCELERATION)
            bus.write(r.GOAL_VELOCITY, servo, 0)
            bus.write(r.I_COEFFICIENT, servo, 0)
            self._limits[servo] = known(bus, r.MAX_TORQUE, servo)
            bus.write(r.TORQUE_LIMIT, servo, self._limits[servo])
        self._set_gains(((P_COEFFICIENT, D_COEFFICIENT),) * len(bus.ids))
        self._switch((True,) * len(bus.ids))
        for joint, servo in zip(self.robot.joints, bus.ids, strict=True):
            if bus.read(r.TORQUE_ENABLE, servo) != 1 or bus.read(r.P_COEFFICIENT, servo) != P_COEFFICIENT:
                raise DriverError(f"{servo_name(servo, joint)} does not take its torque or gains: switch its power off and on")
        self._acquired = True

    def read(self) -> RobotState:
        """The state before, where the servos do not answer in time. A state with a damaged answer is not `intact`, and has the
        older values of the servos that it lacks. Raises DriverError once for each fault that a servo tells of, and where the
        port is gone."""
        bus = self._open_bus()
        reply = bus.sync_read(r.PRESENT_POSITION, r.PRESENT_CURRENT)
        if reply.corrupt or len(reply.blocks) == len(bus.ids):
            self._state = self._as_state(reply)
            self._tell_faults(reply)
        if self._state is None:
            raise _NoStateError(f"the arm at {self._address} has given no state yet: call connect first")
        return self._state

    def write(self, command: RobotCommand) -> None:
        """Raises DriverError, with nothing sent, where position servos cannot do what is asked."""
        if not self._acquired:
            raise DriverError("the arm is not under command: call acquire first, after a damp too")
        bus = self._open_bus()
        gains, torque_on, goals = self._coefficients(command), _wants_torque(command), self._goals(command.position)
        if gains != self._gains:
            self._set_gains(gains)
        # A servo that comes on may go to its goal at once, and one that is to be limp might come on by a goal.
        bus.sync_write(r.GOAL_POSITION, {servo: goals[servo] for servo, on in zip(bus.ids, torque_on, strict=True) if on})
        if torque_on != self._torque_on:
            self._switch(torque_on)

    def damp(self) -> None:
        """Never raises: where the bus is gone there is nothing to be damped, and `read` tells of it."""
        self._acquired = False
        if self._bus is None or not self._bus.is_open:
            return
        weak = round(DAMPING_TORQUE * r.FULL_SCALE)
        with contextlib.suppress(DriverError):
            self._bus.sync_write(r.TORQUE_LIMIT, {servo: min(weak, most) for servo, most in self._limits.items()})
            if self._state is not None:
                goals = self._goals(self._state.position)
                on = {servo for servo, on in zip(self._bus.ids, self._torque_on, strict=False) if on}
                self._bus.sync_write(r.GOAL_POSITION, {servo: goal for servo, goal in goals.items() if servo in on})

    def close(self) -> None:
        """An arm that was under command is left damped."""
        if self._limits:
            self.damp()
        if self._bus is not None:
            self._bus.close()
        self._bus, self._limits = None, {}

    # Commands

    def _goals(self, angles: np.ndarray) -> dict[int, int]:
        """Goal positions by servo, within the calibrated ranges."""
        assert self._calibration is not None
        steps = self._calibration.steps(np.asarray(angles, float))
        return dict(zip(self._calibration.ids, map(int, steps), strict=True))

    def _coefficients(self, command: RobotCommand) -> tuple[tuple[int, int], ...]:
        """P and D of each servo. Raises DriverError where a position servo cannot do what the command asks."""
        robot = self.robot
        for what in ("position", "velocity", "torque", "stiffness", "damping"):
            values = np.asarray(getattr(command, what), float)
            if values.shape != (robot.num_joints,) or not np.isfinite(values).all():
                raise DriverError(f"a command's {what} must be {robot.num_joints} finite numbers, found {values}")
            if what in ("velocity", "torque") and values.any():
                joint = robot.joints[int(np.flatnonzero(values)[0])]
                raise DriverError(
                    f"a command asks for a {what} of {joint!r}, but its servo takes positions only: give zero, and let the"
                    " position lead instead"
                )
        p = _scaled(command.stiffness, robot.stiffness, P_COEFFICIENT, "stiffness", robot)
        d = _scaled(command.damping, robot.damping, D_COEFFICIENT, "damping", robot)
        return tuple(zip(p, d, strict=True))

    def _set_gains(self, gains: tuple[tuple[int, int], ...]) -> None:
        bus = self._open_bus()
        for register, values in zip((r.P_COEFFICIENT, r.D_COEFFICIENT), zip(*gains, strict=True), strict=True):
            bus.sync_write(register, dict(zip(bus.ids, values, strict=True)))
        self._gains = gains

    def _switch(self, torque_on: tuple[bool, ...]) -> None:
        bus = self._open_bus()
        bus.sync_write(r.TORQUE_ENABLE, {servo: int(on) for servo, on in zip(bus.ids, torque_on, strict=True)})
        self._torque_on = torque_on

    # States

    def _as_state(self, reply: "Reply") -> RobotState:
        """Of what was answered, and of the state before where something was not."""
        assert self._calibration is not None
        robot, before, signs = self.robot, self._state, self._calibration.signs
        unknown = np.full(robot.num_joints, np.nan)
        rows = (r.PRESENT_POSITION, r.PRESENT_VELOCITY, r.PRESENT_LOAD, r.PRESENT_TEMPERATURE)
        blocks = [reply.blocks.get(servo) for servo in self._calibration.ids]
        answered = np.array([block is not None for block in blocks])
        position, velocity, load, temperature = (
            np.array([np.nan if block is None else row.of(block, reply.start) for block in blocks], float) for row in rows
        )
        speed = signs * velocity / r.STEPS_PER_RADIAN
        share = signs * load / r.FULL_SCALE - speed / np.array(robot.velocity_limits)
        new = (
            self._calibration.angles(position),
            speed,
            np.clip(share, -1.0, 1.0) * np.array(robot.effort_limits),
            temperature,
        )
        old = (unknown,) * 4 if before is None else (before.position, before.velocity, before.torque, before.temperature)
        position, velocity, torque, temperature = (np.where(answered, *pair) for pair in zip(new, old, strict=True))
        return RobotState(
            stamp_ns=time.monotonic_ns(),
            sequence=0 if before is None else before.sequence + 1,
            position=position,
            velocity=velocity,
            torque=torque,
            temperature=temperature,
            quaternion=np.full(4, np.nan),
            angular_velocity=np.full(3, np.nan),
            acceleration=np.full(3, np.nan),
            intact=bool(answered.all()) and not reply.corrupt,
        )

    def _tell_faults(self, reply: "Reply") -> None:
        """Raise DriverError where a servo tells of a fault that it did not tell of before."""
        for joint, servo in zip(self.robot.joints, self._open_bus().ids, strict=True):
            if servo in reply.blocks:
                bits = r.STATUS.of(reply.blocks[servo], reply.start)
                fresh = bits & ~self._faults.get(servo, 0)
                self._faults[servo] = bits
                told = [text for bit, text in r.FAULTS.items() if fresh & bit]
                if told:
                    raise DriverError(f"{servo_name(servo, joint)} reports a fault: {'; '.join(told)}")

    # Connecting

    def _open_bus(self) -> "FeetechBus":
        if self._bus is None:
            raise DriverError(f"the arm at {self._address} is not connected: call connect first")
        return self._bus

    def _await_state(self) -> RobotState:
        """A first intact state, or the next one."""
        before = None if self._state is None else self._state.sequence
        end = time.monotonic() + _CONNECT_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(_NoStateError):
                state = self.read()
                if state.intact and state.sequence != before:
                    return state
        raise DriverError(
            f"the servos at {self._address} answer, but give no intact state within {_CONNECT_SECONDS:g} s: look for a second"
            " program on the port, a loose cable or a weak power supply"
        )


def _scaled(wanted: np.ndarray, own: Iterable[float], coefficient: int, what: str, robot: Robot) -> list[int]:
    """The coefficients nearest to gains that count as proportional to them."""
    scaled = []
    for joint, gain, reference in zip(robot.joints, np.asarray(wanted, float), own, strict=True):
        nearest = round(coefficient * gain / reference)
        if gain < 0 or nearest > _LARGEST_COEFFICIENT:
            most = reference * _LARGEST_COEFFICIENT / coefficient
            raise DriverError(f"a command asks {joint!r} for a {what} of {gain:g}; its servo has 0 to {most:.3g}")
        # A little is not nothing: a filter that shrinks the gains for the torque's sake must not switch them off.
        scaled.append(max(nearest, 1 if gain > 0 else 0))
    return scaled


def _wants_torque(command: RobotCommand) -> tuple[bool, ...]:
    return tuple(bool(k or d) for k, d in zip(command.stiffness, command.damping, strict=True))


def _bus_type() -> "type[FeetechBus]":
    try:
        from sim2real.drivers.feetech.bus import FeetechBus
    except ModuleNotFoundError as error:
        raise DriverError(f"the SO-101 needs {error.name}, which is not installed: `pip install 'zerogap[so101]'`") from error
    return FeetechBus
