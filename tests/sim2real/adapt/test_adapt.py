"""A policy adapted to an encoder that is off: what it loses on the twin it earns again, and the control does not."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from rl.checkpoint import Checkpoints
from rl.evaluate import load_policy
from rl.ppo import PPOConfig
from rl.run import Run, RunError
from rl.train import Budget, start_run, train
from sim2real.adapt.adapt import CANDIDATES, FILE, POLICY, Adapted, Settings, adapt
from sim2real.adapt.picture import plot_adaptation
from sim2real.export.policy import Policy
from sim2real.unfinished import UnfinishedError
from tests.envs.delta.models import made_model
from tests.sim2real.adapt.hinge import GAP, MEASURED, NAME, task

PPO_CONFIG = PPOConfig(actor_hidden=(32, 32), critic_hidden=(32, 32), minibatches=2)
ENVS = 64
UPDATE = PPO_CONFIG.rollout_length * ENVS  # control steps
SETTINGS = Settings(steps=80 * UPDATE, robots=64, episodes=6, seconds=2.0)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = start_run(NAME, tmp_path_factory.mktemp("original") / "run", "native", ENVS, 0, PPO_CONFIG)
    train(run, Budget(steps=120 * UPDATE))
    return run


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapted") / "out"


@pytest.fixture(scope="module")
def adapted(original: Run, out: Path) -> Adapted:
    return adapt(original, out, SETTINGS, MEASURED, None, GAP)


def test_what_the_gap_took_is_earned_again_and_not_by_the_control(adapted: Adapted):
    assert adapted.nominal is not None
    before = adapted.scores["original"].twin
    assert before is not None
    assert adapted.nominal.return_per_second - before.return_per_second > 0.4
    assert adapted.kept == "corrected"
    regained, control = (adapted.regained(name) for name in CANDIDATES)
    assert regained is not None
    assert control is not None
    assert regained > 0.5
    assert control < 0.5 * regained
    assert adapted.interval is not None
    assert adapted.interval[0] > 0
    assert adapted.is_better


def test_both_learned_for_as_long_from_the_same_policy(adapted: Adapted, original: Run, out: Path):
    runs = [Run.open(out / name) for name in CANDIDATES]
    assert [run.origin.run_hash for run in runs if run.origin] == [original.hash] * 2
    assert len({Checkpoints(run.checkpoints).newest() for run in runs}) == 1
    assert [run.calibrated is not None for run in runs] == [True, False]


def test_what_is_kept_is_a_run_with_its_policy(adapted: Adapted, out: Path):
    assert adapted.run.hash == Run.open(out / adapted.kept).hash
    same = [load_policy(run, 1)[1].average for run in (adapted.run, Run.open(out / adapted.kept))]
    np.testing.assert_array_equal(*(np.concatenate([np.ravel(x) for x in _leaves(tree)]) for tree in same))
    assert Policy.load(out / POLICY).spec.run_hash == adapted.run.hash
    assert json.loads((out / FILE).read_text())["kept"] == "corrected"
    plot_adaptation(adapted, out / "adaptation.png")
    assert (out / "adaptation.png").stat().st_size > 10_000


def _leaves(tree):
    import jax

    return jax.tree.leaves(tree)


def test_a_finished_one_is_not_written_over(adapted: Adapted, original: Run, out: Path):
    with pytest.raises(UnfinishedError, match="not empty"):
        adapt(original, out, SETTINGS, MEASURED, None, GAP)


def test_an_interrupted_one_goes_on_and_another_is_refused(original: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sim2real.adapt.adapt as module

    brief = dataclasses.replace(SETTINGS, steps=2 * UPDATE, robots=8)
    real, seen = module.train, []

    def first_only(run: Run, budget: Budget, resume: bool = False):
        if seen:
            raise KeyboardInterrupt
        seen.append(run.directory.name)
        return real(run, budget, resume=resume)

    with monkeypatch.context() as patched:
        patched.setattr(module, "train", first_only)
        with pytest.raises(KeyboardInterrupt):
            adapt(original, tmp_path / "out", brief, None, made_model(task().robot))
    with pytest.raises(UnfinishedError, match="on something else, or with other settings"):
        adapt(original, tmp_path / "out", dataclasses.replace(brief, seed=1), None, made_model(task().robot))
    kept = (tmp_path / "out" / "corrected" / "progress.jsonl").read_bytes()
    found = adapt(original, tmp_path / "out", brief, None, made_model(task().robot))
    assert (tmp_path / "out" / "corrected" / "progress.jsonl").read_bytes() == kept
    assert found.nominal is None
    opened = Run.open(tmp_path / "out" / "corrected")
    assert opened.corrected is not None
    assert opened.corrected.scale == brief.scale
    assert opened.make_task().correction is not None


def test_what_cannot_be_adapted_is_refused_before_anything_is_written(original: Run, tmp_path: Path):
    with pytest.raises(RunError, match="nothing to adapt to"):
        adapt(original, tmp_path / "out", SETTINGS, None, None)
    teacher = dataclasses.replace(original, ppo=dataclasses.replace(PPO_CONFIG, actor_observation="critic"))
    with pytest.raises(RunError, match="teacher"):
        adapt(teacher, tmp_path / "out", SETTINGS, MEASURED, None)
    assert not (tmp_path / "out").exists()
    with pytest.raises(RunError, match="--steps"):
        Settings(steps=0)
    with pytest.raises(RunError, match="--scale"):
        Settings(scale=(1.0, 0.5))
