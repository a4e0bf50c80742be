"""What a correction is computed from: a short history of joint states and targets, the same in a log, in a replay and in `Env`.

    history = History.empty(8, num_joints)
    history = history.push(position, velocity, target)           # once each control step, before the target takes effect
    seen = features(history, action_scale, period, gain)          # (num_joints, 33)

A joint is told by how it is driven, not by where it is: its control error, its velocity and the changes of its target, each in
multiples of its action scale. Friction and play turn with the sign of a velocity, far below the usual one, which a network
finds hardly by itself: the latest velocities are there squashed as well, and so are those of the next control steps, as the
latest two continue, for a correction takes effect when a joint may long have turned round. Neither the base's pose nor anything
else that a hung-up robot does not measure is in it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

_SLOW = (0.01, 0.04)  # velocities in action scales per control period, at which the squashed ones bend
_LATEST = 3  # control steps of which those are
_AHEAD = (1, 2)  # and those to come

DEFINITION = (
    "(target - position) gain / action scale; v = velocity control period / action scale; target changes / action scale;"
    f" tanh(v / {_SLOW[0]}) and tanh(v / {_SLOW[1]}) of the latest {_LATEST} and, as the latest two continue, of the next"
    f" {len(_AHEAD)}"
)
"""Of each joint, newest first; for people and for files."""


class History(struct.PyTreeNode):
    """The latest control steps, newest first, (..., steps, num_joints)."""

    position: jax.Array
    """As the encoders read it (rad)."""
    velocity: jax.Array
    """rad/s"""
    target: jax.Array
    """As it was asked for, not yet corrected (rad)."""
    begun: jax.Array
    """Whether anything has been pushed, (...) bool; before, there is no past."""

    @classmethod
    def empty(cls, steps: int, num_joints: int) -> "History":
        zeros = jnp.zeros((steps, num_joints))
        return cls(zeros, zeros, zeros, jnp.zeros((), bool))

    def push(self, position: jax.Array, velocity: jax.Array, target: jax.Array) -> "History":
        """With this control step, each (..., num_joints), as the newest. The first one is taken to have held for ever."""

        def newest(past: jax.Array, now: jax.Array) -> jax.Array:
            now = now[..., None, :].astype(past.dtype)
            moved = jnp.concatenate([now, past[..., :-1, :]], axis=-2)
            return jnp.where(self.begun[..., None, None], moved, jnp.broadcast_to(now, past.shape))

        return History(
            newest(self.position, position),
            newest(self.velocity, velocity),
            newest(self.target, target),
            jnp.ones_like(self.begun),
        )


def feature_count(steps: int) -> int:
    """Of each joint."""
    return 3 * steps - 1 + len(_SLOW) * (min(_LATEST, steps) + len(_AHEAD))


def features(history: History, scale: jax.Array, period: float, gain: jax.Array | np.ndarray | float = 1.0) -> jax.Array:
    """(..., num_joints, feature_count). `gain` is each joint's stiffness over that of `Robot`, (..., num_joints)."""
    gain = jnp.broadcast_to(jnp.asarray(gain, jnp.float32), history.target.shape[:-2] + history.target.shape[-1:])
    error = (history.target - history.position) / scale * gain[..., None, :]
    velocity = history.velocity * period / scale
    change = (history.target[..., :-1, :] - history.target[..., 1:, :]) / scale
    now, before = velocity[..., :1, :], velocity[..., :2, :][..., -1:, :]
    near = jnp.concatenate([velocity[..., :_LATEST, :], *(now + k * (now - before) for k in _AHEAD)], axis=-2)
    slow = [jnp.tanh(near / bend) for bend in _SLOW]
    return jnp.swapaxes(jnp.concatenate([error, velocity, change, *slow], axis=-2), -1, -2)
