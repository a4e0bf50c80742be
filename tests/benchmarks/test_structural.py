"""What the benchmark of structural gaps measures, on a correction that was made and figures that were made up."""

from typing import Any

import numpy as np
import pytest

from benchmarks import structural
from tests.envs.delta.models import made_model
from tests.sim2real.calibrate.leg import LEG, made_up
from tests.sim2real.calibrate.made_calibration import calibration


def test_targets_jump_at_each_control_step_within_an_action():
    motion = structural.jumping(LEG, seed=3, seconds=1.0)
    away = (motion.targets - np.array(LEG.default_pose)) / np.array(LEG.action_scale)
    held = away.reshape(50, 10, 3)
    assert np.allclose(held, held[:, :1])
    assert np.abs(away).max() <= 1.0
    assert np.abs(away).max() > 0.9
    assert (np.abs(np.diff(held[:, 0], axis=0)) > 0).all()


def test_corrections_are_those_of_the_logs_own_past_and_change_with_its_size():
    model = made_model(LEG)
    samples = structural.sampled(LEG, made_up(2000), model.period)
    said = structural.corrections(model, samples)
    index = np.flatnonzero(samples.known(np.arange(len(samples)), model.steps))
    assert said.shape == (len(index), 3)
    np.testing.assert_allclose(said, model.correct(samples.histories(index, model.steps)), atol=1e-6)
    still = structural.corrections(model, samples, 0.0)
    assert (still.std(axis=0) < 0.1 * said.std(axis=0)).all()  # without motion only the offset from the target is left


def test_a_parameter_that_is_nominally_zero_moves_by_what_it_is_to_the_robot():
    moved = structural.shift(LEG, calibration(made_up(), made_up(900)))
    assert moved["delay all"] == pytest.approx(0.012 / 0.02)
    assert moved["armature FL_hip_joint"] == pytest.approx(1.0)


def made_runs(cuts: tuple[float, ...], outside: float, ppo: float, shift: float) -> list[list[dict[str, Any]]]:
    figures = {"calibration_cut": 0.6, "residual_cut": 0.5, "worst_joint": -0.1, "outside": {"larger": outside, "jumping": 0.0}}
    null = {"shift": {"a": -shift, "b": 0.0}, "mean_correction": 0.001}
    return [[{"delta_cut": cut, **figures} for cut in cuts], [null], [{"ppo": ppo}]]


def test_medians_are_held_against_what_is_to_be_reached():
    told = structural.summary(*made_runs((0.1, 0.45, 0.5), 0.05, 1.5, 0.01))
    assert (told["runs"], told["delta_cut"]) == (3, 0.45)
    assert all(told["reached"].values())
    told = structural.summary(*made_runs((0.1, 0.3, 0.5), 0.2, 0.9, 0.05))
    missed = {name for name, reached in told["reached"].items() if not reached}
    assert missed == {"delta", "outside", "null_shift", "ppo"}
    gap, null, _ = made_runs((0.5,), 0.2, 0.9, 0.05)
    without = structural.summary(gap, null, [])
    assert "ppo" not in without["reached"]
