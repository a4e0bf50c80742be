"""What the network is given, computed of `Seen` values on the device: the same in training and in prediction.

    x = channels(values, size)                              # (b, r, r, r, 7) uint8 and (b,) m -> (b, r, r, r, INPUTS) float32

Occupancy, signed distance (cut off at REACH voxels), outward normal, colour, spread of the colour, opacity, whether it was
seen, and how large the object is.
"""

import jax
import jax.numpy as jnp

INPUTS = 12
REACH = 6
"""Voxels from the surface up to which the distance is told."""

_FAR = 1e3


def channels(values: jax.Array, size: jax.Array) -> jax.Array:
    """See the module."""
    x = values.astype(jnp.float32) / 255
    occupancy = x[..., 0]
    distance = signed_distance(occupancy > 0.5)
    smooth = distance + 0.5 * occupancy  # so that the normal of what is thinner than a voxel is told too
    slope = jnp.stack([_slope(smooth, axis) for axis in (1, 2, 3)], -1)
    normal = -slope / (jnp.linalg.norm(slope, axis=-1, keepdims=True) + 1e-3)
    inside = (x[..., :1] > 0).astype(jnp.float32)
    large = jnp.log10(size * values.shape[1] / 0.1)
    large = jnp.broadcast_to(large[:, None, None, None, None], (*values.shape[:4], 1))
    near = (jnp.abs(distance) < REACH).astype(jnp.float32)[..., None]
    return jnp.concatenate(
        [x[..., :1], distance[..., None] / REACH, normal * near, x[..., 1:4] - 0.5 * inside, x[..., 4:], large * inside], -1
    )


def signed_distance(inside: jax.Array) -> jax.Array:
    """In voxels, positive inside, half a voxel at the surface's two sides, cut off at REACH; of masks (b, r, r, r)."""
    into = jnp.sqrt(_squared(jnp.where(inside, _FAR, 0.0), 0.0))
    out = jnp.sqrt(_squared(jnp.where(inside, 0.0, _FAR), _FAR))
    return jnp.clip(jnp.where(inside, into - 0.5, 0.5 - out), -REACH, REACH)


def _squared(cost: jax.Array, beyond: float) -> jax.Array:
    """Squared distance to the nearest zero, one axis after the other (Felzenszwalb and Huttenlocher, Distance transforms of
    sampled functions), within REACH; beyond the cube the cost is that."""
    for axis in (1, 2, 3):
        edges = [(0, 0)] * 4
        edges[axis] = (REACH, REACH)
        padded = jnp.pad(cost, edges, constant_values=beyond)
        length = cost.shape[axis]
        best = cost
        for step in range(-REACH, REACH + 1):
            shifted = jax.lax.slice_in_dim(padded, REACH + step, REACH + step + length, axis=axis)
            best = jnp.minimum(best, shifted + step * step)
        cost = best
    return cost


def _slope(field: jax.Array, axis: int) -> jax.Array:
    edges = [(0, 0)] * 4
    edges[axis] = (1, 1)
    padded = jnp.pad(field, edges, mode="edge")
    length = field.shape[axis]
    ahead = jax.lax.slice_in_dim(padded, 2, 2 + length, axis=axis)
    return ahead - jax.lax.slice_in_dim(padded, 0, length, axis=axis)
