"""Logs before they are fitted to: what is refused with its remedy, what is warned of, and what was fitted to under another
name."""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.calibrate.prepare import check_apart, check_excited, ready, warnings_of
from sim2real.calibrate.windows import CalibrationError, cut
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.logs.split import split_tail
from tests.sim2real.calibrate.leg import LEG, made_up, recorded

TURN = 180 / np.pi


def with_values(log: RobotLog, name: str, values: np.ndarray) -> RobotLog:
    return replace(log, streams={**log, name: Stream(log[name].stamps, values)})


def told(log: RobotLog) -> list[str]:
    return list(warnings_of(LEG, ready(LEG, log)))


@pytest.fixture(scope="module")
def swinging() -> RobotLog:
    """6 s, with velocities that are right."""
    log = made_up(3000)
    speed = 0.2 * np.pi * np.cos(2 * np.pi * log["position"].seconds)[:, None] * np.array([1.0, -1.0, 0.5])
    return replace(log, streams={**log, "velocity": Stream(log["position"].stamps, speed)})


def test_a_log_without_a_fault_is_told_nothing_of(swinging: RobotLog):
    assert told(swinging) == []


@pytest.mark.parametrize("factor, joint, expected", [(TURN, 0, "target is in degrees"), (-1.0, 1, "turns against its target")])
def test_a_unit_or_a_sign_that_is_wrong_is_refused_with_what_to_do(
    swinging: RobotLog, factor: float, joint: int, expected: str
):
    target = swinging["target"].values.copy()
    target[:, joint] *= factor
    with pytest.raises(CalibrationError, match=rf"made up: {LEG.joints[joint]} .*{expected}.* import.*logs check"):
        told(with_values(swinging, "target", target))


def test_a_log_in_which_nothing_moves_is_no_fault_beside_one_in_which_something_does(swinging: RobotLog):
    still = swinging
    for name in ("position", "velocity", "target"):
        still = with_values(still, name, np.repeat(swinging[name].values[:1], len(swinging[name]), axis=0))
    assert told(still) == []
    with pytest.raises(CalibrationError, match="moves no joint"):
        check_excited([still])
    check_excited([still, swinging])


def test_windows_across_rows_that_nobody_stamped_and_that_are_missing_are_left_out(swinging: RobotLog):
    kept = np.r_[0:1100, 1300:3000]
    streams = {n: s if len(s) == 1 else Stream(s.stamps[: len(kept)], s.values[kept]) for n, s in swinging.items()}
    log = ready(LEG, replace(swinging, streams=streams))
    whole, parted = cut(ready(LEG, swinging)), cut(log)
    assert (whole.left_out, parted.left_out) == (0, 1)
    assert not any(start < 2.2 < start + 0.5 for start in parted.start)
    assert any("positions break off at 2.2 s" in text for text in warnings_of(LEG, log))


def test_a_rate_that_velocities_contradict_is_warned_of(swinging: RobotLog):
    fast = with_values(swinging, "velocity", swinging["velocity"].values / 0.88)
    (text,) = told(fast)
    assert "say 500 Hz; the velocities say 568" in text
    assert "confounded" in text


def test_velocities_of_another_sign_spoil_nothing_that_is_fitted_to(swinging: RobotLog):
    speed = swinging["velocity"].values.copy()
    speed[:, 1] *= -1
    (text,) = told(with_values(swinging, "velocity", speed))
    assert f"velocity of {LEG.joints[1]} has the opposite sign" in text


def test_a_joint_that_does_not_answer_is_warned_of(swinging: RobotLog):
    position, speed = (swinging[name].values.copy() for name in ("position", "velocity"))
    position[:, 2], speed[:, 2] = LEG.default_pose[2], 0.0
    texts = told(with_values(with_values(swinging, "position", position), "velocity", speed))
    assert any(f"{LEG.joints[2]} was asked to move by 0.1 rad" in text for text in texts)


def test_what_was_done_to_a_log_is_told(swinging: RobotLog):
    target = swinging["target"]
    short = replace(swinging, streams={**swinging, "target": Stream(target.stamps[:2000], target.values[:2000])})
    assert any("stream 'target' says nothing from 4.00 to 6.00 s" in text for text in told(short))


def test_without_a_motion_nothing_is_fitted(swinging: RobotLog):
    still = with_values(swinging, "position", swinging["position"].values[:1] + np.zeros((3000, 3)))
    with pytest.raises(CalibrationError, match=r"made up: stream 'position' moves no joint by more than 0 rad.*zerogap excite"):
        check_excited([still])
    check_excited([still, swinging])


@pytest.fixture(scope="module")
def recording() -> RobotLog:
    return recorded(4.0)


def other(log: RobotLog, **streams: Stream) -> RobotLog:
    return replace(log, info=replace(log.info, source="copy"), streams={**log, **streams})


def test_a_cut_of_what_is_fitted_to_is_not_held_out(recording: RobotLog):
    rows = slice(700, 1100)
    position = recording["position"]
    again = other(
        recording, position=Stream(position.stamps[rows] - position.stamps[700] + 10**9, position.values[rows] * TURN / TURN)
    )
    with pytest.raises(
        CalibrationError, match=r"copy is held out, and in 0.798 of its 0.798 s .*\(as multisine 0\).*proves nothing"
    ):
        check_apart([recording], [again])
    both = np.concatenate([position.values[:1000], recorded(2.0, seed=5)["position"].values])
    stamps = position.stamps[0] + 2_000_000 * np.arange(len(both))
    with pytest.raises(CalibrationError, match=r"in 2 of its 4 s"):
        check_apart([recording], [other(recording, position=Stream(stamps, both))])


def test_recordings_that_only_rest_alike_may_be_held_out(recording: RobotLog):
    pose = np.tile(LEG.default_pose, (500, 1))
    stamps = 2_000_000 * np.arange(1500)
    rested = [
        other(log, position=Stream(stamps, np.concatenate([pose, log["position"].values[:1000]])))
        for log in (recording, recorded(2.0, seed=5))
    ]
    check_apart(rested[:1], rested[1:])
    check_apart(*([part] for part in split_tail(recording, 0.4)))
