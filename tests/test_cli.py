"""The commands as a user types them: what they leave behind, and what they say to bad input."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zerogap
from benchmarks.registry import BENCHMARKS

WALK = "go2-velocity-flat"
TASK, TASK_NAME = "tests.rl.hidden:hidden_task", "hinge-track"  # quick to compile
ROUGH = "tests.rl.rough_ground:rough_ground"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "hinge"
    figures = out.parent / "figures.json"
    arguments = ["train", TASK, "--engine", "native", "--num-envs", "16", "--steps", "1000", "--out", str(out)]
    assert zerogap.main([*arguments, "--json", str(figures)]) == 0
    assert json.loads(figures.read_text())["seconds_to_first_update"] > 0
    return out


def test_a_training_leaves_checkpoint_curve_and_figures(trained):
    assert [p.name for p in (trained / "checkpoints").iterdir() if not p.name.startswith(".")] == ["6"]  # 6 x 12 x 16 >= 1000
    assert (trained / "curve.png").stat().st_size > 1000
    rows = [json.loads(line) for line in (trained / "progress.jsonl").read_text().splitlines()]
    assert rows[-1]["steps"] == 6 * 12 * 16
    assert list(trained.glob("events.out.tfevents.*"))


def test_a_resumed_training_counts_on(trained, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(trained, run)
    assert zerogap.main(["train", TASK, "--resume", str(run), "--steps", "500"]) == 0
    assert max(int(p.name) for p in (run / "checkpoints").iterdir() if p.name.isdigit()) == 9


def test_an_evaluation_tells_falls_and_errors(trained, tmp_path):
    figures = tmp_path / "evaluation.json"
    assert zerogap.main(["eval", str(trained), "--robots", "8", "--seconds", "1", "--json", str(figures)]) == 0
    told = json.loads(figures.read_text())
    assert told["robots"] == 8
    assert told["seconds"] == 1
    assert told["falls"] == 0  # the task knows no failure
    assert 0 < told["error"] < 3


def test_a_policy_is_filmed(trained, tmp_path):
    import imageio.v3 as iio

    video = tmp_path / "swing.mp4"
    command = ["play", str(trained), "--video", str(video), "--seconds", "0.4", "--width", "160", "--height", "96"]
    assert zerogap.main(command) == 0
    frames = iio.imread(video, plugin="pyav")
    assert frames.shape == (10, 96, 160, 3)
    assert frames.std() > 10


@pytest.fixture(scope="module")
def trained_on_rough_ground(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "rough"
    arguments = ["train", ROUGH, "--engine", "native", "--num-envs", "12", "--steps", "576", "--out", str(out)]
    assert zerogap.main(arguments) == 0
    return out


def test_an_evaluation_on_some_of_the_terrain_tells_of_each_place(trained_on_rough_ground, tmp_path, capsys):
    figures = tmp_path / "evaluation.json"
    arguments = ["eval", str(trained_on_rough_ground), "--robots", "12", "--seconds", "1", "--json", str(figures)]
    assert zerogap.main([*arguments, "--kinds", "steps", "slope_up", "--levels", "3", "1"]) == 0
    told = json.loads(figures.read_text())
    places = {(group["kind"], group["level"]): group["robots"] for group in told["groups"]}
    assert places == {("steps", 3): 3, ("slope_up", 3): 3, ("steps", 1): 3, ("slope_up", 1): 3}
    assert 0 <= sum(group["falls"] for group in told["groups"]) == told["falls"] <= 12
    # A policy that has learned nothing stands about as well as one that does not move.
    assert told["planar_velocity_error"] > 0.5 * told["planar_velocity_error_at_rest"] > 0
    assert told["yaw_rate_error"] > 0
    printed = capsys.readouterr().out
    assert "steps" in printed
    assert "slope_up" in printed


def test_the_levels_of_a_training_are_drawn(trained_on_rough_ground):
    assert (trained_on_rough_ground / "levels.png").stat().st_size > 1000


def test_a_place_that_is_not_there_is_told_with_those_that_are(fails, trained, trained_on_rough_ground):
    run = ["eval", str(trained_on_rough_ground), "--robots", "12"]
    fails([*run, "--kinds", "stares"], "no kind 'stares'", "did you mean 'stairs'")
    fails([*run, "--levels", "7"], "no level '7'", "there are: 0, 1, 2, 3, 4")
    fails(["eval", str(trained), "--kinds", "steps"], f"task '{TASK_NAME}' has no curriculum", "leave it out")


def test_an_unknown_task_offers_the_nearest_and_leaves_nothing(fails, tmp_path):
    out = tmp_path / "run"
    fails(["train", "go2-velocity-flt", "--out", str(out)], "go2-velocity-flt", f"did you mean {WALK}")
    assert not out.exists()


def test_an_unknown_engine_offers_the_nearest_and_leaves_nothing(fails, tmp_path):
    out = tmp_path / "run"
    fails(["train", TASK, "--engine", "natve", "--out", str(out)], "natve", "native")
    assert not out.exists()


def test_every_benchmark_is_told_of(capsys):
    with pytest.raises(SystemExit):
        zerogap.main(["bench", "--help"])
    text = capsys.readouterr().out
    assert [name for name in BENCHMARKS if not re.search(rf"\b{name}\b", text)] == []


def test_an_unknown_benchmark_offers_the_nearest(fails, tmp_path):
    fails(["bench", "thruput", "--out", str(tmp_path)], "thruput", "throughput")


def test_what_is_no_run_directory_is_told_so(fails, tmp_path):
    fails(["eval", str(tmp_path)], str(tmp_path), "no run.json")


def test_a_damaged_run_file_is_told_so(fails, tmp_path):
    (tmp_path / "run.json").write_text('{"format": 1, "task"')
    fails(["eval", str(tmp_path)], "run.json", "damaged")


@pytest.mark.parametrize("name, value", [("ppo", None), ("num_envs", "16"), ("task", 5), ("versions", []), ("room", {"x": 1})])
def test_a_run_file_with_something_else_in_it_is_told_so(fails, trained, tmp_path, name, value):
    told = json.loads((trained / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(told | {name: value}))
    fails(["eval", str(tmp_path)], "run.json is damaged")


def test_a_run_directory_is_never_overwritten(fails, trained):
    before = sorted(p.name for p in trained.rglob("*"))
    fails(["train", TASK, "--out", str(trained), "--steps", "10"], "not empty", "--resume")
    assert sorted(p.name for p in trained.rglob("*")) == before


def test_a_resume_that_contradicts_the_run_says_what_differs(fails, trained):
    fails(["train", TASK, "--resume", str(trained), "--num-envs", "32"], "num_envs", "16", "32")


def test_a_checkpoint_of_another_task_says_what_differs(fails, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    told = json.loads((run / "run.json").read_text())
    told["ppo"]["actor_hidden"] = [64]
    (run / "run.json").write_text(json.dumps(told))
    fails(["eval", str(run), "--robots", "2"], "another task or configuration", "expected")


def test_a_run_without_a_checkpoint_is_told_so(fails, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "checkpoints")
    fails(["play", str(run), "--video", str(tmp_path / "v.mp4")], "no checkpoint")
    assert not (tmp_path / "v.mp4").exists()


def test_a_page_is_not_served_for_what_is_no_run(fails, tmp_path):
    fails(["view", str(tmp_path), "--port", "0"], str(tmp_path), "no run.json")


def test_a_page_needs_a_port_of_its_own(fails, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        fails(["view", str(trained), "--port", port], port, "choose one with --port")


def test_a_page_without_robots_is_told_so(fails, trained):
    fails(["view", str(trained), "--envs", "0", "--port", "0"], "num_envs must be at least 1")


def test_what_is_no_crash_file_is_told_so(fails, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"not an archive")
    fails(["replay", str(tmp_path / "x.npz")], "x.npz")


def test_a_budget_must_be_positive(fails, tmp_path):
    fails(["train", TASK, "--steps", "-5", "--out", str(tmp_path / "run")], "--steps", "-5")
    assert not (tmp_path / "run").exists()


def test_numbers_that_are_none_are_told(fails, trained, tmp_path):
    fails(["train", TASK, "--minutes", "nan", "--out", str(tmp_path / "run")], "--minutes must be positive, found nan")
    fails(["train", TASK, "--seed", "-1", "--out", str(tmp_path / "run")], "the seed is -1, expected one from 0 to 4294967295")
    fails(["eval", str(trained), "--robots", "2", "--seed", "-1"], "the seed is -1")
    for seconds in ("0", "nan"):
        fails(
            ["play", str(trained), "--video", str(tmp_path / "v.mp4"), "--seconds", seconds], f"robots are to last {seconds} s"
        )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["list", "doctor", "train", "distill", "eval", "play", "view", "replay", "bench", "demo"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as ended:
        zerogap.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"zerogap {command}" in text


def test_list_names_the_tasks(capsys):
    assert zerogap.main(["list"]) == 0
    assert WALK in capsys.readouterr().out


def test_sigterm_saves_and_ends_cleanly(repository, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "zerogap", "train", TASK, "--engine", "native", "--num-envs", "16", "--minutes", "5"]
    process = subprocess.Popen(
        [*command, "--out", str(out)], cwd=repository, stderr=subprocess.PIPE, text=True, env={**os.environ, "TERM": "dumb"}
    )
    deadline = time.monotonic() + 300
    while not (out / "progress.jsonl").exists() or not (out / "progress.jsonl").read_text():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in errors
    assert [p.name for p in (out / "checkpoints").iterdir() if p.name.isdigit()]
