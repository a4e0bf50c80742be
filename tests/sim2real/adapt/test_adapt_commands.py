"""`zerogap adapt`, `zerogap trial` and `zerogap close-gap` as a user types them."""

import json
from pathlib import Path

import pytest

import zerogap
from tests.sim2real.export.exportable import made_run


def fails(capsys: pytest.CaptureFixture[str], words: list[str], *expected: str) -> None:
    assert zerogap.main(words) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "error:" in told
    assert "Traceback" not in told
    for text in expected:
        assert text in told


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("runs") / "walking", "walking").directory


@pytest.mark.parametrize("command", ["adapt", "trial", "close-gap"])
def test_every_command_explains_itself(capsys, command: str):
    with pytest.raises(SystemExit) as ended:
        zerogap.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"Example: zerogap {command}" in " ".join(text.split())


def test_what_an_adaptation_lacks_is_told(capsys, run: Path, tmp_path: Path):
    out = ["--out", str(tmp_path / "out")]
    fails(capsys, ["adapt", str(tmp_path / "none"), *out], "is no run directory")
    fails(capsys, ["adapt", str(run), *out], "--calibration, --delta or both")
    fails(capsys, ["adapt", str(run), "--calibration", str(tmp_path), *out], "calibration.json", "zerogap calibrate --out")
    fails(capsys, ["adapt", str(run), "--delta", str(tmp_path), *out], "delta.json", "zerogap delta --out")
    assert not (tmp_path / "out").exists()


def test_a_policy_is_tried_on_a_twin(capsys, run: Path, tmp_path: Path):
    policy, gap, figures = tmp_path / "policy.onnx", tmp_path / "gap.toml", tmp_path / "trial.json"
    assert zerogap.main(["export", str(run), "--out", str(policy), "--check", "20"]) == 0
    gap.write_text("[joints]\ndamping = 0.5\n")
    told = ["trial", str(policy), "--gap", str(gap), "--episodes", "1", "--seconds", "0.4", "--json", str(figures)]
    assert zerogap.main(told) == 0
    read = json.loads(figures.read_text())
    assert read["robots"] == len(read["episodes"]) == 1
    assert read["return_per_second"] == pytest.approx(read["episodes"][0]["reward"] / 0.4)
    assert "return" in capsys.readouterr().out
    fails(capsys, ["trial", str(policy), "--episodes", "0"], "expected at least one")
    gap.write_text("[joints]\ndampling = 0.5\n")
    fails(capsys, ["trial", str(policy), "--gap", str(gap)], "did you mean 'damping'")
