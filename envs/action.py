"""What a policy's action means: from an action to the position that each joint is to take.

    Task(..., action=JointPosition())           # around the default pose
    Task(..., action=JointIncrement(0.1))       # on from the last target

Both are pure functions of arrays (..., num_joints) in policy order, in radians, the same in training, in the exported policy
and on the robot. The caller keeps targets within the joints' limits.
"""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from assets.robots.robot import Robot


class ActionMapping(Protocol):
    def first(self, robot: Robot, position: jax.Array) -> jax.Array:
        """The target that a robot is taken to have had when it starts at these joint positions."""
        ...

    def target(self, robot: Robot, action: jax.Array, last: jax.Array) -> jax.Array:
        """The target of an action after the target `last`."""
        ...


@dataclass(frozen=True)
class JointPosition:
    """Targets are the default pose plus `Robot.action_scale` times the action: a gait's."""

    def first(self, robot: Robot, position: jax.Array) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(robot.default_pose, jnp.float32), position.shape)

    def target(self, robot: Robot, action: jax.Array, last: jax.Array) -> jax.Array:
        return jnp.asarray(robot.default_pose, jnp.float32) + jnp.asarray(robot.action_scale, jnp.float32) * action


@dataclass(frozen=True)
class JointIncrement:
    """Targets move on from the last one by `share` of `Robot.action_scale` times the action: of what homes in on something. A
    policy that knows which way to go need not know where all ways end."""

    share: float

    def first(self, robot: Robot, position: jax.Array) -> jax.Array:
        return position

    def target(self, robot: Robot, action: jax.Array, last: jax.Array) -> jax.Array:
        return last + self.share * jnp.asarray(robot.action_scale, jnp.float32) * action
