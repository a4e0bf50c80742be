"""Part of a log in time: `split_tail(log, share)`, `commanded(log)`, `stretches(log)`, `liveliest(log, seconds)`."""

from dataclasses import replace

import numpy as np

from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError, Stream

_STEADY = 2.5  # usual intervals, within which nearly all commands come if they come steadily
_NEARLY_ALL = 0.9
_FEWEST = 50  # commands
_SILENT, _SILENT_INTERVALS = 0.5, 10  # s, and usual intervals: without a command for longer, nobody knows what held
_SHORT = 0.1  # s without a target that do not part a stretch
_MOST_TOLD = 4


def split_tail(log: RobotLog, share: float) -> tuple[RobotLog, RobotLog]:
    """The log up to its last share in time, and that last share. Raises RobotLogError for a share that is not in (0, 1)."""
    if not 0.0 < share < 1.0:
        raise RobotLogError(f"the share to hold out is {share:g}, expected one between 0 and 1")
    log.require("position")
    stamps = log["position"].stamps
    if len(stamps) < 2:
        raise RobotLogError(f"{log.name}: {len(stamps)} positions cannot be divided")
    at = int(stamps[0] + (1.0 - share) * (stamps[-1] - stamps[0]))
    return _part(log, -1, at, "first part"), _part(log, at, int(np.iinfo(np.int64).max), "last part")


def commanded(log: RobotLog) -> RobotLog:
    """The log from when the robot had its first target to when it had its last: before a runtime began, and as it let the robot
    down, they are NaN, and by what gains it moved then no log tells. In between, NaN stays where there was none, and is put
    where commands that had come steadily stop coming: the last of them is not taken to hold for ever."""
    if "target" not in log or not len(log["target"]):
        return log
    told, log = uncommanded(log), _with_silence(log)
    log = log.with_note(told) if told else log
    known = _known(log["target"])
    if known.all() or not known.any():
        return log
    begins, ends = _runs(known)
    return _same_name(_part(log, int(_stamps(log)[begins[0]]) - 1, int(_stamps(log)[ends[-1]]) - 1, ""), log)


def stretches(log: RobotLog) -> tuple[RobotLog, ...]:
    """Each stretch of the log in which the robot had targets throughout, the longest first; the log where it had none."""
    log = commanded(log)
    if "target" not in log:
        return (log,)
    known = _known(log["target"])
    if known.all() or not known.any():
        return (log,)
    stamps = _stamps(log)
    begins, ends = _runs(known)
    parted = stamps[begins[1:]] - stamps[ends[:-1]] > 1e9 * _SHORT
    begins, ends = begins[np.insert(parted, 0, True)], ends[np.append(parted, np.array([True]))]
    parts = [_same_name(_part(log, int(stamps[a]) - 1, int(stamps[b]) - 1, ""), log) for a, b in zip(begins, ends, strict=True)]
    return tuple(sorted(parts, key=lambda part: -part.seconds))


def uncommanded(log: RobotLog) -> str:
    """When, between its first and its last target, the robot had none, and whether its commands end before its positions do; in
    words, and empty where neither is so."""
    if not {"target", "position"} <= set(log) or not len(log["target"]) or not len(log["position"]):
        return ""
    known = _known(log["target"])
    if not known.any():
        return ""
    ends_too_soon = known[-1]
    log = _with_silence(log)
    target, origin = log["target"], log["position"].stamps[0]
    begins, ends = _runs(_known(target))
    holes = [(int(target.stamps[a]), int(target.stamps[b])) for a, b in zip(ends[:-1], begins[1:], strict=True)]
    if ends_too_soon and ends[-1] < len(target):
        holes.append((int(target.stamps[ends[-1]]), _end(log)))
    if not holes:
        return ""
    lengths = [1e-9 * (b - a) for a, b in holes]
    told = [f"{1e-9 * (a - origin):.2f} to {1e-9 * (b - origin):.2f} s" for a, b in holes[:_MOST_TOLD]]
    more = f" and {len(holes) - _MOST_TOLD} times more" if len(holes) > _MOST_TOLD else ""
    return (
        f"{log.name}: stream 'target' says nothing from {', '.join(told)}{more}, {sum(lengths):.3g} s in all: what moved the"
        " robot then is not known, and that time is left out. Record the commands for as long as the positions"
    )


def liveliest(log: RobotLog, seconds: float) -> RobotLog:
    """The log; of one that is longer, the stretch of so many s in which its joints move most."""
    if "position" not in log or log.seconds <= seconds:
        return log
    position, length = log["position"], round(1e9 * seconds)
    of = (position.stamps - position.stamps[0]) // length
    moved = np.bincount(of[1:], np.nan_to_num(np.abs(np.diff(position.values, axis=0))).sum(axis=1))
    begin = int(position.stamps[0]) + int(moved.argmax()) * length
    begin = min(begin, int(position.stamps[-1]) - length)
    first = 1e-9 * (begin - position.stamps[0])
    part = _part(log, begin - 1, begin + length, f"{first:.0f} to {first + seconds:.0f} s")
    return part.with_note(
        f"{log.name}: of its {log.seconds:.0f} s those from {first:.0f} to {first + seconds:.0f} s are used, in which its"
        " joints move most; to use the others, give them as recordings of their own"
    )


def _with_silence(log: RobotLog) -> RobotLog:
    """With NaN among the targets where steady commands stop coming, in between or at the end."""
    target = log["target"]
    steps = np.diff(target.stamps)
    if len(target) < _FEWEST or (steps <= 0).any():
        return log
    usual = float(np.median(steps))
    if (steps <= _STEADY * usual).mean() < _NEARLY_ALL:
        return log
    after = np.append(steps, np.array([_end(log) - target.stamps[-1]]))
    silent = np.flatnonzero((after > max(1e9 * _SILENT, _SILENT_INTERVALS * usual)) & _known(target))
    if not len(silent):
        return log
    stamps = np.insert(target.stamps, silent + 1, target.stamps[silent] + round(usual))
    values = np.insert(target.values, silent + 1, np.nan, axis=0)
    return replace(log, streams={**log, "target": Stream(stamps, values, target.clock)})


def _end(log: RobotLog) -> int:
    """The last stamp by the clock of the targets."""
    return max(int(stream.stamps[-1]) for stream in log.values() if len(stream) and stream.clock == log["target"].clock)


def _known(stream: Stream) -> np.ndarray:
    """Which samples have a number in every column, (samples,) bool."""
    return np.isfinite(stream.values.sum(axis=1))


def _runs(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows at which something begins to be known, and those, or one beyond the last, at which it is not any more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    return edges[::2], edges[1::2]


def _stamps(log: RobotLog) -> np.ndarray:
    """Of the targets, and one beyond all that there is."""
    last = max(int(stream.stamps[-1]) for stream in log.values() if len(stream))
    return np.append(log["target"].stamps, np.array([last + 1]))


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
    return replace(log, info=replace(log.info, source=f"{log.name}, {name}"), streams=streams, events=events, file="")


def _same_name(part: RobotLog, log: RobotLog) -> RobotLog:
    return replace(part, info=replace(part.info, source=log.info.source), file=log.file)
