"""Windows simulated a control step at a time, against the replay of whole windows, and what is learned from them."""

import numpy as np
import pytest

from envs.delta.errors import DeltaError
from sim2real.calibrate.replay import NOMINAL, Replay, Signals, suspended_spec
from sim2real.calibrate.windows import cut
from sim2real.delta.control_steps import ControlSteps
from sim2real.delta.linearised import derivatives, residual
from sim2real.delta.part import Part
from sim2real.delta.samples import sample
from sim2real.logs.robot_log import RobotLog
from sim2real.twin.gap import Gap
from tests.sim2real.delta.leg import LEG, NOISE, multisine, record

TIMESTEP, PERIOD, STEPS = 0.002, 0.02, 8
LATE = Signals(np.array([0.013]), np.array([0.02]), np.ones(1), np.ones(1), np.ones(1), np.zeros(2))
MODEL = suspended_spec(LEG, TIMESTEP).compile()


@pytest.fixture(scope="module")
def log() -> RobotLog:
    return record(Gap(), multisine(5.0, 3), "multisine", 3)


def part(log: RobotLog, seconds: float, signals: Signals = LATE) -> Part:
    windows = cut(log, seconds)
    return Part(LEG, windows, sample(LEG, log, windows, PERIOD), MODEL, signals, STEPS, TIMESTEP)


def test_no_correction_is_the_replay(log: RobotLog) -> None:
    made = part(log, 0.5)
    found = made.follow(lambda history: np.zeros((len(made), 3)))
    np.testing.assert_allclose(found.run.positions, made.replay.positions(MODEL, LATE), atol=1e-6)


def test_a_constant_correction_is_the_replay_of_other_targets(log: RobotLog) -> None:
    """The offset of every target, as late as the target is."""
    made, shift = part(log, 0.5), np.array([0.04, -0.03, 0.05])
    found = made.follow(lambda history: np.tile(shift / made.scale, (len(made), 1)))
    streams = {name: log[name] for name in log}
    target = streams["target"]
    streams["target"] = type(target)(target.stamps, target.values + shift)
    moved = cut(RobotLog(log.info, streams), 0.5)
    expected = Replay(LEG, moved.take(np.isin(moved.start, made.windows.start)), TIMESTEP).positions(MODEL, LATE)
    # A window's start is taken half a physics step back, by what is asked for without a correction.
    np.testing.assert_allclose(found.run.positions, expected, atol=1.5e-3)
    without = made.replay.positions(MODEL, LATE)
    assert np.abs(found.run.positions - without).max() > 0.03


def test_the_history_is_the_simulations_own(log: RobotLog) -> None:
    made = part(log, 0.5)
    found = made.follow(lambda history: np.full((len(made), 3), 0.1))
    last = found.histories[-1]
    for i in (0, 3):
        position, velocity = made.steps_run.joint_states(found.run.states[made.steps_run.count - 1 - i])
        np.testing.assert_allclose(last.position[:, i], position, atol=1e-5)
        np.testing.assert_allclose(last.velocity[:, i], velocity, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(last.target[:, i], made.target(made.steps_run.count - 1 - i), atol=1e-6)


def test_states_are_those_of_the_log(log: RobotLog) -> None:
    """A twin without a gap is simulated as it moved, to within its noise."""
    made = part(log, 0.16, NOMINAL)
    off = residual(made, made.steps_run.states(made.no_offsets()))
    assert np.abs(off[:, 0]).mean() < 3 * NOISE
    assert np.abs(off[:, 1]).mean() < 0.1


def test_derivatives_say_what_offsets_do(log: RobotLog) -> None:
    made = part(log, 0.16)
    run = made.steps_run
    (slope,) = derivatives(run, (0, 0, 0))
    offsets = 0.004 * np.random.default_rng(0).normal(size=made.no_offsets().shape)
    still = residual(made, run.states(made.no_offsets()))
    change = residual(made, run.states(offsets)) - still
    expected = np.einsum("wecjuk,wuk->wecj", slope, offsets)
    for kind in (0, 1):  # dry friction bends the rest
        left = np.square(change[:, kind] - expected[:, kind]).mean() / np.square(change[:, kind]).mean()
        assert left < 0.1


def test_a_control_period_that_is_no_number_of_steps_is_refused(log: RobotLog) -> None:
    windows = cut(log, 0.5)
    with pytest.raises(DeltaError, match="whole number"):
        ControlSteps(Replay(LEG, windows, 0.003), MODEL, NOMINAL, PERIOD)
