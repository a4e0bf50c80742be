"""The evidence of a check as a picture: `draw_check(log, found, path)` draws the intervals of the stamps, how velocities fit
the slopes of positions, and what is left over at each delay, joint by joint."""

from pathlib import Path
from typing import Any

import numpy as np

from assets.whole_file import whole_file
from sim2real.logs.band import Samples
from sim2real.logs.check import Check, Lag, Slope
from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError, Stream
from sim2real.logs.time_base import pooled_scale

SUFFIXES = (".png", ".pdf", ".svg")
_INK, _TRUTH = "#1f77b4", "#888888"
_MOST_POINTS = 20_000
_AROUND = 0.1  # s


def draw_check(log: RobotLog, found: Check, path: Path) -> None:
    """Write a picture, whole or not at all. Raises RobotLogError where it cannot be written."""
    if path.suffix not in SUFFIXES:
        raise RobotLogError(f"{path} is no picture's name: expected one that ends with {', '.join(SUFFIXES)}")
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    profiles = [lag for lag in found.lags if len(lag.delays)]
    slopes = [slope for slope in found.slopes if slope.scale.is_known]
    columns = 3
    rows = 1 + -(-len(profiles) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.6 * columns, 3.4 + 2.2 * (rows - 1)), squeeze=False, layout="constrained"
    )
    _draw_intervals(axes[0][0], log)
    _draw_scales(axes[0][1], slopes)
    _draw_slope(axes[0][2], log, slopes)
    for axis, lag in zip(axes[1:].ravel(), profiles, strict=False):
        _draw_profile(axis, lag)
    for axis in axes[1:].ravel()[len(profiles) :]:
        axis.axis("off")
    figure.suptitle(found.log)
    try:
        with whole_file(path, RobotLogError) as partial:
            figure.savefig(partial, dpi=110)
    finally:
        pyplot.close(figure)


def _draw_intervals(axis: Any, log: RobotLog) -> None:
    """Of each sampled stream's stamps, and of the targets', over time."""
    for name in ("target", "velocity", "position"):
        if name in log and len(log[name]) > 1:
            seconds = 1e-9 * (log[name].stamps - log[name].stamps.min())
            every = 1 + len(seconds) // _MOST_POINTS
            steps = 1e-6 * np.diff(log[name].stamps)
            label = f"{name} ({'held' if KINDS[name].held else log[name].clock})"
            axis.plot(seconds[1::every], steps[::every], ".", markersize=2, label=label)
    axis.set(title="intervals of the stamps", xlabel="s", ylabel="ms")
    axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7)


def _draw_scales(axis: Any, slopes: list[Slope]) -> None:
    """Motion by positions over motion by velocities, with intervals."""
    for row, slope in enumerate(slopes):
        scale = slope.scale
        axis.plot([scale.low, scale.high], [row, row], color=_INK)
        axis.plot([scale.value], [row], "o", color=_INK, markersize=4)
    axis.axvline(1.0, color=_TRUTH, linestyle="--", linewidth=1)
    if slopes:
        shared = pooled_scale(tuple(slopes))
        axis.axvspan(shared.low, shared.high, color=_INK, alpha=0.15)
    axis.set_yticks(range(len(slopes)), [slope.joint for slope in slopes], fontsize=7)
    axis.invert_yaxis()
    axis.set(title="motion by positions over that by velocities", xlabel="1 where they agree; band: shared by the joints")
    axis.grid(alpha=0.3)


def _draw_slope(axis: Any, log: RobotLog, slopes: list[Slope]) -> None:
    """Of the joint whose positions and velocities agree best: the one over the other, under a window."""
    axis.set(title="slope of position against velocity", xlabel="velocity (rad/s)", ylabel="slope of position (rad/s)")
    axis.grid(alpha=0.3)
    if not slopes or log["velocity"].clock != log["position"].clock:
        return
    best = max(slopes, key=lambda slope: slope.coherence)
    joint = log.info.joints.index(best.joint)
    start = int(log["position"].stamps.min())
    position, velocity = (Samples.of(_column(log[name], joint), start) for name in ("position", "velocity"))
    sigma = 4 * max(position.interval, velocity.interval)
    times = np.arange(position.times[0] + 5 * sigma, position.times[-1] - 5 * sigma, sigma)[:_MOST_POINTS]
    told, motion = velocity.smooth(sigma)(times)[:, 0], position.smooth(sigma, 1)(times)[:, 0]
    axis.plot(told, motion, ".", markersize=2, color=_INK)
    ends = np.array([told.min(), told.max()])
    axis.plot(ends, ends, "--", color=_TRUTH, linewidth=1, label="1")
    axis.plot(ends, best.scale.value * ends, color="black", linewidth=1, label=f"{best.scale.value:.3f}")
    axis.legend(fontsize=7, title=best.joint, title_fontsize=7)


def _column(stream: Stream, joint: int) -> Stream:
    """Of one joint: what is not known of others leaves none of its samples out."""
    return Stream(stream.stamps, stream.values[:, [joint]], stream.clock)


def _draw_profile(axis: Any, lag: Lag) -> None:
    """What the model leaves over at each delay, and the interval of the best."""
    near = np.abs(lag.delays - lag.delay.value) < max(_AROUND, 2 * (lag.delay.high - lag.delay.low))
    axis.plot(1e3 * lag.delays[near], lag.left_over[near], color=_INK)
    axis.axvspan(1e3 * lag.delay.low, 1e3 * lag.delay.high, color=_INK, alpha=0.25)
    text = f"{lag.joint}: {1e3 * lag.delay.value:.1f} ms ({1e3 * lag.delay.low:.1f} to {1e3 * lag.delay.high:.1f})"
    axis.set_title(text, fontsize=9)
    axis.set(xlabel="delay (ms)", ylabel="left over")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
