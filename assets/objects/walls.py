"""Hollow objects: the voxels of a wall of some thickness below a solid's surface.

    voxels = wall_of(solid, voxelise(solid), thickness=0.002)

The inner surface is the outer one with each plane moved inwards, so that a box has a box inside and a ball a ball. Where there
is no room, as in a handle, nothing is hollow.
"""

import math
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from assets.objects.errors import ObjectError
from assets.objects.solid import Solid, unit_normals
from assets.objects.voxels import Voxels, voxelise_on

_FURTHEST = 3.0  # that a corner moves, in thicknesses: a sharper one is blunted
_ROOM = 0.9  # a moved vertex is to be that far from the surface, in thicknesses; a scan is not smooth
_ABOUT = 0.1  # that the distance may be told too large
_MEASURED = 1000  # vertices: of more, each goes as far as the nearest of those
_SHARES, _BISECTIONS = (0.0625, 0.125, 0.25, 0.5, 1.0), 4


def wall_of(solid: Solid, voxels: Voxels, thickness: float) -> Voxels:
    """What is left of a solid's voxels where it is hollow, with walls of that thickness (m), even of less than a voxel."""
    return Walls(solid, voxels).of(thickness)


class Walls:
    """A solid with walls of one thickness or another: what these have in common is computed once."""

    def __init__(self, solid: Solid, voxels: Voxels):
        self.solid, self.voxels = solid, voxels
        self._found: dict[float, Voxels] = {}

    def of(self, thickness: float) -> Voxels:
        """As `wall_of`."""
        if not 0 < thickness < math.inf:
            raise ObjectError(f"the wall's thickness must be positive (m), found {thickness:g}")
        if thickness not in self._found:
            self._found[thickness] = self._left(thickness)
        return self._found[thickness]

    def _left(self, thickness: float) -> Voxels:
        voxels = self.voxels
        move = thickness * self._room(thickness)[:, None] * self._way
        inner = Solid(self.solid.vertices + move, self.solid.faces)
        moments = voxels.moments - voxelise_on(inner, voxels.origin, voxels.size, voxels.shape).moments
        full = moments[..., 0] > 0  # what rounding leaves of a cube that is hollow, or of an inner surface outside, is nothing
        return replace(voxels, moments=np.where(full[..., None], moments, 0.0))

    @cached_property
    def _way(self) -> np.ndarray:
        """How each vertex moves inwards, (n, 3) in thicknesses."""
        solid, triangles = self.solid, self.solid.triangles
        normals, corners = unit_normals(triangles), _corner_angles(triangles)
        matrix, vector = np.zeros((len(solid.vertices), 3, 3)), np.zeros((len(solid.vertices), 3))
        for corner in range(3):  # the least squares of all planes around a vertex
            weighted = corners[:, corner, None] * normals
            np.add.at(matrix, solid.faces[:, corner], weighted[:, :, None] * normals[:, None, :])
            np.add.at(vector, solid.faces[:, corner], weighted)
        scale = np.trace(matrix, axis1=1, axis2=2)[:, None, None]
        matrix += np.maximum(1e-4 * scale, 1e-12) * np.eye(3)
        way = -np.linalg.solve(matrix, vector[..., None])[..., 0]
        return way * np.minimum(1, _FURTHEST / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12))

    @cached_property
    def _surface(self) -> KDTree:
        return KDTree(_samples(self.solid.triangles, float(np.ptp(self.solid.bounds, axis=0).max()) / 200))

    def _room(self, thickness: float) -> np.ndarray:
        """The share of its way that each vertex can go before it nears another side of the solid, (n,) in [0, 1]."""
        vertices = self.solid.vertices
        going = some = np.unique(np.linspace(0, len(vertices) - 1, min(len(vertices), _MEASURED)).astype(int))
        room, last = np.zeros(len(vertices)), 0.0
        for share in _SHARES:  # from the least: what has gone through another side is far from all again
            free = self._free(going, np.full(len(going), share), thickness)
            room[going[free]], near = share, going[~free]
            low, high = np.full(len(near), last), np.full(len(near), share)
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2
                enough = self._free(near, middle, thickness)
                low, high = np.where(enough, middle, low), np.where(enough, high, middle)
            room[near], going, last = low, going[free], share
        return room if len(some) == len(vertices) else room[some][KDTree(vertices[some]).query(vertices)[1]]

    def _free(self, some: np.ndarray, share: np.ndarray, thickness: float) -> np.ndarray:
        """Whether vertices that have gone a share of their way are as far from the surface."""
        step = share * thickness
        points = self.solid.vertices[some] + step[:, None] * self._way[some]
        # In the middle of the solid much is about as near: to look for the very nearest would take most of the time.
        distance, _ = self._surface.query(points, eps=_ABOUT, distance_upper_bound=_ROOM * float(step.max(initial=0.0)))
        return distance >= _ROOM * step


def _corner_angles(triangles: np.ndarray) -> np.ndarray:
    """(m, 3) rad"""
    out, back = (np.roll(triangles, step, axis=1) - triangles for step in (-1, 1))
    cosine = np.einsum("mcx,mcx->mc", out, back)
    return np.arccos(np.clip(cosine / np.maximum(np.linalg.norm(out, axis=2) * np.linalg.norm(back, axis=2), 1e-300), -1, 1))


def _samples(triangles: np.ndarray, spacing: float) -> np.ndarray:
    """Points all over the triangles, at most some `spacing` apart, (n, 3)."""
    opposite = np.linalg.norm(np.roll(triangles, -1, axis=1) - np.roll(triangles, 1, axis=1), axis=2)  # edge of each corner
    order = (opposite.argmin(1)[:, None] + np.arange(3)) % 3  # so that few are needed across what is long and thin
    apex, b, c = np.moveaxis(np.take_along_axis(triangles, order[..., None], axis=1), 1, 0)
    counts = np.clip(np.ceil(np.stack([opposite.max(1), opposite.min(1)], 1) / spacing), 1, 200).astype(int)
    points = []
    for along, across in np.unique(counts, axis=0):
        some = (counts == (along, across)).all(1)
        u, w = (grid.ravel() for grid in np.meshgrid((np.arange(along) + 0.5) / along, (np.arange(across) + 0.5) / across))
        base = b[some, None] + w[:, None] * (c - b)[some, None]
        points.append((apex[some, None] + u[:, None] * (base - apex[some, None])).reshape(-1, 3))
    return np.concatenate(points)
