"""The robot's side of the SO-101's bus: its six servos on a pseudo-terminal, which a driver opens as a serial port.

    server = So101SerialServer(SO101, rate=500.0, address="/tmp/so101")     # a link to the pseudo-terminal
    server.publish(simulated.step(server.command()))

The servos are calibrated, as `calibration` says, or to the letter. They answer at once and from a thread of their own, as the
bus does not wait for the simulation. They hold their last goal when nobody commands them any more, as the real ones do; only
where torque is off, or the power, is a joint limp.
"""

import os
import select
import termios
import threading
import time
import tty
from collections import Counter
from pathlib import Path

import numpy as np

from assets.robots.robot import Robot
from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.calibration import Calibration, nominal_calibration
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.feetech_bus import ServoBus
from sim2real.twin.feetech_servo import Demand, Servo
from sim2real.twin.server import TwinError

_LARGEST_READ = 4096
_SPEEDS = {getattr(termios, f"B{rate}", rate): rate for rate in r.BAUD_RATES}


class So101SerialServer:
    """A `TwinServer`. Raises TwinError where it cannot have its pseudo-terminal or the link to it.

    `address` is the link's path; empty for none, so that the pseudo-terminal's own name is the address.
    """

    def __init__(self, robot: Robot, rate: float, address: str = "", calibration: Calibration | None = None):
        self._robot, self._period = robot, 1.0 / rate
        self.calibration = calibration or nominal_calibration(robot)
        self._bus = ServoBus(_servos(robot, self.calibration))
        self._lock = threading.Lock()
        self._events: Counter[str] = Counter()
        self._position = np.array(robot.default_pose)
        self._command: RobotCommand | None = None
        self._driven = np.zeros(robot.num_joints, bool)
        self._damaged = False
        self._link: Path | None = None
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise TwinError(f"no pseudo-terminal can be had: {error.strerror or error}") from error
        # The slave stays open here: without it, a driver that goes away would end the bus.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._awake, self._wake = os.pipe()
        self.address = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve, name="so101-serial", daemon=True)
        if address:
            try:
                self._link = _make_link(Path(address), self.address)
            except TwinError:
                self._close_files()
                raise
            self.address = str(self._link)
        self._thread.start()

    def command(self) -> RobotCommand | None:
        with self._lock:
            demands = [servo.control(self._period) for servo in self._bus.servos]
        self._driven = np.array([demand is not None for demand in demands])
        if not self._driven.any():
            self._command = None
            return None
        command = self._as_command(demands)
        if self._command is None or not _same(command, self._command):
            self._command = command
        return self._command

    def publish(self, state: RobotState) -> None:
        effort, fastest = np.array(self._robot.effort_limits), np.array(self._robot.velocity_limits)
        # A motor's torque is what is left of its voltage when its own speed has taken its share.
        share = np.nan_to_num(state.torque / effort + state.velocity / fastest)
        load = np.where(self._driven, np.clip(share, -1.0, 1.0), 0.0)
        temperature = np.where(np.isfinite(state.temperature), state.temperature, 25.0)
        with self._lock:
            self._position = np.where(np.isfinite(state.position), state.position, self._position)
            self._damaged = not state.intact
            for servo, *measured in zip(self._bus.servos, state.position, state.velocity, load, temperature, strict=True):
                servo.measure(*map(float, measured), seconds=self._period)

    def events(self) -> list[str]:
        with self._lock:
            self._events.update(self._bus.refused)
            self._bus.refused.clear()
            told = [
                f"refused {text} ({count} times)" if count > 1 else f"refused {text}" for text, count in self._events.items()
            ]
            self._events.clear()
        return told

    def close(self) -> None:
        if self._thread.is_alive():
            os.write(self._wake, b"x")
            self._thread.join()
            self._close_files()
            if self._link is not None:
                self._link.unlink(missing_ok=True)

    def _close_files(self) -> None:
        for file in (self._master, self._slave, self._awake, self._wake):
            os.close(file)

    def _as_command(self, demands: list[Demand | None]) -> RobotCommand:
        zero = np.zeros(self._robot.num_joints)
        position, stiffness, damping = zero.copy(), zero.copy(), zero.copy()
        for i, demand in enumerate(demands):
            if demand is not None:
                error = abs(demand.position - self._position[i])
                stiffness[i] = demand.stiffness * self._robot.stiffness[i]
                limit = demand.torque * self._robot.effort_limits[i]
                if demand.torque < 1.0 and stiffness[i] * error > limit:
                    stiffness[i] = limit / error  # as stiff as the torque limit allows so far from the goal
                position[i], damping[i] = demand.position, demand.damping * self._robot.damping[i]
        sequence = 0 if self._command is None else self._command.sequence + 1
        return RobotCommand(sequence, position, zero, zero, stiffness, damping)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._awake], [], [])
            if self._awake in ready:
                return
            try:
                request = os.read(self._master, _LARGEST_READ)
            except OSError:  # the terminal's last user has just left
                continue
            with self._lock:
                answer = self._bus.receive(request, time.monotonic(), self._baud_rate())
                if answer and self._damaged:
                    answer = answer[:-1] + bytes([answer[-1] ^ 0xFF])
            self._send(answer)

    def _baud_rate(self) -> int | None:
        """That at which the driver has set up the port."""
        return _SPEEDS.get(termios.tcgetattr(self._slave)[5])

    def _send(self, answer: bytes) -> None:
        try:
            sent = os.write(self._master, answer) if answer else 0
        except BlockingIOError:
            sent = 0
        if sent < len(answer):
            with self._lock:
                self._events["questions whose answers nobody fetches"] += 1


def _servos(robot: Robot, calibration: Calibration) -> list[Servo]:
    servos = []
    for motor, zero, sign in zip(calibration.motors, calibration.zeros, calibration.signs, strict=True):
        kept = {
            r.HOMING_OFFSET: motor.homing_offset,
            r.MIN_POSITION: motor.range_min,
            r.MAX_POSITION: motor.range_max,
        }
        servos.append(Servo(motor.id, zero + motor.homing_offset, sign, kept))
    for servo, angle in zip(servos, robot.default_pose, strict=True):
        servo.measure(angle, 0.0, 0.0, 25.0, 0.0)
    return servos


def _make_link(path: Path, target: str) -> Path:
    """A symbolic link, in place of one to nowhere that a killed twin left."""
    if path.exists():
        raise TwinError(f"{path} is there already: end the twin that serves there, remove it, or choose another --address")
    try:
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except OSError as error:
        raise TwinError(f"cannot make the link {path}: {error.strerror or error}") from error
    return path


def _same(a: RobotCommand, b: RobotCommand) -> bool:
    fields = ("position", "velocity", "torque", "stiffness", "damping")
    return all(np.array_equal(getattr(a, field), getattr(b, field)) for field in fields)
