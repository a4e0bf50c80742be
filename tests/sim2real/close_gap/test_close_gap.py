"""The loop: what is wrong is told before anything is done, it goes on where it was, and its page shows what it found."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import zerogap
from assets.robots.robot import RobotError
from sim2real.close_gap.loop import STEPS, CloseGapError, Settings, _script, close_gap
from sim2real.close_gap.page import story
from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.sources import Script
from sim2real.twin.gap import GapError
from sim2real.twin.trial import draw_commands
from sim2real.unfinished import UnfinishedError
from tests.sim2real.adapt.hinge import NAME as OWN
from tests.sim2real.adapt.hinge import task

NAME = "go2-velocity-flat"

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def gap(tmp_path: Path) -> Path:
    path = tmp_path / "gap.toml"
    path.write_text("[motor]\nstrength = 0.5\n")
    return path


def trial(earned: float) -> dict:
    return {"return_per_second": earned, "falls": 1, "episodes": []}


def figures(seconds: float = 60.0) -> dict[str, dict]:
    """As steps might have told them."""
    deployed = {"tripped": False, "cause": HOSTILE, "deployment": {"overruns": 3}, "twin": {"falls": 2}}
    estimate = {"name": f"armature {HOSTILE}", "nominal": 0.01, "value": 0.05, "low": 0.04, "high": 0.06}
    finding = {"severity": "warning", "joint": "", "stream": "position", "text": "late", "consequence": "record again"}
    told = {
        "policy": {"run": "abc"},
        "before": deployed,
        "record": {"seconds": 60.0},
        "check": {"logs": [{"findings": [finding, finding | {"severity": "note", "text": "unseen"}]}]},
        "calibrate": {
            "rmse_nominal_rad": 0.1,
            "rmse_calibrated_rad": 0.02,
            "estimates": [estimate | {"unit": "kg m²", "verdict": "identified"}],
            "warnings": ["mind this"],
        },
        "delta": {"rmse_delta_rad": 0.01},
        "adapt": {
            "nominal_twin": trial(4.0),
            "original": {"twin": trial(2.0)},
            "corrected": {"twin": trial(3.5)},
            "control": {"twin": trial(2.2)},
            "regained_corrected": 0.75,
            "regained_control": 0.1,
            "gain": 1.3,
            "gain_interval": [1.0, 1.6],
        },
        "after": deployed | {"cause": "its time was up"},
    }
    return {name: told[name] | {"step_seconds": seconds} for name in STEPS}


def finished(out: Path, gap: Path, settings: Settings) -> None:
    """A directory in which all steps are done."""
    with pytest.raises(CloseGapError, match="failed"):
        close_gap(NAME, gap, out, settings, say=lambda text: None)
    for name, told in figures().items():
        (out / f"{name}.json").write_text(json.dumps(told))


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can be started: whatever would do something fails."""
    monkeypatch.setattr("sim2real.close_gap.loop._command", lambda *words: ["false"])


@pytest.mark.usefixtures("no_run")
def test_what_was_done_is_not_done_again_and_is_summed_up(tmp_path: Path, gap: Path):
    out, settings = tmp_path / "out", Settings(episodes=4)
    finished(out, gap, settings)
    told = close_gap(NAME, gap, out, settings, say=lambda text: None)
    assert told["lost_share"] == pytest.approx(0.5)
    assert told["return_after"] == 3.5
    assert told["seconds"] == pytest.approx(60.0 * len(STEPS))
    assert json.loads((out / "close_gap.json").read_text())["regained_corrected"] == 0.75


@pytest.mark.usefixtures("no_run")
def test_another_loop_is_not_gone_on_with(tmp_path: Path, gap: Path):
    out = tmp_path / "out"
    finished(out, gap, Settings())
    with pytest.raises(UnfinishedError, match="with other settings: choose another --out"):
        close_gap(NAME, gap, out, Settings(seed=1))
    gap.write_text("[motor]\nstrength = 0.6\n")
    with pytest.raises(UnfinishedError, match="on something else"):
        close_gap(NAME, gap, out, Settings())
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("x")
    with pytest.raises(UnfinishedError, match="not empty"):
        close_gap(NAME, gap, other, Settings())


def test_a_robot_that_the_commands_do_not_know_is_told_before_anything_is_done(tmp_path: Path, gap: Path):
    with pytest.raises(RobotError, match="unknown robot 'hinge'"):
        close_gap(OWN, gap, tmp_path / "out", Settings())
    assert not (tmp_path / "out").exists()


def test_a_gap_that_is_none_is_told_before_a_policy_is_trained(tmp_path: Path):
    path = tmp_path / "gap.toml"
    path.write_text("[motor]\nstrenght = 0.5\n")
    with pytest.raises(GapError, match="did you mean 'strength'"):
        close_gap(NAME, path, tmp_path / "out", Settings())
    assert not (tmp_path / "out").exists()
    assert zerogap.main(["close-gap", NAME, "--gap", str(tmp_path / "none.toml"), "--out", str(tmp_path / "out")]) == 2


def test_the_twin_is_asked_for_what_is_drawn_in_training(tmp_path: Path):
    path, made = tmp_path / "commands.csv", task()
    path.write_text(_script(made, 3, 5.0))
    any_command = CommandRange(made.command.names, np.array([[-np.inf, np.inf]]), np.zeros(1))
    read, drawn = Script.open(path, any_command), draw_commands(made, 3, 5.0)
    for time in np.linspace(0.0, 4.9, 50):
        np.testing.assert_allclose(read.read(time), drawn.read(time))


@pytest.mark.usefixtures("no_run")
def test_the_page_shows_what_was_found_and_runs_nothing(tmp_path: Path, gap: Path):
    out = tmp_path / "out"
    finished(out, gap, Settings())
    for name in ("before", "after", "adapted"):
        (out / name).mkdir(exist_ok=True)
    (out / "before" / "video.mp4").write_bytes(b"\0" * 100)
    picture = next(Path(__file__).parents[3].glob("benchmarks/results/*.png"))
    shutil.copy(picture, out / "adapted" / "adaptation.png")
    page = story(close_gap(NAME, gap, out, Settings(), say=lambda text: None), out)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for told in ("took 50 %", "75 %", "10 %", "1.300 a second", "record again", "mind this", "0.0100 rad", "none was rendered"):
        assert told in text
    assert "unseen" not in text
    assert "<script" not in page
    assert page.count("data:video/mp4") == 1
    assert not re.findall(r"""src=["'](?!data:)""", page)
