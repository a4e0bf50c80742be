"""Objects as the network takes them: a cell's summary for each of 8^3, and some of the voxels in full.

    encoded = encode(seen.dense()[None], size, extra, voxel)
    network.apply(params, *scaled(encoded, scales))         # each feature about one, as training found it

Encoding has nothing to learn: in training it is done once for each sample, not at each step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from assets.materials.model.inputs import GRID, cells, channels

_FAR = 8.0  # standard deviations


class Encoded(NamedTuple):
    cells: jax.Array
    """(b, 8, 8, 8, CELL + c)"""
    own: jax.Array
    """Of the voxels asked about, `channels` and features of a provider, (b, p, INPUTS + c)."""
    cell: jax.Array
    """The flat number of the cell that each is in, (b, p) int32."""
    within: jax.Array
    """Where in its cell each is, -0.5 to 0.5 along each axis, (b, p, 3)."""


@jax.jit
def encode(values: jax.Array, size: jax.Array, extra: jax.Array, voxel: jax.Array) -> Encoded:
    """Of cubes `values` (b, r, r, r, CHANNELS) uint8 with voxels of `size` (b,) m, and `extra` (b, r, r, r, c), at voxels
    (b, p) by their flat numbers."""
    r = values.shape[1]
    x = channels(values, size)
    summary = cells(x)
    if extra.shape[-1]:
        extra = extra.astype(jnp.float32)
        inside = (x[..., :1] > 0).astype(jnp.float32)
        split = (len(x), GRID, r // GRID, GRID, r // GRID, GRID, r // GRID)
        count = inside.reshape(*split, 1).sum((2, 4, 6))
        summary = jnp.concatenate([summary, extra.reshape(*split, -1).sum((2, 4, 6)) / jnp.maximum(count, 1)], -1)
        x = jnp.concatenate([x, extra], -1)
    place = jnp.stack([voxel // (r * r), voxel // r % r, voxel % r], -1)
    fold = r // GRID
    inner = place // fold
    cell = (inner[..., 0] * GRID + inner[..., 1]) * GRID + inner[..., 2]
    own = jnp.take_along_axis(x.reshape(len(x), r**3, -1), voxel[..., None], axis=1)
    return Encoded(summary, own, cell, (place % fold + 0.5) / fold - 0.5)


class Scales(NamedTuple):
    """What is subtracted from features, and what they are divided by."""

    cells: np.ndarray
    """(2, CELL + c) float32"""
    own: np.ndarray
    """(2, INPUTS + c) float32"""


class Inputs(NamedTuple):
    """Of the network: `Encoded`, scaled."""

    cells: jax.Array
    there: jax.Array
    """Share of each cell that is the object's, (b, 8, 8, 8, 1)."""
    own: jax.Array
    cell: jax.Array
    within: jax.Array


def scaled(encoded: Encoded, scales: Scales) -> Inputs:
    """Zero in cells where the object is not; cut off far from all that training had."""
    there = encoded.cells[..., :1]
    cells, own = (
        jnp.clip((x - scale[0]) / scale[1], -_FAR, _FAR)
        for x, scale in ((encoded.cells, scales.cells), (encoded.own, scales.own))
    )
    return Inputs(jnp.where(there > 0, cells, 0.0), there, own, encoded.cell, encoded.within)
