"""Smooth ways from level to level: a quintic that begins and ends at rest, without acceleration.

way(np.array([0.3, -0.3, 0.0]), begin=np.array([0.0, 1.0, 2.0]), last=np.full(3, 0.2), times=times)
"""

import math

import numpy as np

PEAK_SPEED = 15 / 8
"""Of a ramp by 1 in 1 s."""
PEAK_ACCELERATION = 10 / math.sqrt(3)


def smooth(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 as `share` of the time goes from 0 to 1; constant beyond."""
    s = np.clip(share, 0.0, 1.0)
    return s * s * s * (10.0 + s * (6.0 * s - 15.0))


def ramp_seconds(distance: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """How long a ramp takes at least that stays within velocity (rad/s) and acceleration (rad/s²), for a distance in rad."""
    return np.maximum(PEAK_SPEED * distance / velocity, np.sqrt(PEAK_ACCELERATION * distance / acceleration))


def way(levels: np.ndarray, begin: np.ndarray, last: np.ndarray, times: np.ndarray) -> np.ndarray:
    """At `times` (steps,), from 0 to each of `levels` (n,) in turn, by ramps that begin at `begin` and take `last` s (n,)."""
    index = np.searchsorted(begin, times, side="right")
    reached = np.concatenate([[0.0], levels])
    i = np.maximum(index, 1)
    before, after = reached[i - 1], reached[i]
    return np.where(index > 0, before + (after - before) * smooth((times - begin[i - 1]) / last[i - 1]), 0.0)


def fade(times: np.ndarray, seconds: float, last: float) -> np.ndarray:
    """(steps,) a window over `seconds` that rises from 0 and falls to 0 in `last` s each."""
    return smooth(times / last) * smooth((seconds - times) / last)
