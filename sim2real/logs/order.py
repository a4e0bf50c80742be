"""Samples put in the order of their stamps: `in_order(log)`; `runs_back(stamps)`, where no order would be right."""

from dataclasses import replace

import numpy as np

from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError, Stream

_FAR = 10**9  # ns, by which a late message does not lie behind the others
_FEW = 0.01  # of the samples: rows in any order run back at every other


def in_order(log: RobotLog) -> RobotLog:
    """The log with rising stamps in every stream. Of samples with one stamp the first counts, and of commands the last, which
    is the one that held. Raises RobotLogError where stamps run back as those of two recordings in one do."""
    mended = {name: _ordered(log.name, name, log[name]) for name in log if (np.diff(log[name].stamps) <= 0).any()}
    if not mended:
        return log
    back = sum(int((np.diff(log[name].stamps) < 0).sum()) for name in mended)
    same = sum(len(log[name]) - len(stream) for name, stream in mended.items())
    return replace(log, streams={**log, **mended}).with_note(
        f"{log.name}: {', '.join(mended)} were put in order by their stamps, which ran back {back} times; {same} samples that"
        " came twice were left out"
    )


def runs_back(stamps: np.ndarray) -> int | None:
    """The sample before which stamps (ns) begin anew, as where one recording was put behind another or a clock was set back;
    None where they do not."""
    back = np.flatnonzero(np.diff(stamps) < -_FAR)
    return int(back[0]) + 1 if 0 < len(back) <= max(1, _FEW * len(stamps)) else None


def _ordered(log: str, name: str, stream: Stream) -> Stream:
    if (again := runs_back(stream.stamps)) is not None:
        before, after = stream.seconds[again - 1], stream.seconds[again]
        raise RobotLogError(
            f"{log}: the stamps of stream {name!r} run back, from {before:.6g} s to {after:.6g} s at sample {again}: these are"
            " two recordings in one, or the clock was set back. Part the recording there, and give the parts as two"
        )
    order = np.argsort(stream.stamps, kind="stable")
    apart = np.diff(stream.stamps[order]) > 0
    kept = order[np.append(apart, True) if KINDS[name].held else np.insert(apart, 0, True)]
    return Stream(stream.stamps[kept], stream.values[kept], stream.clock)
