"""Parts of a log: what was commanded is told from what was not, and nothing goes missing in between."""

from dataclasses import replace

import numpy as np

from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.logs.split import commanded
from tests.sim2real.calibrate.leg import made_up


def with_targets(known: np.ndarray) -> RobotLog:
    """1000 samples at 500 Hz, with targets where `known`."""
    log = made_up()
    target = log["target"]
    values = np.where(known[:, None], target.values, np.nan)
    return replace(log, streams={**log, "target": Stream(target.stamps, values)})


def test_what_no_target_was_there_for_is_left_out():
    known = np.zeros(1000, bool)
    known[100:200] = known[300:900] = True
    whole = with_targets(known)
    part = commanded(whole)
    np.testing.assert_array_equal(part["target"].values, whole["target"].values[300:900])
    np.testing.assert_array_equal(part["position"].stamps, whole["position"].stamps[300:900])
    np.testing.assert_array_equal(part["stiffness"].values, whole["stiffness"].values)
    assert part.name == whole.name


def test_a_log_that_is_commanded_to_its_end_keeps_it():
    known = np.ones(1000, bool)
    assert commanded(with_targets(known)) is not None
    known[0] = False
    part = commanded(with_targets(known))
    assert len(part["position"]) == len(part["target"]) == 999


def test_a_log_without_targets_is_left_as_it_is():
    whole = with_targets(np.zeros(1000, bool))
    assert commanded(whole) is whole
    bare = replace(whole, streams={"position": whole["position"]})
    assert commanded(bare) is bare
