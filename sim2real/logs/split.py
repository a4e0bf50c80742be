"""Part of a log in time: `split_tail(log, share)`, `commanded(log)`."""

from dataclasses import replace

import numpy as np

from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError, Stream


def split_tail(log: RobotLog, share: float) -> tuple[RobotLog, RobotLog]:
    """The log up to its last share in time, and that last share. Raises RobotLogError for a share that is not in (0, 1)."""
    if not 0.0 < share < 1.0:
        raise RobotLogError(f"the share to hold out is {share:g}, expected one between 0 and 1")
    log.require("position")
    stamps = log["position"].stamps
    if len(stamps) < 2:
        raise RobotLogError(f"{log.name}: {len(stamps)} positions cannot be divided")
    at = int(stamps[0] + (1.0 - share) * (stamps[-1] - stamps[0]))
    return _part(log, -1, at, "first"), _part(log, at, int(np.iinfo(np.int64).max), "last")


def commanded(log: RobotLog) -> RobotLog:
    """The longest stretch in which the robot had targets: where a runtime sent none, before it began or as it let the robot
    down, they are NaN, and by what gains it moved then no log tells. All of the log where that is so throughout."""
    if "target" not in log:
        return log
    stamps, known = log["target"].stamps, np.isfinite(log["target"].values).all(axis=1)
    if known.all() or not known.any():
        return log
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    begins, ends = edges[::2], edges[1::2]  # rows; an end is the first row without a target, or one beyond the last
    last = np.append(stamps, max(stream.stamps[-1] for stream in log.values() if len(stream)) + 1)
    longest = int(np.argmax(last[ends] - stamps[begins]))
    part = _part(log, int(stamps[begins[longest]]) - 1, int(last[ends[longest]]) - 1, "commanded")
    return replace(part, info=replace(part.info, source=log.info.source))


def _part(log: RobotLog, after: int, until: int, name: str) -> RobotLog:
    """The samples in (after, until], and what was held when they began."""

    def part(kind: str, stream: Stream) -> Stream:
        inside = (stream.stamps > after) & (stream.stamps <= until)
        before = np.flatnonzero(stream.stamps <= after)
        if KINDS[kind].held and len(before) and np.isfinite(stream.values[before[-1]]).all():
            inside[before[-1]] = True
        return Stream(stream.stamps[inside], stream.values[inside], stream.clock)

    streams = {kind: part(kind, log[kind]) for kind in log}
    events = tuple(event for event in log.events if after < event.stamp <= until)
    return replace(log, info=replace(log.info, source=f"{log.name}, {name} part"), streams=streams, events=events)
