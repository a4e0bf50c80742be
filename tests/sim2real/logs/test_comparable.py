"""Rows in any order, rows twice, and clocks apart: streams that can be laid beside one another, or words."""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.logs.comparable import comparable
from sim2real.logs.order import in_order
from sim2real.logs.robot_log import RobotLog, RobotLogError, Stream
from tests.sim2real.logs.swinging import restamped, swinging, with_stream


def with_rows(log: RobotLog, rows: np.ndarray) -> RobotLog:
    """The same rows of every stream."""
    return replace(log, streams={name: Stream(log[name].stamps[rows], log[name].values[rows]) for name in log})


def test_rows_in_any_order_and_rows_twice_are_the_recording_that_they_were():
    log = swinging()
    rows = np.random.default_rng(0).permutation(np.r_[np.arange(len(log["position"])), 50:60])
    found = comparable(with_rows(log, rows))
    for name in log:
        np.testing.assert_array_equal(found[name].stamps, log[name].stamps)
        np.testing.assert_array_equal(found[name].values, log[name].values)
    assert any("position, velocity, target, torque were put in order" in note and "40 samples" in note for note in found.notes)
    assert not comparable(log).notes


def test_of_two_commands_at_once_the_one_that_held_counts():
    log = swinging()
    stamps, values = log["target"].stamps.copy(), log["target"].values
    stamps[11] = stamps[10]
    found = in_order(with_stream(log, "target", Stream(stamps, values)))
    np.testing.assert_array_equal(found["target"].held_at(stamps[10:11]), values[11:12])
    found = in_order(with_stream(log, "position", Stream(stamps, log["position"].values)))
    np.testing.assert_array_equal(found["position"].values[10], log["position"].values[10])


def test_two_recordings_in_one_are_refused():
    log = swinging()
    with pytest.raises(RobotLogError, match=r"'position' run back, from 20.99.* s to 1 s at sample 4000.*Part the recording"):
        comparable(with_rows(log, np.r_[0:4000, 0:4000]))


def test_commands_by_another_clock_are_brought_to_that_of_the_positions():
    log = swinging()
    other = log
    for name in ("velocity", "target"):
        other = restamped(other, name, log[name].stamps + 7_000_000_000, "robot")
    found = comparable(other)
    assert found["target"].clock == found["position"].clock
    late = 1e-9 * (found["target"].stamps - found["position"].stamps)
    assert np.abs(late).max() < 0.001
    assert any("clock 'robot', which is" in note and "by velocity" in note for note in found.notes)


def test_commands_by_a_clock_that_nothing_relates_are_refused():
    log = swinging()
    bare = replace(log, streams={name: log[name] for name in ("position", "target")})
    noise = np.random.default_rng(0).normal(size=bare["target"].values.shape)
    strange = with_stream(bare, "target", Stream(bare["target"].stamps, noise, "robot"))
    with pytest.raises(RobotLogError, match=r"nothing in common relates the two.*stamp all by one clock"):
        comparable(strange)
    gains = Stream(bare["target"].stamps[:1], np.full((1, 4), 20.0), "robot")  # they never change: whenever they were sent
    assert comparable(with_stream(bare, "stiffness", gains))["stiffness"].values[0, 0] == 20.0
