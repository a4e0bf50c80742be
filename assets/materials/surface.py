"""The coloured surface of a mesh as points: what colours of voxels, pictures and features of other networks are made of.

surface = surface_of(thing.looks, spacing=0.001)        # a point per mm² or so
surface.points, surface.normals, surface.rgba
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.objects.mesh_file import Look
from assets.objects.solid import areas, unit_normals

MOST = 400_000
"""Points of a surface."""


@dataclass(frozen=True, eq=False)
class Surface:
    points: np.ndarray
    """(n, 3) m"""
    normals: np.ndarray
    """Outward, (n, 3)."""
    rgba: np.ndarray
    """sRGB and opacity in [0, 1], (n, 4)."""


def surface_of(looks: Sequence[Look], spacing: float, seed: int = 0) -> Surface:
    """Points drawn evenly over all triangles, one for each square of edge `spacing` (m), at most MOST."""
    rng = np.random.default_rng(seed)
    triangles = [look.vertices[look.faces] for look in looks]
    area = np.concatenate([areas(corners) for corners in triangles])
    count = int(np.clip(area.sum() / spacing**2, 1000, MOST))
    chosen = np.sort(rng.choice(len(area), count, p=area / area.sum()))
    u, v = rng.random((2, count))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], 1)
    corners = np.concatenate(triangles)[chosen]
    points = np.einsum("nk,nkx->nx", weights, corners)
    rgba = np.empty((count, 4))
    start = 0
    for look in looks:
        own = (chosen >= start) & (chosen < start + len(look.faces))
        rgba[own] = _colours(look, chosen[own] - start, weights[own])
        start += len(look.faces)
    return Surface(points, unit_normals(corners), rgba)


def _colours(look: Look, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n, 4)"""
    if look.image is None or look.uv is None:
        return np.tile(look.rgba, (len(faces), 1))
    uv = np.einsum("nk,nkx->nx", weights, look.uv[look.faces[faces]]) % 1.0
    pixels = np.asarray(look.image)
    height, width, bands = pixels.shape
    column = np.minimum((uv[:, 0] * width).astype(int), width - 1)
    row = np.minimum(((1 - uv[:, 1]) * height).astype(int), height - 1)
    found = pixels[row, column] / 255
    return found if bands == 4 else np.concatenate([found, np.ones((len(found), 1))], 1)
