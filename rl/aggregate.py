"""The data set that DAgger aggregates: what was seen in the latest control steps, and what the teacher would have done.

    data = Aggregate.of(blocks, steps, num_envs, frame_size, actions)
    data = data.write(update, Labelled(frames, age, action))             # one rollout, (steps, num_envs, ...)
    observation, action = data.sample(key, update + 1, batch, history)   # with the history put together again

A ring in the device's memory. A frame is kept once, however long the history that the student sees: the observation at a step
is the frames up to it, and the episode's first in the place of those before it, as `envs.env` stacks them.
"""

import jax
import jax.numpy as jnp
from flax import struct


class Labelled(struct.PyTreeNode):
    """Steps of all environments, (steps, num_envs, ...)."""

    frame: jax.Array
    """The latest frame of the policy's observation, (..., size)."""
    age: jax.Array
    """Control steps since the start of the episode, int32."""
    action: jax.Array
    """What the teacher would do, (..., actions)."""


class Aggregate(struct.PyTreeNode):
    """The latest `blocks` rollouts. Rollout u lies in block u % blocks, and goes on where rollout u - 1 ended."""

    steps: Labelled
    """(blocks * steps of a rollout, num_envs, ...)"""
    length: int = struct.field(pytree_node=False)
    """Control steps of a rollout."""

    @classmethod
    def of(cls, blocks: int, length: int, num_envs: int, frame_size: int, actions: int) -> "Aggregate":
        """An empty one."""
        rows = blocks * length
        steps = Labelled(
            frame=jnp.zeros((rows, num_envs, frame_size)),
            age=jnp.zeros((rows, num_envs), jnp.int32),
            action=jnp.zeros((rows, num_envs, actions)),
        )
        return cls(steps, length)

    @property
    def rows(self) -> int:
        return self.steps.age.shape[0]

    def write(self, rollout: jax.Array, steps: Labelled) -> "Aggregate":
        """With the steps of rollout number `rollout`, in the place of the oldest."""
        start = (rollout * self.length) % self.rows
        put = lambda ring, block: jax.lax.dynamic_update_slice_in_dim(ring, block, start, axis=0)  # noqa: E731
        return self.replace(steps=jax.tree.map(put, self.steps, steps))

    def sample(self, key: jax.Array, rollouts: jax.Array, batch: int, history: int) -> tuple[jax.Array, jax.Array]:
        """Observations of `history` frames, (batch, history * size), and the teacher's actions for them, (batch, actions).

        Uniform over what is kept after so many rollouts, but for the oldest steps, of whose history a part is overwritten.
        """
        key_step, key_env = jax.random.split(key)
        end = rollouts * self.length
        start = jnp.where(end > self.rows, end - self.rows + history - 1, 0)
        step = jax.random.randint(key_step, (batch,), start, end)
        env = jax.random.randint(key_env, (batch,), 0, self.steps.age.shape[1])
        return self.at(step, env, history)

    def at(self, step: jax.Array, env: jax.Array, history: int) -> tuple[jax.Array, jax.Array]:
        """As `sample`, of given environments at given control steps since the first rollout, (batch,) each."""
        row = step % self.rows
        back = jnp.minimum(jnp.arange(history - 1, -1, -1), self.steps.age[row, env][:, None])
        frames = self.steps.frame[(step[:, None] - back) % self.rows, env[:, None]]
        return frames.reshape(step.shape[0], -1), self.steps.action[row, env]
