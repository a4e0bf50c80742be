"""Streams by several clocks, brought to that of the positions: `relate_clocks(log, robot)`; `check_clocks` says what follows.

Two clocks differ by an offset and by a drift. Both are estimated from what streams have in common: velocities with the slope of
positions; else targets with the positions that follow them, by the delay model of `sim2real.logs.lag`, whose offset then holds
the delay of the commands too: they are brought to where they take effect at once.
"""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import t as student

from assets.robots.robot import Robot
from sim2real.logs.band import Held, OverTime, Samples
from sim2real.logs.check import Estimate, Finding
from sim2real.logs.coupling import couplings
from sim2real.logs.lag import best_shift, joint_fits
from sim2real.logs.pooling import pool
from sim2real.logs.robot_log import RobotLog, Stream

_RATE = 200.0  # Hz, of the first, coarse comparison
_COARSE = 0.03  # s
_ALIKE = 0.5  # correlation below which two streams have nothing in common
_WINDOW = 4.0  # s
_LEAST_WINDOWS = 4
_SHIFTED = 0.0005  # s: a drift that moves less than this over the log is of no account
_LOOK = 0.15  # s about the coarse offset
_ROOM = 0.1  # s


@dataclass(frozen=True)
class Relation:
    """Of a clock to the positions' clock."""

    clock: str
    by: str
    """The stream that told."""
    offset: Estimate
    """By how much its stamps are later than the positions' in the middle of the log (s)."""
    drift: Estimate
    """By how much it runs faster than the positions' clock (1)."""


def relate_clocks(log: RobotLog, robot: Robot | None) -> tuple[RobotLog, dict[str, Relation | None]]:
    """The log with all stamps by the positions' clock, as far as that can be told, and how each other clock relates to it; None
    where nothing tells."""
    relations: dict[str, Relation | None] = {}
    for clock in dict.fromkeys(log[name].clock for name in log):
        names = [name for name in log if log[name].clock == clock and len(log[name])]
        if clock != log["position"].clock and names:
            log, relations[clock] = _relate(log, robot, clock, names)
    return log, relations


def _relate(log: RobotLog, robot: Robot | None, clock: str, names: list[str]) -> tuple[RobotLog, Relation | None]:
    for by in ("velocity", "target"):
        if by not in names:
            continue
        coarse = _coarse_offset(log, by)
        if coarse is None:
            continue
        if by == "target":  # the coarse offset holds all of the joints' lag: leave them a delay to be found
            coarse += _ROOM
        near = _restamped(log, names, coarse, 0.0, 0)
        relation = _by_velocity(near, clock) if by == "velocity" else _by_target(near, robot, clock)
        if relation is None:
            continue
        pivot = _middle(log["position"])
        aligned = _restamped(near, names, relation.offset.value, relation.drift.value, pivot)
        shifted = (Estimate(*(entry + coarse for entry in dataclasses.astuple(relation.offset))), relation.drift)
        return aligned, Relation(clock, by, *shifted)
    return log, None


