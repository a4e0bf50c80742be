"""Boxes and capsules in place of a convex hull: what every engine tests quickly, and each environment can have its own of.

parts = fit_parts(mug.hulls)                            # one for each hull
parts[0].kind, parts[0].pos, parts[0].quat, parts[0].size
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.optimize import minimize

from assets.objects.hulls import Hull
from assets.robots.primitives import BOX, CAPSULE

_GRID = 14  # points along each axis by which a primitive and a hull are compared
_MARGIN = 1.15  # of that grid around the hull
_AS_GOOD = 0.06  # a capsule must overlap so much better: a box stands on a table, a capsule rolls off it


@dataclass(frozen=True, eq=False)
class Part:
    """A primitive in the frame of its object."""

    kind: mujoco.mjtGeom
    """BOX or CAPSULE."""
    pos: np.ndarray
    """Centre, (3,) m."""
    quat: np.ndarray
    """(w, x, y, z)"""
    size: np.ndarray
    """Half edges of a box; radius and half length of a capsule, and 0. (3,) m."""
    overlap: float
    """Volume shared with the hull over that of both together."""

    @property
    def volume(self) -> float:
        """m³"""
        a, b, c = self.size
        return 8 * a * b * c if self.kind == BOX else math.pi * a * a * (2 * b + 4 / 3 * a)


def fit_parts(hulls: tuple[Hull, ...]) -> tuple[Part, ...]:
    """For each hull the box or capsule that overlaps it best."""
    return tuple(_fit(hull) for hull in hulls)


def _fit(hull: Hull) -> Part:
    best = None
    for axes in _frames(hull):
        local = hull.vertices @ axes
        low, high = local.min(0), local.max(0)
        center, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
        steps = (np.arange(_GRID) + 0.5) / _GRID * 2 - 1
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3) * half * _MARGIN
        inside = hull.contains((grid + center) @ axes.T)
        for kind, order in ((BOX, (0, 1, 2)), (CAPSULE, (1, 2, 0)), (CAPSULE, (2, 0, 1)), (CAPSULE, (0, 1, 2))):
            turned = np.array(order)  # the capsule's axis comes last
            size, overlap = _best_size(kind, grid[:, turned], inside, half[turned])
            overlap -= _AS_GOOD if kind == CAPSULE else 0.0
            if best is None or overlap > best.overlap:
                matrix = axes[:, turned]
                best = Part(kind, axes @ center, _quat(matrix), size, overlap)
    assert best is not None
    return best


def _frames(hull: Hull) -> Iterator[np.ndarray]:
    """Axes along which a primitive may lie, as columns: those of the smallest box around the hull, and the world's."""
    from trimesh.bounds import oriented_bounds

    yield np.eye(3)
    try:
        into_box, _ = oriented_bounds(hull.vertices)
    except (ValueError, np.linalg.LinAlgError):  # too thin for it
        return
    axes = into_box[:3, :3].T
    yield axes if np.linalg.det(axes) > 0 else axes * [1, 1, -1]


def _best_size(kind: mujoco.mjtGeom, grid: np.ndarray, inside: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, float]:
    """The size, (3,), with which a primitive of that kind overlaps best the points that are inside, and how well."""

    def overlap(size: np.ndarray) -> float:
        if kind == BOX:
            depth = ((size - np.abs(grid)) / half).min(1)
        else:
            along = np.maximum(np.abs(grid[:, 2]) - size[1], 0)
            depth = (size[0] - np.sqrt(grid[:, 0] ** 2 + grid[:, 1] ** 2 + along**2)) / half.max()
        share = np.clip(0.5 + depth * _GRID, 0, 1)  # so that the search sees which way is better
        return float((share * inside).sum() / max((share + inside - share * inside).sum(), 1e-9))

    if kind == BOX:
        start, bounds = half, [(0.5 * value, 1.02 * value) for value in half]
    else:
        radius = math.sqrt(half[0] * half[1])
        start = np.array([radius, max(half[2] - radius, 1e-3 * half[2])])
        bounds = [(0.4 * radius, 1.3 * max(half[0], half[1])), (1e-3 * half[2], half[2])]
    found = minimize(
        lambda scaled: -overlap(scaled * start),
        np.ones(len(start)),
        method="Nelder-Mead",
        bounds=[(low / middle, high / middle) for (low, high), middle in zip(bounds, start, strict=True)],
        options={"maxfev": 60, "xatol": 0.01, "fatol": 1e-3},
    )
    size = np.zeros(3)
    size[: len(start)] = found.x * start
    return size, -float(found.fun)


def _quat(matrix: np.ndarray) -> np.ndarray:
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(matrix).ravel())
    return quat
