"""Batches for training: encoded samples turned at random, and the voxels that the network is asked about.

    encoded = Encodings.of(data, indices, seed=0)           # once: all the objects, and some voxels of each
    batch = encoded.batch(rows, rng)

A batch is a function of the data, the seed and the step alone, so that a training that was stopped goes on the same.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from assets.materials.data.shards import Data
from assets.materials.model.encoding import Encoded, Scales, encode
from assets.materials.model.inputs import CELL, CELL_NORMAL, GRID, INPUTS, NORMAL
from assets.materials.model.scale import CENTER, SPREAD
from assets.materials.seen import CHANNELS

KEPT = 256
"""Voxels of each sample that are encoded, drawn with replacement."""
ASKED = 96
"""Of those, in a batch."""

_AT_ONCE = 16
_FEATURES = 1024  # of others that are encoded at once, of a voxel: each takes some 400 kB a sample
_MEASURED = 1000  # objects
_LEAST = 1e-3  # standard deviation


class Batch(NamedTuple):
    encoded: Encoded
    label: np.ndarray
    """Class of each voxel, -1 where it is not known, (b, p) int32."""
    target: np.ndarray
    """Normalised properties, NaN where not known, (b, p, properties) float32."""


@dataclass(frozen=True, eq=False)
class Encodings:
    cells: np.ndarray
    """(n, 8, 8, 8, CELL + c) float16"""
    own: np.ndarray
    """(n, KEPT, INPUTS + c) float16"""
    cell: np.ndarray
    """(n, KEPT) int16"""
    within: np.ndarray
    """(n, KEPT, 3) float16"""
    part: np.ndarray
    """(n, KEPT) uint8"""
    material: np.ndarray
    """(n, MAX_PARTS, 1 + properties)"""

    @classmethod
    def of(cls, data: Data, indices: np.ndarray, seed: int, tell: Callable[[int], None] = lambda done: None) -> "Encodings":
        """Of those samples; `tell` is called with the number of those done."""
        n, extra = len(indices), data.extra.shape[1]
        together = max(1, min(_AT_ONCE, _FEATURES // max(1, extra)))
        made = cls(
            np.empty((n, GRID, GRID, GRID, CELL + extra), np.float16),
            np.empty((n, KEPT, INPUTS + extra), np.float16),
            np.empty((n, KEPT), np.int16),
            np.empty((n, KEPT, 3), np.float16),
            np.empty((n, KEPT), np.uint8),
            data.material[indices],
        )
        for start in range(0, n, together):
            some = np.resize(indices[start : start + together], together)  # always as many: one compilation
            values, features, voxel, part = _dense(data, some, seed)
            encoded = encode(values, data.size[some].astype(np.float32), features, voxel)
            count = min(together, n - start)
            rows = slice(start, start + count)
            for kept, told in zip((made.cells, made.own, made.cell, made.within), encoded, strict=True):
                kept[rows] = np.asarray(told)[:count]
            made.part[rows] = part[:count]
            tell(start + count)
        return made

    def __len__(self) -> int:
        return len(self.part)

    def write(self, folder: Path) -> None:
        """As plain arrays, written over what is there."""
        folder.mkdir(parents=True, exist_ok=True)
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name), allow_pickle=False)

    @classmethod
    def read(cls, folder: Path) -> "Encodings":
        """Left on the disk, so that several processes share them."""
        return cls(*(np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(cls)))

    @cached_property
    def digest(self) -> str:
        """Of what they hold: a training goes on with the same only."""
        found = hashlib.sha256(self.material.tobytes())
        for rows in (self.cells, self.own):
            found.update(np.ascontiguousarray(rows[:: max(1, len(self) // _MEASURED)]).tobytes())
        return found.hexdigest()[:16]

    @cached_property
    def scales(self) -> Scales:
        """Of the cells and voxels of the objects, some of them; a direction has one scale, and no middle."""
        some = slice(None, None, max(1, len(self) // _MEASURED))
        cells = self.cells[some].reshape(-1, self.cells.shape[-1]).astype(np.float32)
        return Scales(
            _scale(cells[cells[:, 0] > 0], CELL_NORMAL),
            _scale(self.own[some].reshape(-1, self.own.shape[-1]).astype(np.float32), NORMAL),
        )

    def batch(self, rows: np.ndarray, rng: np.random.Generator, asked: int = ASKED) -> Batch:
        """The samples of those rows, each turned by one of the 48 symmetries of the cube."""
        pick = rng.integers(0, KEPT, (len(rows), asked))
        each = np.arange(len(rows))[:, None]
        cells = self.cells[rows].astype(np.float32)
        own, within = self.own[rows][each, pick].astype(np.float32), self.within[rows][each, pick].astype(np.float32)
        cell = self.cell[rows][each, pick].astype(np.int32)
        for i in range(len(rows)):
            axes, flip = rng.permutation(3), rng.random(3) < 0.5
            cells[i] = _turned(cells[i], axes, flip)
            sign = np.where(flip, -1, 1)
            own[i, :, NORMAL] = own[i, :, NORMAL][:, axes] * sign
            within[i] = within[i][:, axes] * sign
            place = np.stack([cell[i] // GRID**2, cell[i] // GRID % GRID, cell[i] % GRID])[axes]
            x, y, z = np.where(flip[:, None], GRID - 1 - place, place)
            cell[i] = (x * GRID + y) * GRID + z
        truth = self.material[rows][each, self.part[rows][each, pick]]
        label = np.where(np.isnan(truth[..., 0]), -1, truth[..., 0]).astype(np.int32)
        target = ((truth[..., 1:] - CENTER) / SPREAD).astype(np.float32)
        return Batch(Encoded(cells, own, cell, within), label, target)  # pyright: ignore[reportArgumentType]


def _dense(data: Data, indices: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    r, extra = data.resolution, data.extra.shape[1]
    values = np.zeros((len(indices), r**3, CHANNELS), np.uint8)
    features = np.zeros((len(indices), r**3, extra), np.float16)
    voxel, part = np.empty((len(indices), KEPT), np.int32), np.empty((len(indices), KEPT), np.uint8)
    for row, index in enumerate(indices):
        seen = data.seen(index)
        values[row, seen.voxel], features[row, seen.voxel] = seen.values, seen.extra
        chosen = np.random.default_rng([seed, 4, int(index)]).integers(0, len(seen.voxel), KEPT)
        voxel[row], part[row] = seen.voxel[chosen], data.part(index)[chosen]
    cube = (len(indices), r, r, r)
    return values.reshape(*cube, CHANNELS), features.reshape(*cube, extra), voxel, part


def _scale(rows: np.ndarray, direction: slice) -> np.ndarray:
    mean, std = rows.mean(0), rows.std(0) + _LEAST
    mean[direction], std[direction] = 0.0, std[direction].mean()
    return np.stack([mean, std])


def _turned(cells: np.ndarray, axes: np.ndarray, flip: np.ndarray) -> np.ndarray:
    turned = np.flip(cells.transpose(*axes, 3), tuple(int(axis) for axis in np.flatnonzero(flip))).copy()
    turned[..., CELL_NORMAL] = turned[..., CELL_NORMAL][..., axes] * np.where(flip, -1, 1)
    return turned


def order(count: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Which samples the batch of a step has: each epoch passes all of them once, in an order of its own."""
    per_epoch = max(1, count // batch)
    epoch, place = divmod(step, per_epoch)
    shuffled = np.random.default_rng([seed, 1, epoch]).permutation(count)
    return np.resize(shuffled[place * batch : (place + 1) * batch], min(batch, count))
