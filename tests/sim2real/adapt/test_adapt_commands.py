"""`zerogap adapt`, `zerogap trial` and `zerogap close-gap` as a user types them."""

import json
from pathlib import Path

import pytest

import zerogap
from tests.sim2real.export.exportable import made_run


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


def test_what_an_adaptation_lacks_is_told(fails, run: Path, tmp_path: Path):
    out = ["--out", str(tmp_path / "out")]
    fails(["adapt", str(tmp_path / "none"), *out], "is no run directory")
    fails(["adapt", str(run), *out], "--calibration, --delta or both")
    fails(["adapt", str(run), "--calibration", str(tmp_path), *out], "calibration.json", "zerogap calibrate --out")
    fails(["adapt", str(run), "--delta", str(tmp_path), *out], "delta.json", "zerogap delta --out")
    assert not (tmp_path / "out").exists()


def test_a_policy_is_tried_on_a_twin(capsys, fails, run: Path, tmp_path: Path):
    policy, gap, figures = tmp_path / "policy.onnx", tmp_path / "gap.toml", tmp_path / "trial.json"
    assert zerogap.main(["export", str(run), "--out", str(policy), "--check", "20"]) == 0
    gap.write_text("[joints]\ndamping = 0.5\n")
    told = ["trial", str(policy), "--gap", str(gap), "--episodes", "1", "--seconds", "0.4", "--json", str(figures)]
    assert zerogap.main(told) == 0
    read = json.loads(figures.read_text())
    assert read["robots"] == len(read["episodes"]) == 1
    assert read["return_per_second"] == pytest.approx(read["episodes"][0]["reward"] / 0.4)
    assert "return" in capsys.readouterr().out
    fails(["trial", str(policy), "--episodes", "0"], "expected at least one")
    gap.write_text("[joints]\ndampling = 0.5\n")
    fails(["trial", str(policy), "--gap", str(gap)], "did you mean 'damping'")
