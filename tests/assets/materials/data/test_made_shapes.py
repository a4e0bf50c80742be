import math

import numpy as np
import pytest

from assets.materials.data.shapes import FAMILIES, OPEN, Box, Extrusion, Lathe, Shape, Superquadric, Torus, body

R = 0.05
_KNOWN: dict[str, tuple[Shape, float]] = {
    "box": (Box(np.array([0.03, 0.05, 0.02])), 8 * 0.03 * 0.05 * 0.02),
    "ball": (Superquadric(np.full(3, R)), 4 / 3 * math.pi * R**3),
    "cylinder": (Lathe(np.array([-0.05, 0.05]), np.array([0.03, 0.03])), math.pi * 0.03**2 * 0.1),
    "cone": (Lathe(np.array([-0.05, 0.05]), np.array([0.04, 1e-6])), math.pi * 0.04**2 * 0.1 / 3),
    "prism": (Extrusion(np.array([[-0.05, -0.05], [0.05, -0.05], [-0.05, 0.05]]), 0.02), 0.005 * 0.04),
    "torus": (Torus(0.04, 0.01, 0.01), 2 * math.pi**2 * 0.04 * 0.01**2),
}


def _around(shape: Shape, count: int = 200_000) -> tuple[np.ndarray, float]:
    """Points in a box around it, and the volume that each stands for."""
    reach = 1.05 * shape.reach
    return np.random.default_rng(0).uniform(-reach, reach, (count, 3)), float(np.prod(2 * reach)) / count


@pytest.mark.parametrize("name", _KNOWN)
def test_what_is_inside_a_shape_has_its_volume(name: str):
    shape, volume = _KNOWN[name]
    points, cell = _around(shape)
    assert (shape.distance(points) < 0).sum() * cell == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_distances_near_a_surface_are_distances(family: str):
    """A step towards the surface brings it nearer by about as much."""
    rng = np.random.default_rng(3)
    shape = body(family, (0.03, 0.04, 0.05), rng)
    points, _ = _around(shape, 60_000)
    distance = shape.distance(points)
    near = points[np.abs(distance) < 0.002]
    step = 1e-5
    ends = [(shape.distance(near + step * axis) - shape.distance(near - step * axis)) / (2 * step) for axis in np.eye(3)]
    steepness = np.linalg.norm(ends, axis=0)
    assert 0.75 < np.median(steepness) < 1.25
    assert (points[distance < 0] <= shape.reach + 1e-9).all()
    assert (points[distance < 0] >= -shape.reach - 1e-9).all()


@pytest.mark.parametrize("family", OPEN)
def test_a_vessel_is_open_at_the_top_and_closed_elsewhere(family: str):
    shape = body(family, (0.04, 0.04, 0.05), np.random.default_rng(1))
    cavity = shape.cavity(0.004)  # pyright: ignore[reportAttributeAccessIssue]
    axis = np.zeros((3, 3))
    axis[:, 2] = [0.0499, 0.0, -0.0475]
    assert (cavity.distance(axis)[:2] < 0).all()
    assert cavity.distance(axis)[2] > 0
    points, _ = _around(shape, 60_000)
    below = points[:, 2] < 0.045
    assert (shape.distance(points)[below & (cavity.distance(points) < 0)] < 0).all()
