"""What decides where the joints are to go: the seam between the runtime and a policy, or a motion that is played."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim2real.deploy.command_range import CommandRange
from sim2real.robot_io import RobotState


@dataclass(frozen=True, eq=False)
class Decision:
    targets: np.ndarray
    """(num_joints,) rad"""
    action: np.ndarray
    """(num_joints,) what the policy gave before it was mapped to targets"""


class Pilot(Protocol):
    """Joints are in policy order."""

    joints: tuple[str, ...]
    rate: float
    """Decisions a second (Hz)."""
    default_pose: np.ndarray
    """rad"""
    stiffness: np.ndarray
    """N m/rad"""
    damping: np.ndarray
    """N m s/rad"""
    commands: CommandRange
    """What it can be asked."""
    largest_steps: np.ndarray | None
    """Of its targets from one decision to the next, (num_joints,) rad, where they must go out as they are; None where the
    safety filter may take them in several cycles."""

    @property
    def ended(self) -> str | None:
        """Why it has nothing more to decide; None as long as it has."""
        ...

    def restart(self) -> None:
        """Forget the past, as at the start of an episode."""
        ...

    def decide(self, state: RobotState, command: np.ndarray) -> Decision:
        """`command` is one that `commands.nearest` gives."""
        ...
