"""The ground that a terrain promises is the ground that MuJoCo has."""

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.robots import GO2
from assets.scene import compile_for_physics, flat_ground, scene_spec
from assets.terrains import Box, Terrain, TerrainError, rough_terrain, tiles

TERRAIN = rough_terrain()


@pytest.fixture(scope="module")
def ground() -> tuple[mujoco.MjModel, mujoco.MjData]:
    spec = mujoco.MjSpec()
    TERRAIN(spec)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def ray_height(ground, x: float, y: float) -> float:
    start, geom = np.array([x, y, 5.0]), np.zeros(1, np.int32)
    return 5.0 - mujoco.mj_ray(*ground, start, np.array([0, 0, -1.0]), None, 1, -1, geom)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_height_map_is_what_a_ray_meets(ground, u, v):
    cells = np.array([u, v]) * (np.array(TERRAIN.cells.shape[:2]) - 1) * 0.05
    # On the very line between two cells either is right.
    x, y = TERRAIN.corner + np.clip(np.floor(cells / 0.05) * 0.05 + np.clip(cells % 0.05, 0.001, 0.049), 0, None)
    assert TERRAIN.height([x, y]) == pytest.approx(ray_height(ground, x, y), abs=1e-5)


@pytest.mark.parametrize("level", range(TERRAIN.num_levels))
@pytest.mark.parametrize("kind, sign", [("slope_up", 1), ("slope_down", -1)])
def test_slopes_are_as_steep_as_promised(ground, level, kind, sign):
    x, y, z = TERRAIN.origins[level, TERRAIN.kinds.index(kind)]
    rise = ray_height(ground, x + 3.0, y) - ray_height(ground, x + 1.0, y)
    assert math.degrees(math.atan2(rise, 2.0)) == pytest.approx(sign * 3.75 * (level + 1), abs=1e-4)
    assert ray_height(ground, x, y) == pytest.approx(z)


@pytest.mark.parametrize("level", range(TERRAIN.num_levels))
def test_steps_stairs_rough_ground_and_gaps_are_as_high_and_wide_as_promised(ground, level):
    def profile(kind: str) -> np.ndarray:
        x, y, _ = TERRAIN.origins[level, TERRAIN.kinds.index(kind)]
        return np.array([ray_height(ground, x + dx, y + 0.01) for dx in np.arange(-3.99, 4.0, 0.01)])

    height = 0.02 * (level + 1)
    jumps = np.abs(np.diff(profile("steps")))
    np.testing.assert_allclose(jumps[jumps > 1e-6], height, atol=1e-6)
    rises = np.diff(profile("stairs"))
    np.testing.assert_allclose(rises[np.abs(rises) > 1e-6], height, atol=1e-6)
    assert np.count_nonzero(rises > 1e-6) == 22
    rough = profile("rough")
    assert -height <= rough.min() < rough.max() <= 1e-9
    below = profile("gaps") < -0.2
    assert np.count_nonzero(below) / np.count_nonzero(np.diff(below.astype(int)) == 1) == pytest.approx(
        5 * (level + 1), abs=0.5
    )


def test_a_robot_stands_on_every_tile_as_on_a_plane():
    def settle(terrain, origin) -> tuple[float, float]:
        model = terrain
        data = mujoco.MjData(model)
        data.qpos[:3] = origin + np.array([0, 0, GO2.standing_height])
        data.qpos[7:] = GO2.default_pose
        mujoco.mj_forward(model, data)
        depth = min((contact.dist for contact in data.contact), default=0.0)
        data.ctrl[:] = GO2.default_pose
        for _ in range(60):
            mujoco.mj_step(model, data)
        return depth, data.qpos[2] - origin[2]

    flat = compile_for_physics(scene_spec(GO2, flat_ground))
    rough = compile_for_physics(scene_spec(GO2, TERRAIN))
    depth_on_plane, height_on_plane = settle(flat, np.zeros(3))
    for origin in TERRAIN.origins.reshape(-1, 3):
        depth, height = settle(rough, origin)
        assert depth == pytest.approx(depth_on_plane, abs=1e-6)
        assert height == pytest.approx(height_on_plane, abs=1e-3)


def test_a_ball_rolls_over_the_seams_of_even_boxes_as_over_a_plane():
    def roll(ground) -> np.ndarray:
        spec = mujoco.MjSpec()
        ground(spec)
        body = spec.worldbody.add_body(pos=[-2.0, 0.05, 0.022])
        body.add_freejoint()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.022, 0, 0], mass=0.5, contype=0, conaffinity=1)
        model = spec.compile()
        data = mujoco.MjData(model)
        data.qvel[0], data.qvel[4] = 1.0, 1.0 / 0.022
        heights = []
        for _ in range(1500):
            mujoco.mj_step(model, data)
            heights.append(data.qpos[2])
        return np.array([*data.qvel[:3], min(heights), max(heights)])

    beams = tuple(Box((a / 2, a / 2 + 0.5), (-4.0, 4.0), 0.0) for a in range(-8, 8))
    even, plane = roll(Terrain(("even",), ((beams,),), 1.0)), roll(flat_ground)
    np.testing.assert_allclose(even[1:], plane[1:], atol=1e-4)  # neither thrown up nor aside
    assert even[0] == pytest.approx(plane[0], rel=0.05)  # six seams take 3 % of its speed


def test_a_tile_with_a_hole_is_refused():
    terrain = Terrain(("hole",), (((Box((-1.0, 1.0), (-1.0, 1.0), 0.0),),),), 1.0)
    with pytest.raises(TerrainError, match="hole"):
        _ = terrain.cells


def test_a_box_off_the_grid_is_refused():
    with pytest.raises(TerrainError, match="multiples of"):
        Terrain.of({"odd": lambda level: tiles.steps(0.1, width=0.41)}, 1, 0.5)
