"""What a robot knows of itself: the only thing that a policy's observation terms are given.

The environment fills it from the simulation (late, noisy, biased), the exported policy from the robot's own messages; the terms
are the same code. What is not in here (base velocity, contacts, friction) no driver can supply, so a policy cannot ask for it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct


class Proprioception(struct.PyTreeNode):
    """One robot's measurements at one control step, joints in policy order."""

    joint_position: jax.Array
    """(num_joints,) rad"""
    joint_velocity: jax.Array
    """(num_joints,) rad/s"""
    imu_quaternion: jax.Array
    """(4,) w, x, y, z: from the IMU's frame to the world's. Its heading is arbitrary."""
    angular_velocity: jax.Array
    """(3,) rad/s in the IMU's frame"""
    command: jax.Array
    """What the robot is asked to do; the task says what it holds."""
    last_action: jax.Array
    """(num_joints,) the policy's last output"""
    tracked: jax.Array | None = None
    """(7,) where a camera sees what the task tracks, in the base's frame: position (m) and w, x, y, z; None where it tracks
    nothing."""
    reference: Any = ()
    """What the task's `CommandTerm.reference` gives for the command."""


def rotate(quat: jax.Array, vector: jax.Array) -> jax.Array:
    """The vector turned by the unit quaternion (w, x, y, z); both (..., 4) and (..., 3)."""
    w, axis = quat[..., :1], quat[..., 1:]
    t = 2.0 * jnp.cross(axis, vector)
    return vector + w * t + jnp.cross(axis, t)


def rotate_inverse(quat: jax.Array, vector: jax.Array) -> jax.Array:
    """The vector seen from the frame that the unit quaternion (w, x, y, z) describes."""
    return rotate(quat * jnp.array([1.0, -1.0, -1.0, -1.0]), vector)


def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product of two quaternions, (..., 4) each."""
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    w = aw * bw - jnp.sum(av * bv, -1, keepdims=True)
    return jnp.concatenate([w, aw * bv + bw * av + jnp.cross(av, bv)], -1)


def small_rotation(angles: jax.Array) -> jax.Array:
    """The unit quaternion of a small rotation vector, (..., 3) rad."""
    quat = jnp.concatenate([jnp.ones((*angles.shape[:-1], 1)), 0.5 * angles], -1)
    return quat / jnp.linalg.norm(quat, axis=-1, keepdims=True)


def rotation_vector(target: jax.Array, quat: jax.Array) -> jax.Array:
    """Of the turn from one orientation to the other, (3,) rad."""
    relative = multiply(target, quat * jnp.array([1.0, -1.0, -1.0, -1.0]))
    relative = jnp.where(relative[0] < 0, -relative, relative)
    sine = jnp.linalg.norm(relative[1:])
    factor = jnp.where(sine > 1e-6, 2 * jnp.arctan2(sine, relative[0]) / jnp.maximum(sine, 1e-6), 2.0)
    return factor * relative[1:]
