"""Objects of a few convex pieces, made without a file and without CoACD."""

import numpy as np
import trimesh
from trimesh import creation

from assets.objects.density import inertial_of, uniform
from assets.objects.hulls import Hull
from assets.objects.mesh_file import Look
from assets.objects.object import Contact, Object
from assets.objects.solid import make_solid
from assets.objects.voxels import voxelise


def made(name: str, *pieces: trimesh.Trimesh, density: float = 500.0, friction: float = 0.5) -> Object:
    """An object of convex pieces (m), each one hull."""
    mesh = trimesh.util.concatenate(list(pieces))
    solid, _ = make_solid(mesh.vertices, mesh.faces, name)
    hulls = tuple(hull for piece in pieces if (hull := Hull.of(np.asarray(piece.vertices))) is not None)
    voxels = voxelise(solid)
    look = Look(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))
    contact = Contact(friction=(friction, 0.005, 0.0001))
    return Object(name, (look,), solid, hulls, voxels, inertial_of(voxels, uniform(voxels, density)), contact)


def brick() -> Object:
    """20 x 10 x 6 cm, its frame in a corner."""
    mesh = creation.box((0.2, 0.1, 0.06))
    mesh.apply_translation([0.1, 0.05, 0.03])
    return made("brick", mesh, density=600.0, friction=0.3)


def ball() -> Object:
    """Of 4 cm radius."""
    return made("ball", creation.icosphere(3, 0.04), density=900.0, friction=0.6)


def slab() -> Object:
    """12 x 8 x 3 cm, turned about the vertical."""
    mesh = creation.box((0.12, 0.08, 0.03))
    mesh.apply_transform(trimesh.transformations.euler_matrix(0, 0, 0.7))
    return made("slab", mesh, density=1500.0, friction=0.9)


def ell() -> Object:
    """Two boxes, one standing on the other's end, leaning."""
    foot, post = creation.box((0.12, 0.06, 0.03)), creation.box((0.03, 0.06, 0.1))
    post.apply_translation([-0.045, 0, 0.065])
    thing = [foot, post]
    for piece in thing:
        piece.apply_transform(trimesh.transformations.euler_matrix(0, 0, 0.5))
    return made("ell", *thing, density=300.0, friction=0.8)
