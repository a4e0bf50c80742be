import numpy as np
import pytest
from trimesh import creation

from assets.objects import crossings
from assets.objects.crossings import winding

BALL = creation.icosphere(3, 0.05)
POINTS = np.random.default_rng(0).uniform(-0.06, 0.06, (2000, 3))


def test_a_surface_goes_once_around_what_is_inside_and_not_around_the_rest():
    box = creation.box((0.08, 0.06, 0.04))
    inside = (np.abs(POINTS) < [0.04, 0.03, 0.02]).all(1)
    np.testing.assert_array_equal(winding(np.asarray(box.triangles), POINTS), inside)
    np.testing.assert_array_equal(winding(np.asarray(box.triangles)[:, ::-1], POINTS), -inside.astype(int))


def test_two_surfaces_go_around_twice():
    triangles = np.concatenate([BALL.triangles, BALL.triangles])
    assert set(winding(triangles, POINTS).tolist()) == {0, 2}


def test_points_below_corners_and_edges_are_told_as_others():
    grid = np.stack(np.meshgrid(*[np.linspace(-0.06, 0.06, 13)] * 3), -1).reshape(-1, 3)  # the box's corners are on its lines
    box = creation.box((0.08, 0.08, 0.05))
    size = np.abs(grid) - [0.04, 0.04, 0.025]
    clear = (np.abs(size) > 1e-9).all(1)
    np.testing.assert_array_equal(winding(np.asarray(box.triangles), grid[clear]), (size[clear] < 0).all(1))


@pytest.mark.parametrize("pairs", [1, 1000])
def test_it_is_the_same_however_many_are_looked_at_together(pairs: int, monkeypatch: pytest.MonkeyPatch):
    expected = winding(np.asarray(BALL.triangles), POINTS)
    monkeypatch.setattr(crossings, "_PAIRS", pairs)
    np.testing.assert_array_equal(winding(np.asarray(BALL.triangles), POINTS), expected)
