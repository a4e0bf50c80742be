"""The twin's process: the simulated robot and the server of its protocol, period by period, in real time or at another speed.

    simulated = SimulatedRobot(GO2, load_gap(Path("gap.toml")))
    with Stop() as stop, closing(make_server("local", simulated)) as server:
        told = TwinLoop(simulated, server).run(stop, seconds=60.0)

Periods have absolute deadlines, so that lateness does not add up; after a pause of more than a fifth of a second they count
anew. What is late is counted: a robot does not wait for its own computer. A robot shares no computer with whoever commands it
either: where it is permitted, the twin runs before other programs, unless it takes so much that there would be little left for
them.
"""

import gc
import importlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import mujoco
import numpy as np

from rl.stop import Stop
from sim2real.realtime import Precedence
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.faults import Faults
from sim2real.twin.server import TwinError, TwinServer
from sim2real.twin.simulated import SimulatedRobot

PROTOCOLS = {
    "local": "sim2real.twin.local:LocalServer",
    "go2-dds": "sim2real.twin.go2_dds:Go2DdsServer",
    "so101-serial": "sim2real.twin.so101_serial:So101SerialServer",
}
_ROBOTS = {"go2-dds": "go2", "so101-serial": "so101"}  # protocols of one robot only
_STATUS = 1.0  # s between two
_PAUSE = 0.2  # s late, after which deadlines count anew
_LATE_IN_A_ROW = 25  # periods without a rest, after which other programs come first

Say = Callable[[str], None]


class Watcher(Protocol):
    """Whoever looks on: a log, a page."""

    def add(self, simulated: SimulatedRobot, command: RobotCommand | None) -> None: ...


