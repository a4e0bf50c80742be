import numpy as np
import pytest

from sim2real.deploy.machine import Machine, Phase, Timetable

POSE = np.array([0.0, 0.8, -1.6])
TIMES = Timetable(settle=0.2, unwell=5.0, stand=2.0, stand_speed=1.0, policy=3.0, damp=1.0)


def standing(position: np.ndarray) -> Machine:
    machine = Machine(TIMES, POSE, 0.0)
    machine.look(True, 0.0)
    machine.look(True, 0.2)
    assert machine.phase is Phase.ACQUIRE
    machine.acquired(position, 1.0)
    assert machine.phase is Phase.STAND
    return machine


def test_a_robot_must_have_been_well_without_a_break():
    machine = Machine(TIMES, POSE, 0.0)
    for now, well in ((0.0, True), (0.1, True), (0.15, False), (0.2, True), (0.35, True)):
        machine.look(well, now)
        assert machine.phase is Phase.IDLE
    machine.look(True, 0.4)
    assert machine.phase is Phase.ACQUIRE
    assert not machine.is_given_up(100.0)


def test_a_robot_that_does_not_get_well_is_given_up():
    machine = Machine(TIMES, POSE, 0.0)
    machine.look(False, 5.0)
    assert not machine.is_given_up(5.0)
    assert machine.is_given_up(5.1)


def test_a_long_way_takes_longer():
    machine = standing(POSE + 4.0)  # 4 rad by 1 rad/s
    machine.advance(1.0 + 3.9)
    assert machine.phase is Phase.STAND
    assert np.abs(machine.standing_pose(1.0 + 3.9) - POSE).max() > 1e-6
    assert machine.standing_pose(1.0 + 4.0) == pytest.approx(POSE)
    machine.advance(1.0 + 4.2)
    assert machine.phase is Phase.POLICY


def test_nothing_leaves_damp_and_the_first_cause_stays():
    machine = standing(POSE)
    machine.damp("tilt", 2.0)
    machine.damp("the time is up", 2.1, failed=False)
    machine.look(True, 3.0)
    machine.acquired(POSE, 3.0)
    machine.advance(100.0)
    assert machine.phase is Phase.DAMP
    assert machine.cause == "tilt"
    assert machine.has_failed
    assert not machine.is_over(2.9)
    assert machine.is_over(3.0)


def test_the_policys_time_ends_without_a_failure():
    machine = standing(POSE)
    machine.advance(1.0 + 2.2)
    assert machine.phase is Phase.POLICY
    machine.advance(1.0 + 2.2 + 3.0)
    assert machine.phase is Phase.DAMP
    assert not machine.has_failed
