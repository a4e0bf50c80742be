"""Recordings of whatever format, parted into what is learned from and what is held out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assets.robots import SO101
from sim2real.logs.recordings import read_recordings
from sim2real.logs.robot_log import RobotLogError
from sim2real.logs.store import write_log
from tests.sim2real.calibrate.leg import LEG, made_up


def test_the_end_of_each_recording_is_held_out_beside_whole_ones(tmp_path: Path):
    for name, samples in (("a", 1000), ("b", 800)):
        write_log(made_up(samples=samples), tmp_path / f"{name}.mcap")
    logs, held = read_recordings(LEG, [tmp_path / "a.mcap"], [tmp_path / "b.mcap"], 0.4, print)
    whole = made_up(samples=1000)["position"]
    assert [len(log["position"]) for log in held] == [800, 400]
    assert len(logs[0]["position"]) + len(held[1]["position"]) == len(whole)
    np.testing.assert_array_equal(held[1]["position"].stamps[-1], whole.stamps[-1])


def test_a_vendors_table_is_read_as_it_is(shared: Callable[[str], Path]):
    log = read_recordings(SO101, [shared("logs/so101/single_joint_elbow")], [], None, print)[0][0]
    assert log.info.joints == SO101.joints


def test_what_is_no_recording_is_refused_with_its_name(tmp_path: Path):
    (tmp_path / "x.mcap").write_bytes(b"nothing")
    with pytest.raises(RobotLogError, match=r"x\.mcap"):
        read_recordings(LEG, [tmp_path / "x.mcap"], [], None, print)