def make_server(protocol: str, simulated: SimulatedRobot, address: str | None = None) -> TwinServer:
    """The server of a protocol of `PROTOCOLS`, at its usual address where none is given. Raises TwinError."""
    if protocol not in PROTOCOLS:
        raise TwinError(f"unknown protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    robot = simulated.robot
    if robot.name != _ROBOTS.get(protocol, robot.name):
        raise TwinError(f"the protocol {protocol} is that of the {_ROBOTS[protocol]}; for the {robot.name} there is: local")
    module, _, name = PROTOCOLS[protocol].partition(":")
    server = getattr(importlib.import_module(module), name)
    where = {} if address is None else {"address": address}
    return cast(TwinServer, server(robot, 1.0 / simulated.period, **where))


class Lateness:
    """How late periods began: a histogram of 10 µs up to 100 ms, of constant size however long it goes on."""

    _BIN = 1e-5
    _BINS = 10_000

    def __init__(self, period: float):
        self._period = period
        self._counts = np.zeros(self._BINS + 1, np.int64)
        self.largest = 0.0
        """s"""
        self.overruns = 0
        """Periods that began more than a period late."""
        self.in_a_row = 0
        """Of the latest periods, those that had no rest before them: the one before had not ended at their deadline."""

    def add(self, seconds: float, rested: bool = True) -> None:
        self._counts[min(int(max(seconds, 0.0) / self._BIN), self._BINS)] += 1
        self.largest = max(self.largest, seconds)
        self.overruns += seconds > self._period
        self.in_a_row = 0 if rested else self.in_a_row + 1

    def quantile(self, share: float) -> float:
        """Seconds, at the upper end of a bin; 0 where nothing was added."""
        total = np.cumsum(self._counts)
        return (int(np.searchsorted(total, share * total[-1])) + 1) * self._BIN if total[-1] else 0.0


@dataclass
class Told:
    """What a twin's run came to."""

    robot: str
    address: str
    simulated_seconds: float = 0.0
    wall_seconds: float = 0.0
    published: int = 0
    """States sent."""
    commands: int = 0
    """Those that were valid; of what came within one period, the newest takes effect."""
    refused: int = 0
    """What the server told that it refused; of one kind in one period, once."""
    falls: int = 0
    posture: str = ""
    base_height: float = 0.0
    """m"""
    late_p50_ms: float = 0.0
    """How late periods began."""
    late_p99_ms: float = 0.0
    late_max_ms: float = 0.0
    overruns: int = 0
    """Periods that began more than a period late."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class TwinLoop:
    """`say` is told events; `status`, each second, how it stands."""

    def __init__(
        self,
        simulated: SimulatedRobot,
        server: TwinServer,
        watchers: tuple[Watcher, ...] = (),
        say: Say = print,
        status: Say = lambda _: None,
    ):
        self._simulated, self._server, self._watchers = simulated, server, watchers
        self._say, self._status = say, status
        self._faults = Faults(simulated.robot, simulated.gap.fault)
        self._told = Told(simulated.robot.name, server.address)
        self._state: RobotState | None = None
        self._commanded: float | None = None  # when the first command came
        self._shown: dict[str, str] = {}
        self._status_due = time.monotonic() + _STATUS
        self._commands_then = 0

    def run(self, stop: Stop, seconds: float = math.inf, speed: float = 1.0) -> Told:
        """Simulate until `stop` is requested or `seconds` of simulated time are over; `speed` is simulated time over wall time,
        infinite for as fast as possible. Raises TwinError if the physics diverge."""
        simulated, told = self._simulated, self._told
        for name, value in (("seconds", seconds), ("speed", speed)):
            if not value > 0:
                raise TwinError(f"--{name} {value:g}: expected more than 0")
        spacing = simulated.period / speed
        lateness = Lateness(spacing)
        end = math.inf if math.isinf(seconds) else simulated.sequence + round(seconds / simulated.period)
        self._say(f"{told.robot} at {told.address}: {simulated.posture}")
        with _undisturbed(), Precedence() as precedence:
            begin = due = time.monotonic()
            while not stop.requested and simulated.sequence < end:
                if spacing > 0:
                    due = _wait_until(due, lateness) + spacing
                if spacing == 0 or lateness.in_a_row > _LATE_IN_A_ROW:
                    precedence.yield_to_others()
                self.advance()
                self._tell_status(lateness)
        told.simulated_seconds, told.wall_seconds = simulated.time, time.monotonic() - begin
        told.falls, told.posture, told.base_height = simulated.falls, simulated.posture, simulated.base_height
        told.late_p50_ms, told.late_p99_ms = (1e3 * lateness.quantile(share) for share in (0.5, 0.99))
        told.late_max_ms, told.overruns = 1e3 * lateness.largest, lateness.overruns
        return told

    def advance(self) -> None:
        """One period, at once."""
        simulated = self._simulated
        command = self._server.command()
        self._note(command)
        state = simulated.step(command)
        if state is not self._state:  # else the newest is late, or lost
            self._state = state
            for message in self._faults.messages(state, simulated.time, self._commanded):
                self._server.publish(message)
                self._told.published += 1
        for event in self._server.events():
            self._told.refused += 1
            self._tell(event)
        self._tell_change("faults", f"faults: {', '.join(self._faults.active) or 'none'}", silent="faults: none")
        self._tell_change("posture", simulated.posture)
        for watcher in self._watchers:
            watcher.add(simulated, command)

    def _note(self, command: RobotCommand | None) -> None:
        self._told.commands = self._server.obeyed
        if self._commanded is None and self._server.obeyed:
            self._commanded = self._simulated.time
        self._tell_change("commands", "no commands: limp" if command is None else "commands come", silent="no commands: limp")

    def _tell(self, text: str) -> None:
        self._say(f"{self._simulated.time:9.3f} s  {text}")

    def _tell_change(self, what: str, text: str, silent: str = "") -> None:
        """Tell what is other than it was; at first, what is not the usual."""
        before = self._shown.get(what)
        self._shown[what] = text
        if text != (before or silent or text):
            self._tell(text)

    def _tell_status(self, lateness: Lateness) -> None:
        now = time.monotonic()
        if now < self._status_due:
            return
        elapsed = now - self._status_due + _STATUS
        rate = (self._told.commands - self._commands_then) / elapsed
        self._status_due, self._commands_then = now + _STATUS, self._told.commands
        simulated = self._simulated
        height = f", base at {simulated.base_height:.2f} m" if simulated.is_floating else ""
        self._status(
            f"{simulated.time:.0f} s  {simulated.posture}{height}   {rate:.0f} commands/s   {self._told.refused} refused   "
            f"{1e3 * lateness.quantile(0.99):.2f} ms late (p99)"
        )


def _wait_until(due: float, lateness: Lateness) -> float:
    """Sleep until a period's deadline, and say when it was: later than asked after a long pause, so that it is not made up."""
    now = time.monotonic()
    if rested := now < due:
        time.sleep(due - now)
        now = time.monotonic()
    lateness.add(now - due, rested)
    return due if now < due + _PAUSE else now


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is there now is not searched for garbage, which would take longer than a period; and MuJoCo writes no log file into
    the working directory, as a simulation that diverges is told of otherwise."""
    gc.collect()
    gc.freeze()
    before, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    quiet.logto_console = quiet.logto_file = False
    quiet.set()
    try:
        yield
    finally:
        before.set()
        gc.unfreeze()
