"""The seam between the runtime and a robot: a `Driver` reads states from one robot and writes commands to it.

The twin and the hardware are drivers alike; a user's own is found through the entry-point group `zerogap.drivers`.
"""

from typing import Protocol, runtime_checkable

from assets.errors import UserError
from assets.robots.robot import Robot
from sim2real.robot_io import RobotCommand, RobotState


class DriverError(UserError, RuntimeError):
    """A robot cannot be reached or commanded; the message says which, what was expected, what was found and what to do."""


class Driver(Protocol):
    """One robot on its bus. All calls come from one thread; `read` and `write` return within a fraction of the period."""

    robot: Robot
    rate: float
    """Commands a second that the robot wants, and states that it gives (Hz)."""

    def connect(self) -> None:
        """Open the bus and wait for a first intact state. Raises DriverError where none comes within some seconds."""
        ...

    def acquire(self) -> None:
        """Take command: release what the vendor's own software does with the motors. Raises DriverError where another gives
        commands already, or the robot's mode cannot be released."""
        ...

    def read(self) -> RobotState:
        """The newest state, without waiting: that of the call before, stamp and sequence too, where nothing has come since."""
        ...

    def write(self, command: RobotCommand) -> None:
        """Send a command to the motors at once."""
        ...

    def damp(self) -> RobotCommand | None:
        """Send the command that lets the robot sink down gently, whatever state the driver is in. May be called many times.

        Returns what was sent, for the log; None where nothing was, or where gains and targets do not tell it."""
        ...

    def close(self) -> None:
        """Let go of the bus; may be called twice."""
        ...


@runtime_checkable
class Listener(Protocol):
    """A driver whose robot sends states by a clock of its own."""

    def listen(self) -> None:
        """Take in what has come, for `read` to give later with the time of now. Called again and again shortly before `read`,
        which a state may have waited for since long after the one before."""
        ...
