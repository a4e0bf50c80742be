"""`zerogap calibrate` as a user types it, with a robot of the user's own: what it writes, and what it refuses."""

import dataclasses
import json
from pathlib import Path

import pytest

import zerogap
from sim2real.calibrate.calibration import FILE, Calibration
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.store import write_log
from sim2real.twin.gap import Gap, Joints, Messages, Values
from tests.sim2real.calibrate.leg import ENCODER, made_up, recorded

ROBOT = "tests.sim2real.calibrate.leg:LEG"
LATENCY, FRICTION = 0.012, 0.36  # s, N m, that the twin hides
GAP = Gap(joints=Joints(frictionloss=Values.everywhere(FRICTION)), encoder=ENCODER, command_messages=Messages(latency=LATENCY))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("logs")
    made = {"sines": recorded(3.0, GAP), "others": recorded(1.6, GAP, seed=7, stiffness=0.6, excitation="chirp")}
    return {name: stored(folder, log, name) for name, log in made.items()}


def stored(folder: Path, log: RobotLog, name: str) -> Path:
    path = folder / f"{name}.mcap"
    write_log(dataclasses.replace(log, info=dataclasses.replace(log.info, source=name)), path)
    return path


@pytest.mark.parametrize("by", ["other recordings", "the end of each"])
def test_what_was_found_is_written_told_and_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, logs: dict[str, Path], by: str
):
    out, figures = tmp_path / "runs" / "calibration", tmp_path / "figures.json"
    told = ["calibrate", "--robot", ROBOT, "--log", str(logs["sines"]), "--out", str(out), "--json", str(figures)]
    told += ["--free", "delay", "frictionloss", "--sharing", "robot"]
    told += ["--holdout", str(logs["others"])] if by == "other recordings" else ["--holdout-tail", "0.4"]
    assert zerogap.main(told) == 0
    assert sorted(path.name for path in out.iterdir()) == [FILE, "report.html"]
    found = Calibration.load(out)
    assert [e.quantity for e in found.estimates] == ["delay", "frictionloss"]
    assert found.value("delay all") == pytest.approx(LATENCY, abs=1e-3)
    assert found.estimates[1].value == pytest.approx(FRICTION, rel=0.1)
    assert [log.held_out for log in found.logs] == [False, True]
    assert found.rmse_calibrated_rad < 0.7 * found.rmse_nominal_rad
    assert json.loads(figures.read_text()) == json.loads((out / FILE).read_text()) == json.loads(json.dumps(found.to_json()))
    page = (out / "report.html").read_text()
    assert all(text in page for text in ("delay all", "sines", found.logs[0].content_hash))
    printed = capsys.readouterr().out
    for text in (
        "delay all",
        "held out",
        "fitted",
        f"open-loop error over what was held out: {found.rmse_nominal_rad:.4f} rad",
    ):
        assert text in printed


@pytest.fixture
def refused(fails):
    def check(out: Path, told: list[str], *expected: str, robot: str = ROBOT) -> None:
        """It ends with an error, has written nothing, and has left what there was."""
        before = {path: path.read_bytes() for path in out.rglob("*")} if out.exists() else None
        fails(["calibrate", "--robot", robot, *told, "--out", str(out)], *expected)
        assert ({path: path.read_bytes() for path in out.rglob("*")} if out.exists() else None) == before

    return check


def test_nothing_is_overwritten(refused, tmp_path: Path, logs: dict[str, Path]):
    (tmp_path / "calibration.json").write_text("mine")
    refused(tmp_path, ["--log", str(logs["sines"])], f"{tmp_path} is not empty", "--out")


def test_a_folder_that_cannot_be_written_is_told_before_the_logs_are_read(refused, tmp_path: Path):
    (tmp_path / "mine").write_text("x")
    refused(tmp_path / "mine" / "out", ["--log", str(tmp_path / "none.mcap")], "mine: Not a directory", "another --out")


def test_what_cannot_be_free_is_told(refused, tmp_path: Path, logs: dict[str, Path]):
    refused(tmp_path / "out", ["--log", str(logs["sines"]), "--free", "dampening"], "'dampening'", "damping", "frictionloss")


def test_a_recording_of_another_robot_is_refused(refused, tmp_path: Path, logs: dict[str, Path]):
    names = (logs["sines"].name.removesuffix(".mcap"), "'go2-FL_hip'", "'so101'")
    refused(tmp_path / "out", ["--log", str(logs["sines"])], *names, robot="so101")
    renamed = dataclasses.replace(made_up(), info=dataclasses.replace(made_up().info, joints=("a", "b", "c")))
    log = stored(tmp_path, renamed, "renamed")
    refused(tmp_path / "out", ["--log", str(log)], "renamed.mcap has the joints a, b, c", "another robot")


def test_a_recording_without_gains_is_refused(refused, tmp_path: Path):
    log = made_up()
    bare = dataclasses.replace(log, streams={name: log[name] for name in log if name != "stiffness"})
    path = stored(tmp_path, bare, "bare")
    refused(tmp_path / "out", ["--log", str(path)], "bare", "no stream 'stiffness'", "record the gains")


def test_a_robot_on_the_ground_is_refused(refused, tmp_path: Path):
    log = made_up()
    stood = dataclasses.replace(log, info=dataclasses.replace(log.info, is_suspended=False))
    refused(tmp_path / "out", ["--log", str(stored(tmp_path, stood, "stood"))], "stood", "hang it up")


def test_too_short_a_recording_says_what_to_record(refused, tmp_path: Path):
    refused(tmp_path / "out", ["--log", str(stored(tmp_path, made_up(200), "short"))], "short", "record at least 2 s")


def test_what_was_fitted_to_is_not_held_out(refused, tmp_path: Path, logs: dict[str, Path]):
    log = str(logs["sines"])
    refused(tmp_path / "out", ["--log", log, "--holdout", log], "sines", "proves nothing")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7])
def test_a_file_that_breaks_off_is_refused(refused, tmp_path: Path, logs: dict[str, Path], kept: float):
    content = logs["sines"].read_bytes()
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(content[: int(kept * len(content))])
    refused(tmp_path / "out", ["--log", str(torn)], "torn.mcap")


def test_a_file_that_is_none_is_refused(refused, tmp_path: Path, logs: dict[str, Path]):
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "out", ["--log", str(tmp_path / "notes.txt")], "notes.txt")
    refused(tmp_path / "out", ["--log", str(tmp_path / "gone.mcap")], "gone.mcap does not exist")
    for share in ("0", "1.5"):
        told = ["--log", str(logs["sines"]), "--holdout-tail", share]
        refused(tmp_path / "out", told, f"share to hold out is {share}", "between 0 and 1")


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        zerogap.main(["calibrate", "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"--{name}" in text for name in ("robot", "log", "out", "holdout", "holdout-tail", "free", "sharing", "seed"))
    assert "Example" in text
