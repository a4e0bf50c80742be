"""Rows that nobody stamped and that are missing, and readings that were lost, are found and left out; true motions are not."""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.logs.breaks import seams, spikes
from sim2real.logs.comparable import comparable
from sim2real.logs.examine import faults
from sim2real.logs.robot_log import RobotLog, Stream
from tests.sim2real.logs.swinging import RATE, swinging, with_values


def without_stamps(log: RobotLog, rows: np.ndarray) -> RobotLog:
    """Those rows as if they had come one after another."""
    stamps = log["position"].stamps[0] + round(1e9 / RATE) * np.arange(len(rows))
    streams = {name: Stream(stamps, log[name].values[rows], "nominal") for name in log}
    return replace(log, streams=streams, info=replace(log.info, time_base="nominal"))


@pytest.mark.parametrize("rows", [np.r_[0:1500, 1620:4000], np.r_[0:1500, 1440:4000]], ids=["missing", "twice"])
def test_rows_without_stamps_that_are_missing_or_came_twice_are_found_and_nothing_is_compared_across(rows: np.ndarray) -> None:
    log = without_stamps(swinging(), rows)
    assert [f.text for f in faults(log).findings if f.kind == "seam"] == [
        "positions break off at 7.5 s: several joints at once go farther than their velocities allow"
    ]
    found = comparable(log)
    unknown = np.isnan(found["position"].values)
    assert np.flatnonzero(unknown.all(axis=1)).tolist() == np.flatnonzero(unknown.any(axis=1)).tolist() == [1499, 1500]
    assert any("positions break off at 7.5 s" in note for note in found.notes)
    assert comparable(found) is found


@pytest.mark.parametrize("units", [1.0, 57.3, -0.01])
def test_velocities_in_another_unit_or_of_another_sign_do_not_make_seams(units: float) -> None:
    log = swinging()
    assert not len(seams(with_values(log, "velocity", units * log["velocity"].values)))
    cut = without_stamps(log, np.r_[0:1500, 1620:4000])
    assert seams(with_values(cut, "velocity", units * cut["velocity"].values)).tolist() == [1500]


def test_lost_readings_are_left_out_and_a_moved_zero_and_fast_steps_are_not() -> None:
    log = swinging()
    values = log["position"].values.copy()
    values[700, 1], values[900:902, 2] = 1e30, values[900:902, 2] + 1.5
    found = comparable(with_values(log, "position", values))
    assert np.argwhere(np.isnan(found["position"].values)).tolist() == [[700, 1], [900, 2], [901, 2]]
    assert any("3 readings of positions were lost (j1, j2)" in note for note in found.notes)
    moved = log["position"].values.copy()
    moved[2000:, 1] += 1.5
    assert not spikes(with_values(log, "position", moved)).any()
    assert "jump" in {f.kind for f in faults(with_values(log, "position", moved)).findings}
    assert not spikes(log).any()
