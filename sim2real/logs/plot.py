"""A log as a picture: `plot_log(log, path)`; for each joint position and target, velocity, and torque or current below."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from assets.whole_file import whole_file
from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError, Stream

SUFFIXES = (".png", ".pdf", ".svg")
_COLUMNS = 3  # the joints of a leg stand side by side
_MEASURED, _TARGET = "#1f6fb4", "#e8743b"
_LOADS = ("torque", "current")
_POINTS = 20_000
"""Of a line; more are no longer to be told apart."""


def plot_log(log: RobotLog, path: Path, joints: Sequence[str] = (), seconds: tuple[float, float] | None = None) -> None:
    """Draw the joints whose names match one of the patterns, all by default, from one time of the log to another (s).

    Raises RobotLogError where there is nothing to draw, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise RobotLogError(f"{path} is no picture's name: expected one that ends with {', '.join(SUFFIXES)}")
    if not any(name in log.streams for name in ("position", "target", "velocity")):
        log.require("position")
    chosen = _choose(log, joints)
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = _rows(log)
    begin = min(int(log[name].stamps[0]) for row in rows for name in row if len(log[name]))
    streams = {name: _window(log, name, begin, seconds) for row in rows for name in row}
    if not any(len(stream) for stream in streams.values()):
        raise RobotLogError(f"{log.name}: there is no sample from {seconds} s; the log has {log.seconds:.3f} s")
    columns = min(len(chosen), _COLUMNS)
    blocks = -(-len(chosen) // columns)
    width, height = 4.6 * columns + 0.8, (2.0 + 1.1 * (len(rows) - 1)) * blocks + 0.9
    figure = pyplot.figure(figsize=(width, height))
    edges = {"left": 0.8 / width, "right": 1 - 0.15 / width, "bottom": 0.5 / height, "top": 1 - 0.65 / height}
    grid = figure.add_gridspec(blocks, columns, hspace=0.2 if len(rows) > 1 else 0.35, wspace=0.16, **edges)
    heights = [1.5] + [1.0] * (len(rows) - 1)
    for place, joint in enumerate(chosen):
        cell = grid[divmod(place, columns)].subgridspec(len(rows), 1, height_ratios=heights, hspace=0.1)
        axes = cell.subplots(sharex=True, squeeze=False)[:, 0]
        _draw_joint(axes, rows, streams, log.info.joints.index(joint), begin)
        axes[0].set_title(joint, fontsize=10, loc="left", fontweight="bold")
        for axis in axes:
            axis.yaxis.set_label_coords(-0.12, 0.5)
            if place % columns:
                axis.set_ylabel("")
        if place + columns >= len(chosen):
            axes[-1].set_xlabel("s")
    handles, labels = _legend(figure)
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle(_title(log), fontsize=11, x=0.01, y=1 - 0.1 / height, ha="left", va="top")
    _save(figure, path)
    pyplot.close(figure)


def _choose(log: RobotLog, patterns: Sequence[str]) -> list[str]:
    joints = log.info.joints
    for pattern in patterns:
        if not any(fnmatchcase(joint, pattern) for joint in joints):
            near = difflib.get_close_matches(pattern, joints, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(joints)}"
            raise RobotLogError(f"{log.name}: there is no joint {pattern!r}; {hint}")
    return [joint for joint in joints if not patterns or any(fnmatchcase(joint, pattern) for pattern in patterns)]


def _rows(log: RobotLog) -> list[list[str]]:
    """The streams of each panel from above, those that there are."""
    load = next((name for name in _LOADS if name in log.streams and len(log[name])), None)
    rows = [["position", "target"], ["velocity", "target_velocity"], [load] if load else []]
    there = [[name for name in row if name in log.streams and len(log[name])] for row in rows]
    if len(there[1]) == 2 and not np.nan_to_num(log["target_velocity"].values).any():
        there[1].pop()  # never asked for
    return [row for row in there if row]


def _window(log: RobotLog, name: str, begin: int, seconds: tuple[float, float] | None) -> Stream:
    stream = log[name]
    inside = np.ones(len(stream), bool)
    if seconds is not None:
        since = 1e-9 * (stream.stamps - begin)
        inside = (since >= seconds[0]) & (since <= seconds[1])
    every = max(int(inside.sum()) // _POINTS, 1)
    picked = np.flatnonzero(inside)[::every]
    return Stream(stream.stamps[picked], stream.values[picked], stream.clock)


def _draw_joint(axes: Any, rows: list[list[str]], streams: dict[str, Stream], joint: int, begin: int) -> None:
    for axis, row in zip(axes, rows, strict=True):
        for name in reversed(row):  # what was measured lies on top
            stream, kind = streams[name], KINDS[name]
            since = 1e-9 * (stream.stamps - begin)
            color, label = (_TARGET, "commanded") if kind.held else (_MEASURED, "measured")
            style = "steps-post" if kind.held else "default"
            axis.plot(since, stream.values[:, joint], color=color, label=label, linewidth=0.9, drawstyle=style)
        axis.set_ylabel(f"{row[0]}\n({KINDS[row[0]].unit})", fontsize=8)
        axis.tick_params(labelsize=7.5, length=2.5)
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.margins(x=0.01)
        axis.locator_params(axis="y", nbins=4)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)


def _legend(figure: Any) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for axis in figure.axes:
        handles, labels = axis.get_legend_handles_labels()
        found.update(zip(labels, handles, strict=True))
    return list(found.values()), list(found)


def _title(log: RobotLog) -> str:
    info = log.info
    told = [info.robot, info.excitation, f"{info.payload:g} kg payload" if info.payload else "", f"{log.seconds:.1f} s"]
    told.append("nominal time base" if info.time_base == "nominal" else "")
    return " · ".join(text for text in told if text)


def _save(figure: Any, path: Path) -> None:
    with whole_file(path, RobotLogError) as partial:
        figure.savefig(partial, dpi=110)
