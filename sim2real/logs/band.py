"""Streams made comparable: the same Gaussian window over samples and over held commands, as functions of time.

    position = Samples.of(log["position"], origin)
    acceleration = position.smooth(0.008, order=2)      # band-limited to some 20 Hz
    target = Held.of(log["target"], origin).smooth(0.008)
    acceleration(times), target(times - delay)

A window that all quantities share leaves linear relations between them as they are, and takes the noise that differentiation
would blow up. The window over a held command is the exact one of its staircase, so that it may be shifted by any fraction of a
sample. Times are in s from `origin`, a stamp in ns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import Akima1DInterpolator, CubicSpline
from scipy.ndimage import gaussian_filter1d

from sim2real.logs.robot_log import Stream

OverTime = Callable[[np.ndarray], np.ndarray]

_REACH = 5.0  # sigmas, beyond which a window is nothing
_GAP = 3.5  # usual intervals
_FINENESS = 6  # grid points per sigma
_MOST_POINTS = 4_000_000


def rising(stream: Stream) -> np.ndarray:
    """Which samples are later than all before them and have no NaN, (samples,) bool."""
    latest = np.maximum.accumulate(stream.stamps)
    fresh = np.ones(len(stream), bool)
    fresh[1:] = stream.stamps[1:] > latest[:-1]
    return fresh & ~np.isnan(stream.values).any(axis=1)


@dataclass(frozen=True, eq=False)
class Samples:
    """Something that goes on between its samples."""

    times: np.ndarray
    """(samples,) s, rising."""
    values: np.ndarray
    """(samples, width)"""

    @classmethod
    def of(cls, stream: Stream, origin: int) -> "Samples":
        good = rising(stream)
        return cls(1e-9 * (stream.stamps[good] - origin), stream.values[good])

    @property
    def interval(self) -> float:
        """The usual one (s)."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else np.inf

    @cached_property
    def on_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """At even times, as many as there are samples: those times, and the values."""
        count = int(np.clip(round((self.times[-1] - self.times[0]) / self.interval) + 1, 2, _MOST_POINTS))
        times = np.linspace(self.times[0], self.times[-1], count)
        apart = np.concatenate([[True], np.diff(self.times) > 0.2 * self.interval])  # a slope between stamps that jitter
        if apart.sum() < 3:
            apart[:] = True
        return times, Akima1DInterpolator(self.times[apart], self.values[apart], axis=0, method="makima")(
            times, extrapolate=True
        )

    def smooth(self, sigma: float, order: int = 0) -> OverTime:
        """The derivative of that order under a window of that standard deviation (s)."""
        times, values = self.on_grid
        return _filtered(times, values, sigma, order)

    def covers(self, times: np.ndarray, sigma: float) -> np.ndarray:
        """At which times a window lies wholly within the samples and has no gap."""
        reach = _REACH * sigma
        inside = (times >= self.times[0] + reach) & (times <= self.times[-1] - reach)
        gap = np.flatnonzero(np.diff(self.times) > _GAP * self.interval)
        for begin, end in zip(self.times[gap], self.times[gap + 1], strict=True):
            inside &= (times < begin - reach) | (times > end + reach)
        return inside


@dataclass(frozen=True, eq=False)
class Held:
    """A staircase: each value holds until the next one comes."""

    times: np.ndarray
    """(values,) s, rising."""
    values: np.ndarray
    """(values, width)"""

    @classmethod
    def of(cls, stream: Stream, origin: int) -> "Held":
        good = rising(stream)
        return cls(1e-9 * (stream.stamps[good] - origin), stream.values[good])

    def smooth(self, sigma: float, order: int = 0) -> OverTime:
        """The same window as that of `Samples`, over the staircase itself."""
        first, last = self.times[0] - 2 * _REACH * sigma, self.times[-1] + 2 * _REACH * sigma
        count = int(np.clip(_FINENESS * (last - first) / sigma, 2, _MOST_POINTS))
        edges = np.linspace(first, last, count + 1)
        step = edges[1] - edges[0]
        # Means over cells, from the integral, are exact; what a cell adds to the window's variance is taken off again.
        knots = np.concatenate([[first], self.times, [last]])
        held = np.concatenate([self.values[:1], self.values])
        integral = np.concatenate([np.zeros((1, held.shape[1])), np.cumsum(np.diff(knots)[:, None] * held, axis=0)])
        at_edges = np.stack([np.interp(edges, knots, column) for column in integral.T], axis=1)
        means = np.diff(at_edges, axis=0) / step
        return _filtered(edges[:-1] + step / 2, means, np.sqrt(sigma**2 - step**2 / 12), order)


def _filtered(times: np.ndarray, values: np.ndarray, sigma: float, order: int) -> OverTime:
    step = times[1] - times[0]
    filtered = gaussian_filter1d(values, sigma / step, axis=0, order=order, mode="nearest", truncate=_REACH) / step**order
    return CubicSpline(times, filtered, axis=0)
