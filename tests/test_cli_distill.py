"""Teacher and student as a user has them, on a task small enough to be quick: what the commands leave behind, and what they say
to bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import zerogap
from rl.checkpoint import Checkpoints
from rl.evaluate import load_policy
from rl.ppo import PPOConfig
from rl.run import Run
from rl.train import start_run

pytestmark = pytest.mark.long("it trains teachers and students")

TASK, OTHER = "tests.rl.hidden:hidden_task", "tests.rl.hidden:task_of_another_robot"
SMALL = ["--engine", "native", "--num-envs", "16"]
STEPS = PPOConfig().rollout_length * 16  # of an update


def updates(run: Path) -> list[int]:
    return Checkpoints(run / "checkpoints").updates


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A teacher, and a student of two updates."""
    folder = tmp_path_factory.mktemp("runs")
    command = ["train", TASK, *SMALL, "--actor-observation", "critic", "--steps", str(STEPS), "--out", str(folder / "teacher")]
    assert zerogap.main(command) == 0
    command = ["distill", str(folder / "teacher"), *SMALL, "--steps", str(2 * STEPS), "--out", str(folder / "student")]
    assert zerogap.main([*command, "--json", str(folder / "figures.json")]) == 0
    return folder


def test_a_distillation_leaves_a_run_like_any_other(runs):
    student = runs / "student"
    assert updates(student) == [2]
    assert (student / "curve.png").stat().st_size > 1000
    assert json.loads((runs / "figures.json").read_text())["imitation_error"] > 0
    run = Run.open(student)
    teacher = Run.open(runs / "teacher")
    assert run.distillation is not None
    assert run.distillation.teacher_hash == teacher.hash
    assert run.distillation.teacher_update == 1
    assert (teacher.ppo.actor_observation, run.ppo.actor_observation) == ("critic", "policy")
    assert run.make_task().observation_history == 5
    assert run.hash == json.loads((student / "run.json").read_text())["hash"]


def test_teacher_and_student_are_evaluated_by_the_same_command(runs, tmp_path):
    figures = tmp_path / "evaluation.json"
    for run in ("teacher", "student"):
        assert zerogap.main(["eval", str(runs / run), "--robots", "8", "--seconds", "1", "--json", str(figures)]) == 0
        told = json.loads(figures.read_text())
        assert told["robots"] == 8
        assert 0 < told["error"] < 3
        assert told["return_per_second"] < 0  # the task's only reward is a cost


def test_a_student_is_filmed(runs, tmp_path):
    video = tmp_path / "swing.mp4"
    command = ["play", str(runs / "student"), "--video", str(video), "--seconds", "0.2", "--width", "64", "--height", "48"]
    assert zerogap.main(command) == 0
    assert video.stat().st_size > 500


def test_a_resumed_distillation_needs_no_teacher_and_ends_as_an_unbroken_one(runs, tmp_path):
    for name in ("teacher", "student"):
        shutil.copytree(runs / name, tmp_path / name)
    whole = ["distill", str(runs / "teacher"), *SMALL, "--steps", str(4 * STEPS), "--out", str(tmp_path / "whole")]
    assert zerogap.main(whole) == 0
    shutil.rmtree(tmp_path / "teacher")
    resume = ["distill", str(runs / "teacher"), "--resume", str(tmp_path / "student"), "--steps", str(2 * STEPS)]
    assert zerogap.main(resume) == 0
    assert updates(tmp_path / "student")[-1] == updates(tmp_path / "whole")[-1] == 4
    (_, one), (_, other) = (load_policy(Run.open(tmp_path / name), 1) for name in ("student", "whole"))
    for layer in ("kernel", "bias"):
        a, b = (state.average["actor"]["params"]["MLP_0"]["Dense_0"][layer] for state in (one, other))
        np.testing.assert_array_equal(a, b)


def test_a_policy_is_trained_directly_on_a_history(runs, tmp_path):
    out = tmp_path / "direct"
    assert zerogap.main(["train", TASK, *SMALL, "--history", "5", "--steps", str(STEPS), "--out", str(out)]) == 0
    ppo, state = load_policy(Run.open(out), 1)
    assert state.policy_normalizer.mean.size == 5 * 2
    assert ppo.env.task.observation_history == 5
    assert zerogap.main(["train", TASK, "--resume", str(out), "--steps", str(STEPS)]) == 0
    assert updates(out)[-1] == 2


def test_a_run_that_is_no_teachers_says_how_to_train_one(fails, runs, tmp_path):
    plain = start_run(TASK, tmp_path / "plain", "native", 16, 0).directory
    out = tmp_path / "out"
    fails(["distill", str(plain), "--out", str(out)], "no teacher's run", "--actor-observation critic")
    fails(["distill", str(runs / "student"), "--out", str(out)], "a student's run", str(runs / "teacher"))
    fails(["distill", str(tmp_path), "--out", str(out)], str(tmp_path), "no run.json")
    shutil.copytree(runs / "teacher", tmp_path / "empty")
    shutil.rmtree(tmp_path / "empty" / "checkpoints")
    fails(["distill", str(tmp_path / "empty"), "--out", str(out)], "no checkpoint")
    assert not out.exists()


def test_a_student_of_another_robot_is_refused(fails, runs, tmp_path):
    command = ["distill", str(runs / "teacher"), "--task", OTHER, "--out", str(tmp_path / "out")]
    fails(command, "differ in their robot", "'hinge' and 'stranger'")
    fails(["distill", str(runs / "teacher"), "--history", "0", "--out", str(tmp_path / "out")], "--history", "0")
    assert not (tmp_path / "out").exists()


def test_a_run_goes_on_by_the_command_that_started_it(fails, runs, tmp_path):
    teacher, student = str(runs / "teacher"), str(runs / "student")
    fails(["train", TASK, "--resume", student], "another command", f"zerogap distill {teacher} --resume {student}")
    fails(["distill", teacher, "--resume", teacher], "another command", f"zerogap train {TASK} --resume {teacher}")
    fails(["distill", str(tmp_path), "--resume", student], "teacher", str(tmp_path), teacher)
    fails(["distill", teacher, "--resume", student, "--history", "9"], "history", "5", "9")
    fails(["train", TASK, "--resume", teacher, "--actor-observation", "policy"], "actor_observation", "critic")


def test_a_run_from_before_there_were_students_is_read(runs, tmp_path):
    told = json.loads((runs / "teacher" / "run.json").read_text())
    del told["history"], told["distillation"], told["ppo"]["actor_observation"]
    (tmp_path / "run.json").write_text(json.dumps(told))
    run = Run.open(tmp_path)
    assert run.distillation is None
    assert run.make_task().observation_history == 1
    assert run.ppo.actor_observation == "policy"


def test_sigterm_saves_a_distillation_and_says_how_to_go_on(repository, runs, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "zerogap", "distill", str(runs / "teacher"), *SMALL, "--minutes", "5", "--out", str(out)]
    environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": str(repository)}
    process = subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 300
    while not (out / "progress.jsonl").exists() or not (out / "progress.jsonl").read_text():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"zerogap distill {runs / 'teacher'} --resume {out}" in " ".join(errors.split())
    assert updates(out)
