"""Corrections learned from recordings of a twin: what they take off, what they leave alone, and what they cost."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots.robot import Robot
from envs.delta.errors import DeltaError
from envs.delta.features import History
from envs.delta.store import FILE, WEIGHTS, load
from sim2real.calibrate.windows import CalibrationError
from sim2real.delta.delta import Delta, Settings, learn
from sim2real.delta.training import Architecture, Schedule
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.twin.gap import Gap
from tests.sim2real.delta.leg import LEG, STRIBECK, multisine, record

pytestmark = pytest.mark.long("networks learn for a minute")

# Small networks, few steps and short logs: enough for what is measured here, and a tenth of the usual time.
SETTINGS = Settings(Architecture(hidden=(16, 16), members=2), Schedule(updates=100, block_seconds=1.0), timestep=0.004)
SECONDS, HELD_OUT_SECONDS = 17.0, 4.0


def recorded(gap: Gap) -> list[RobotLog]:
    seconds = (SECONDS, HELD_OUT_SECONDS)
    return [record(gap, multisine(s, i), kind, i) for i, s, kind in zip((1, 2), seconds, ("multisine", "other"), strict=True)]


@pytest.fixture(scope="module")
def logs() -> list[RobotLog]:
    return recorded(STRIBECK)


@pytest.fixture(scope="module")
def delta(logs: list[RobotLog]) -> Delta:
    return learn(LEG, logs[:1], logs[1:], settings=SETTINGS)


@pytest.fixture(scope="module")
def none() -> Delta:
    """Of a robot that is as its model says."""
    made = recorded(Gap())
    return learn(LEG, made[:1], made[1:], settings=SETTINGS)


def test_takes_off_most_of_what_no_parameter_explains(delta: Delta) -> None:
    assert delta.rmse("delta") < 0.6 * delta.rmse("calibrated")
    assert (delta.rmse_per_joint("delta") < 1.05 * delta.rmse_per_joint("calibrated")).all()


def test_says_what_it_is_compared_with(delta: Delta) -> None:
    told = delta.to_json()
    for name in ("nominal", "calibrated", "delta", "residual_dynamics"):
        assert told[f"rmse_{name}_rad"] == delta.rmse(name)
        assert set(told[f"rmse_{name}_rad_per_joint"]) == set(LEG.joints)
    assert told["rmse_residual_dynamics_rad"] < told["rmse_calibrated_rad"]
    assert [log["held_out"] for log in told["logs"]] == [False, True]
    json.dumps(told)


def test_learns_nothing_where_there_is_no_gap(none: Delta) -> None:
    assert none.to_json()["mean_correction"] <= 0.01
    assert (none.rmse_per_joint("delta") < 1.05 * none.rmse_per_joint("calibrated")).all()


def some_histories(scale: float, steps: int = 8, count: int = 200) -> History:
    """Sines of some amplitude (rad) and frequencies, tracked with a lag."""
    rng = np.random.default_rng(0)
    time = -0.02 * np.arange(steps)[None, :, None]
    omega, phase = 2 * np.pi * rng.uniform(0.5, 3.0, (count, 1, 3)), rng.uniform(0, 2 * np.pi, (count, 1, 3))
    pose = np.array(LEG.default_pose)
    target = pose + scale * np.sin(omega * time + phase)
    position, velocity = (
        pose + scale * np.sin(omega * (time - 0.03) + phase),
        scale * omega * np.cos(omega * (time - 0.03) + phase),
    )
    return History(*(jnp.asarray(x, jnp.float32) for x in (position, velocity, target)), begun=jnp.ones(count, bool))


def test_fades_outside_the_logs(delta: Delta) -> None:
    inside = np.abs(delta.model.correct(some_histories(0.1))).mean()
    outside = np.abs(delta.model.correct(some_histories(3.0))).mean()
    assert inside > 0.003
    assert outside < 0.1 * inside


def test_a_correction_keeps_its_bound_however_strange_its_past(delta: Delta) -> None:
    wild = jax.tree.map(lambda x: x if x.dtype == bool else 1e6 * jnp.ones_like(x), some_histories(1.0))
    said = np.asarray(delta.model.correct(wild))
    assert np.isfinite(said).all()
    assert (np.abs(said) <= delta.model.bound).all()


def test_the_same_seed_learns_the_same(logs: list[RobotLog], delta: Delta) -> None:
    again = learn(LEG, logs[:1], logs[1:], settings=SETTINGS)
    assert again.to_json() == delta.to_json()
    for a, b in zip(jax.tree.leaves(again.model.params), jax.tree.leaves(delta.model.params), strict=True):
        np.testing.assert_array_equal(a, b)


# As data


def test_comes_back_from_its_directory(delta: Delta, tmp_path: Path) -> None:
    delta.save(tmp_path / "delta")
    model = load(tmp_path / "delta", LEG)
    seen = some_histories(0.1)
    np.testing.assert_allclose(model.correct(seen), delta.model.correct(seen), atol=1e-7)
    told = json.loads((tmp_path / "delta" / FILE).read_text())
    assert told["logs"][0]["content_hash"]
    assert told["settings"]["seed"] == 0
    assert told["model"]["features"]


def test_is_refused_for_another_robot(delta: Delta, tmp_path: Path) -> None:
    delta.save(tmp_path)
    other = dataclasses.replace(LEG, name="arm")
    with pytest.raises(DeltaError, match=r"'go2-FL_hip'.*'arm'"):
        load(tmp_path, other)
    renamed = dataclasses.replace(LEG, joints=("a", "b", "c"))
    with pytest.raises(DeltaError, match="joints"):
        load(tmp_path, renamed)


def damage(directory: Path, what: str) -> None:
    told = json.loads((directory / FILE).read_text())
    if what == "weights":
        content = bytearray((directory / WEIGHTS).read_bytes())
        content[len(content) // 2] ^= 1
        (directory / WEIGHTS).write_bytes(content)
    elif what == "cut":
        (directory / FILE).write_text((directory / FILE).read_text()[:200])
    elif what == "missing":
        (directory / WEIGHTS).unlink()
    else:
        told["model"][what] = {"steps": 10**9, "hidden": [10**9], "joints": ["a"], "members": 3}[what]
        (directory / FILE).write_text(json.dumps(told))


@pytest.mark.parametrize("what", ["weights", "cut", "missing", "steps", "hidden", "joints", "members"])
def test_a_damaged_directory_is_refused(delta: Delta, tmp_path: Path, what: str) -> None:
    delta.save(tmp_path)
    damage(tmp_path, what)
    with pytest.raises(DeltaError, match=str(tmp_path)):
        load(tmp_path)


# Logs that cannot be used


def test_logs_that_cannot_be_used_are_named(logs: list[RobotLog]) -> None:
    with pytest.raises(DeltaError, match="no log"):
        learn(LEG, [], logs)
    with pytest.raises(CalibrationError, match="held out and fitted"):
        learn(LEG, logs, logs[:1])
    other: Robot = dataclasses.replace(LEG, name="arm")
    with pytest.raises(CalibrationError, match=r"multisine-1.*'go2-FL_hip'"):
        learn(other, logs[:1], logs[1:])


def test_too_short_a_log_says_how_much_is_needed(logs: list[RobotLog]) -> None:
    def head(stream: Stream) -> Stream:
        return Stream(stream.stamps[:500], stream.values[:500], stream.clock)

    short = dataclasses.replace(logs[0], streams={name: head(logs[0][name]) for name in logs[0]})
    with pytest.raises(DeltaError, match=r"record [\d.]+ s"):
        learn(LEG, [short], [], settings=SETTINGS)
