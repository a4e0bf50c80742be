"""Positions that break off: `seams(log)`, between which rows are missing or came twice, `spikes(log)`, readings that were lost,
and `without_breaks(log)`, the log with these not measured.

Stamps show none of this where somebody computed them. At a seam several joints at once go farther than their velocities, for
some samples to either side, allow; in a spike a joint leaves its path by a jump and is back on it a few samples later.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d

from sim2real.logs.robot_log import RobotLog, Stream

_AROUND = 8  # samples to either side
_BEYOND = 1.5  # times both of:
_USUAL = 3.0  # times the 99th percentile of what velocities leave of the steps
_FARTHEST = 3.0  # times the largest step that a velocity nearby makes
_ALIKE = 0.5  # correlation of steps and velocities, below which these say nothing
_JOINTS = 0.25  # of those that move
_FEWEST = 50  # samples
_GAP = 1.5  # usual intervals: what is farther apart is a gap by its stamps
_JUMP = 0.5  # rad from one sample to the next
_JUMP_SPEED = 8.0  # times the largest usual speed
_LONGEST = 3  # samples of a spike
_BACK = 0.25  # of its size, by which it may end off its path
_LEAST = 1e-4  # rad


def jumps(position: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Steps (samples - 1, joints) that no motor makes, of positions (samples, joints; rad) at rising times (samples,)."""
    steps = np.abs(np.diff(position, axis=0))
    speed = steps / np.diff(seconds)[:, None]
    return (steps > _JUMP) & (speed > _JUMP_SPEED * np.nanpercentile(speed, 95, axis=0))


def seams(log: RobotLog) -> np.ndarray:
    """Samples of the positions before which rows are missing, or others came twice. Needs stamps that rise; without velocities
    by the positions' clock none is found."""
    position = log["position"]
    none = np.zeros(0, int)
    if "velocity" not in log or log["velocity"].clock != position.clock or min(len(position), len(log["velocity"])) < _FEWEST:
        return none
    apart = np.diff(position.seconds)[:, None]
    usual = float(np.median(apart))
    values = np.where(spikes(log), np.nan, position.values)
    steps = np.where(apart < _GAP * usual, np.diff(values, axis=0), np.nan)
    velocity = log["velocity"].at(position.stamps)
    told = (velocity[1:] + velocity[:-1]) / 2 * apart
    slopes = [_slope(told[:, j], steps[:, j]) for j in range(steps.shape[1])]
    moving = np.flatnonzero(np.isfinite(slopes))
    if len(moving) < 2:
        return none
    beyond = np.zeros((len(steps), len(moving)))
    for at, j in enumerate(moving):
        slope = slopes[j]
        left = np.abs(steps[:, j] - slope * told[:, j])
        near = maximum_filter1d(np.nan_to_num(np.abs(velocity[:, j])), 2 * _AROUND + 1)[1:]
        farthest = _FARTHEST * abs(slope) * near * usual + _LEAST
        ordinary = _USUAL * np.nanpercentile(left, 99) + _LEAST
        beyond[:, at] = np.nan_to_num(np.minimum(left / ordinary, np.abs(steps[:, j]) / farthest))
    several = max(2, int(np.ceil(_JOINTS * len(moving))))
    return np.flatnonzero(np.sort(beyond, axis=1)[:, -several] > _BEYOND) + 1


def _slope(told: np.ndarray, steps: np.ndarray) -> float:
    """Of a joint's steps over those that its velocities tell, the largest steps left out; NaN where they are not alike."""
    known = np.isfinite(steps) & np.isfinite(told)
    if known.sum() < _FEWEST:
        return np.nan
    known[known] = np.abs(steps[known]) <= np.percentile(np.abs(steps[known]), 99)
    x, y = told[known], steps[known]
    if x.std() == 0 or y.std() == 0 or abs(np.corrcoef(x, y)[0, 1]) < _ALIKE:
        return np.nan
    return float((x @ y) / (x @ x))


def spikes(log: RobotLog) -> np.ndarray:
    """Readings of positions that were lost, (samples, joints) bool: up to three in a row, off the path before and after. Needs
    stamps that rise."""
    position, found = log["position"], np.zeros(log["position"].values.shape, bool)
    if len(position) < _FEWEST:
        return found
    for j, values in enumerate(position.values.T):
        known = np.flatnonzero(np.isfinite(values))
        if len(known) < _FEWEST:
            continue
        path = values[known]
        at = np.flatnonzero(jumps(path[:, None], position.seconds[known])[:, 0]) + 1
        for begin, end in pairwise(at):
            size = abs(path[begin] - path[begin - 1])
            if end - begin <= _LONGEST and abs(path[end] - path[begin - 1]) < _BACK * size and not found[known[begin - 1], j]:
                found[known[begin:end], j] = True
    return found


def without_breaks(log: RobotLog) -> RobotLog:
    """The log with NaN in place of lost readings and on both sides of seams, of which a note tells. Needs stamps that rise."""
    lost, found = spikes(log), seams(log)
    if not lost.any() and not len(found):
        return log
    stream = log["position"]
    values = np.where(lost, np.nan, stream.values)
    values[found] = values[found - 1] = np.nan
    log = replace(log, streams={**log, "position": Stream(stream.stamps, values, stream.clock)})
    if lost.any():
        joints = ", ".join(log.info.joints[j] for j in np.flatnonzero(lost.any(axis=0)))
        log = log.with_note(
            f"{log.name}: {int(lost.any(axis=1).sum())} readings of positions were lost ({joints}), which jump away and back:"
            " they count as not measured, and what they spoil is left out"
        )
    if len(found):
        log = log.with_note(f"{log.name}: {seams_in_words(log, found)}: what lies across is left out")
    return log


def seams_in_words(log: RobotLog, found: np.ndarray) -> str:
    stream = log["position"]
    at = ", ".join(f"{stream.seconds[i] - stream.seconds[0]:.6g} s" for i in found[:4])
    more = f" and {len(found) - 4} times more" if len(found) > 4 else ""
    return f"positions break off at {at}{more}: several joints at once go farther than their velocities allow"
