"""A motion played in simulation before a robot plays it: `rehearse`, and `Rehearsal.faults`, which say why no robot should.

    rehearsal = Rehearsal.of(motion, Stage(SO101))
    for fault in rehearsal.faults: print(fault)

The robot is the nominal one with its base held. What counts is what the runtime's safety filter would take off the motion or
trip on, and what touches what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assets.robots.robot import Robot
from envs.safety import Limits
from sim2real.excite.clearance import Clearance, Contact
from sim2real.excite.mechanics import Mechanics
from sim2real.excite.motion import Motion, MotionError

_LOOKS = 250.0  # Hz, of inverse dynamics
_SHARE = 0.9  # of what the safety filter allows: the real robot is not the nominal one
_ROUNDING = 1e-6  # rad


class Stage:
    """A robot's models, made once for many motions."""

    def __init__(self, robot: Robot):
        self.robot = robot
        self.limits = Limits.of(robot)
        self.mechanics = Mechanics(robot)
        self.clearance = Clearance(robot)


@dataclass(frozen=True)
class Fault:
    step: int
    joints: tuple[int, ...]
    """Those that would have to move less, by index."""
    text: str

    def tell(self, rate: float) -> str:
        """What, and when at that many steps a second."""
        return f"after {self.step / rate:.3f} s {self.text}"


def touching(contacts: Iterable[Contact]) -> list[Fault]:
    """What speaks against contacts."""
    return [Fault(c.step, c.joints, f"{' and '.join(c.parts)} come too near each other") for c in contacts]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Arrays are (steps, joints)."""

    motion: Motion
    stage: Stage
    position: np.ndarray
    """Of the simulated robot (rad)."""
    velocity: np.ndarray
    """rad/s"""
    torque: np.ndarray
    """That its controllers ask for (N m)."""
    contacts: tuple[Contact, ...]
    """On the targets' way or on the robot's."""

    @classmethod
    def of(cls, motion: Motion, stage: Stage) -> "Rehearsal":
        """Raises MotionError where the motion is another robot's."""
        if motion.joints != stage.robot.joints:
            raise MotionError(
                f"the motion is one of {motion.robot!r} with the joints {', '.join(motion.joints)}, and robot"
                f" {stage.robot.name!r} has {', '.join(stage.robot.joints)}: expected the same, in the same order"
            )
        outcome = stage.mechanics.follow(motion)
        contacts = [*stage.clearance.contacts(motion.targets), *stage.clearance.contacts(outcome[0])]
        return cls(motion, stage, *outcome, tuple(sorted(contacts, key=lambda contact: contact.step)))

    @cached_property
    def needed(self) -> np.ndarray:
        """The torques with which the joints would be on their targets all the time (looks, joints) N m, at `looks`."""
        motion, steps = self.motion, self.looks
        targets = motion.targets
        velocity = 0.5 * (targets[steps + 1] - targets[steps - 1]) * motion.rate
        acceleration = (targets[steps + 1] - 2 * targets[steps] + targets[steps - 1]) * motion.rate**2
        return self.stage.mechanics.needed(targets[steps], velocity, acceleration)

    @property
    def looks(self) -> np.ndarray:
        """The steps at which `needed` is known."""
        return np.arange(1, len(self.motion.targets) - 1, max(1, round(self.motion.rate / _LOOKS)))

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What speaks against playing it: of each kind the worst for each joint, and all contacts."""
        motion, limits = self.motion, self.stage.limits
        off = np.abs(motion.targets[:1] - self.stage.robot.default_pose)
        found = [
            *self._gain_faults(),
            *self._beyond(off, limits.target_speed / motion.rate, "begins", "rad off the default pose"),
            *self._beyond(self._outside(motion.targets), _ROUNDING, "has a target", "rad outside its range"),
            *self._beyond(np.abs(motion.velocity), limits.target_speed, "has a target that moves at", "rad/s"),
            *self._beyond(self._outside(self.position), _SHARE * limits.range_margin, "swings", "rad outside its range"),
            *self._beyond(np.abs(self.velocity), _SHARE * limits.velocity, "moves at", "rad/s"),
            *self._beyond(np.abs(self.torque), limits.torque, "asks for", "N m"),
        ]
        return (*found, *touching(self.contacts))

    def require(self) -> "Rehearsal":
        """Raise MotionError where there are faults."""
        if self.faults:
            first = self.faults[0]
            others = {fault.text for fault in self.faults} - {first.text}
            more = f"; besides, {' and '.join(sorted(others)[:2])}" if others else ""
            raise MotionError(f"robot {self.stage.robot.name!r} cannot play this motion: {first.tell(self.motion.rate)}{more}")
        return self

    def _outside(self, position: np.ndarray) -> np.ndarray:
        """How far outside of the joints' ranges (rad)."""
        return np.maximum(self.stage.limits.low - position, position - self.stage.limits.high)

    def _beyond(self, values: np.ndarray, allowed: np.ndarray | float, verb: str, unit: str) -> list[Fault]:
        allowed = np.broadcast_to(allowed, values.shape[1:])
        faults = []
        for joint in np.flatnonzero((values > allowed).any(axis=0)).tolist():
            step = int(np.argmax(values[:, joint]))
            text = (
                f"{self.motion.joints[joint]} {verb} {values[step, joint]:.3g} {unit}, at most {max(allowed[joint], 0.0):.3g}"
            )
            faults.append(Fault(step, (joint,), text))
        return faults

    def _gain_faults(self) -> list[Fault]:
        faults = []
        for name in ("stiffness", "damping"):
            values, most = np.array(getattr(self.motion, name)), getattr(self.stage.limits, name)
            for joint in np.flatnonzero(values > most * (1 + 1e-9)).tolist():
                text = f"{self.motion.joints[joint]} has a {name} of {values[joint]:.3g}, at most {most[joint]:.3g}"
                faults.append(Fault(0, (), text))
        return faults
