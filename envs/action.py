"""What a policy's action means: from an action to the position that each joint is to take.

    Task(..., action=JointPosition())                # around the default pose
    Task(..., action=RelativeJointPosition(0.2))     # around where the joints are

Both are pure functions of arrays, joints in policy order and radians, the same in training, in the exported policy and on the
robot. The caller keeps targets within the joints' limits.
"""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from assets.robots.robot import Robot


class ActionMapping(Protocol):
    @property
    def description(self) -> str:
        """The target in words, of an exported policy: "default pose + action scale x action"."""
        ...

    def size(self, robot: Robot) -> int:
        """Of an action."""
        ...

    def target(self, robot: Robot, action: jax.Array, measured: jax.Array) -> jax.Array:
        """The target (..., num_joints) of an action (..., size) that was chosen when the joints were measured there, rad."""
        ...


@dataclass(frozen=True)
class JointPosition:
    """Targets are the default pose plus `Robot.action_scale` times the action: a gait's."""

    @property
    def description(self) -> str:
        return "default pose + action scale x action"

    def size(self, robot: Robot) -> int:
        return robot.num_joints

    def target(self, robot: Robot, action: jax.Array, measured: jax.Array) -> jax.Array:
        return jnp.asarray(robot.default_pose, jnp.float32) + jnp.asarray(robot.action_scale, jnp.float32) * action


@dataclass(frozen=True)
class RelativeJointPosition:
    """Targets are the measured positions plus `share` of `Robot.action_scale` times the action: of what homes in on something.
    A policy that knows which way to go need not know where all ways end."""

    share: float

    @property
    def description(self) -> str:
        return f"measured position + {self.share:g} x action scale x action"

    def size(self, robot: Robot) -> int:
        return robot.num_joints

    def target(self, robot: Robot, action: jax.Array, measured: jax.Array) -> jax.Array:
        return measured + self.share * jnp.asarray(robot.action_scale, jnp.float32) * action
