"""A motion as a `Pilot`: the runtime of a policy plays it, through the same safety filter, into the same log.

    pilot = MotionPilot(Rehearsal.of(motion, Stage(robot)).require())

It decides once for each of the motion's targets, in their order, whatever the robot does: where the runtime misses a deadline
the rest comes later, and nothing is left out.
"""

from dataclasses import asdict

import numpy as np

from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.pilot import Decision
from sim2real.excite.rehearsal import Rehearsal
from sim2real.robot_io import RobotState


class MotionPilot:
    """Takes what was rehearsed: a motion that no robot should play cannot get this far."""

    commands = CommandRange.nothing()

    def __init__(self, rehearsal: Rehearsal):
        motion = rehearsal.require().motion
        self._motion, self._next = motion, 0
        self.joints = motion.joints
        self.rate = motion.rate
        self.default_pose = np.array(rehearsal.stage.robot.default_pose, float)
        self.stiffness = np.array(motion.stiffness)
        self.damping = np.array(motion.damping)
        steps = np.diff(motion.targets, axis=0, prepend=self.default_pose[None])
        self.largest_steps = np.abs(steps).max(axis=0)
        self.provenance = {
            "excitation": motion.kind,
            "is_suspended": True,
            "seed": motion.seed,
            "description": motion.description,
            "segments": [asdict(segment) for segment in motion.segments],
            "motion_hash": motion.content_hash,
        }
        """What a log's header is to tell of it."""

    @property
    def ended(self) -> str | None:
        return "the motion is over" if self._next >= len(self._motion.targets) else None

    def restart(self) -> None:
        self._next = 0

    def decide(self, state: RobotState, command: np.ndarray) -> Decision:
        targets = self._motion.targets[min(self._next, len(self._motion.targets) - 1)]
        self._next += 1
        return Decision(targets, targets - self.default_pose)
