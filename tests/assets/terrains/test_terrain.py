"""What the tiles of a terrain are like, found by rays and by robots, and which are refused."""

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.robots import GO2
from assets.scene import compile_for_physics, flat_ground, scene_spec
from assets.terrains import Box, Terrain, TerrainError, rough_terrain, tiles
from assets.terrains.terrain import TILE_SIZE
from tests.assets.terrains.tile_model import bare, ray_height, robot_on, set_tile

TERRAIN = rough_terrain()
LEVELS, KINDS = range(TERRAIN.num_levels), range(len(TERRAIN.kinds))


@pytest.fixture(scope="module")
def ground() -> dict[tuple[int, int], mujoco.MjData]:
    """Every tile, by level and kind."""
    found = {}
    for level in LEVELS:
        for kind in KINDS:
            found[level, kind] = mujoco.MjData(set_tile(bare(TERRAIN), TERRAIN, level, kind))
            mujoco.mj_forward(found[level, kind].model, found[level, kind])
    return found


INSIDE = st.floats(-TILE_SIZE / 2 + 1e-3, TILE_SIZE / 2 - 1e-3)


@given(st.sampled_from(LEVELS), st.sampled_from(KINDS), INSIDE, INSIDE)
def test_heights_are_what_a_ray_meets(ground, level, kind, x, y):
    # On the very edge of a box either side is right.
    around = TERRAIN.height(level, kind, [[x + dx, y + dy] for dx in (-1e-5, 1e-5) for dy in (-1e-5, 1e-5)])
    assert around.min() - 1e-5 <= ray_height(ground[level, kind], x, y) <= around.max() + 1e-5


def profile(data: mujoco.MjData, y: float = 0.013) -> np.ndarray:
    """Heights along x, a centimetre apart."""
    return np.array([ray_height(data, x, y) for x in np.arange(-3.995, 4.0, 0.01)])


@pytest.mark.parametrize("level", LEVELS)
def test_slopes_are_as_steep_as_promised(ground, level):
    for name, sign in (("slope_up", 1), ("slope_down", -1)):
        data = ground[level, TERRAIN.kinds.index(name)]
        for side in (-1, 1):
            rise = ray_height(data, side * 3.0, 0.3) - ray_height(data, side * 1.0, 0.3)
            assert math.degrees(math.atan2(rise, 2.0)) == pytest.approx(sign * 3.75 * (level + 1), abs=1e-3)


@pytest.mark.parametrize("level", LEVELS)
def test_steps_stairs_and_gaps_are_as_high_and_wide_as_promised(ground, level):
    height = 0.02 * (level + 1)
    steps, stairs, gaps = (profile(ground[level, TERRAIN.kinds.index(n)]) for n in ("steps", "stairs", "gaps"))
    jumps = np.abs(np.diff(steps))
    np.testing.assert_allclose(jumps[jumps > 1e-5], height, atol=1e-6)
    assert np.count_nonzero(jumps > 1e-5) == 12  # three sills on either side, up and down each
    rises = np.diff(stairs)
    np.testing.assert_allclose(rises[np.abs(rises) > 1e-5], height, atol=1e-6)
    assert np.count_nonzero(rises > 1e-5) == 22
    below = gaps < -0.2
    crossed = np.count_nonzero(np.diff(below.astype(int)) == 1)
    assert crossed == 6
    assert np.count_nonzero(below) / crossed == pytest.approx(5 * (level + 1), abs=1)


@pytest.mark.parametrize("level", LEVELS)
def test_a_quarter_of_rough_ground_is_pits(ground, level):
    height = 0.02 * (level + 1)
    middles = np.arange(-3.75, 4.0, 0.5)
    found = np.array([[ray_height(ground[level, TERRAIN.kinds.index("rough")], x, y) for y in middles] for x in middles])
    pits = found < -height / 2
    pits[7:9, 7:9] = True  # the platform is where one would be
    assert pits.mean() == pytest.approx(0.25, abs=0.02)
    assert len(np.unique(found.round(6))) > 28
    assert -height - 1e-6 <= found.min() <= found.max() <= 1e-6


def test_rough_ground_is_the_same_wherever_it_is_made():
    first, second = tiles.rough(0.1, seed=0), tiles.rough(0.1, seed=0)
    assert first == second
    assert first != tiles.rough(0.1, seed=1)
    # Numpy's PCG64 with seed 0 draws 0.63696169, 0.26978671, 0.04097352, ... on every machine.
    assert [box.top for box in first[:3]] == pytest.approx(
        [-0.1 * u / 3 for u in (0.63696169, 2.26978671, 0.04097352)], abs=1e-9
    )


