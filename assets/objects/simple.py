"""Simple objects without a file: of convex pieces, each of which is a convex part.

crate = of_pieces("crate", creation.box((0.2, 0.1, 0.06)))          # trimesh.creation, m
mallet = of_pieces("mallet", head, handle)
"""

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
    """An object of closed, convex trimesh pieces (m), as dense as water. Raises ObjectError where one has no volume."""
    hulls = tuple(hull for piece in pieces if (hull := Hull.of(np.asarray(piece.vertices))) is not None)
    if not pieces or len(hulls) < len(pieces):
        raise ObjectError(f"{name!r}: expected one or more pieces with a volume, found {len(hulls)} of {len(pieces)}")
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=False)])
    solid, notes = make_solid(vertices, faces, name)
    voxels = voxelise(solid)
    look = Look(vertices, faces.astype(np.int32))
    return Object(name, (look,), solid, hulls, voxels, inertial_of(voxels, uniform(voxels, WATER)), notes=notes)
