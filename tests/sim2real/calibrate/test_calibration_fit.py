"""The fit: derivatives, what no start of a window explains, and a truth that is found."""

from dataclasses import replace

import numpy as np
import pytest

from assets.robots import GO2
from sim2real.calibrate.fit import Problem, solve
from sim2real.calibrate.parameters import build_model, parameters, read_signals
from sim2real.calibrate.replay import Replay, suspended_spec
from sim2real.calibrate.windows import Windows, cut
from tests.sim2real.calibrate.leg import LEG, recorded

STEP = 0.002
QUANTITIES = ("delay", "armature", "damping", "frictionloss", "payload")


def problem_of(windows: Windows, robot=LEG, quantities=QUANTITIES) -> Problem:
    spec = suspended_spec(robot, STEP)
    return Problem(robot, spec, parameters(robot, spec, quantities), [Replay(robot, windows, STEP)], 1e-3)


@pytest.fixture(scope="module")
def windows() -> Windows:
    return cut(recorded(3.0), 0.25)


def test_what_the_same_model_would_have_shown_leaves_no_error_and_is_found_again(windows: Windows):
    """With numbers that the model itself makes: whatever is left over is the fit's own."""
    problem = problem_of(windows)
    truth = problem.nominal + np.array([2.0, 1.5, 1.0, 2.0, 0.7, 1.2, 0.5, 1.6, 0.8, 1.1, 0.6])[: len(problem.free)]
    values = problem.values(truth)
    shown = problem.replays[0].positions(
        build_model(problem.spec, problem.free, values), read_signals(LEG, problem.free, values)
    )
    same = problem_of(replace(windows, position=shown))
    np.testing.assert_allclose(same.residuals(truth), 0.0, atol=1e-9)
    found = solve(same, same.nominal, 15)
    np.testing.assert_allclose(found.x, truth, atol=0.02)


def test_limbs_are_told_apart_in_one_simulation_as_well_as_one_by_one():
    """A made-up log of the whole robot: the Jacobian by rounds is that of one parameter after another."""
    rng = np.random.default_rng(0)
    times = np.arange(400) / 500
    from sim2real.logs.robot_log import LogInfo, RobotLog, Stream

    way = np.array(GO2.default_pose) + 0.2 * np.sin(2 * np.pi * times[:, None] * rng.uniform(0.5, 3, 12))
    stamps = (1e9 * times).astype(np.int64)
    streams = {"position": Stream(stamps, way), "target": Stream(stamps, way + 0.1 * rng.normal(size=12))}
    streams |= {name: Stream(stamps[:1], np.array(getattr(GO2, name))[None]) for name in ("stiffness", "damping")}
    log = RobotLog(LogInfo("go2", GO2.joints, source="made up"), streams)
    problem = problem_of(cut(log, 0.25), GO2, ("armature", "frictionloss", "delay"))
    assert max(map(len, problem.rounds)) == 4
    problem = problem.with_free_starts(problem.nominal)
    x = problem.nominal
    base = problem.residuals(x)
    together = problem.jacobian(x, base)
    problem.rounds = [[i] for i in range(len(x))]
    np.testing.assert_allclose(together, problem.jacobian(x, base), atol=1e-6 * np.abs(together).max())


def test_a_wrong_start_is_not_taken_for_a_wrong_parameter(windows: Windows):
    problem = problem_of(windows)
    x = problem.nominal
    values = problem.values(x)
    shown = problem.replays[0].positions(
        build_model(problem.spec, problem.free, values), read_signals(LEG, problem.free, values)
    )
    rng = np.random.default_rng(1)
    off = replace(
        windows,
        position=shown,
        initial_position=windows.initial_position + rng.normal(0, 1e-3, windows.initial_position.shape),
        initial_velocity=windows.initial_velocity + rng.normal(0, 0.05, windows.initial_velocity.shape),
    )
    fixed = problem_of(off)
    free = fixed.with_free_starts(x)
    before, after = (np.square(p.residuals(x)).sum() for p in (fixed, free))
    assert after < 0.02 * before
    left = free.jacobian(x, free.residuals(x))
    assert np.square(left).sum() > 0.3 * np.square(fixed.jacobian(x, fixed.residuals(x))).sum()


def test_a_blow_hardly_moves_a_fit(windows: Windows):
    problem = problem_of(windows, quantities=("armature", "delay"))
    x = problem.nominal
    values = problem.values(x)
    shown = problem.replays[0].positions(
        build_model(problem.spec, problem.free, values), read_signals(LEG, problem.free, values)
    )
    noisy = shown + np.random.default_rng(2).normal(0, 2e-3, shown.shape)
    struck = noisy.copy()
    struck[3, 60:100] += 0.3
    calm, hit = (
        solve(problem_of(replace(windows, position=p), quantities=("armature", "delay")), x, 10).x for p in (noisy, struck)
    )
    assert np.abs(hit - calm).max() < 0.3
