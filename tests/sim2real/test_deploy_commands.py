"""`zerogap deploy` and `zerogap log` as a user types them."""

import json
from pathlib import Path

import pytest

import zerogap
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.records import Sent
from tests.sim2real.deploy.test_recorder import HEADER, record_of


@pytest.mark.parametrize("command", ["deploy", "log"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as ended:
        zerogap.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"zerogap {command}" in text


def test_a_policy_that_is_not_there_is_told_so(fails, tmp_path):
    fails(["deploy", str(tmp_path / "policy.onnx"), "--driver", "twin"], "policy.onnx", "zerogap export")


def test_what_is_no_policy_is_told_so(fails, tmp_path):
    (tmp_path / "policy.onnx").write_bytes(b"no policy")
    fails(["deploy", str(tmp_path / "policy.onnx"), "--driver", "twin"], "policy.onnx")


def test_what_is_no_log_is_told_so(fails, tmp_path):
    (tmp_path / "x.mcap").write_bytes(b"no log")
    fails(["log", str(tmp_path / "x.mcap")], "x.mcap is no log")


def test_a_log_is_told_in_words_and_figures(capsys, tmp_path: Path):
    path, figures = tmp_path / "x.mcap", tmp_path / "x.json"
    with Recorder(path, HEADER.to_json()) as recorder:
        recorder.event("info", "phase", "IDLE", 0)
        for number in range(5):
            recorder.cycle(record_of(number, Sent.NOTHING))
    assert zerogap.main(["log", str(path), "--json", str(figures)]) == 0
    told = json.loads(figures.read_text())
    assert told["cycles"] == 5
    assert told["is_complete"]
    assert [event["text"] for event in told["events"]] == ["IDLE"]
    assert "IDLE" in capsys.readouterr().out
