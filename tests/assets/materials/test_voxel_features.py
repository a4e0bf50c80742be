"""A mesh at prediction and an implicit function in training give the same features: or what was learnt would not hold."""

import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import distance_transform_edt
from trimesh import creation

from assets.materials.data.looks import Look as Appearance
from assets.materials.data.pieces import Piece
from assets.materials.data.sample import on_grid, surface_points
from assets.materials.data.shapes import Box, Lathe, Shape, Superquadric
from assets.materials.data.textures import Texture
from assets.materials.kinds import KINDS
from assets.materials.model.inputs import INPUTS, REACH, channels, signed_distance
from assets.materials.predict import seen_object
from assets.materials.seen import ALPHA, COLOUR, KNOWN, OCCUPANCY, SPREAD, Cube, Seen, seen_of
from assets.objects.mesh_file import Look
from assets.objects.object import Object
from tests.assets.objects.made import made

COLOURED = np.array([0.8, 0.3, 0.1])


def _of_mesh(mesh: trimesh.Trimesh) -> Seen:
    thing = made("thing", mesh)
    look = Look(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32), rgba=(*COLOURED, 1.0))
    thing = Object(thing.name, (look,), thing.solid, thing.hulls, thing.voxels, thing.inertial)
    return seen_object(thing)[0]


def _of_shape(shape: Shape, axes: np.ndarray, low: np.ndarray, high: np.ndarray) -> Seen:
    rng = np.random.default_rng(0)
    look = Appearance(COLOURED, COLOURED, Texture.random("plain", rng), 0.0, np.zeros((3, 2)), 1.0)
    piece = Piece(shape, "box", KINDS["steel"], look, (low + high) / 2, axes)
    cube = Cube.around(low, high, 32)
    occupancy, _, _ = on_grid([piece], cube)
    cells, points, normals = surface_points(occupancy, cube, rng)
    return seen_of(occupancy, cube.size, cells, look.colours(points, normals))


def _turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


_SHAPES = {
    "box": (creation.box((0.2, 0.1, 0.06)), Box(np.array([0.1, 0.05, 0.03])), 0.02, 0.0),
    "ball": (creation.icosphere(4, 0.05), Superquadric(np.full(3, 0.05)), 0.06, 0.0),
    "can": (creation.cylinder(0.04, 0.12, sections=96), Lathe(np.array([-0.06, 0.06]), np.array([0.04, 0.04])), 0.06, 0.0),
    "turned box": (creation.box((0.2, 0.1, 0.06)), Box(np.array([0.1, 0.05, 0.03])), 0.06, 0.6),
}


@pytest.mark.parametrize("name", _SHAPES)
def test_a_mesh_and_the_generators_shape_give_the_same_features(name: str):
    mesh, shape, tolerance, angle = _SHAPES[name]
    mesh = mesh.copy()
    axes = _turned(angle)
    mesh.vertices = np.asarray(mesh.vertices) @ axes.T + [0.3, -0.2, 0.5]
    of_mesh = _of_mesh(mesh)
    of_shape = _of_shape(shape, axes, *np.asarray(mesh.bounds))
    assert of_mesh.size == pytest.approx(of_shape.size, rel=1e-6)
    first, second = of_mesh.dense().astype(float) / 255, of_shape.dense().astype(float) / 255
    share = np.abs(first[..., OCCUPANCY] - second[..., OCCUPANCY])
    touched = (first[..., OCCUPANCY] > 0) | (second[..., OCCUPANCY] > 0)
    assert share[touched].mean() < tolerance / 3
    assert np.quantile(share[touched], 0.95) <= 2 * tolerance
    full = (first[..., OCCUPANCY] > 0.1) & (second[..., OCCUPANCY] > 0.1)
    for channel in (COLOUR, SPREAD, ALPHA):
        np.testing.assert_allclose(first[full][:, channel], second[full][:, channel], atol=1.01 / 255)
    assert (first[full][:, KNOWN] == second[full][:, KNOWN]).mean() > 0.9
    for dense in (first, second):
        assert (dense[..., KNOWN] > 0).any()
        assert ((dense[..., KNOWN] == 0) & (dense[..., OCCUPANCY] > 0)).any(), "the inside is filled, but was not seen"


def test_a_texture_is_seen_in_its_place():
    """A box whose picture is red on one half and blue on the other, along x."""
    mesh = creation.box((0.1, 0.04, 0.03))
    mesh.apply_translation([0.05, 0.02, 0.015])
    vertices = np.asarray(mesh.vertices)
    picture = np.zeros((4, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (255, 0, 0), (0, 0, 255)
    uv = np.stack([vertices[:, 0] / 0.1 * 0.999, np.full(len(vertices), 0.5)], 1)
    plain = made("halves", mesh)
    look = Look(vertices, np.asarray(mesh.faces, np.int32), uv, Image.fromarray(picture))
    thing = Object(plain.name, (look,), plain.solid, plain.hulls, plain.voxels, plain.inertial)
    seen, cube, _ = seen_object(thing)
    x = cube.centers(seen.voxel.astype(int))[:, 0]
    left, right = seen.values[x < 0.045][:, COLOUR].mean(0), seen.values[x > 0.055][:, COLOUR].mean(0)
    np.testing.assert_allclose(left, [255, 0, 0], atol=1)
    np.testing.assert_allclose(right, [0, 0, 255], atol=1)
    border = np.abs(x - 0.05) < 0.6 * cube.size
    assert seen.values[border & (seen.values[:, KNOWN] > 0)][:, SPREAD].max() > seen.values[~border][:, SPREAD].max()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6))
def test_the_distance_is_scipys_within_reach(seed: int, share: float):
    mask = np.random.default_rng(seed).random((1, 16, 16, 16)) < share
    mask[0, 4:12, 3:13, 5:14] |= seed % 2 == 0
    found = np.asarray(signed_distance(jnp.asarray(mask)))[0]
    into = distance_transform_edt(np.pad(mask[0], 1))[1:-1, 1:-1, 1:-1]
    out = distance_transform_edt(~mask[0])
    expected = np.clip(np.where(mask[0], into - 0.5, 0.5 - out), -REACH, REACH)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_normals_point_outwards_and_the_size_is_told():
    seen = _of_mesh(creation.icosphere(3, 0.05))
    x = np.asarray(channels(jnp.asarray(seen.dense()[None]), jnp.asarray([seen.size], jnp.float32)))
    assert x.shape == (1, 32, 32, 32, INPUTS)
    x = x[0].reshape(-1, INPUTS)[seen.voxel]
    place = np.stack([seen.voxel // 1024, seen.voxel // 32 % 32, seen.voxel % 32], 1) - 15.5
    rim = np.abs(x[:, 1]) < 1.0 / REACH
    outward = place[rim] / np.linalg.norm(place[rim], axis=1, keepdims=True)
    assert ((x[rim, 2:5] * outward).sum(1) > 0.8).mean() > 0.9
    np.testing.assert_allclose(x[:, -1], np.log10(seen.size * 32 / 0.1), rtol=1e-5)


def test_an_object_that_no_picture_shows_is_grey():
    occupancy = np.zeros((32, 32, 32))
    occupancy[8:20, 8:20, 8:20] = 1
    seen = seen_of(occupancy, 0.01, np.zeros(0, int), np.zeros((0, 4)))
    assert (seen.values[:, KNOWN] == 0).all()
    assert np.unique(seen.values[:, COLOUR]).tolist() == [153]
