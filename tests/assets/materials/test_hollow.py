"""Predicted hollows beside the formulas of hollow solids: what weighs as a shell turns as a shell."""

import numpy as np
import pytest
import trimesh

from assets.materials.classes import METAL, WOOD
from assets.materials.embody import drawn, embody
from assets.materials.properties import DENSITY, FILL
from assets.objects.simple import of_pieces
from assets.robots.primitives import Inertial
from tests.assets.materials import fields
from tests.assets.materials.fields import field_of, joined
from tests.assets.objects.made import brick
from tests.assets.objects.shapes import Known, box, cylinder, less, sphere

STEEL = fields.WOOD | {DENSITY: 7800.0}
TURNED = trimesh.transformations.euler_matrix(0.4, -0.7, 1.1)

BOX, BALL, CAN = box(0.1, 0.08, 0.06), sphere(0.05), cylinder(0.03, 0.12)


def hollows(wall: float) -> list[tuple[Known, Known]]:
    """Solids and what is inside walls of that thickness (m)."""
    inner = 2 * wall
    return [
        (BOX, box(0.1 - inner, 0.08 - inner, 0.06 - inner)),
        (BALL, sphere(0.05 - wall)),
        (CAN, cylinder(0.03 - wall, 0.12 - inner)),
    ]


def tensor(inertial: Inertial) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = inertial.inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.parametrize("wall", [0.0003, 0.002, 0.0085])
@pytest.mark.parametrize("pose", [np.eye(4), TURNED], ids=["upright", "turned"])
def test_what_is_hollow_has_the_mass_and_the_inertia_of_its_walls(wall: float, pose: np.ndarray):
    for whole, inside in hollows(wall):
        mesh = whole.mesh.copy()
        mesh.apply_transform(pose)
        shell = less(whole, inside)
        thing = of_pieces("thing", mesh)
        found = embody(thing, field_of(thing, STEEL | {FILL: shell.volume / whole.volume})).inertial
        assert found.mass == pytest.approx(7800 * shell.volume, rel=0.005)
        along = np.diag(pose[:3, :3].T @ tensor(found) @ pose[:3, :3])
        np.testing.assert_allclose(along / found.mass, np.array(shell.moments) / shell.volume, rtol=0.02)
        np.testing.assert_allclose(found.com, (0, 0, 0), atol=1e-4)


def test_only_the_part_that_is_hollow_is_a_shell():
    """Half of the brick is a steel can without a lid at the border, the other half is solid wood."""
    brick_ = brick()
    beyond = brick_.voxels.centers[..., 0] > 0.1
    wall = 0.004
    cavity = (0.1 - wall) * (0.1 - 2 * wall) * (0.06 - 2 * wall)
    half = 0.1 * 0.1 * 0.06
    can = field_of(brick_, STEEL | {FILL: 1 - cavity / half}, material=METAL)
    found = embody(brick_, joined(can, field_of(brick_, fields.WOOD, material=WOOD), beyond)).inertial
    steel, wood = 7800 * (half - cavity), 600 * half
    middle = (7800 * (half * 0.05 - cavity * (0.1 + wall) / 2)) / steel
    com = (steel * middle + wood * 0.15) / (steel + wood)
    assert found.mass == pytest.approx(steel + wood, rel=0.005)
    np.testing.assert_allclose(found.com, (com, 0.05, 0.03), atol=1e-3)
    spans = [(7800 * half, 0.1, 0.06), (-7800 * cavity, 0.1 - 2 * wall, 0.06 - 2 * wall), (wood, 0.1, 0.06)]
    about_x = sum(mass * (b * b + c * c) / 12 for mass, b, c in spans)
    assert found.inertia[0] == pytest.approx(about_x, rel=0.02)


def test_draws_of_another_fill_have_walls_of_another_thickness():
    thing = of_pieces("box", BOX.mesh)
    fill = 0.3
    believed = field_of(thing, STEEL | {FILL: fill}, {FILL: 0.25})
    shells = sorted((made.inertial for made in drawn(thing, believed, 12, seed=0)), key=lambda inertial: inertial.mass)
    by_mass = np.array([shell.inertia[0] / shell.mass for shell in shells])
    assert shells[-1].mass > 1.5 * shells[0].mass
    assert (np.diff(by_mass) <= 1e-9).all(), "the thinner its walls, the farther out its mass is"
    assert by_mass[0] > 1.03 * by_mass[-1]
