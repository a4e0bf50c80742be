from dataclasses import replace

import numpy as np
import pytest

from assets.materials.data.looks import drawn_look
from assets.materials.data.pieces import Piece
from assets.materials.data.recipes import RECIPES, Workshop
from assets.materials.data.sample import make_sample, on_grid
from assets.materials.data.shapes import Superquadric
from assets.materials.data.textures import FAMILIES, Texture
from assets.materials.kinds import KINDS
from assets.materials.properties import DENSITY, FILL, INDEX, PROPERTIES
from assets.materials.seen import LEAST, OCCUPANCY, Cube


def test_the_same_number_is_the_same_object():
    first, again, other = make_sample(4, 11), make_sample(4, 11), make_sample(4, 12)
    for name in ("voxel", "values"):
        np.testing.assert_array_equal(getattr(first.seen, name), getattr(again.seen, name))
    np.testing.assert_array_equal(first.materials, again.materials)
    assert first.mass == again.mass
    assert first.mass != other.mass


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_an_object_of_one_to_six_parts_in_one_place(name: str):
    for seed in range(3):
        pieces = RECIPES[name](Workshop(np.random.default_rng(seed)))
        assert 1 <= len(pieces) <= 6
        for piece in pieces[1:]:
            gap = np.maximum(piece.box[0] - np.max([p.box[1] for p in pieces if p is not piece], 0), 0)
            assert (gap < 1e-3).all(), "a part floats beside the others"


def test_a_sample_weighs_what_its_voxels_weigh_and_tells_them_all():
    for index in range(6):
        sample = make_sample(1, index)
        assert len(sample.part) == len(sample.seen.voxel) == len(sample.seen.values)
        assert sample.part.max() < len(sample.materials)
        properties = sample.materials[:, 1:]
        for i, prop in enumerate(PROPERTIES):
            low, high = prop.bounds
            assert (properties[:, i] >= low - 1e-5).all()
            assert (properties[:, i] <= high + 1e-5).all()
        share = sample.seen.values[:, OCCUPANCY] / 255
        density = 10.0 ** (properties[:, INDEX[DENSITY]] + properties[:, INDEX[FILL]])
        heavy = density[sample.part] * sample.seen.size**3
        assert (share * heavy).sum() == pytest.approx(
            sample.mass, abs=float(0.5 / 255 * heavy.sum())
        )  # shares are kept in bytes


@pytest.mark.parametrize("wall", [0.0005, 0.002, 0.02])
def test_the_fill_of_a_hollow_ball_is_that_of_its_wall(wall: float):
    radius = 0.05
    look = drawn_look(KINDS["steel"], np.random.default_rng(0))
    ball = Superquadric(np.full(3, radius))
    piece = Piece(ball, "ball", KINDS["steel"], look, np.zeros(3), np.eye(3), wall=wall)
    cube = Cube.around(*piece.box, 32)
    occupancy, _, (fill,) = on_grid([piece], cube)
    assert fill == pytest.approx(1 - (1 - wall / radius) ** 3, rel=0.08)
    assert (occupancy > LEAST).sum() * cube.size**3 > occupancy.sum() * cube.size**3
    assert occupancy.sum() * cube.size**3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    full = replace(piece, contents=float(np.mean(KINDS["steel"].density)))
    assert on_grid([full], cube)[2][0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texture_is_the_same_at_the_same_place_and_varies_elsewhere(family: str):
    texture = Texture.random(family, np.random.default_rng(2))
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (2000, 3))
    share = texture(points)
    np.testing.assert_array_equal(share, texture(points))
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.std() == 0 if family == "plain" else share.std() > 0.05
