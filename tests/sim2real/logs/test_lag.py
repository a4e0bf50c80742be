"""Delays put between commands and a simulated robot are found again, joint by joint, and the intervals hold them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from assets.robots import SO101
from sim2real.logs.check import Check, Lag
from sim2real.logs.examine import examine
from sim2real.logs.lag import lags
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.twin.gap import Messages
from sim2real.twin.messages import UnderWay
from tests.sim2real.logs.hung_leg import HUNG_LEG
from tests.sim2real.logs.recorded_twin import PHYSICS_STEP, STEP_LEAD, chirp, gap, record

SECONDS = 12.0
LONG = 20.0  # for the drift of a clock to be told
DELAYS = ((0.0, 0, 0.02), (0.005, 1, 0.02), (0.012, 2, 0.002), (0.025, 3, 0.02))
"""Of commands (s), with a seed and how often commands come (s)."""


def errors(found: tuple[Lag, ...], truth: float) -> np.ndarray:
    """In ms, (joints,)."""
    assert all(not lag.reason for lag in found), found
    return 1e3 * (np.array([lag.delay.value for lag in found]) - truth)


def held(found: tuple[Lag, ...], truth: float) -> int:
    return sum(lag.delay.low <= truth <= lag.delay.high for lag in found)


def mean_delay(latency: float, jitter: float, update: float, seed: int) -> float:
    """How old commands are on average when they take effect, by the very links of the twin; their being held left out (s)."""
    link: UnderWay[float] = UnderWay(Messages(latency=latency, jitter=jitter), np.random.default_rng(seed))
    ages, sent, step = [], 0, PHYSICS_STEP
    for i in range(round(60.0 / step)):
        if i % round(update / step) == 0:
            link.send(i * step, i * step)
            sent = i
        newest = link.receive(i * step)
        if newest is not None:
            ages.append((i * step - newest) - (i - sent) * step)
    return float(np.mean(ages))


@dataclass(frozen=True)
class Delayed:
    truth: float
    """s"""
    log: RobotLog
    found: Check


@pytest.fixture(scope="module", params=DELAYS, ids=str)
def delayed(request: pytest.FixtureRequest) -> Delayed:
    latency, seed, update = request.param
    log = record(HUNG_LEG, gap(HUNG_LEG, latency), seed, LONG, update=update)
    return Delayed(latency - STEP_LEAD, log, examine(log, HUNG_LEG))


def test_a_delay_of_commands_is_found_within_a_millisecond(delayed: Delayed) -> None:
    found = delayed.found.lags
    assert np.abs(errors(found, delayed.truth)).max() < 1.0
    assert held(found, delayed.truth) >= 2
    assert all(lag.delay.high - lag.delay.low < 0.005 for lag in found)


def test_the_log_of_a_clean_twin_has_no_fault_but_its_coarse_encoders(delayed: Delayed) -> None:
    assert {finding.kind for finding in delayed.found.findings} <= {"quantisation", "lag"}
    assert not delayed.found.is_meaningless


@pytest.mark.parametrize("seed", [5, 6])
def test_with_jitter_it_is_found_within_two(seed: int) -> None:
    truth = mean_delay(0.012, 0.003, 0.02, seed) - STEP_LEAD
    found = lags(record(HUNG_LEG, gap(HUNG_LEG, 0.012, jitter=0.003), seed, SECONDS), HUNG_LEG)
    assert np.abs(errors(found, truth)).max() < 2.0
    assert held(found, truth) >= 2


def test_chirps_tell_it_too() -> None:
    found = lags(record(HUNG_LEG, gap(HUNG_LEG, 0.012), 7, SECONDS, chirp), HUNG_LEG)
    assert np.abs(errors(found, 0.012 - STEP_LEAD)).max() < 1.0


def test_late_states_count_as_well() -> None:
    found = lags(record(HUNG_LEG, gap(HUNG_LEG, 0.006, state_latency=0.008), 8, SECONDS), HUNG_LEG)
    assert np.abs(errors(found, 0.014 - STEP_LEAD)).max() < 1.0


def test_an_arm_under_gravity_with_soft_gains() -> None:
    found = lags(record(SO101, gap(SO101, 0.012), 9, SECONDS, size=0.1, stiffness=10.0, damping=0.5), SO101)
    assert held(found, 0.012 - STEP_LEAD) >= 5


def test_stamps_that_are_late_by_jitter_are_late_on_average(delayed: Delayed) -> None:
    truth, log = delayed.truth, delayed.log
    late = np.random.default_rng(0).uniform(0, 6e6, len(log["position"]))
    stamps = np.maximum.accumulate(log["position"].stamps + late.astype(np.int64))
    jittered = Stream(stamps + np.arange(len(stamps)), log["position"].values)
    found = lags(replace(log, streams={**log.streams, "position": jittered}), HUNG_LEG)
    middle = float(np.median([lag.delay.value for lag in found]))
    mean = float(1e-9 * (jittered.stamps - log["position"].stamps).mean())
    assert middle == pytest.approx(truth + mean, abs=0.002)


@pytest.mark.parametrize("delayed", DELAYS[:1], indirect=True, ids=str)
def test_a_joint_whose_target_does_not_move_has_no_lag(delayed: Delayed) -> None:
    log = delayed.log
    still = log["target"].values.copy()
    still[:, 1] = still[0, 1]
    found = lags(replace(log, streams={**log.streams, "target": replace(log["target"], values=still)}), HUNG_LEG)
    assert found[1].reason == "its target does not move"
    assert not found[1].delay.is_known


def test_targets_by_another_clock_whose_drift_is_told(delayed: Delayed) -> None:
    log = delayed.log
    stamps = log["target"].stamps
    other = np.round(stamps + 5e9 + 400e-6 * (stamps - stamps.mean())).astype(np.int64)
    streams = {**log.streams, "target": Stream(other, log["target"].values, "robot")}
    for gain in ("stiffness", "damping"):
        streams[gain] = replace(log[gain], stamps=other[:1], clock="robot")
    found = examine(replace(log, streams=streams), HUNG_LEG)
    (clocks,) = [finding for finding in found.findings if finding.kind == "clocks"]
    assert clocks.numbers["drift_ppm_low"] < 400 < clocks.numbers["drift_ppm_high"]
    assert clocks.numbers["drift_ppm_high"] - clocks.numbers["drift_ppm_low"] < 800
    assert clocks.numbers["offset"] == pytest.approx(5.0, abs=0.04)
    assert all("another clock" in lag.reason for lag in found.lags)
