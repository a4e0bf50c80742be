"""Simple objects without a file: of convex pieces, each of which is a convex part.

crate = of_pieces("crate", creation.box((0.2, 0.1, 0.06)))          # trimesh.creation, m
mallet = of_pieces("mallet", head, handle)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from assets.objects.density import inertial_of, uniform
from assets.objects.errors import ObjectError
from assets.objects.hulls import Hull
from assets.objects.mesh_file import Look
from assets.objects.object import WATER, Object
from assets.objects.solid import make_solid
from assets.objects.voxels import voxelise


def of_pieces(name: str, *pieces: Any) -> Object:
    """An object of closed, convex trimesh pieces (m), as dense as water, full also where one lies within another.

    Raises ObjectError where one has no volume.
    """
    hulls = tuple(hull for piece in pieces if (hull := Hull.of(np.asarray(piece.vertices))) is not None)
    if not pieces or len(hulls) < len(pieces):
        raise ObjectError(f"{name!r}: expected one or more pieces with a volume, found {len(hulls)} of {len(pieces)}")
    solid, notes = make_solid(*_joined([pieces[i] for i in _outer(hulls)]), name)  # one within another would be a cavity
    voxels = voxelise(solid)
    look = Look(*_joined(pieces))
    return Object(name, (look,), solid, hulls, voxels, inertial_of(voxels, uniform(voxels, WATER)), notes=notes)


def _joined(pieces: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, (n, 3) m, and faces, (m, 3) int32."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=False)])
    return vertices, faces.astype(np.int32)


def _outer(hulls: tuple[Hull, ...]) -> list[int]:
    """Those that lie in none of the others."""
    kept: list[int] = []
    for i in sorted(range(len(hulls)), key=lambda i: -hulls[i].volume):
        if not any(hulls[j].contains(hulls[i].vertices).all() for j in kept):
            kept.append(i)
    return sorted(kept)
