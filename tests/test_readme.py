"""The README's own task, taken from the README as a reader would, trained, continued and evaluated by the README's commands."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import zerogap
from assets.scene import compile_for_physics
from envs.registry import make_task


@pytest.fixture(scope="module")
def section(repository: Path) -> str:
    text = (repository / "README.md").read_text()
    return text.split("## Your own task\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def commands(section: str) -> dict[str, list[str]]:
    """The section's commands by their verbs."""
    lines = [shlex.split(line)[1:] for line in re.findall(r"^    (zerogap .*)$", section, re.MULTILINE)]
    return {words[0]: words for words in lines}


@pytest.fixture(scope="module")
def folder(section: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the module that the README shows, under the name that it gives it."""
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (name,) = re.findall(r"saved as\s`(\w+\.py)`", section)
    folder = tmp_path_factory.mktemp("readme")
    (folder / name).write_text(code)
    return folder


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))


SMALL = ["--engine", "native", "--num-envs", "16", "--steps", "1000"]


@pytest.fixture(scope="module")
def trained(folder: Path, commands: dict[str, list[str]]) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        assert zerogap.main([*commands["train"], *SMALL]) == 0
    return folder / commands["eval"][1]


def test_the_task_trains(trained: Path) -> None:
    assert json.loads((trained / "run.json").read_text())["task"] == "my_arm:track"
    rows = [json.loads(line) for line in (trained / "progress.jsonl").read_text().splitlines()]
    assert rows[-1]["steps"] == 6 * 12 * 16  # updates of 12 steps until 1,000 are done
    assert 0 < rows[-1]["metric/angle_error"] < 2


def test_the_run_evaluates_and_goes_on_by_the_same_name(trained: Path, commands: dict[str, list[str]]) -> None:
    assert zerogap.main([*commands["eval"], "--robots", "8", "--seconds", "1", "--json", "evaluation.json"]) == 0
    told = json.loads(Path("evaluation.json").read_text())
    assert told["task"] == "arm-track"
    assert told["robots"] == 8
    assert 0 < told["angle_error"] < 2
    assert zerogap.main(["train", commands["train"][1], "--resume", str(trained), "--steps", "300"]) == 0
    assert max(int(path.name) for path in (trained / "checkpoints").iterdir() if path.name.isdigit()) == 8


def test_a_run_whose_module_is_elsewhere_says_so(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_arm", raising=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(trained.parents[1])])
    assert zerogap.main(["eval", str(trained), "--robots", "2"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "no module 'my_arm'" in told
    assert "PYTHONPATH" in told


def test_the_commands_are_those_that_there_are(commands: dict[str, list[str]]) -> None:
    assert list(commands) == ["train", "eval", "play"]
    assert commands["train"][commands["train"].index("--out") + 1] == commands["eval"][1] == commands["play"][1]


def test_ground_of_one_s_own_is_walked_on_by_the_lines_shown(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository / "README.md").read_text().split("## Rough ground\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (file,) = re.findall(r"Saved as `(\w+\.py)`", text)
    (name,) = re.findall(r"trained by `zerogap train (\S+)`", text)
    (tmp_path / file).write_text(code)
    monkeypatch.chdir(tmp_path)
    task = make_task(name)
    assert task.terrain is not None
    assert (task.terrain.kinds, task.terrain.num_levels) == (("kerb", "stairs"), 3)
    np.testing.assert_allclose(task.terrain.height(2, 0, np.array([[0.0, 0.0], [1.0, 0.7]])), [0.0, 0.06])
    model = compile_for_physics(task.scene())
    assert len(task.terrain.geom_ids(model)) == task.terrain.num_boxes


@pytest.mark.long("another quadruped compiles and trains")
def test_another_quadruped_of_the_menagerie_trains_by_the_lines_shown(
    repository: Path, menagerie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository / "README.md").read_text().split("## Another quadruped\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (name,) = re.findall(r"Saved as `(\w+\.py)`", text)
    (command,) = re.findall(r"^    zerogap (train .*)$", text, re.MULTILINE)
    if not (menagerie / "unitree_go1").is_dir():
        # The Go2's model names its parts likewise, and is at hand; but its motors are given torques, which tell no gains.
        code = code.replace('"unitree_go1",', '"unitree_go2",\n    stiffness=35.0,\n    damping=0.7,')
    (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    assert zerogap.main([*shlex.split(command), "--engine", "native", "--num-envs", "16", "--steps", "1000"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "runs/go1/progress.jsonl").read_text().splitlines()]
    assert rows[-1]["steps"] == 6 * 12 * 16
    assert rows[-1]["failed/diverged"] == 0
    assert rows[-1]["reward/alive"] > 0
