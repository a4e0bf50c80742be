"""How a terrain's curriculum moves, and where it puts robots."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.terrains import TerrainError, rough_terrain
from envs.terms.terrain import TerrainCurriculum, distance_from_middle

TERRAIN = rough_terrain()
CURRICULUM = TerrainCurriculum(TERRAIN, episode_seconds=20.0)


def judged(level: int, *, commanded: float, covered: float, farthest: float = 3.0, time: float = 20.0, failed=False) -> int:
    view = SimpleNamespace(
        memory={"commanded_distance": commanded, "covered_distance": covered, "farthest": farthest},
        command=jnp.array([1.0, 0.0, 0.5]),
        time=time,
    )
    progress = {"level": jnp.int32(level), "kind": jnp.int32(1)}
    after = CURRICULUM.judge(progress, view, jnp.bool_(failed))
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


def test_beyond_the_last_level_comes_any():
    begin = jax.vmap(CURRICULUM.begin, (0, None, None))
    beyond = {"level": jnp.int32(TERRAIN.num_levels), "kind": jnp.int32(0)}
    progress, _ = begin(jax.random.split(jax.random.key(0), 200), beyond, jnp.zeros(7))
    assert set(np.unique(progress["level"])) == set(range(TERRAIN.num_levels))


@given(st.integers(0, TERRAIN.num_levels - 1), st.integers(0, len(TERRAIN.kinds) - 1), st.integers(0, 2**31 - 1))
def test_robots_start_on_the_platform_of_their_tile(level, kind, seed):
    qpos = jnp.zeros(19).at[2].set(0.3)
    progress, placed = CURRICULUM.begin(jax.random.key(seed), {"level": jnp.int32(level), "kind": jnp.int32(kind)}, qpos)
    assert int(progress["level"]) == level
    offset = np.asarray(placed[:3]) - TERRAIN.origins[level, kind]
    assert np.abs(offset[:2]).max() < TERRAIN.platform
    assert offset[2] == pytest.approx(0.3, abs=1e-6)
    view = SimpleNamespace(qpos=placed, layout=SimpleNamespace(terrain=TERRAIN))
    assert float(distance_from_middle(view)) == pytest.approx(np.abs(offset[:2]).max(), abs=1e-5)


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
