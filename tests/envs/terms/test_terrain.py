"""How a terrain's curriculum moves, and where it puts robots."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.terrains import TerrainError, rough_terrain
from assets.terrains.terrain import FIELDS, TILE_SIZE
from envs.start import Start
from envs.terms.terrain import TerrainCurriculum, ground_around_feet, mirror_ground_around_feet
from envs.view import Layout, View
from tests.assets.terrains.tile_model import ray_height, robot_on, set_tile

TERRAIN = rough_terrain()
CURRICULUM = TerrainCurriculum(TERRAIN, episode_seconds=20.0)
LAYOUT = Layout.of(GO2, robot_on(GO2, TERRAIN), TERRAIN)


def judged(level: int, *, commanded: float, covered: float, farthest: float = 3.0, time: float = 20.0, failed=False) -> int:
    view = SimpleNamespace(
        memory={"commanded_distance": commanded, "covered_distance": covered, "farthest": farthest},
        command=jnp.array([1.0, 0.0, 0.5]),
        time=time,
    )
    progress = {"level": jnp.int32(level), "kind": jnp.int32(1)}
    after = CURRICULUM.judge(progress, view, jnp.bool_(failed))  # type: ignore[arg-type]
    assert int(after["kind"]) == 1
    return int(after["level"])


def test_a_robot_that_goes_where_it_is_told_moves_up():
    assert judged(2, commanded=10.0, covered=9.0) == 3
    assert judged(2, commanded=10.0, covered=7.0) == 2


def test_a_robot_that_covers_less_than_half_moves_down_but_not_below_the_first_level():
    assert judged(2, commanded=10.0, covered=4.9) == 1
    assert judged(0, commanded=10.0, covered=0.0) == 0


def test_who_stays_on_the_platform_has_proved_nothing():
    assert judged(2, commanded=2.0, covered=2.0, farthest=0.5) == 2


def test_a_robot_that_falls_was_to_go_on():
    assert judged(2, commanded=3.0, covered=3.0, time=3.0, failed=True) == 1
    assert judged(2, commanded=18.0, covered=18.0, time=19.0, failed=True) == 2


def test_a_robot_that_was_told_to_stand_keeps_its_level():
    assert judged(2, commanded=0.0, covered=0.0, farthest=0.1) == 2


def drawn(level: int | jax.Array, kind: int) -> Start:
    """A start at the origin of the world, before the curriculum sees it."""
    zero = jnp.zeros(())
    progress = {"level": jnp.int32(level), "kind": jnp.int32(kind)}
    mass = {"body_mass": jnp.asarray(LAYOUT.model.body_mass, jnp.float32)}
    return Start(
        qpos=jnp.asarray(LAYOUT.start_qpos()),
        qvel=jnp.zeros(LAYOUT.model.nv),
        fields=mass,
        command=jnp.zeros(3),
        reference=(),
        command_left=zero,
        push_left=zero,
        episode={},
        curriculum=progress,
    )


def begun(seed: int, level: int, kind: int) -> Start:
    return CURRICULUM.begin(jax.random.key(seed), drawn(level, kind), LAYOUT)


def test_beyond_the_last_level_comes_any():
    levels = jax.vmap(lambda key: CURRICULUM.begin(key, drawn(TERRAIN.num_levels, 0), LAYOUT).curriculum["level"])
    assert set(np.unique(levels(jax.random.split(jax.random.key(0), 100)))) == set(range(TERRAIN.num_levels))


@pytest.mark.parametrize("level, kind", [(0, 0), (3, 1), (4, 2), (2, 3), (1, 4), (3, 5)])
def test_a_tile_is_put_under_its_robot_and_nothing_else_changes(level, kind):
    start = begun(level, level, kind)
    expected = TERRAIN.fields(LAYOUT.model, level, kind)
    assert set(start.fields) == {"body_mass", *FIELDS}
    for name, value in expected.items():
        np.testing.assert_allclose(start.fields[name], value, atol=1e-6)
    assert np.abs(start.qpos[:2]).max() < TERRAIN.platform - 0.3  # feet and all
    np.testing.assert_array_equal(start.qpos[2:], LAYOUT.start_qpos()[2:])


def view_at(level: int, kind: int) -> View:
    none = jnp.zeros(0)
    fields = {k: jnp.asarray(v, jnp.float32) for k, v in TERRAIN.fields(LAYOUT.model, level, kind).items()}
    sensors, qpos = jnp.zeros(LAYOUT.model.nsensordata), jnp.asarray(LAYOUT.start_qpos())
    return View(qpos, none, sensors, fields, none, none, none, {}, jnp.zeros(()), jnp.zeros(()), LAYOUT, 0.02)


@pytest.mark.parametrize("kind", range(len(TERRAIN.kinds)))
def test_the_ground_that_terms_see_is_what_rays_meet(kind):
    data = mujoco.MjData(set_tile(robot_on(GO2, TERRAIN), TERRAIN, 3, kind))
    data.qpos[2] = -10.0  # out of the rays' way
    mujoco.mj_forward(data.model, data)
    points = np.random.default_rng(kind).uniform(-TILE_SIZE / 2 + 0.01, TILE_SIZE / 2 - 0.01, (300, 2))
    # On the very edge of a box either side is right.
    around = points[:, None] + 1e-4 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)])
    rays = np.array([[ray_height(data, *point) for point in near] for near in around])
    found = np.asarray(view_at(3, kind).ground_height(jnp.asarray(points, jnp.float32)))
    assert (rays.min(axis=1) - 1e-4 <= found).all()
    assert (found <= rays.max(axis=1) + 1e-4).all()
    assert np.ptp(found) > 0.05


def test_the_ground_around_the_feet_of_the_mirror_image_is_its_mirror_image():
    """On a tile that is its own mirror image, with feet that are not."""
    feet = np.random.default_rng(0).uniform(-3, 3, (4, 3))
    mirrored = feet[list(GO2.foot_mirror)] * [1, -1, 1]

    def seen(feet: np.ndarray) -> jax.Array:
        view = view_at(3, TERRAIN.kinds.index("stairs"))
        sensors = view.sensordata
        for foot, position in zip(GO2.feet, feet, strict=True):
            sensors = sensors.at[LAYOUT.sensors[f"{foot}_pos"]].set(jnp.asarray(position, jnp.float32))
        return ground_around_feet(view.replace(sensordata=sensors))

    value = seen(feet)
    assert np.ptp(value) > 0.1
    np.testing.assert_allclose(seen(mirrored), mirror_ground_around_feet(value, GO2), atol=1e-5)
    assert np.abs(value - mirror_ground_around_feet(value, GO2)).max() > 0.1


def test_beside_the_tile_the_ground_is_that_of_its_edge():
    view = view_at(3, TERRAIN.kinds.index("stairs"))
    assert float(view.ground_height(jnp.array([7.0, -9.0]))) == pytest.approx(11 * 0.08, abs=1e-5)


def test_environments_are_shared_evenly_among_kinds_and_start_easy():
    first = jax.vmap(CURRICULUM.first)(jnp.arange(60))
    assert np.bincount(first["kind"]).tolist() == [10] * 6
    assert not first["level"].any()


def test_evaluation_holds_robots_where_it_is_told():
    held = CURRICULUM.held({"kind": ("steps", "slope_up"), "level": ("3",)})
    first = jax.vmap(held.first)(jnp.arange(8))
    labels = [held.labels({k: np.asarray(v[i]) for k, v in first.items()}) for i in range(8)]
    assert labels == [{"kind": "steps", "level": 3}, {"kind": "slope_up", "level": 3}] * 4
    assert held.judge(first, None, None) is first  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "places, told", [({"kind": ("stpes",)}, "steps"), ({"level": ("9",)}, "0, 1, 2"), ({"colour": ("red",)}, "level, kind")]
)
def test_an_unknown_place_is_told_with_those_there_are(places, told):
    with pytest.raises(TerrainError, match=told):
        CURRICULUM.held(places)


def test_the_mean_level_is_told_of_all_and_of_each_kind():
    figures = CURRICULUM.figures({"level": jnp.array([0, 1, 2, 3]), "kind": jnp.array([0, 1, 0, 1])})
    assert float(figures["level"]) == 1.5
    assert float(figures["level/slope_up"]) == 1.0
    assert float(figures["level/slope_down"]) == 2.0
