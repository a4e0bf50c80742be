"""What the network is given, computed of `Seen` values on the device: the same in training and in prediction.

    x = channels(values, size)                              # (b, r, r, r, 7) uint8 and (b,) m -> (b, r, r, r, INPUTS) float32
    summary = cells(x)                                      # (b, 8, 8, 8, CELL) float32

`channels` tells of each voxel: occupancy, signed distance (cut off at REACH voxels), outward normal, colour, spread of the
colour, opacity, whether it was seen, and how large the object is. `cells` tells of each of 8^3 cells what is in it together:
means, deviations and extremes, as patterns and sheen show in how colours differ, not in any one voxel.
"""

import jax
import jax.numpy as jnp

INPUTS = 12
OCCUPANCY, DISTANCE, NORMAL, COLOUR, SPREAD, ALPHA, KNOWN, LARGE = 0, 1, slice(2, 5), slice(5, 8), 8, 9, 10, 11
"""Places along the last axis of `channels`."""
REACH = 6
"""Voxels from the surface up to which the distance is told."""

GRID = 8
"""Cells along an edge."""
CELL = 24
CELL_NORMAL = slice(3, 6)
CELL_COLOUR = slice(6, 9)
"""Places along the last axis of `cells`."""

_FAR = 1000  # squared voxels
_UNSEEN = 0.05  # weight of a voxel whose colour is its neighbour's
_DEVIATION = 3.0  # by which deviations are scaled, to be about one


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
    return jnp.concatenate([x[..., :1], distance[..., None] / REACH, normal * near, x[..., 1:], large * inside], -1)


def cells(x: jax.Array) -> jax.Array:
    """Of `channels` (b, r, r, r, INPUTS): share inside; whether seen; means of distance, normal, colour, brightness' extremes,
    spread, opacity; deviations of distance, colour, spread, opacity; differences of brightness between neighbours along the
    three axes, the largest first; occupancy; size. Zero where the object is not."""
    inside = (x[..., :1] > 0).astype(jnp.float32)
    weight = inside * jnp.where(x[..., KNOWN : KNOWN + 1] > 0.5, 1.0, _UNSEEN)
    total = _sums(weight)
    own = 1 / jnp.maximum(total, 1e-6)
    mean = _sums(weight * x[..., DISTANCE : ALPHA + 1]) * own
    varied = jnp.concatenate([x[..., DISTANCE : DISTANCE + 1], x[..., COLOUR.start : ALPHA + 1]], -1)
    middle = _sums(weight * varied) * own
    deviation = jnp.sqrt(jnp.maximum(_sums(weight * varied**2) * own - middle**2, 0))
    bright = x[..., COLOUR].mean(-1, keepdims=True)
    seen = weight > 0.5
    high = _highest(jnp.where(seen, bright, 0.0))
    low = 1 - _highest(jnp.where(seen, 1 - bright, 0.0))
    steps = jnp.sort(jnp.concatenate([_differences(bright, weight, axis) for axis in (1, 2, 3)], -1), -1)[..., ::-1]
    count = _sums(inside)
    there = (count > 0).astype(jnp.float32)
    share = x.shape[1] // GRID
    told = [
        count / share**3,
        _sums(inside * x[..., KNOWN : KNOWN + 1]) / jnp.maximum(count, 1),
        mean,
        high,
        low,
        _DEVIATION * deviation,
        _DEVIATION * steps,
        _sums(x[..., :1]) / share**3,
        _sums(x[..., LARGE:]) / jnp.maximum(count, 1),
    ]
    return jnp.concatenate(told, -1) * there


def signed_distance(inside: jax.Array) -> jax.Array:
    """In voxels, positive inside, half a voxel at the surface's two sides, cut off at REACH; of masks (b, r, r, r)."""
    into = jnp.sqrt(_squared(jnp.where(inside, _FAR, 0), 0))
    out = jnp.sqrt(_squared(jnp.where(inside, 0, _FAR), _FAR))
    return jnp.clip(jnp.where(inside, into - 0.5, 0.5 - out), -REACH, REACH)


def _squared(cost: jax.Array, beyond: int) -> jax.Array:
    """Squared distance to the nearest zero, one axis after the other (Felzenszwalb and Huttenlocher, Distance transforms of
    sampled functions), within REACH; beyond the cube the cost is that. In short integers, which a CPU takes 16 at a time."""
    cost = cost.astype(jnp.int16)
    for axis in (1, 2, 3):
        edges = [(0, 0)] * 4
        edges[axis] = (REACH, REACH)
        padded = jnp.pad(cost, edges, constant_values=beyond)
        length = cost.shape[axis]
        best = cost
        for step in range(-REACH, REACH + 1):
            shifted = jax.lax.slice_in_dim(padded, REACH + step, REACH + step + length, axis=axis)
            best = jnp.minimum(best, shifted + jnp.int16(step * step))
        cost = jax.lax.optimization_barrier(best)  # or each axis would compute the one before it 13 times
    return cost.astype(jnp.float32)


def _slope(field: jax.Array, axis: int) -> jax.Array:
    edges = [(0, 0)] * 4
    edges[axis] = (1, 1)
    padded = jnp.pad(field, edges, mode="edge")
    length = field.shape[axis]
    ahead = jax.lax.slice_in_dim(padded, 2, 2 + length, axis=axis)
    return ahead - jax.lax.slice_in_dim(padded, 0, length, axis=axis)


def _split(x: jax.Array) -> jax.Array:
    b, r, _, _, c = x.shape
    return x.reshape(b, GRID, r // GRID, GRID, r // GRID, GRID, r // GRID, c)


def _sums(x: jax.Array) -> jax.Array:
    return _split(x).sum((2, 4, 6))


def _highest(x: jax.Array) -> jax.Array:
    return _split(x).max((2, 4, 6))


def _differences(bright: jax.Array, weight: jax.Array, axis: int) -> jax.Array:
    """Mean absolute difference between neighbours along an axis that were both seen, (b, 8, 8, 8, 1)."""
    length = bright.shape[axis] - 1
    edges = [(0, 0)] * 5
    edges[axis] = (0, 1)
    ends = [[jax.lax.slice_in_dim(a, k, k + length, axis=axis) for k in (0, 1)] for a in (bright, weight)]
    both = ends[1][0] * ends[1][1]
    apart = jnp.pad(both * jnp.abs(ends[0][1] - ends[0][0]), edges)
    return _sums(apart) / jnp.maximum(_sums(jnp.pad(both, edges)), 1e-6)
