"""How finely a log's numbers are resolved, and where they stop at a limit: `check_resolution(log)` and
`check_saturation(log, robot)`.

`step_of(values)` is the step of which all values are multiples, apart from an offset; 0 where there is none.
"""

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.check import Finding
from sim2real.logs.robot_log import KINDS, RobotLog

_MOST_VALUES = 200_000
_ON_THE_GRID = 0.95  # share of differences that must be whole steps
_OFF = 0.12  # of a step, by which a whole one may be off: numbers were printed with few digits
_COARSE = 0.01  # of the motion, from which a step is felt
_AT_LIMIT = 0.99
_SHARE = 0.002  # of the samples at a limit, from which it counts
_SAMPLED = ("position", "velocity", "torque", "current")


def step_of(values: np.ndarray) -> float:
    """Of one column, (samples,)."""
    known = np.unique(values[np.isfinite(values)][:_MOST_VALUES])
    if len(known) < 3:
        return float(known[1] - known[0]) if len(known) == 2 else 0.0
    apart = np.diff(known)
    apart = apart[apart > 1e-9 * (known[-1] - known[0])]
    step = float(np.percentile(apart, 10))
    for _ in range(3):  # the mean of many whole steps tells the step better than any one
        whole = np.round(apart / step)
        few = (whole >= 1) & (whole <= 5)
        if not few.any():
            return 0.0
        step = float(apart[few].sum() / whole[few].sum())
    whole = np.maximum(1, np.round(apart / step))
    fits = np.abs(apart / step - whole) < _OFF
    # Differences far larger than the step would fit by chance.
    return step if (fits & (whole <= 20)).mean() > _ON_THE_GRID else 0.0


def check_resolution(log: RobotLog) -> list[Finding]:
    return [finding for name in _SAMPLED if name in log for finding in _resolution(log, name)]


def _resolution(log: RobotLog, name: str) -> list[Finding]:
    values, unit = log[name].values, KINDS[name].unit
    steps = np.array([step_of(column) for column in values.T])
    stepped = np.flatnonzero(steps > 0)
    if not len(stepped):
        return []
    # 2.8 standard deviations: the width of a sine
    motion = np.array([2.8 * np.nanstd(column) if np.isfinite(column).any() else 0.0 for column in values.T])
    share = np.where(motion > 0, steps / np.where(motion > 0, motion, 1.0), 0.0)
    worst = int(stepped[np.argmax(share[stepped])])
    low, high = steps[stepped].min(), steps[stepped].max()
    size = f"{low:.3g} {unit}" if high < 1.05 * low else f"{low:.3g} to {high:.3g} {unit}"
    coarse = [j for j in stepped if share[j] > _COARSE]
    text = f"{name}: multiples of {size} in {len(stepped)} of {len(steps)} joints"
    cause = "fine against the motion: of account as noise only"
    if coarse:
        text += f"; in {len(coarse)} more than {_COARSE:.0%} of the motion, {share[worst]:.0%} in {log.info.joints[worst]}"
        cause = "derivatives of it are noise: compare positions over time, and record larger motions"
        if name != "position":
            cause = f"fit positions rather than {name}: a residual of less than a step says nothing"
    numbers = {"step": float(np.median(steps[stepped])), "largest": float(high), "share_of_motion": float(share[worst])}
    joint = log.info.joints[worst] if len(stepped) == 1 else ""
    return [Finding("quantisation", "warning" if coarse else "note", name, joint, text, cause, numbers)]


def check_saturation(log: RobotLog, robot: Robot | None) -> list[Finding]:
    """Torque and velocity that sit at a limit; the robot's where it is known, else one that the log itself shows."""
    found = []
    for name, limits in (("torque", robot and robot.effort_limits), ("velocity", robot and robot.velocity_limits)):
        if name not in log:
            continue
        values = np.abs(log[name].values)
        for j, joint in enumerate(log.info.joints):
            limit = limits[j] if limits is not None else np.inf
            share, at = _share_at_limit(log[name].values[:, j], limit)
            if share < _SHARE:
                continue
            text = f"{name} of {joint} sits at {at:.3g} {KINDS[name].unit} in {share:.1%} of the samples"
            cause = "there the joint does not follow its gains: gains and friction of a fit are off; record smaller motions"
            if np.isfinite(limit) and np.nanmax(values[:, j]) > 1.05 * limit:
                text = f"{name} of {joint} is beyond the robot's {limit:.3g} {KINDS[name].unit} in {share:.1%} of the samples"
                cause = "the description's limit or the unit is wrong: see the log's source"
            found.append(Finding("saturation", "warning", name, joint, text, cause, {"share": share, "at": at}))
    return found


def _share_at_limit(values: np.ndarray, limit: float) -> tuple[float, float]:
    """Of a column: share of samples at or beyond the limit, or where it clips; and where that is."""
    size = np.abs(values[np.isfinite(values)])
    if not len(size) or size.max() == 0:
        return 0.0, 0.0
    share = float((size >= _AT_LIMIT * limit).mean())
    if share >= _SHARE:
        return share, float(limit)
    top = float(size.max())
    if step_of(values) > 0.002 * top:  # a coarse value is often the largest one
        return 0.0, top
    return _clipped_share(size, top), top


def _clipped_share(size: np.ndarray, top: float) -> float:
    """Share of samples that repeat the largest size to the digit, where a smooth signal does so once in each swing."""
    same = size >= top * (1 - 1e-9)
    runs = same[1:] & same[:-1]
    return float(same.mean()) if runs.sum() > 5 and same.mean() < 0.9 else 0.0
