"""What the guard makes of a stream of states: which are trusted, and when trust ends."""

from dataclasses import replace

import numpy as np
import pytest

from assets.robots import GO2
from envs.safety import CAUSES, Limits
from sim2real.deploy.guarded import Guard
from sim2real.robot_io import RobotState
from tests.sim2real.deploy.robots import Clock, FakeDriver

LIMITS = Limits.of(GO2)
TOLERANT = replace(LIMITS, faulty_states=2)


@pytest.fixture
def states() -> list[RobotState]:
    """Good ones, 2 ms apart."""
    clock = Clock()
    driver = FakeDriver(clock)
    told = []
    for _ in range(10):
        told.append(driver.read())
        clock.sleep(0.002)
    return told


def causes(guard: Guard, state: RobotState, now_ns: int | None = None) -> set[str]:
    trips = guard.judge(guard.see(state, state.stamp_ns if now_ns is None else now_ns))
    return {name for name, tripped in zip(CAUSES, trips, strict=True) if tripped}


def test_good_states_trip_nothing(states):
    guard = Guard(LIMITS, 0.002)
    assert all(causes(guard, state) == set() for state in states)
    assert guard.good is states[-1]


def test_the_same_state_read_again_is_no_repetition(states):
    guard = Guard(LIMITS, 0.002)
    assert causes(guard, states[0]) == set()
    assert causes(guard, states[0]) == set()


@pytest.mark.parametrize(
    "cause, change", [("corrupt", {"intact": False}), ("repeated", {"sequence": 3}), ("reordered", {"sequence": 2})]
)
def test_faulty_states_are_never_acted_on_and_trip_when_they_are_too_many(states, cause, change):
    guard = Guard(TOLERANT, 0.002)
    good = states[1]
    assert good.sequence == 3
    causes(guard, states[0])
    causes(guard, good)
    for n, state in enumerate(states[2:5]):
        found = causes(guard, replace(state, position=np.full(12, 5.0), **change))
        assert found == ({cause} if n == 2 else set())
        assert guard.good is good
    assert causes(guard, states[5]) == set()  # one good state, and they are forgotten


def test_the_age_is_that_of_the_last_good_state(states):
    guard = Guard(TOLERANT, 0.002)
    causes(guard, states[0])
    late = replace(states[1], intact=False)
    assert causes(guard, late, states[0].stamp_ns + 40_000_000) == set()
    assert causes(guard, late, states[0].stamp_ns + 60_000_000) == {"stale"}


def test_a_cycle_s_own_work_counts_so_that_damping_is_sent_within_the_limit_and_one_period(states):
    """Read half a millisecond before the limit, sent hardly before it: the next cycle would be a period late."""
    period = 0.002
    guard = Guard(replace(TOLERANT, stale_seconds=0.05), period)
    causes(guard, states[0])
    late = replace(states[1], intact=False)
    assert causes(guard, late, states[0].stamp_ns + 49_300_000) == set()
    assert causes(guard, late, states[0].stamp_ns + 49_500_000) == {"stale"}


def test_a_robot_that_never_said_anything_intact_is_stale(states):
    assert "stale" in causes(Guard(TOLERANT, 0.002), replace(states[0], intact=False))


def test_a_jump_is_judged_by_the_time_that_it_had(states):
    guard = Guard(LIMITS, 0.002)
    causes(guard, states[0])
    moved = replace(states[1], position=states[1].position + 0.4)
    assert causes(guard, moved) == {"jump"}
    guard.restart()
    causes(guard, states[0])
    assert causes(guard, replace(moved, stamp_ns=states[0].stamp_ns + 40_000_000)) == set()


def test_what_is_ignored_does_not_trip(states):
    guard = Guard(LIMITS, 0.002)
    readings = guard.see(replace(states[0], rivals=2), states[0].stamp_ns)
    assert guard.judge(readings).any()
    assert not guard.judge(readings, ("rival",)).any()
