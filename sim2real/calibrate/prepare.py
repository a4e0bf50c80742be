"""Logs as a simulation can follow them: `ready(robot, log)`; and whether they are worth it: `check_apart`, `check_excited`,
`warnings_of`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from assets.robots.robot import Robot
from sim2real.calibrate.windows import CalibrationError
from sim2real.logs.check import Finding
from sim2real.logs.comparable import comparable
from sim2real.logs.examine import LONGEST, faults
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.logs.split import liveliest

_STILL = 0.02  # rad, below which a joint does not move
_RUN = 100  # samples that are alike in two logs, and not by chance:
_MOVING = 50  # so many of them are not those of the sample before
_SHARED, _SHARED_SHARE = 5.0, 0.15  # s, and of what is held out: two motions may begin alike
_DIGITS = 7  # of positions in rad: what is beyond another unit changes
_WORTH_TELLING = ("time base", "clocks", "gap", "duplicate", "order", "jitter", "overlap", "jump", "dead joint")
_NOT_ALONE = ("dead joint", "short", "still")  # errors of one log that others can make up for
_UNUSED = "velocity"  # what encoders say of it is not fitted to


def ready(robot: Robot, log: RobotLog) -> RobotLog:
    """The log with gains, in order, its commands by the positions' clock and no longer than `LONGEST`.

    Raises CalibrationError where it is of another robot, or lacks what nobody can guess; RobotLogError where its samples or
    clocks cannot be brought together.
    """
    if log.info.robot != robot.name:
        raise CalibrationError(f"{log.name} is a recording of {log.info.robot!r}, and {robot.name!r} is to be calibrated")
    if set(log.info.joints) != set(robot.joints):
        strange = sorted(set(log.info.joints) ^ set(robot.joints))
        raise CalibrationError(f"{log.name}: joint {strange[0]!r} is in the log or in {robot.name!r}, but not in both")
    if not log.info.is_suspended:
        raise CalibrationError(
            f"{log.name}: the robot stood on the ground, where what it touches is not known; hang it up or bolt it down, and"
            " record a motion of `zerogap excite`"
        )
    log.require("position", "target")
    _check_known(log)
    log = liveliest(comparable(log, robot), LONGEST)
    if "stiffness" in log and "damping" in log:
        return log
    if not robot.servos:
        missing = "stiffness" if "stiffness" not in log else "damping"
        raise CalibrationError(
            f"{log.name}: there is no stream {missing!r}, without which nobody knows what torque a target stood for; record the"
            " gains that were sent, as `zerogap deploy` does, or name them when importing"
        )
    order = [robot.joints.index(name) for name in log.info.joints]
    own = {name: np.array(getattr(robot, name))[None, order] for name in ("stiffness", "damping")}
    at = log["position"].stamps[:1]
    return replace(log, streams={**log, **{name: Stream(at, values) for name, values in own.items()}})


def _check_known(log: RobotLog) -> None:
    """Raise CalibrationError where a stream that is replayed tells nothing of a joint."""
    for name in ("position", "target", "stiffness", "damping"):
        if name not in log:
            continue
        columns = log[name].values.T
        unknown = [joint for joint, values in zip(log.info.joints, columns, strict=True) if not np.isfinite(values).any()]
        if unknown:
            joints = ", ".join(unknown)
            raise CalibrationError(
                f"{log.name}: stream {name!r} has no number for {joints}; record it for every joint, or, where it never"
                " changed, give it when importing"
            )


def warnings_of(robot: Robot, log: RobotLog) -> tuple[str, ...]:
    """What limits what may be claimed of a log that is `ready`, by the checks of `zerogap logs check`, and what was done to it.

    Raises CalibrationError where these leave nothing to be claimed, with the remedy.
    """
    found = faults(log, robot).findings
    for finding in found:
        if finding.severity == "error" and finding.stream != _UNUSED and finding.kind not in _NOT_ALONE:
            raise CalibrationError(f"{_sentence(log, finding)}. `zerogap logs check` tells more")
    told = [finding for finding in found if finding.kind in _WORTH_TELLING and finding.stream != _UNUSED]
    told += [finding for finding in found if finding.severity == "error" and finding.stream == _UNUSED]
    return (*log.notes, *(_sentence(log, finding) for finding in told if finding.severity != "note"))


def _sentence(log: RobotLog, finding: Finding) -> str:
    return f"{log.name}: {finding.text}: {finding.consequence}"


def check_excited(logs: Sequence[RobotLog]) -> None:
    """Raise CalibrationError where no joint moves in any log."""
    moved = [_motion(log) for log in logs]
    if max(map(max, moved)) < _STILL:
        names = ", ".join(log.name for log in logs)
        raise CalibrationError(
            f"{names}: stream 'position' moves no joint by more than {max(map(max, moved)):.2g} rad: nothing can be told from"
            " that; record a motion of `zerogap excite`, such as a chirp or a multisine"
        )


def _motion(log: RobotLog) -> list[float]:
    """Of each joint, without rare outliers (rad)."""
    low, high = np.nanpercentile(log["position"].values, [1, 99], axis=0)
    return [float(m) for m in high - low]


def check_apart(logs: Sequence[RobotLog], holdout: Sequence[RobotLog]) -> None:
    """Raise CalibrationError where what is held out is fitted to as well, be it under another name or in part."""
    for held in holdout:
        for log in logs:
            if held.content_hash == log.content_hash:
                same = "held out and fitted to"
            elif (shared := _shared(log, held)) > min(_SHARED, _SHARED_SHARE * held.seconds):
                same = f"held out, and in {shared:.3g} of its {held.seconds:.3g} s its positions are those of a log fitted to"
            else:
                continue
            raise CalibrationError(
                f"{held.name} is {same} (as {log.name}): what was fitted to proves nothing; hold another recording out, best"
                " one of another motion"
            )


def _shared(log: RobotLog, other: RobotLog) -> float:
    """For how long the other's joints go through the very positions of the log's, whatever the stamps (s)."""
    if log.info.joints != other.info.joints:
        return 0.0
    rows = [np.round(each["position"].values, _DIGITS) + 0.0 for each in (log, other)]
    rows = [row[np.isfinite(row).all(axis=1)] for row in rows]
    if min(map(len, rows)) < _RUN:
        return 0.0
    codes = np.unique(np.concatenate(rows), axis=0, return_inverse=True)[1].ravel()
    # A number for each run of rows, by which it is told from others: a polynomial modulo 2**64 (Karp & Rabin 1987).
    factors = np.random.default_rng(0).integers(1, 2**63, len(codes), dtype=np.uint64)
    places = np.cumprod(np.full(_RUN, 0x9E3779B97F4A7C15, np.uint64))
    numbers, moving = [], []
    for part in np.split(codes, [len(rows[0])]):
        numbers.append(np.lib.stride_tricks.sliding_window_view(factors[part], _RUN) @ places)
        moving.append(np.convolve(np.diff(part, prepend=part[0]) != 0, np.ones(_RUN), "valid") >= _MOVING)
    again = np.isin(numbers[1], numbers[0][moving[0]]) & moving[1]
    covered = np.convolve(again, np.ones(_RUN)) > 0.5
    return float(covered.mean()) * other.seconds
