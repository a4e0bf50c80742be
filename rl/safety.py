"""What the robot's safety filter would say of a policy in simulation: `Watchman`, used by every evaluation.

    watchman = Watchman(env)
    trips = watchman(before, after)                # (num_envs, len(CAUSES)) bool, of one control step

The filter is the robot's own (`envs.safety`), at the policy's rate and on true readings of the sensors. It only looks on: an
evaluation measures the policy, and what the filter would have made of it stands beside that. What a simulation does not have
(temperatures, a bus, other commanders) trips nothing.
"""

import jax
import jax.numpy as jnp

from envs.env import Env, EnvState
from envs.safety import Limits, Readings, Targets, guard


class Watchman:
    """For the robots of an environment. Calls may be made inside `jax.jit`."""

    def __init__(self, env: Env):
        self._robot = env.task.robot
        self._period = env.task.control_seconds
        self._limits = Limits.of(self._robot)

    def __call__(self, before: EnvState, after: EnvState) -> jax.Array:
        """What trips on the commands that led from one state to the next, given where the robots were when they were sent."""
        n = self._robot.num_joints
        position, velocity, quaternion, _ = jnp.split(before.sensed[:, 0], [n, 2 * n, 2 * n + 4], axis=1)
        # An episode that has just begun has no state before its first: its history repeats that one.
        moved = position - before.sensed[:, 1, :n]
        zero = jnp.zeros_like(position)
        none = jnp.zeros(position.shape[0], jnp.int32)
        period = jnp.full(position.shape[0], self._period)
        unknown = jnp.full_like(position, jnp.nan)
        state = Readings(position, velocity, quaternion, unknown, moved, period, 0.0 * period, none, none, none, none)
        wanted = Targets(
            after.targets[:, 0],
            zero,
            zero,
            zero + jnp.asarray(self._robot.stiffness),
            zero + jnp.asarray(self._robot.damping),
        )
        return guard(self._limits, state, wanted, before.targets[:, 0], self._period).trips
