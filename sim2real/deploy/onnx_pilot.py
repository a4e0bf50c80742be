"""An exported policy as a `Pilot`."""

import numpy as np

from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.pilot import Decision
from sim2real.export.policy import Policy, readings
from sim2real.robot_io import RobotState


class OnnxPilot:
    """Keeps the policy's history from decision to decision."""

    largest_steps: np.ndarray | None = None
    ended: str | None = None

    def __init__(self, policy: Policy):
        spec = policy.spec
        self._policy = policy
        self._history = policy.begin()
        self.joints = spec.joints
        self.rate = spec.rate
        self.default_pose = np.array(spec.default_pose)
        self.stiffness = np.array(spec.stiffness)
        self.damping = np.array(spec.damping)
        self.commands = CommandRange(
            names=tuple(entry.name for entry in spec.command),
            limits=np.array([(entry.low, entry.high) for entry in spec.command]).reshape(-1, 2),
            default=np.array(spec.default_command),
            of_kind=policy.nearest_command,
        )
        self.run_hash = spec.run_hash

    def restart(self) -> None:
        self._history = self._policy.begin()

    def decide(self, state: RobotState, command: np.ndarray) -> Decision:
        step = self._policy.step(readings(state, command), self._history)
        self._history = step.history
        return Decision(np.asarray(step.target, float), np.asarray(step.action, float))
