"""`zerogap logs check` as a user types it: what it tells, writes and draws, and its exit status."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerogap
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.store import open_log, write_log
from tests.sim2real.calibrate.leg import LEG, recorded
from tests.sim2real.logs.swinging import swinging, with_values

ROBOT = "tests.sim2real.calibrate.leg:LEG"
LATENCY = 0.012  # s, that the twin hides


@pytest.fixture(scope="module")
def leg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a leg whose commands are late."""
    return stored(tmp_path_factory.mktemp("leg"), recorded(4.0), "leg")


def stored(folder: Path, log: RobotLog, name: str) -> Path:
    path = folder / f"{name}.mcap"
    write_log(replace(log, info=replace(log.info, source=name)), path)
    return path


def reversed_sign(log: RobotLog) -> RobotLog:
    """With one joint's encoder the wrong way round."""
    velocity = log["velocity"].values.copy()
    velocity[:, 1] *= -1
    return with_values(log, "velocity", velocity)


def test_a_good_log_is_told_to_be_so_in_the_terminal_in_json_and_in_a_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, leg: Path
):
    picture, figures = tmp_path / "new" / "check.png", tmp_path / "check.json"
    told = ["logs", "check", str(leg), "--robot", ROBOT, "--plot", str(picture), "--json", str(figures)]
    assert zerogap.main(told) == 0
    read = json.loads(figures.read_text())
    assert not read["is_meaningless"]
    (entry,) = read["logs"]
    assert (entry["file"], entry["content_hash"]) == (str(leg), open_log(leg).content_hash)
    assert not any(finding["severity"] == "error" for finding in entry["findings"])
    assert [lag["joint"] for lag in entry["lags"]] == list(LEG.joints)
    for lag in entry["lags"]:
        assert lag["delay"]["low"] <= lag["delay"]["value"] <= lag["delay"]["high"]
        assert lag["delay"]["value"] == pytest.approx(LATENCY, abs=2e-3)
    verdicts = {verdict["parameter"]: verdict["verdict"] for verdict in entry["verdicts"]}
    assert verdicts["delay all"] == "identifiable"
    assert set(verdicts.values()) <= {"identifiable", "weak", "not identifiable"}
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("leg", *LEG.joints, "95 % interval", "delay all: identifiable", "0 errors"))
    with Image.open(picture) as drawn:
        assert drawn.width > 1000
        assert np.asarray(drawn.convert("L")).std() > 5
    assert [path.name for path in picture.parent.iterdir()] == ["check.png"]


def test_a_log_that_would_mean_nothing_ends_with_an_error_after_all_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    good, bad = stored(tmp_path, swinging(), "good"), stored(tmp_path, reversed_sign(swinging()), "bad")
    figures, picture = tmp_path / "check.json", tmp_path / "check.png"
    with pytest.raises(SystemExit) as ended:
        zerogap.main(["logs", "check", str(bad), str(good), "--plot", str(picture), "--json", str(figures)])
    assert ended.value.code == 1
    read = json.loads(figures.read_text())
    assert read["is_meaningless"]
    assert [entry["is_meaningless"] for entry in read["logs"]] == [True, False]
    (sign,) = [f for f in read["logs"][0]["findings"] if f["severity"] == "error"]
    assert (sign["kind"], sign["joint"], sign["stream"]) == ("sign", "j1", "velocity")
    assert not read["logs"][0]["verdicts"]
    told = capsys.readouterr()
    error = " ".join(told.err.split())
    assert "error sign: " in error
    assert sign["text"] in error
    assert sign["consequence"] in error
    assert "its limits are not known" in error  # nobody knows a robot 'swinging'
    assert "1 errors" in told.out
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["check-bad.png", "check-good.png"]


def test_what_cannot_be_checked_is_named(fails, tmp_path: Path, leg: Path):
    fails(["logs", "check"], "no log was named", "zerogap logs import")
    fails(["logs", "check", str(tmp_path / "gone.mcap")], "gone.mcap", "No such file")
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(leg.read_bytes()[:-2000])
    fails(["logs", "check", str(torn)], "torn.mcap breaks off", "zerogap logs import")
    fails(["logs", "check", str(leg), "--robot", "so101"], "leg.mcap: its joints are FL_hip_joint", "--robot")
    fails(["logs", "check", str(leg), "--robot", "so102"], "so102", "so101")


def test_a_picture_that_cannot_be_drawn_leaves_nothing(fails, tmp_path: Path):
    log = str(stored(tmp_path, replace(swinging(), streams={n: swinging()[n] for n in ("position", "velocity")}), "log"))
    fails(["logs", "check", log, "--plot", str(tmp_path / "x.txt")], "x.txt is no picture's name", ".png")
    fails(["logs", "check", log, "--plot", log + "/x.png"], "cannot write", "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["log.mcap"]


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        zerogap.main(["logs", "check", "--help"])
    assert ended.value.code == 0
    assert "Example: zerogap logs check" in " ".join(capsys.readouterr().out.split())
