"""What decides where the joints are to go: the seam between the runtime and a policy."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim2real.robot_io import RobotState


@dataclass(frozen=True, eq=False)
class Decision:
    targets: np.ndarray
    """(num_joints,) rad"""
    action: np.ndarray
    """(num_joints,) what the policy gave before it was mapped to targets"""


class Pilot(Protocol):
    """A policy on a robot. Joints are in policy order."""

    joints: tuple[str, ...]
    rate: float
    """Decisions a second (Hz)."""
    default_pose: np.ndarray
    """rad"""
    stiffness: np.ndarray
    """N m/rad"""
    damping: np.ndarray
    """N m s/rad"""
    command_names: tuple[str, ...]
    """Of the command's entries, with units."""

    def restart(self) -> None:
        """Forget the past, as at the start of an episode."""
        ...

    def decide(self, state: RobotState, command: np.ndarray) -> Decision: ...
