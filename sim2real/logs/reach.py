"""Whether joints moved, and where they may: `check_reach(log, robot)` finds dead joints, those that nothing moved, targets and
positions outside of the robot's range, and encoders that jump."""

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.band import rising
from sim2real.logs.breaks import jumps
from sim2real.logs.check import Finding
from sim2real.logs.robot_log import RobotLog

_ASKED = 0.02  # rad, of a target's motion from which a joint should answer
_STILL = 0.002  # rad
_DEAD_SHARE = 0.05
_BEYOND = 0.02  # rad
_SHARE = 0.001
_MOST_TURNS = 50  # at once, beyond which a jump is no wrap-around
_TOO_FAST = 2.0  # times the motors' largest speed
_OFTEN = 0.05  # of the samples


def check_reach(log: RobotLog, robot: Robot | None) -> list[Finding]:
    if "position" not in log or not len(log["position"]):
        return []
    found = _constant(log) + _jumps(log)
    return found + (_beyond_range(log, robot) + _too_fast(log, robot) if robot is not None else [])


def _motion(values: np.ndarray) -> np.ndarray:
    """Of each column, 0 for one without a number."""
    return np.array([np.ptp(column[known]) if (known := np.isfinite(column)).any() else 0.0 for column in values.T])


def _constant(log: RobotLog) -> list[Finding]:
    found = []
    with np.errstate(invalid="ignore"):
        moved = _motion(log["position"].values)
        asked = _motion(log["target"].values) if "target" in log and len(log["target"]) else np.full(len(moved), np.nan)
    for j, joint in enumerate(log.info.joints):
        numbers = {"moved": float(moved[j])} | ({"asked": float(asked[j])} if np.isfinite(asked[j]) else {})
        if asked[j] > _ASKED and moved[j] < _DEAD_SHARE * asked[j]:
            text = f"{joint} was asked to move by {asked[j]:.3g} rad and moved by {moved[j]:.2g} rad"
            cause = "its motor is off, its encoder is dead or its column is another's: leave the joint out, or record anew"
            found.append(Finding("dead joint", "error", "position", joint, text, cause, numbers))
        elif not asked[j] >= _STILL and moved[j] < _ASKED:
            cause = "nothing of this joint can be told from this log; `zerogap excite` makes motions worth recording"
            found.append(Finding("still joint", "note", "position", joint, f"nothing moved {joint}", cause, numbers))
    if all(finding.kind == "still joint" for finding in found) and len(found) == len(moved):
        text = f"no joint moved by more than {moved.max():.2g} rad"
        cause = "nothing can be told from this log alone; record a motion of `zerogap excite`, such as a chirp or a multisine"
        found = [Finding("still", "error", "position", "", text, cause, {"moved": float(moved.max())})]
    for name in ("velocity", "torque"):
        if name in log and len(log[name]):
            stuck = (_motion(log[name].values) == 0) & (moved > _ASKED)
            for j in np.flatnonzero(stuck):
                joint = log.info.joints[j]
                text = f"{name} of {joint} never changes, while the joint moved by {moved[j]:.3g} rad"
                cause = f"this column was not measured: the fit must not use {name} of {joint}"
                found.append(Finding("constant", "warning", name, joint, text, cause, {"value": float(log[name].values[0, j])}))
    return found


def _jumps(log: RobotLog) -> list[Finding]:
    """Steps that no motor makes: near a whole turn an encoder wraps around."""
    stream = log["position"]
    good = rising(stream)
    position, seconds = stream.values[good], 1e-9 * stream.stamps[good]
    if len(position) < 10:
        return []
    found = []
    steps = np.abs(np.diff(position, axis=0))
    wild = jumps(position, seconds)
    for j, joint in enumerate(log.info.joints):
        sizes = steps[wild[:, j], j]
        if not len(sizes):
            continue
        size = float(np.median(sizes))
        turns = sizes / (2 * np.pi)
        whole = (np.abs(turns - np.round(turns)) < 0.08) & (np.round(turns) >= 1) & (turns < _MOST_TURNS)
        numbers = {"count": len(sizes), "size": size}
        if whole.mean() > 0.5:
            text = f"position of {joint} jumps {len(sizes)} times by a whole turn ({size:.4g} rad)"
            cause = "the encoder wraps around: unwrap the column when importing; a fit over a jump means nothing"
            found.append(Finding("wrap-around", "error", "position", joint, text, cause, numbers))
        else:
            text = f"position of {joint} jumps {len(sizes)} times, by {size:.3g} rad from one sample to the next"
            cause = (
                "no motor moves like that: lost readings, which a fit leaves out, or a change of the encoder's zero: part the"
                " recording there"
            )
            found.append(Finding("jump", "warning", "position", joint, text, cause, numbers))
    return found


def _too_fast(log: RobotLog, robot: Robot) -> list[Finding]:
    """Steps from sample to sample that the motors cannot make, over and over."""
    stream = log["position"]
    good = rising(stream)
    position, seconds = stream.values[good], 1e-9 * stream.stamps[good]
    if len(position) < 10:
        return []
    apart = np.diff(seconds)
    speed = np.abs(np.diff(position, axis=0)) / np.maximum(apart, np.median(apart))[:, None]
    share = (speed > _TOO_FAST * np.array(robot.velocity_limits)).mean(axis=0)
    fast = np.flatnonzero(share > _OFTEN)
    if not len(fast):
        return []
    worst = int(share.argmax())
    joints = ", ".join(log.info.joints[j] for j in fast)
    text = (
        f"positions of {joints} change faster than the motors can turn, {log.info.joints[worst]} by more than"
        f" {_TOO_FAST * robot.velocity_limits[worst]:.3g} rad/s in {share[worst]:.0%} of the samples"
    )
    cause = "rows are not in the order of their recording, or their rate or unit is another: see how the log was imported"
    return [Finding("speed", "error", "position", "", text, cause, {"share": float(share[worst])})]


def _beyond_range(log: RobotLog, robot: Robot) -> list[Finding]:
    found = []
    low, high = robot.joint_ranges().T
    for name in ("target", "position"):
        if name not in log or not len(log[name]):
            continue
        values = log[name].values
        with np.errstate(invalid="ignore"):
            beyond = np.maximum(low - values, values - high)
        for j, joint in enumerate(log.info.joints):
            share = float((beyond[:, j] > _BEYOND).mean())
            if share < _SHARE:
                continue
            worst = float(np.nanmax(beyond[:, j]))
            text = f"{name} of {joint} is up to {worst:.3g} rad outside [{low[j]:.3g}, {high[j]:.3g}], {share:.1%} of the time"
            cause = "the joint meets its stop there, which no gains or friction explain: leave these times out"
            if name == "position":
                cause = "the encoder's zero, its sign or its unit is not the description's: see how the log was imported"
            found.append(Finding("range", "warning", name, joint, text, cause, {"share": share, "worst": worst}))
    return found
