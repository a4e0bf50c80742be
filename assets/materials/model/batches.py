"""Batches for training: cubes turned at random, and the voxels that the network is asked about.

    batch = make_batch(data, indices, rng)

A batch is a function of the data, the seed and the step alone, so that a training that was stopped goes on the same.
"""

from typing import NamedTuple

import numpy as np

from assets.materials.data.shards import Data
from assets.materials.model.scale import CENTER, SPREAD

ASKED = 384
"""Voxels of each sample, drawn with replacement."""


class Batch(NamedTuple):
    values: np.ndarray
    """(b, r, r, r, CHANNELS) uint8"""
    size: np.ndarray
    """(b,) m"""
    extra: np.ndarray
    """(b, r, r, r, c) float16"""
    voxel: np.ndarray
    """(b, p) int32"""
    label: np.ndarray
    """Class of each, -1 where it is not known, (b, p) int32."""
    target: np.ndarray
    """Normalised properties, NaN where not known, (b, p, properties) float32."""


def make_batch(data: Data, indices: np.ndarray, rng: np.random.Generator, asked: int = ASKED, turn: bool = True) -> Batch:
    """The samples of those indices; each turned by one of the 48 symmetries of the cube where `turn`."""
    r, extra = data.resolution, data.extra.shape[1]
    count = len(indices)
    values = np.zeros((count, r**3, data.values.shape[1]), np.uint8)
    features = np.zeros((count, r**3, extra), np.float16)
    voxel = np.empty((count, asked), np.int32)
    truth = np.empty((count, asked, data.material.shape[2]), np.float32)
    for row, index in enumerate(indices):
        seen = data.seen(index)
        places = _turned(seen.voxel.astype(np.int64), r, rng) if turn else seen.voxel.astype(np.int64)
        values[row, places] = seen.values
        features[row, places] = seen.extra
        chosen = rng.integers(0, len(places), asked)
        voxel[row] = places[chosen]
        truth[row] = data.material[index][data.part(index)[chosen]]
    label = np.where(np.isnan(truth[..., 0]), -1, truth[..., 0]).astype(np.int32)
    target = (truth[..., 1:] - CENTER) / SPREAD
    cube = (count, r, r, r)
    return Batch(
        values.reshape(*cube, -1), data.size[indices].astype(np.float32), features.reshape(*cube, extra), voxel, label, target
    )


def _turned(voxel: np.ndarray, r: int, rng: np.random.Generator) -> np.ndarray:
    place = np.stack([voxel // (r * r), voxel // r % r, voxel % r])[rng.permutation(3)]
    flip = rng.random(3) < 0.5
    x, y, z = np.where(flip[:, None], r - 1 - place, place)
    return (x * r + y) * r + z


def order(count: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Which samples the batch of a step has: each epoch passes all of them once, in an order of its own."""
    per_epoch = max(1, count // batch)
    epoch, place = divmod(step, per_epoch)
    shuffled = np.random.default_rng([seed, 1, epoch]).permutation(count)
    return np.resize(shuffled[place * batch : (place + 1) * batch], min(batch, count))
