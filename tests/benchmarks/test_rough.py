"""What counts as walking on rough ground, and that its picture is drawn of every kind and level."""

import dataclasses

import pytest

from assets.terrains import rough_terrain
from benchmarks.rough import GOAL, ROBOTS_PER_TILE, _plot, passes, way
from envs.registry import make_task
from rl.evaluate import Evaluation, Group, hold_places

METRICS = {"speed_along_command": 0.4, "planar_velocity_error_at_rest": 0.5, "planar_velocity_error": 0.2}
GOOD = Evaluation(
    task="go2-velocity-rough",
    robots=512,
    seconds=20.0,
    seed=0,
    falls=76,
    diverged=0,
    metrics=METRICS,
    metrics_p95={},
    return_per_second=1.0,
    updates=1000,
    safety_trips={},
    tripped=0,
)


def test_falls_and_the_way_that_was_gone_count():
    assert way(GOOD) == pytest.approx(0.8)
    assert passes(GOOD)
    assert not passes(dataclasses.replace(GOOD, falls=77))  # 85 % of 512 is 435.2
    standing = GOOD.metrics | {"speed_along_command": 0.0}
    assert not passes(dataclasses.replace(GOOD, falls=0, metrics=standing))


def test_the_goal_is_steps_of_8_cm_and_slopes_of_15_degrees():
    task = hold_places(make_task("go2-velocity-rough"), GOAL)
    assert task.terrain is not None
    assert task.curriculum is not None
    tiles = {kind: task.terrain.tiles[3][task.terrain.kinds.index(kind)] for kind in GOAL["kind"]}
    assert GOAL["level"] == ("3",)
    assert {round(box.top, 6) for box in tiles["steps"]} == {0.0, 0.08}
    for name, sign in (("slope_up", 1), ("slope_down", -1)):
        assert max(sign * box.slope for box in tiles[name]) == pytest.approx(0.26795, abs=1e-5)  # tan 15 degrees


def test_the_picture_shows_every_kind_and_level(tmp_path):
    kinds, levels = rough_terrain().kinds, range(rough_terrain().num_levels)
    places = [{"kind": kind, "level": level} for kind in kinds for level in levels]
    groups = tuple(Group(place, ROBOTS_PER_TILE, place["level"], 0, METRICS) for place in places)
    rows = [{"steps": 1e6 * i, **{f"curriculum/level/{kind}": 0.1 * i for kind in kinds}} for i in range(5)]
    _plot(rows, dataclasses.replace(GOOD, groups=groups), kinds, tmp_path / "rough.png")
    assert (tmp_path / "rough.png").stat().st_size > 10_000
