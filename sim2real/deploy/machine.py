"""What a deployed robot is doing: `Machine`, whose phases follow each other and end in DAMP, which nothing leaves.

IDLE      the robot is read until it has been well for a while; nothing is sent
ACQUIRE   command is being taken from the vendor's own software
STAND     a smooth ramp from where the joints are to the default pose, and a moment there
POLICY    the policy's targets, or a motion's
DAMP      the robot sinks down; only a new start leads out of it
"""

import enum
from dataclasses import dataclass

import numpy as np


class Phase(enum.IntEnum):
    IDLE = 0
    ACQUIRE = 1
    STAND = 2
    POLICY = 3
    DAMP = 4


@dataclass(frozen=True)
class Timetable:
    """How long the phases last (s)."""

    settle: float = 0.2
    """The robot must have been well for so long before it is acquired, and stands for so long before the policy begins."""
    unwell: float = 5.0
    """How long a robot may be unwell before it is acquired, until it is given up."""
    stand: float = 2.0
    """Of the ramp, or longer where a joint would have to move faster than `stand_speed`."""
    stand_speed: float = 1.0
    """Mean speed of a joint during the ramp (rad/s)."""
    policy: float | None = None
    """None: until it is ended."""
    damp: float = 2.0
    """How long damping is commanded before the robot is let go."""


class Machine:
    """All times are seconds of one clock that never goes back."""

    def __init__(self, timetable: Timetable, pose: np.ndarray, now: float):
        self._timetable, self._pose = timetable, pose
        self.phase = Phase.IDLE
        self.since = now
        """When the phase began."""
        self.cause: str | None = None
        """Of DAMP."""
        self.has_failed = False
        """Whether DAMP has another cause than the intended end."""
        self._well_since: float | None = None
        self._from = pose
        self._ramp = timetable.stand

    def look(self, well: bool, now: float) -> None:
        """IDLE ends when the robot has been well for a while."""
        if self.phase is not Phase.IDLE:
            return
        if not well:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        elif now - self._well_since >= self._timetable.settle:
            self._enter(Phase.ACQUIRE, now)

    def is_given_up(self, now: float) -> bool:
        """Whether the robot has been unwell for too long in IDLE."""
        return self.phase is Phase.IDLE and now - self.since > self._timetable.unwell

    def acquired(self, position: np.ndarray, now: float) -> None:
        """The robot obeys, its joints at `position` (rad): STAND begins there."""
        if self.phase is Phase.ACQUIRE:
            self._from = position.copy()
            way = float(np.max(np.abs(self._pose - position)))
            self._ramp = max(self._timetable.stand, way / self._timetable.stand_speed)
            self._enter(Phase.STAND, now)

    def advance(self, now: float) -> None:
        """STAND and POLICY end when their time is over."""
        if self.phase is Phase.STAND and now - self.since >= self._ramp + self._timetable.settle:
            self._enter(Phase.POLICY, now)
        elif self.phase is Phase.POLICY and self._timetable.policy is not None and now - self.since >= self._timetable.policy:
            self.damp("the time is up", now, failed=False)

    def standing_pose(self, now: float) -> np.ndarray:
        """The joint targets of STAND, (num_joints,) rad: speed and acceleration are zero at both ends."""
        s = min(1.0, (now - self.since) / self._ramp)
        return self._from + (self._pose - self._from) * (s * s * s * (10.0 + s * (6.0 * s - 15.0)))

    def damp(self, cause: str, now: float, failed: bool = True) -> None:
        """The end. Further causes change nothing."""
        if self.phase is not Phase.DAMP:
            self.cause, self.has_failed = cause, failed
            self._enter(Phase.DAMP, now)

    def is_over(self, now: float) -> bool:
        """Whether the robot has been damped for long enough to be let go."""
        return self.phase is Phase.DAMP and now - self.since >= self._timetable.damp

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now
