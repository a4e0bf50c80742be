"""Hollow objects: the voxels of a wall of some thickness below a solid's surface.

    voxels = wall_of(solid, voxelise(solid), thickness=0.002)

The inner surface is the outer one with each plane moved inwards, so that a box has a box inside and a ball a ball. Where there
is no room, as in a handle, nothing is hollow.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.spatial import KDTree

from assets.objects.errors import ObjectError
from assets.objects.solid import Solid, unit_normals
from assets.objects.voxels import Voxels, voxelise_on

_FURTHEST = 3.0  # that a corner moves, in thicknesses: a sharper one is blunted
_ROOM = 0.9  # a moved vertex is to be that far from the surface, in thicknesses; a scan is not smooth
_BISECTIONS = 8


def wall_of(solid: Solid, voxels: Voxels, thickness: float) -> Voxels:
    """What is left of a solid's voxels where it is hollow, with walls of that thickness (m), even of less than a voxel."""
    if not 0 < thickness < math.inf:
        raise ObjectError(f"the wall's thickness must be positive (m), found {thickness:g}")
    inner = Solid(solid.vertices + _inward(solid, thickness), solid.faces)
    moments = voxels.moments - voxelise_on(inner, voxels.origin, voxels.size, voxels.shape).moments
    full = moments[..., 0] > 0  # what rounding leaves of a cube that is hollow, or of an inner surface outside, is nothing
    return replace(voxels, moments=np.where(full[..., None], moments, 0.0))


def _inward(solid: Solid, thickness: float) -> np.ndarray:
    """How each vertex moves, (n, 3) m."""
    triangles = solid.triangles
    normals, corners = unit_normals(triangles), _corner_angles(triangles)
    matrix, vector = np.zeros((len(solid.vertices), 3, 3)), np.zeros((len(solid.vertices), 3))
    for corner in range(3):  # the least squares of all planes around a vertex
        weighted = corners[:, corner, None] * normals
        np.add.at(matrix, solid.faces[:, corner], weighted[:, :, None] * normals[:, None, :])
        np.add.at(vector, solid.faces[:, corner], weighted)
    scale = np.trace(matrix, axis1=1, axis2=2)[:, None, None]
    matrix += np.maximum(1e-4 * scale, 1e-12) * np.eye(3)
    move = -thickness * np.linalg.solve(matrix, vector[..., None])[..., 0]
    move *= np.minimum(1, _FURTHEST * thickness / np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-12))
    return move * _room(solid, move, thickness)[:, None]


def _corner_angles(triangles: np.ndarray) -> np.ndarray:
    """(m, 3) rad"""
    out, back = (np.roll(triangles, step, axis=1) - triangles for step in (-1, 1))
    cosine = np.einsum("mcx,mcx->mc", out, back)
    return np.arccos(np.clip(cosine / np.maximum(np.linalg.norm(out, axis=2) * np.linalg.norm(back, axis=2), 1e-300), -1, 1))


def _room(solid: Solid, move: np.ndarray, thickness: float) -> np.ndarray:
    """The share of its way that each vertex can go before it nears another side of the solid, (n,) in [0, 1]."""
    surface = KDTree(_samples(solid.triangles, float(np.ptp(solid.bounds, axis=0).max()) / 200))

    def fits(share: np.ndarray, some: np.ndarray) -> np.ndarray:
        distance, _ = surface.query(solid.vertices[some] + share[:, None] * move[some])
        return distance >= _ROOM * share * thickness

    share = np.ones(len(solid.vertices))
    tight = np.flatnonzero(~fits(share, np.arange(len(share))))
    low, high = np.zeros(len(tight)), np.ones(len(tight))
    for _ in range(_BISECTIONS if len(tight) else 0):
        middle = (low + high) / 2
        enough = fits(middle, tight)
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    share[tight] = low
    return share


def _samples(triangles: np.ndarray, spacing: float) -> np.ndarray:
    """Points all over the triangles, at most some `spacing` apart, (n, 3)."""
    longest = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(1)
    parts = np.clip(np.ceil(longest / spacing), 1, 200).astype(int)
    points = []
    for n in np.unique(parts):
        i, j = (grid.ravel() for grid in np.indices((n, n)))
        kept = i + j < n
        u, v = (i[kept] + 1 / 3) / n, (j[kept] + 1 / 3) / n
        points.append(np.einsum("wk,tkc->twc", np.stack([1 - u - v, u, v], -1), triangles[parts == n]).reshape(-1, 3))
    return np.concatenate(points)
