"""What is wrong with a log's stamps: `check_stamps(log)` finds gaps, duplicates, jitter, stamps that go back, recordings that
are too short, and streams that do not overlap."""

import numpy as np

from sim2real.logs.check import Finding
from sim2real.logs.order import runs_back
from sim2real.logs.robot_log import KINDS, RobotLog, Stream

_GAP = 2.5  # usual intervals
_LARGE_SHARE = 0.05  # of a recording lost, beyond which gaps are more than a nuisance
_COARSE = 0.2  # of the samples that share their stamps with others
_JITTER = 0.1  # usual intervals, as a standard deviation
_SHORT = 5.0  # s, below which a recording tells little
_TOO_SHORT = 1.0  # s
_FEW = 50  # samples
_POLICY = ("observation", "command", "action")  # which begin and end with it, while the robot may stand before and after
_SLOWEST, _FASTEST = 1.0, 10_000.0  # Hz, at which robots are sampled


def check_stamps(log: RobotLog) -> list[Finding]:
    found = [finding for name in log for finding in _of_stream(name, log[name])]
    return found + _overlap(log) + check_length(log)


def _of_stream(name: str, stream: Stream) -> list[Finding]:
    if not len(stream):
        return [Finding("empty", "error", name, "", f"{name} has no samples", "record it anew: nothing can be told from it")]
    found = []
    steps = np.diff(stream.stamps)
    if back := int((steps < 0).sum()):
        worst = -1e-6 * steps.min()
        text = f"{name}: {back} stamps lie before the one before them, by up to {worst:.3g} ms"
        severity, cause = (
            "warning",
            "samples are out of order, or the clock was set back: they are put in order by stamps",
        )
        if (again := runs_back(stream.stamps)) is not None:
            text += f", first at sample {again}"
            severity, cause = "error", "two recordings lie in one, or the clock was set back: part the recording there"
        found.append(Finding("order", severity, name, "", text, cause, {"count": back, "worst_ms": worst}))
    order = np.argsort(stream.stamps, kind="stable")
    same = np.flatnonzero(np.diff(stream.stamps[order]) == 0)
    if len(same):
        repeats = int((stream.values[order[same]] == stream.values[order[same + 1]]).all(axis=1).sum())
        text = f"{name}: {len(same)} stamps are those of another sample ({repeats} of them with the same values)"
        cause = "messages were recorded twice or stamped in bursts; one of each is kept"
        if len(same) > _COARSE * len(stream) and 2 * repeats < len(same):
            cause = (
                "stamps have too few digits, or are of bursts; of samples that differ one of each is kept: record finer stamps"
            )
        found.append(Finding("duplicate", "warning", name, "", text, cause, {"count": len(same), "repeats": repeats}))
    steps = np.diff(stream.stamps[order])
    if not KINDS[name].held and (steps > 0).sum() > 2:
        found += _gaps(name, steps[steps > 0]) + _jitter(name, steps[steps > 0])
    return found


def _gaps(name: str, steps: np.ndarray) -> list[Finding]:
    usual = float(np.median(steps))
    wide = steps[steps > _GAP * usual]
    if not len(wide):
        return []
    share = float((wide - usual).sum() / steps.sum())
    missing = int(np.round(wide / usual - 1).sum())
    text = (
        f"{name}: {len(wide)} gaps, the longest {1e-6 * wide.max():.4g} ms where {1e-6 * usual:.4g} ms is usual; some {missing}"
        f" samples are missing ({share:.1%} of the time)"
    )
    cause = "windows that hold a gap cannot be compared; record with a lighter load, or a queue that does not drop"
    numbers = {"count": len(wide), "missing": missing, "share": share, "longest_ms": 1e-6 * float(wide.max())}
    return [Finding("gap", "warning" if share > _LARGE_SHARE else "note", name, "", text, cause, numbers)]


def _jitter(name: str, steps: np.ndarray) -> list[Finding]:
    usual = float(np.median(steps))
    steady = steps[steps < _GAP * usual]
    spread = float(steady.std())
    if spread <= _JITTER * usual:
        return []
    text = f"{name}: intervals of {1e-6 * usual:.4g} ms vary by {1e-6 * spread:.3g} ms (standard deviation)"
    cause = (
        "they are times of arrival rather than of measurement: velocities by differences are noise, and a lag holds in the mean"
    )
    return [Finding("jitter", "warning", name, "", text, cause, {"sd_ms": 1e-6 * spread, "usual_ms": 1e-6 * usual})]


def _overlap(log: RobotLog) -> list[Finding]:
    """Streams of the positions' clock that hardly share its time."""
    if "position" not in log or not len(log["position"]):
        return []
    position = log["position"]
    begin, end = int(position.stamps.min()), int(position.stamps.max())
    found = []
    for name in log:
        stream = log[name]
        if name in ("position", *_POLICY) or not len(stream) or stream.clock != position.clock:
            continue
        first = int(stream.stamps.min())
        last = max(end, first) if KINDS[name].held else int(stream.stamps.max())
        share = max(0, min(end, last) - max(begin, first)) / max(1, end - begin)
        if share >= 0.9 or (len(stream) == 1 and first <= begin):
            continue
        text = f"{name} covers {share:.0%} of the time of the positions, by the same clock {position.clock!r}"
        cause = "only where both are there can they be compared; if they were recorded together, one of them has another clock"
        severity = "error" if share < 0.1 and name in ("target", "velocity") else "warning"
        found.append(Finding("overlap", severity, name, "", text, cause, {"share": share}))
    return found


def check_length(log: RobotLog) -> list[Finding]:
    """Whether there are positions, enough of them, at a rate at which robots are sampled."""
    if "position" not in log:
        return [
            Finding("missing", "error", "position", "", "there are no joint positions", "record them: without, nothing fits")
        ]
    samples, seconds = len(log["position"]), 1e-9 * float(np.ptp(log["position"].stamps)) if len(log["position"]) else 0.0
    numbers = {"seconds": seconds, "samples": samples}
    steps = np.diff(np.sort(log["position"].stamps))
    rate = 1e9 / float(np.median(steps[steps > 0])) if (steps > 0).any() else np.nan
    if rate < _SLOWEST or rate > _FASTEST:
        text = f"the positions are {samples} samples over {seconds:.3g} s, {rate:.3g} to a second, at which no robot is sampled"
        cause = "the unit of the stamps is not that by which they were imported, or they have too few digits: import them anew"
        return [Finding("rate", "error", "position", "", text, cause, numbers | {"rate": rate})]
    if seconds < _TOO_SHORT or samples < _FEW:
        text = f"the positions are {samples} samples over {seconds:.3g} s"
        return [Finding("short", "error", "position", "", text, "nothing can be told from that: record 30 s or more", numbers)]
    if seconds < _SHORT:
        cause = "intervals will be wide, and nothing is left to be held out: record 30 s or more"
        return [Finding("short", "warning", "position", "", f"the recording lasts {seconds:.3g} s", cause, numbers)]
    return []