def _middle(stream: Stream) -> int:
    return int(stream.stamps.min() + np.ptp(stream.stamps) // 2)


def _restamped(log: RobotLog, names: list[str], offset: float, drift: float, pivot: int) -> RobotLog:
    """With the offset and drift taken off the stamps of some streams, which then are of the positions' clock."""
    moved = {name: log[name].stamps for name in log}
    for name in names:
        drifted = np.round(drift * (moved[name] - round(1e9 * offset) - pivot)).astype(np.int64)
        moved[name] = moved[name] - round(1e9 * offset) - drifted
    own = log["position"].clock
    lift = max(0, -min(int(stamps.min()) for stamps in moved.values() if len(stamps)))  # stamps are never negative
    clocks = {name: own if name in names else log[name].clock for name in log}
    streams = {name: Stream(moved[name] + lift, log[name].values, clocks[name]) for name in log}
    return dataclasses.replace(log, streams=streams)


def _coarse_offset(log: RobotLog, name: str) -> float | None:
    """By which the stream's stamps are later, to some hundredths of a second, whatever the clocks count from (s)."""
    position, other = log["position"], log[name]
    own = Samples.of(position, int(position.stamps.min()))
    slope = own.smooth(_COARSE, 1)
    if name == "velocity":
        samples = Samples.of(other, int(other.stamps.min()))
        signal, end = samples.smooth(_COARSE), samples.times[-1]
    else:
        held = Held.of(other, int(other.stamps.min()))
        signal, end = held.smooth(_COARSE, 1), held.times[-1]
    a = slope(np.arange(0.0, own.times[-1], 1 / _RATE))
    b = signal(np.arange(0.0, end, 1 / _RATE))
    size = 1 << (len(a) + len(b)).bit_length()
    cross = np.fft.irfft(
        (np.fft.rfft(_scaled(a), size, axis=0) * np.conj(np.fft.rfft(_scaled(b), size, axis=0))).sum(axis=1), size
    )
    best = int(np.argmax(cross))
    shift = best if best < size // 2 else best - size
    overlap = slice(max(0, shift), min(len(a), len(b) + shift))
    x, y = _scaled(a)[overlap], _scaled(b)[slice(overlap.start - shift, overlap.stop - shift)]
    if len(x) < _RATE or float((x * y).sum()) < _ALIKE * float(np.sqrt((x**2).sum() * (y**2).sum())):
        return None
    return 1e-9 * float(other.stamps.min() - position.stamps.min()) - shift / _RATE


def _scaled(values: np.ndarray) -> np.ndarray:
    """Every column about 0 and of size 1, so that each joint counts alike; columns that do not change count for nothing."""
    spread = values.std(axis=0)
    return np.where(spread > 1e-9, (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0), 0.0)


def velocity_shifts(log: RobotLog) -> tuple[np.ndarray, np.ndarray]:
    """By how much velocities are late against the slope of positions, window by window: the windows' middles, and the shifts
    (s); windows in which the two are not alike are left out."""
    start = int(log["position"].stamps.min())
    position, velocity = Samples.of(log["position"], start), Samples.of(log["velocity"], start)
    sigma = 2.0 * max(position.interval, velocity.interval)
    slope, other = position.smooth(sigma, 1), velocity.smooth(sigma)
    begin, end = max(position.times[0], velocity.times[0]), min(position.times[-1], velocity.times[-1])
    count = max(1, int((end - begin) / _WINDOW))
    edges = np.linspace(begin, end, count + 1)
    windows = [np.arange(a, b, sigma) for a, b in pairwise(edges)]
    found = [_window_shift(slope, other, times, sigma) for times in windows]
    middles = 0.5 * (edges[:-1] + edges[1:])
    good = np.isfinite(found)
    return middles[good], np.array(found)[good]


def _window_shift(slope: OverTime, other: OverTime, times: np.ndarray, sigma: float) -> float:
    signal = slope(times)
    size = signal.std(axis=0)
    moving = size > 0.1 * size.max() if size.max() > 1e-6 else np.zeros(len(size), bool)
    if not moving.any():
        return np.nan
    wanted = _scaled(signal[:, moving]).ravel()
    # other(t + shift): what is stamped later has the same value later
    shift, alike = best_shift(lambda s: _scaled(other(times + s)[:, moving]).ravel(), wanted, (-_LOOK, _LOOK), sigma / 2)
    return shift if alike > _ALIKE else np.nan


def _by_velocity(log: RobotLog, clock: str) -> Relation | None:
    middles, shifts = velocity_shifts(log)
    if len(shifts) < _LEAST_WINDOWS:
        return None
    start = int(log["position"].stamps.min())
    about = middles - 1e-9 * (_middle(log["position"]) - start)
    offset, drift = _line(about, shifts)
    return Relation(clock, "velocity", offset, drift)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[Estimate, Estimate]:
    """Value at 0 and slope, with intervals; outliers, by the median of all slopes, are left out."""
    i, j = np.triu_indices(len(x), 1)
    slope = np.median((y[j] - y[i]) / (x[j] - x[i]))
    rest = y - slope * x
    off = np.abs(rest - np.median(rest))
    keep = off <= 4 * max(1.4826 * float(np.median(off)), 1e-7)
    design = np.stack([np.ones(keep.sum()), x[keep]], axis=1)
    solution, *_ = np.linalg.lstsq(design, y[keep], rcond=None)
    free = max(1, int(keep.sum()) - 2)
    variance = float(((y[keep] - design @ solution) ** 2).sum()) / free
    half = student.ppf(0.975, free) * np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return tuple(Estimate(float(s), float(s - h), float(s + h)) for s, h in zip(solution, half, strict=True))  # type: ignore[return-value]


def _by_target(log: RobotLog, robot: Robot | None, clock: str) -> Relation | None:
    """By the delays of the joints and their drifts, pooled."""
    of_joints = (joint_fits(log, j, coupling) for j, coupling in enumerate(couplings(log, robot)))
    fits = [min(found, key=lambda fit: fit.error) for found in of_joints if found]
    if not fits:
        return None
    drift = pool(np.array([fit.drift for fit in fits]), np.array([fit.drift_error for fit in fits])).estimate
    delay = pool(np.array([fit.delay for fit in fits]), np.array([fit.error for fit in fits])).estimate
    # A target stamped late by its clock seems to be answered early, and one whose clock runs fast ever earlier.
    return Relation(clock, "target", *(Estimate(-e.value, -e.high, -e.low) for e in (delay, drift)))


def check_clocks(log: RobotLog, relations: dict[str, Relation | None]) -> list[Finding]:
    """What follows from the relations of the clocks of this log, as it was recorded."""
    of_clock = {clock: [name for name in log if log[name].clock == clock] for clock in relations}
    return [_finding(log, log["position"].clock, clock, of_clock[clock], relations[clock]) for clock in relations]


def _finding(log: RobotLog, own: str, clock: str, names: list[str], relation: Relation | None) -> Finding:
    streams = ", ".join(names)
    if relation is None:
        text = f"{streams}: stamped by the clock {clock!r}, positions by {own!r}; nothing in common relates the two"
        severity = "error" if "target" in names else "warning"
        cause = "these streams cannot be compared with the positions: stamp all by one clock, or record velocities with each"
        return Finding("clocks", severity, names[0] if len(names) == 1 else "", "", text, cause)
    offset, drift = relation.offset, relation.drift
    ppm = Estimate(1e6 * drift.value, 1e6 * drift.low, 1e6 * drift.high)
    total = drift.value * log.seconds
    drifts = (drift.low > 0 or drift.high < 0) and abs(total) > _SHIFTED
    text = (
        f"{streams}: stamped by the clock {clock!r}, which is {offset.value:.6g} s later than the positions' {own!r} (95 %:"
        f" {1e3 * (offset.low - offset.value):+.2g} to {1e3 * (offset.high - offset.value):+.2g} ms) and runs {ppm.value:+.0f}"
        f" ppm fast (95 %: {ppm.low:.0f} to {ppm.high:.0f}), by {relation.by}"
    )
    cause = "the streams must be shifted by that before they are compared; here they are"
    if relation.by == "target":
        cause += "; the offset holds the delay of the commands, so that a delay cannot be told from this log"
    if drifts:
        text += f"; that is {1e3 * total:.2g} ms over the log"
        cause += ". A fit that takes the stamps as they are mixes delays that change"
    numbers = {"offset": offset.value, "offset_low": offset.low, "offset_high": offset.high}
    numbers |= {"drift_ppm": ppm.value, "drift_ppm_low": ppm.low, "drift_ppm_high": ppm.high}
    return Finding("clocks", "warning" if drifts or relation.by == "target" else "note", names[0], "", text, cause, numbers)
