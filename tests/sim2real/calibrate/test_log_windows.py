"""Windows of a log: where they begin and with what state, and what is left out of them."""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.calibrate.windows import CalibrationError, cut
from sim2real.logs.robot_log import RobotLog, RobotLogError, Stream
from tests.sim2real.calibrate.leg import LEG, made_up


def without(log: RobotLog, stream: str, gone: slice) -> RobotLog:
    keep = np.ones(len(log[stream]), bool)
    keep[gone] = False
    return replace(log, streams={**log, stream: Stream(log[stream].stamps[keep], log[stream].values[keep])})


def test_windows_follow_one_another_and_hold_what_the_log_has():
    log = made_up()
    windows = cut(log, 0.25)
    np.testing.assert_allclose(np.diff(windows.start), 0.25)
    assert len(windows) >= 7
    seconds = log["position"].seconds
    for i in range(len(windows)):
        samples = np.isfinite(windows.position[i, :, 0])
        at = windows.start[i] + windows.time[i, samples]
        found = np.stack([np.interp(at, seconds, column) for column in log["position"].values.T], axis=1)
        np.testing.assert_allclose(windows.position[i, samples], found, atol=1e-9)
    assert windows.time.max() <= 0.25 + 1e-9


def test_they_start_with_the_position_and_velocity_that_the_motion_has_there():
    windows = cut(made_up(), 0.25)
    phase = 2 * np.pi * windows.start[:, None]
    way = np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(windows.initial_position, LEG.default_pose + 0.1 * np.sin(phase) * way, atol=1e-4)
    np.testing.assert_allclose(windows.initial_velocity, 0.2 * np.pi * np.cos(phase) * way, atol=5e-3)


def test_where_samples_are_missing_there_is_no_window():
    whole, holed = cut(made_up(), 0.25), cut(without(made_up(), "position", slice(300, 330)), 0.25)
    assert holed.left_out > 0
    assert len(holed) + holed.left_out == len(whole)
    gone = 300 / 500
    assert not ((holed.start < gone) & (gone < holed.start + 0.25)).any()


def test_a_sample_that_is_no_number_leaves_its_window_out():
    log = made_up()
    values = log["position"].values.copy()
    values[400, 1] = np.nan
    assert cut(replace(log, streams={**log, "position": Stream(log["position"].stamps, values)}), 0.25).left_out == 1


def test_commands_have_stamps_of_their_own_and_windows_none_that_is_not_known():
    log = made_up()
    stamps = log["position"].stamps[::7] + 1_000_000
    torque = np.tile(np.arange(len(stamps))[:, None], 3).astype(float)
    torque[60] = np.nan
    windows = cut(replace(log, streams={**log, "feedforward": Stream(stamps, torque)}), 0.25)
    gone = 1e-9 * stamps[60]
    assert windows.left_out >= 1
    assert not ((windows.start < gone) & (gone < windows.start + 0.25)).any()
    at = np.searchsorted(windows.command_time, 1e-9 * stamps[20], side="right") - 1
    np.testing.assert_array_equal(windows.feedforward[at - 1 : at + 1], [[19.0] * 3, [20.0] * 3])
    np.testing.assert_array_equal(windows.target[at], log["target"].held_at(stamps[20:21])[0])


def test_gains_are_constant_within_a_window():
    log = made_up()
    change = log["position"].stamps[[0, 450]]
    stiffness = Stream(change, np.array([[20.0] * 3, [40.0] * 3]))
    windows = cut(replace(log, streams={**log, "stiffness": stiffness}), 0.25)
    assert windows.left_out == 1
    after = windows.start > 1e-9 * change[1]
    assert (windows.stiffness[after] == 40.0).all()
    assert (windows.stiffness[~after] == 20.0).all()
    assert after.any()
    assert not after.all()


def test_a_log_without_a_usable_window_says_what_to_record():
    log = made_up()
    with pytest.raises(CalibrationError, match=r"made up.*record at least"):
        cut(log, 3.0)
    with pytest.raises(RobotLogError, match="stiffness"):
        cut(replace(log, streams={name: log[name] for name in log if name != "stiffness"}))
    with pytest.raises(CalibrationError, match="too few"):
        cut(made_up(samples=5))


def test_windows_that_are_taken_keep_their_own_rows():
    windows = cut(made_up(), 0.25)
    some = windows.take(np.array([1, 4]))
    np.testing.assert_array_equal(some.start, windows.start[[1, 4]])
    np.testing.assert_array_equal(some.position, windows.position[[1, 4]])
    np.testing.assert_array_equal(some.target, windows.target)
