"""`zerogap logs import`, `ls`, `info` and `plot` as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerogap
from assets.robots import SO101
from sim2real.logs.robot_log import Event, LogInfo, RobotLog, Stream
from sim2real.logs.store import open_log, write_log

MAP = 'robot = "so101"\n[time]\ncolumn = "t"\nunit = "ms"\n[streams.position]\ncolumns = "q{}"\n'
TABLE = "t,q0,q1,q2,q3,q4,q5\n" + "".join(f"{20 * i},{i},1,2,3,4,5\n" for i in range(50))


@pytest.fixture
def table(tmp_path) -> list[str]:
    """The arguments that import a small CSV file."""
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "log.csv").write_text(TABLE)
    return ["logs", "import", str(tmp_path / "log.csv"), "--map", str(tmp_path / "map.toml")]


@pytest.fixture
def stored(tmp_path) -> Path:
    """A log whose joints move as told: one turns, the others stand."""
    stamps = 20_000_000 * np.arange(500)
    position = np.outer(np.sin(1e-9 * stamps), np.eye(6)[0])
    streams = {
        "position": Stream(stamps, position),
        "velocity": Stream(stamps, 0.1 * position),
        "target": Stream(stamps, position),
    }
    info = LogInfo("so101", SO101.joints, excitation="chirp", payload=0.2, licence="MIT", source="bench")
    write_log(RobotLog(info, streams, (Event(5, "begin"),)), tmp_path / "chirp.mcap")
    return tmp_path / "chirp.mcap"


@pytest.mark.parametrize("verb", ["import", "ls", "info", "plot"])
def test_every_verb_explains_itself(capsys, verb):
    with pytest.raises(SystemExit) as ended:
        zerogap.main(["logs", verb, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"zerogap logs {verb}" in text


def test_the_verbs_are_listed(capsys):
    with pytest.raises(SystemExit):
        zerogap.main(["logs", "--help"])
    text = capsys.readouterr().out
    assert all(f"• {verb} " in text for verb in ("import", "ls", "info", "plot"))


def test_a_file_is_imported_with_what_is_known_of_it(capsys, tmp_path, table):
    out = tmp_path / "logs" / "log.mcap"
    known = ["--payload", "0.15", "--excitation", "steps", "--serial", "A7", "--licence", "MIT", "--base", "free"]
    assert zerogap.main([*table, "--out", str(out), *known, "--json", str(tmp_path / "x.json")]) == 0
    log = open_log(out)
    assert log["position"].values[:, 0].tolist() == list(range(50))
    told = (log.info.payload, log.info.excitation, log.info.serial, log.info.licence, log.info.is_suspended)
    assert told == (0.15, "steps", "A7", "MIT", False)
    assert "position 50" in capsys.readouterr().out
    (figures,) = json.loads((tmp_path / "x.json").read_text())["logs"]
    assert figures["content_hash"] == log.content_hash
    assert figures["streams"]["position"]["rate_hz"] == pytest.approx(50.0)


def test_nothing_is_overwritten_and_a_failed_import_leaves_nothing(fails, tmp_path, table):
    out = tmp_path / "log.mcap"
    out.write_text("mine")
    fails([*table, "--out", str(out)], "exists already", "--out")
    assert out.read_text() == "mine"
    (tmp_path / "log.csv").write_text(TABLE + "1000,x,1,2,3,4,5\n")
    before = sorted(tmp_path.iterdir())
    fails([*table, "--out", str(tmp_path / "new.mcap")], "log.csv, line 52, column 'q0': 'x' is no number")
    fails([*table, "--out", str(tmp_path / "new.mcap"), "--payload", "-3"], "line 52")
    assert sorted(tmp_path.iterdir()) == before


def test_a_payload_below_zero_is_refused(fails, tmp_path, table):
    fails([*table, "--out", str(tmp_path / "new.mcap"), "--payload", "-3"], "payload is -3")


@pytest.mark.parametrize(
    "source, expected",
    [
        ("unitree_go2_in_air/motor_response_200hz.csv", ("go2", 40.275, "nominal")),
        ("so101/figure_eight", ("so101", 64.173, "measured")),
    ],
)
def test_the_format_of_the_real_logs_is_guessed(capsys, tmp_path, shared, source, expected):
    out = tmp_path / "log.mcap"
    assert zerogap.main(["logs", "import", str(shared(f"logs/{source}")), "--out", str(out)]) == 0
    log = open_log(out)
    assert (log.info.robot, round(log.seconds, 3), log.info.time_base) == expected
    assert ("zerogap logs check" in capsys.readouterr().err) == (expected[2] == "nominal")


def test_what_is_of_no_known_format_is_told_so(fails, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    out = ["--out", str(tmp_path / "x.mcap")]
    fails(["logs", "import", str(tmp_path / "notes.txt"), *out], "name one with --format", "go2-csv", "--map")
    fails(["logs", "import", str(tmp_path / "gone"), *out], "gone does not exist")
    fails(["logs", "import", str(tmp_path / "gone"), *out, "--format", "ros2"], "gone does not exist")
    fails(["logs", "import", str(tmp_path / "notes.txt"), *out, "--topic", "state"], "--topic state")
    fails(["logs", "import", str(tmp_path / "notes.txt"), *out, "--robot", "so102"], "so102", "so101")


def test_a_torn_log_is_refused_and_saved_by_importing(capsys, fails, tmp_path):
    rng, stamps = np.random.default_rng(0), np.arange(20_000)
    streams = {name: Stream(stamps, rng.normal(size=(20_000, 6))) for name in ("position", "velocity")}
    write_log(RobotLog(LogInfo("so101", SO101.joints), streams), tmp_path / "log.mcap")
    torn = tmp_path / "torn.mcap"
    content = (tmp_path / "log.mcap").read_bytes()
    torn.write_bytes(content[: 3 * len(content) // 4])
    fails(["logs", "info", str(torn)], "torn.mcap breaks off", f"zerogap logs import {torn} --out NEW.mcap")
    assert zerogap.main(["logs", "import", str(torn), "--out", str(tmp_path / "saved.mcap")]) == 0
    assert "torn.mcap breaks off" in " ".join(capsys.readouterr().err.split())
    saved = open_log(tmp_path / "saved.mcap")
    assert np.array_equal(saved["position"].values, streams["position"].values)
    assert 0 < len(saved["velocity"]) < 20_000


def test_several_episodes_become_several_logs(fails, tmp_path):
    from tests.sim2real.logs.importers.test_lerobot_import import write

    values = [np.full((4, 6), 10.0 * i) for i in range(2)]
    path = write(tmp_path / "set", {(0, 0): [(i, values[i], values[i]) for i in range(2)]})
    out = tmp_path / "pick.mcap"
    assert zerogap.main(["logs", "import", str(path), "--units", "degrees", "--out", str(out)]) == 0
    assert sorted(file.name for file in tmp_path.glob("*.mcap")) == ["pick-000.mcap", "pick-001.mcap"]
    fails(["logs", "import", str(path), "--units", "degrees", "--out", str(out)], "pick-000.mcap exists already")


def test_logs_are_listed_in_a_table(capsys, fails, tmp_path, stored, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "other.mcap").write_bytes(b"no log")
    assert zerogap.main(["logs", "ls", str(tmp_path), "--json", str(tmp_path / "x.json")]) == 0
    told = capsys.readouterr()
    row = next(line for line in told.out.splitlines() if "chirp.mcap" in line)
    for text in ("so101", "10.0", "position, velocity, target", "50", "chirp", "0.2 kg", open_log(stored).content_hash[:8]):
        assert text in row
    assert "other.mcap is no MCAP file" in " ".join(told.err.split())
    assert len(json.loads((tmp_path / "x.json").read_text())["logs"]) == 1
    fails(["logs", "ls", str(tmp_path / "other.mcap")], "other.mcap is no MCAP file")
    (tmp_path / "empty").mkdir()
    fails(["logs", "ls", str(tmp_path / "empty")], "there is no log in")


def test_all_that_is_known_of_a_log_is_told(capsys, tmp_path, stored):
    assert zerogap.main(["logs", "info", str(stored), "--json", str(tmp_path / "x.json")]) == 0
    told, log = capsys.readouterr().out, open_log(stored)
    for text in (
        "so101",
        "shoulder_pan, shoulder_lift",
        "9.980 s",
        "chirp",
        "0.2 kg",
        "MIT",
        "begin",
        "50.0 Hz",
        log.content_hash,
    ):
        assert text in told
    figures = json.loads((tmp_path / "x.json").read_text())
    assert figures["streams"]["velocity"] == {
        "unit": "rad/s",
        "width": 6,
        "samples": 500,
        "rate_hz": pytest.approx(50.0),
        "clock": "host",
        "first_ns": 0,
        "last_ns": 499 * 20_000_000,
    }
    assert figures["events"] == [{"stamp": 5, "text": "begin"}]


def test_a_log_that_is_not_what_it_was_is_told_so(fails, tmp_path, stored):
    content = stored.read_bytes()
    place = content.index(open_log(stored).content_hash.encode())
    stored.write_bytes(content[:place] + (b"0" if content[place : place + 1] != b"0" else b"1") + content[place + 1 :])
    fails(["logs", "info", str(stored)], "chirp.mcap holds something else than when it was stored")


def test_a_log_becomes_a_picture(tmp_path, stored):
    out = tmp_path / "chirp.png"
    assert zerogap.main(["logs", "plot", str(stored), "--out", str(out)]) == 0
    whole = np.asarray(Image.open(out).convert("RGB"))
    assert whole.std() > 5
    assert zerogap.main(["logs", "plot", str(stored), "--out", str(out), "--joints", "shoulder_*", "--seconds", "2", "4"]) == 0
    part = np.asarray(Image.open(out).convert("RGB"))
    assert part.shape[0] < whole.shape[0]
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_drawn_is_told(fails, tmp_path, stored):
    plot = ["logs", "plot", str(stored), "--out"]
    fails([*plot, str(tmp_path / "x.mcap")], "x.mcap is no picture's name", ".png")
    fails([*plot, str(tmp_path / "x.png"), "--joints", "sholder_pan"], "no joint 'sholder_pan'; did you mean shoulder_pan")
    fails([*plot, str(tmp_path / "x.png"), "--seconds", "50", "60"], "no sample", "9.980 s")
    assert stored.exists()
    assert not (tmp_path / "x.png").exists()


def test_an_interrupted_import_ends_in_a_word_and_leaves_nothing(capsys, monkeypatch, table, tmp_path):
    def interrupted(log: RobotLog, path: Path, _: object) -> None:
        def stop(_: float) -> None:
            raise KeyboardInterrupt

        write_log(log, path, stop)

    monkeypatch.setattr("sim2real.logs.store.write_log", interrupted)
    before = {path.name for path in tmp_path.iterdir()}
    assert zerogap.main([*table, "--out", str(tmp_path / "out.mcap")]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"
    assert {path.name for path in tmp_path.iterdir()} == before
