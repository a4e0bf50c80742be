"""Where a recording without stamps lacks samples, or has some twice: `check_holes(log)`.

Where stamps were recorded a gap shows in them. Where they were computed from a rate, it shows as joints that are elsewhere from
one sample to the next, although neither their velocities there nor any near by could have carried them so far.
"""

import numpy as np
from scipy.ndimage import maximum_filter1d

from sim2real.logs.check import Finding
from sim2real.logs.robot_log import RobotLog

_REACH = 8  # samples to either side, whose velocities count
_FAR = 3.0  # times what the fastest of them explains, and times what nearly all samples leave unexplained
_NEARLY_ALL = 0.99
_JOINTS = 0.25  # of all that jump at once, and two at least: one alone has a faulty encoder
_FINEST = 1e-4  # rad
_MOST_TOLD = 4


def check_holes(log: RobotLog) -> list[Finding]:
    """Of a log with positions whose stamps are not measured; without velocities nothing is found."""
    if log.info.time_base != "nominal" or not {"position", "velocity"} <= set(log):
        return []
    position, velocity = log["position"], log["velocity"]
    if len(position) < 50 or not np.array_equal(position.stamps, velocity.stamps):
        return []
    interval = np.diff(position.seconds)[:, None]
    speed = np.nan_to_num(velocity.values)
    moved = np.diff(np.nan_to_num(position.values), axis=0)
    explained = (speed[1:] + speed[:-1]) / 2 * interval
    scale = (moved * explained).sum(0) / np.maximum((explained**2).sum(0), 1e-12)  # the rate may be wrong as a whole
    left = np.abs(moved - scale * explained)
    usual = np.quantile(left, _NEARLY_ALL, axis=0) + _FINEST
    reach = np.abs(scale) * maximum_filter1d(np.abs(speed), 2 * _REACH + 1, axis=0)[1:] * interval + _FINEST
    known = np.isfinite(position.values[1:] + position.values[:-1] + velocity.values[1:] + velocity.values[:-1])
    jumps = known & (left > _FAR * usual) & (np.abs(moved) > _FAR * reach)
    at = np.flatnonzero(jumps.sum(axis=1) >= max(2, np.ceil(_JOINTS * jumps.shape[1])))
    if not len(at):
        return []
    size = float(np.abs(moved[at]).max())
    seconds = position.seconds[at] - position.seconds[0]
    told = ", ".join(f"{second:.2f} s" for second in seconds[:_MOST_TOLD])
    more = f" and {len(at) - _MOST_TOLD} times more" if len(at) > _MOST_TOLD else ""
    text = (
        f"at {told}{more} by the rate of the rows, joints are elsewhere from one row to the next, by up to {size:.3g} rad,"
        " which none of their velocities tells of: rows are missing there, or repeated"
    )
    cause = "a window across it means nothing, and the time after it is another: part the recording there, or record stamps"
    return [
        Finding("hole", "warning", "position", "", text, cause, {"count": len(at), "first": float(seconds[0]), "size": size})
    ]