def test_a_robot_stands_on_every_tile_as_on_a_plane():
    def settle(model: mujoco.MjModel) -> tuple[float, float]:
        data = mujoco.MjData(model)
        data.qpos[2] = GO2.standing_height
        data.qpos[7:] = data.ctrl[:] = GO2.default_pose
        mujoco.mj_forward(model, data)
        depth = min((contact.dist for contact in data.contact), default=0.0)
        for _ in range(60):
            mujoco.mj_step(model, data)
        return depth, data.qpos[2]

    depth_on_plane, height_on_plane = settle(compile_for_physics(scene_spec(GO2, flat_ground)))
    model = robot_on(GO2, TERRAIN)
    assert settle(model) == pytest.approx((depth_on_plane, height_on_plane), abs=1e-3), "before a tile is set"
    for level in LEVELS:
        for kind in KINDS:
            depth, height = settle(set_tile(model, TERRAIN, level, kind))
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
        if isinstance(ground, Terrain):
            set_tile(model, ground, 0, 0)
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


WHOLE = Box((-4.0, 4.0), (-4.0, 4.0), 0.0)


@pytest.mark.parametrize(
    "tile, complaint",
    [
        ((Box((-4.0, 4.0), (-4.0, 3.0), 0.0),), "kind 'odd', level 0: it has a hole"),
        ((Box((-4.0, 0.0), (-4.0, 4.0), 0.0), Box((0.1, 4.0), (-4.0, 4.0), 0.0)), "it has a hole"),
        ((WHOLE, Box((3.0, 4.5), (-1.0, 1.0), 0.0)), "lie within 4.0 m"),
        ((WHOLE, Box((3.0, 3.0), (-1.0, 1.0), 0.0)), "must have a width"),
        ((WHOLE, Box((0.2, 1.0), (-1.0, 1.0), 0.1)), "within 0.5 m of its middle it must be flat, at height 0"),
        ((), r"kind 'odd', level 0: it is \(\), expected a tuple of one Box or more"),
        (None, "it is None, expected a tuple"),
        (WHOLE, "it is Box.*, expected a tuple"),
        ((0.1, 0.2), "expected a tuple of one Box or more"),
        ((WHOLE, Box((2.0, 3.0), (2.0, 3.0), math.nan)), "no box: expected finite numbers"),
        ((WHOLE, Box((2.0, 3.0), (2.0, 3.0), 0.1, math.inf)), "no box: expected finite numbers"),
        ((WHOLE, Box((1.0, 2.0, 3.0), (2.0,), 0.1)), "no box: expected finite numbers"),
        ((WHOLE, Box(2.0, (2.0, 3.0), 0.1)), "no box: expected finite numbers"),
    ],
)
def test_a_tile_that_no_robot_could_start_on_is_refused(tile, complaint):
    with pytest.raises(TerrainError, match=complaint):
        Terrain.of({"odd": lambda level: tile}, 1, 0.5)


def broken(level: int):
    raise ZeroDivisionError("no width")


@pytest.mark.parametrize(
    "make, complaint",
    [
        (lambda: Terrain.of({"odd": broken}, 1, 0.5), "kind 'odd', level 0, raised ZeroDivisionError: no width"),
        (lambda: Terrain.of({"odd": lambda: (WHOLE,)}, 1, 0.5), "kind 'odd', level 0, raised TypeError"),
        (lambda: Terrain.of({"even": lambda level: (WHOLE,)}, 0, 0.5), "0 levels and 1 kinds"),
        (lambda: Terrain.of({}, 2, 0.5), "2 levels and 0 kinds"),
        (lambda: Terrain(("a", "a"), (((WHOLE,), (WHOLE,)),), 0.5), "not all of different names"),
        (lambda: Terrain(("a",), (((WHOLE,),),), -0.5), "platform is -0.5"),
        (lambda: Terrain(("a",), (((WHOLE,),),), 0.5, math.nan), "friction is nan"),
    ],
)
def test_a_terrain_that_is_none_is_refused(make, complaint):
    with pytest.raises(TerrainError, match=complaint):
        make()


def test_a_level_without_a_tile_for_every_kind_is_refused():
    with pytest.raises(TerrainError, match="level 1 has 1 tiles, expected 2"):
        Terrain(("a", "b"), (((WHOLE,), (WHOLE,)), ((WHOLE,),)), 0.5)
