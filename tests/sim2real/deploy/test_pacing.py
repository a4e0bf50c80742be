"""Deadlines in a time of the test's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.deploy.pacing import Pacer
from tests.sim2real.deploy.robots import Clock

PERIOD_NS = 2_000_000


def test_lateness_does_not_add_up():
    clock = Clock()
    pacer = Pacer(0.002, clock, clock.sleep)
    rng = np.random.default_rng(0)
    begin = clock.now
    for cycle in range(500):
        assert pacer.wait() == cycle
        clock.sleep(0.0015 * rng.random())  # the work
    assert clock.now - begin == pytest.approx(499 * PERIOD_NS, abs=PERIOD_NS)


def test_a_sleep_that_lasts_too_long_does_not_delay_a_cycle():
    """By up to a quarter of a millisecond, which is usual where nothing else runs."""
    clock = Clock()
    rng = np.random.default_rng(0)
    pacer = Pacer(0.002, clock, lambda seconds: clock.sleep(seconds + 0.00025 * rng.random()))
    errors = []
    for _ in range(500):
        pacer.wait()
        errors.append(pacer.error_ns)
        clock.sleep(0.0015 * rng.random())
    assert max(errors[1:]) <= 5_000


def test_what_is_too_late_is_left_out_and_counted():
    clock = Clock()
    pacer = Pacer(0.002, clock, clock.sleep)
    assert pacer.wait() == 0
    clock.sleep(0.0071)
    assert pacer.wait() == 3
    assert pacer.was_late
    assert pacer.error_ns == pytest.approx(5_100_000, abs=50_000)
    assert pacer.wait() == 4
    assert not pacer.was_late


@given(phase=st.integers(0, PERIOD_NS - 1), drift=st.integers(-200, 200))
def test_cycles_drift_to_just_after_the_states(phase, drift):
    """Wherever a robot's clock stands, and though it is a little fast or slow."""
    clock = Clock()
    pacer = Pacer(0.002, clock, clock.sleep)
    begin, period = clock.now, PERIOD_NS + drift
    ages = []
    for _ in range(1200):
        pacer.wait()
        stamp = clock.now - (clock.now - begin - phase) % period
        ages.append(clock.now - stamp)
        pacer.meet(stamp)
    assert np.ptp(ages[-100:]) < 50_000
    assert np.mean(ages[-100:]) == pytest.approx(250_000, abs=50_000)


@given(phase=st.integers(0, PERIOD_NS - 1), drift=st.integers(-200, 200))
def test_cycles_find_states_whose_time_is_known_by_listening_only(phase, drift):
    """What comes while nobody listens has the time at which somebody does again, shortly before a cycle."""
    clock = Clock()
    pacer = Pacer(0.002, clock, clock.sleep)
    begin, period = clock.now, PERIOD_NS + drift
    heard: list[tuple[int, int]] = []  # number, stamp

    def listen() -> None:
        clock.sleep(10e-6)
        number = (clock.now - begin - phase) // period
        if not heard or number > heard[-1][0]:
            heard.append((number, clock.now))

    ages = []
    for _ in range(1200):
        pacer.wait(listen)
        ages.append((clock.now - begin - phase) % period)
        listen()
        pacer.meet(heard[-1][1])
        clock.sleep(0.0003)
    assert np.ptp(ages[-100:]) < 60_000
    assert np.mean(ages[-100:]) == pytest.approx(250_000, abs=60_000)


def test_nobody_listens_in_the_last_moments():
    """Taking in a state may last as long as they do."""
    clock = Clock()
    pacer = Pacer(0.002, clock, clock.sleep)
    pacer.wait()
    heard: list[int] = []
    begin = clock.now
    pacer.wait(lambda: heard.append(clock.now))
    assert len(heard) > 10
    assert (begin + PERIOD_NS - max(heard)) >= 95_000
