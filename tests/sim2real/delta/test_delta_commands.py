"""`zerogap delta`, on recordings of a twin, with a short schedule."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sim2real.delta.delta
import zerogap
from envs.delta.store import load
from sim2real.delta.delta import Settings, learn
from sim2real.delta.training import Schedule
from sim2real.logs.store import write_log
from tests.sim2real.delta.leg import LEG, STRIBECK, multisine, record

pytestmark = pytest.mark.long("networks learn for half a minute")

ROBOT = "tests.sim2real.delta.leg:LEG"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("logs")
    paths = [folder / "a.mcap", folder / "b.mcap"]
    for seed, path in enumerate(paths):
        write_log(record(STRIBECK, multisine(17.0 if seed == 0 else 3.0, seed), "multisine", seed), path)
    return paths


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same learning of smaller networks, in fewer and larger steps."""

    def learn_quickly(robot: Any, logs: Any, holdout: Any, calibration: Any, settings: Settings, told: Any) -> Any:
        architecture = dataclasses.replace(settings.architecture, hidden=(16, 16), members=2)
        schedule = Schedule(iterations=1, updates=50, block_seconds=1.0)
        settings = dataclasses.replace(settings, architecture=architecture, schedule=schedule, timestep=0.004)
        return learn(robot, logs, holdout, calibration, settings, told)

    monkeypatch.setattr(sim2real.delta.delta, "learn", learn_quickly)


@pytest.mark.usefixtures("quick")
def test_writes_a_correction_its_figures_and_a_picture(
    recordings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figures = tmp_path / "delta", tmp_path / "figures.json"
    told = ["delta", "--robot", ROBOT, "--log", str(recordings[0]), "--holdout", str(recordings[1])]
    assert zerogap.main([*told, "--ppo", "0.02", "--out", str(out), "--json", str(figures)]) == 0
    assert load(out, LEG).joints == LEG.joints
    read = json.loads(figures.read_text())
    for name in ("nominal", "calibrated", "delta", "residual_dynamics", "ppo"):
        assert read[f"rmse_{name}_rad"] > 0
    assert json.loads((out / "delta.json").read_text())["rmse_delta_rad"] == read["rmse_delta_rad"]
    assert sorted(path.name for path in out.iterdir()) == ["delta.json", "delta.png", "report.html", "weights.npz"]
    with Image.open(out / "delta.png") as picture:
        assert picture.width > 1000
    printed = capsys.readouterr().out
    assert all(text in printed for text in (*LEG.joints, "held out", "simulation steps"))


def test_never_overwrites(recordings: list[Path], tmp_path: Path, fails) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    fails(["delta", "--robot", ROBOT, "--log", str(recordings[0]), "--out", str(tmp_path)], "not empty")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_calibration_that_is_none_is_named(recordings: list[Path], tmp_path: Path, fails) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    out, log = tmp_path / "out", str(recordings[0])
    told = ["delta", "--robot", ROBOT, "--log", log, "--calibration", str(tmp_path), "--out", str(out)]
    fails(told, "no calibration")
    assert not out.exists()
