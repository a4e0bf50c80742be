"""What can be seen of an object, voxel by voxel: the one definition of what a predictor is trained on and asked about.

    seen = seen_of(occupancy, size, cells, rgba)            # of a share of each voxel, and of coloured points of the surface
    seen.values[:, COLOUR]                                  # sRGB of each voxel, 0 to 255

A cube of voxels is around the object, `resolution` along each edge. Voxels at the surface have the mean colour of the points in
them and its spread; what has no points, as it is inside or was not seen, has the colour of the nearest that has. Kept are the
voxels of the object alone, in bytes, since training holds tens of thousands of objects in memory.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

OCCUPANCY, COLOUR, SPREAD, ALPHA, KNOWN = 0, slice(1, 4), 4, 5, 6
"""Places along the last axis of `values`: share inside; sRGB; the colour's deviation, fourfold; opacity; whether seen."""
CHANNELS = 7

LEAST = 0.01
"""Share of a voxel that is to be inside for it to be the object's."""

_FULL = 0.98
_SPREAD_SCALE = 4.0
_GREY = 0.6


@dataclass(frozen=True, eq=False)
class Seen:
    resolution: int
    size: float
    """Edge of a voxel (m)."""
    voxel: np.ndarray
    """Place of each of the object's voxels in the flattened cube, (v,) int32 ascending."""
    values: np.ndarray
    """(v, CHANNELS) uint8"""
    extra: np.ndarray
    """Features of a provider, (v, c) float16; c is 0 without one."""

    def dense(self) -> np.ndarray:
        """`values` in their cube, zero outside the object, (r, r, r, CHANNELS)."""
        cube = np.zeros((self.resolution**3, CHANNELS), np.uint8)
        cube[self.voxel] = self.values
        return cube.reshape(self.resolution, self.resolution, self.resolution, CHANNELS)


def seen_of(occupancy: np.ndarray, size: float, cells: np.ndarray, rgba: np.ndarray) -> Seen:
    """Of the share of each voxel that is inside, (r, r, r); of points of the surface by the flat number of their voxel, (n,),
    and their colours in [0, 1], (n, 4)."""
    r = occupancy.shape[0]
    mask = occupancy > LEAST
    voxel = np.flatnonzero(mask)
    kept = at_surface(occupancy).ravel()[cells]
    cells, rgba = cells[kept], rgba[kept]
    count = np.bincount(cells, minlength=r**3)
    known = count > 0
    share = np.maximum(count, 1)
    mean = np.stack([np.bincount(cells, channel, r**3) / share for channel in rgba.T], 1)
    squares = np.bincount(cells, (rgba[:, :3] ** 2).sum(1), r**3) / share
    variance = np.maximum(squares - (mean[:, :3] ** 2).sum(1), 0) / 3 * share / np.maximum(share - 1, 1)
    seen = np.concatenate([mean[:, :3], _SPREAD_SCALE * np.sqrt(variance)[:, None], mean[:, 3:]], 1)
    if known.any():
        nearest = distance_transform_edt(~known.reshape(r, r, r), return_distances=False, return_indices=True)
        source = np.ravel_multi_index(tuple(axis.ravel()[voxel] for axis in nearest), (r, r, r))  # pyright: ignore[reportOptionalIterable,reportGeneralTypeIssues]
        seen = seen[source]
    else:
        seen = np.tile([_GREY, _GREY, _GREY, 0.0, 1.0], (len(voxel), 1))
    values = np.concatenate([occupancy.reshape(-1, 1)[voxel], seen, known[voxel, None]], 1)
    bytes_ = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return Seen(r, size, voxel.astype(np.int32), bytes_, np.zeros((len(voxel), 0), np.float16))


def at_surface(occupancy: np.ndarray) -> np.ndarray:
    """Which voxels of the object can be seen from outside, (r, r, r): not full, or with a neighbour less than half full."""
    return (occupancy > LEAST) & (_beside(occupancy < 0.5) | (occupancy < _FULL))


def cut(occupancy: np.ndarray) -> np.ndarray:
    """Which voxels the surface passes through or along, (r, r, r)."""
    return (occupancy > LEAST) & (_beside(occupancy <= LEAST) | (occupancy < _FULL))


def _beside(mask: np.ndarray) -> np.ndarray:
    """Voxels with a neighbour of the mask, or outside the cube."""
    bare = np.pad(mask, 1, constant_values=True)
    beside = np.zeros(mask.shape, bool)
    for axis in range(3):
        for step in (0, 2):
            index = [slice(1, -1)] * 3
            index[axis] = slice(step, step + mask.shape[axis])
            beside |= bare[tuple(index)]
    return beside


@dataclass(frozen=True)
class Cube:
    """Where an object's box lies in the cube of voxels: in its middle, as `assets.objects.voxels.voxelise` divides it."""

    resolution: int
    size: float
    """Edge of a voxel (m)."""
    offset: tuple[int, int, int]
    """Of the box in the cube, in voxels."""
    origin: tuple[float, float, float]
    """Lowest corner of the cube (m)."""

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray, resolution: int) -> "Cube":
        """The cube for an object in a box of those corners (m)."""
        size = float((high - low).max()) / (resolution - 1)
        shape = np.minimum(np.ceil((high - low) / size - 1e-9).astype(int) + 1, resolution)
        return cls.of_grid((low + high) / 2 - size * shape / 2, size, shape, resolution)

    @classmethod
    def of_grid(cls, origin: np.ndarray, size: float, shape: np.ndarray, resolution: int) -> "Cube":
        """The cube for a grid of voxels with that lowest corner and shape."""
        offset = (resolution - np.asarray(shape)) // 2
        corner = np.asarray(origin, float) - size * offset
        x, y, z = (int(o) for o in offset)
        return cls(resolution, size, (x, y, z), (float(corner[0]), float(corner[1]), float(corner[2])))

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Flat number of the voxel of each point (n, 3) m, (n,)."""
        index = np.floor((points - np.array(self.origin)) / self.size).astype(np.int64)
        index = np.clip(index, 0, self.resolution - 1)
        return (index[:, 0] * self.resolution + index[:, 1]) * self.resolution + index[:, 2]

    def centers(self, cells: np.ndarray) -> np.ndarray:
        """Of voxels by their flat numbers (n,), (n, 3) m."""
        r = self.resolution
        index = np.stack([cells // (r * r), cells // r % r, cells % r], 1)
        return np.array(self.origin) + self.size * (index + 0.5)
