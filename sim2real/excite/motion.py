"""A motion that excites a robot so that a recording of it tells something: `Motion`, joint targets at a rate, with gains.

    motion = Motion("so101", SO101.joints, 50.0, targets, SO101.stiffness, SO101.damping, kind="steps")
    motion.seconds, motion.velocity.max()

A motion is data and knows no robot: whether one can play it is the affair of `sim2real.excite.rehearsal`.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from assets.errors import UserError

MAX_RATE = 10_000.0
"""Hz"""
MAX_STEPS = 2_000_000


class MotionError(UserError, ValueError):
    """A motion is ill-formed, or no robot may play it; the message names the file or the joint and the time, what was expected
    and what was found."""


@dataclass(frozen=True)
class Segment:
    """A part of a motion."""

    name: str
    begin: float
    """s from the motion's beginning"""
    end: float
    """s"""


@dataclass(frozen=True, eq=False)
class Motion:
    """Raises MotionError where its parts do not fit together."""

    robot: str
    """As `zerogap list` names it."""
    joints: tuple[str, ...]
    """All of the robot's, in policy order."""
    rate: float
    """Targets a second (Hz); each holds until the next one."""
    targets: np.ndarray
    """(steps, joints) rad"""
    stiffness: tuple[float, ...]
    """Of the joints' controllers, which get no velocity targets and no feed-forward (N m/rad)."""
    damping: tuple[float, ...]
    """N m s/rad"""
    kind: str = "custom"
    """What becomes a log's `excitation`: logs of one kind are held out together."""
    seed: int = 0
    description: str = ""
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        targets = np.array(self.targets, np.float64)
        n = len(self.joints)
        if targets.ndim != 2 or targets.shape[1] != n or not 2 <= len(targets) <= MAX_STEPS:
            raise MotionError(f"targets have shape {targets.shape}, expected (2 to {MAX_STEPS}, {n})")
        if not np.isfinite(targets).all():
            step, joint = np.argwhere(~np.isfinite(targets))[0]
            raise MotionError(f"the target of {self.joints[joint]} in step {step} is {targets[step, joint]}, expected a number")
        if not 1.0 <= self.rate <= MAX_RATE:
            raise MotionError(f"rate is {self.rate:g} Hz, expected one from 1 to {MAX_RATE:g}")
        for name in ("stiffness", "damping"):
            values = np.array(getattr(self, name), float)
            if values.shape != (n,) or not np.isfinite(values).all() or (values < 0).any():
                raise MotionError(f"{name} is {values.tolist()}, expected {n} numbers, none below zero")
        targets.flags.writeable = False
        object.__setattr__(self, "targets", targets)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.targets) / self.rate

    @property
    def times(self) -> np.ndarray:
        """(steps,) s: when each target begins to hold."""
        return np.arange(len(self.targets)) / self.rate

    @property
    def velocity(self) -> np.ndarray:
        """(steps - 1, joints) rad/s from each target to the next."""
        return np.diff(self.targets, axis=0) * self.rate

    @property
    def acceleration(self) -> np.ndarray:
        """(steps - 2, joints) rad/s²."""
        return np.diff(self.targets, n=2, axis=0) * self.rate**2

    @property
    def content_hash(self) -> str:
        """SHA-256 of what it does: rate, targets and gains."""
        digest = hashlib.sha256(f"{self.robot} {','.join(self.joints)} {self.rate!r} {self.targets.shape}".encode())
        for values in (self.targets, self.stiffness, self.damping):
            digest.update(np.asarray(values, "<f8").tobytes())
        return digest.hexdigest()
