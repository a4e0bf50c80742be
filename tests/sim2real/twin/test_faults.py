"""Faults on demand: each changes what it says, when it says, and nothing else."""

import numpy as np
import pytest

from assets.robots import GO2
from sim2real.robot_io import RobotState
from sim2real.twin.faults import Faults
from sim2real.twin.gap import Fault, FaultKind

PERIOD = 0.002


def state(sequence: int) -> RobotState:
    imu = (np.array([1.0, 0, 0, 0]), np.zeros(3), np.array([0, 0, 9.81]))
    return RobotState(0, sequence, *np.full((3, 12), 0.1), np.full(12, 25.0), *imu)


def messages(fault: Fault, count: int = 10, commanded: float | None = 0.0) -> list[list[RobotState]]:
    faults = Faults(GO2, (fault,))
    return [faults.messages(state(i), i * PERIOD, commanded) for i in range(count)]


def sequences(sent: list[list[RobotState]]) -> list[list[int]]:
    return [[message.sequence for message in period] for period in sent]


def usual(count: int = 10) -> list[list[int]]:
    return [[i] for i in range(count)]


@pytest.mark.parametrize("kind", ["nan", "jump", "tilt", "hot", "checksum", "rival"])
@pytest.mark.parametrize("seconds, touched", [(0.0, {4}), (0.006, {4, 5, 6})])
def test_what_is_told_is_changed_for_as_long_as_asked(kind: FaultKind, seconds: float, touched: set[int]) -> None:
    sent = messages(Fault(kind, at=0.008, seconds=seconds, joint="FR_calf_joint"))
    assert sequences(sent) == usual()
    for i, (message,) in enumerate(sent):
        before, joint = state(i), GO2.joints.index("FR_calf_joint")
        hit = i in touched
        assert np.isnan(message.position[joint]) == (hit and kind == "nan")
        if kind != "nan":
            assert message.position[joint] == (
                before.position[joint] + 1.0 if hit and kind == "jump" else before.position[joint]
            )
        assert message.temperature[joint] == (150.0 if hit and kind == "hot" else 25.0)
        assert message.intact != (hit and kind == "checksum")
        assert message.rivals == (1 if hit and kind == "rival" else 0)
        tilt = 2 * np.arccos(message.quaternion[0])
        assert tilt == pytest.approx(1.2 if hit and kind == "tilt" else 0.0)
        others = np.arange(12) != joint
        np.testing.assert_array_equal(message.position[others], before.position[others])


def test_a_frozen_robot_says_the_same_again_and_again() -> None:
    sent = messages(Fault("freeze", at=0.008, seconds=0.006))
    assert sequences(sent) == [[0], [1], [2], [3], [3], [3], [3], [7], [8], [9]]


def test_a_silent_robot_says_nothing() -> None:
    sent = messages(Fault("silence", at=0.008, seconds=0.006))
    assert sequences(sent) == [[0], [1], [2], [3], [], [], [], [7], [8], [9]]


def test_messages_come_twice() -> None:
    sent = messages(Fault("duplicate", at=0.008, seconds=0.004))
    assert sequences(sent) == [[0], [1], [2], [3], [4, 4], [5, 5], [6], [7], [8], [9]]


def test_messages_change_places() -> None:
    assert sequences(messages(Fault("reorder", at=0.008))) == [[0], [1], [2], [3], [], [5, 4], [6], [7], [8], [9]]
    pairs = sequences(messages(Fault("reorder", at=0.008, seconds=0.008)))
    assert pairs == [[0], [1], [2], [3], [], [5, 4], [], [7, 6], [8], [9]]


def test_the_time_counts_from_the_first_command_if_so_asked() -> None:
    fault = Fault("checksum", at=0.004, since="command")
    assert all(message.intact for period in messages(fault, commanded=None) for message in period)
    broken = [i for i, (message,) in enumerate(messages(fault, commanded=0.006)) if not message.intact]
    assert broken == [5]


def test_several_faults_act_together() -> None:
    faults = Faults(GO2, (Fault("jump", at=0.0, seconds=1.0), Fault("duplicate", at=0.0, seconds=1.0), Fault("hot", at=5.0)))
    sent = faults.messages(state(0), 0.0, None)
    assert faults.active == ("jump", "duplicate")
    assert [message.position[0] for message in sent] == [1.1, 1.1]
