"""The seam between the simulated robot and its protocol: a `TwinServer` is the robot's side of one bus.

    server.publish(simulated.step(server.command()))        # at the robot's rate

A server is strict, as the robot's own electronics are: it checks what comes in and tells in `events` what it refused. It never
waits: whoever commands may be slow, dead or absent.
"""

from typing import Protocol

from assets.errors import UserError
from sim2real.robot_io import RobotCommand, RobotState


class TwinError(UserError, RuntimeError):
    """The twin cannot start or go on; the message says what was expected, what was found and what to do."""


class TwinServer(Protocol):
    address: str
    """Where a driver finds the robot, as its `--address` takes it."""

    def command(self) -> RobotCommand | None:
        """The newest valid command, the same object as long as none came after it; None where there is none or it is too old,
        by this protocol's own limit, so that the motors go limp."""
        ...

    def publish(self, state: RobotState) -> None:
        """Send a state as the real robot would: one that is not `intact` with a wrong checksum, and `rivals` as the protocol
        can tell them."""
        ...

    def events(self) -> list[str]:
        """What was refused since the last call, in words."""
        ...

    def close(self) -> None:
        """Let go of the bus; may be called twice."""
        ...
