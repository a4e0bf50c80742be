"""A robot in the test's own process and time: joints that follow their targets, a clock that only sleeping moves."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from assets.robots import GO2
from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.pilot import Decision
from sim2real.drivers.driver import DriverError
from sim2real.robot_io import RobotCommand, RobotState


class Clock:
    """Nanoseconds; `sleep` passes them at once."""

    def __init__(self) -> None:
        self.now = 10**9

    def __call__(self) -> int:
        self.now += 1_000  # looking at it takes a microsecond
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(1e9 * seconds)


class FakeDriver:
    """A Go2 of which a test says what becomes of its states. `change(state, seconds)` counts from its first command; it gives
    what is read instead, or None for nothing new."""

    robot = GO2
    rate = 500.0

    def __init__(self, clock: Clock, change: Callable[[RobotState, float], RobotState | None] = lambda state, seconds: state):
        self.clock, self.change = clock, change
        self.commands: list[RobotCommand] = []
        self.damped = 0
        self.acquired = self.closed = False
        self._begin: int | None = None
        self._sequence = 0
        self._position = np.array(GO2.default_pose) + 0.3
        self._state = self._next()

    def connect(self) -> None: ...

    def acquire(self) -> None:
        self.acquired = True

    def read(self) -> RobotState:
        seconds = -1.0 if self._begin is None else 1e-9 * (self.clock.now - self._begin)
        changed = self.change(self._next(), seconds)
        if changed is not None:
            self._state = changed
        return self._state

    def write(self, command: RobotCommand) -> None:
        assert self.acquired
        if self._begin is None:
            self._begin = self.clock.now
        self.commands.append(command)
        self._position = self._position + 0.2 * np.sign(command.stiffness) * (command.position - self._position)

    def damp(self) -> None:
        assert self.acquired
        self.damped += 1

    def close(self) -> None:
        self.closed = True

    def _next(self) -> RobotState:
        self._sequence += 1
        n = GO2.num_joints
        return RobotState(
            stamp_ns=self.clock.now - 200_000,
            sequence=self._sequence,
            position=self._position.copy(),
            velocity=np.zeros(n),
            torque=np.zeros(n),
            temperature=np.full(n, 30.0),
            quaternion=np.array([1.0, 0.0, 0.0, 0.0]),
            angular_velocity=np.zeros(3),
            acceleration=np.array([0.0, 0.0, 9.81]),
        )


class Swaying:
    """A pilot whose targets are those of the command's only entry, times what the clock says."""

    joints = GO2.joints
    rate = 50.0
    default_pose = np.array(GO2.default_pose)
    stiffness = np.array(GO2.stiffness)
    damping = np.array(GO2.damping)
    commands = CommandRange(("sway (rad)",), np.array([[-0.5, 0.5]]), np.zeros(1))
    largest_steps = None
    ended: str | None = None

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.restarts = 0

    def restart(self) -> None:
        self.restarts += 1

    def decide(self, state: RobotState, command: np.ndarray) -> Decision:
        self.seen.append(state.sequence)
        action = np.sin(0.3 * len(self.seen) + np.arange(len(self.joints))) * command
        return Decision(self.default_pose + action, action)


class Broken:
    """A source whose device is gone after a while."""

    is_ended = False

    def read(self, seconds: float) -> np.ndarray:
        if seconds > 0.1:
            raise DriverError("the gamepad is gone")
        return np.zeros(1)

    def close(self) -> None: ...


def faulty(**changes: object) -> Callable[[RobotState, float], RobotState]:
    """From 0.6 s on, when the policy acts, every state has these values."""
    return lambda state, seconds: replace(state, **changes) if seconds > 0.6 else state  # type: ignore[arg-type]
