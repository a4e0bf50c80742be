"""A motion as a picture: what each joint is to do and, rehearsed, does over time; its spectrum; what it takes of the limits."""

from pathlib import Path

import numpy as np

from assets.whole_file import new_file
from sim2real.excite.design import Design
from sim2real.excite.motion import MotionError
from sim2real.excite.report import Peaks, peaks_of, spectrum

_POINTS = 4_000  # of a curve
_ROWS = 7  # of curves; more joints are drawn in a second column


def plot_design(made: Design, path: Path) -> None:
    """Writes a PNG, whole or not at all. Raises MotionError where it cannot, or where there is a file already."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    motion, moved = made.motion, made.moved
    columns = -(-len(moved) // _ROWS)
    rows = -(-len(moved) // columns)
    figure = pyplot.figure(figsize=(7 * columns + 5, max(5.0, 1.5 * rows + 1)), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[7 * columns, 5], squeeze=False)[0]
    axes = left.subplots(rows, columns, sharex=True, squeeze=False)
    every = max(1, len(motion.targets) // _POINTS)
    for axis, joint in zip(axes.T.ravel(), moved, strict=False):
        axis.plot(
            motion.times[::every], made.rehearsal.position[::every, joint], color="#ff7f0e", linewidth=0.8, label="simulated"
        )
        axis.plot(motion.times[::every], motion.targets[::every, joint], color="#1f77b4", linewidth=0.8, label="target")
        axis.set_title(motion.joints[joint], fontsize=8, loc="left", pad=2)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    for axis in axes.T.ravel()[len(moved) :]:
        axis.set_visible(False)
    axes[0, 0].legend(fontsize=7, loc="upper right")
    left.supxlabel("s", fontsize=8)
    left.supylabel("rad", fontsize=8)
    upper, lower = right.subplots(2, 1)
    frequencies, amplitudes = spectrum(motion.targets, motion.rate)
    shown = slice(1, np.searchsorted(frequencies, 4 * made.band[1] if made.band else 0.1 * motion.rate))
    upper.loglog(frequencies[shown], amplitudes[shown][:, list(moved)], linewidth=0.5, alpha=0.7)
    top = float(amplitudes[shown].max())
    upper.set_ylim(1e-5 * top, 2 * top)
    if made.band:
        upper.axvspan(*made.band, color="#2ca02c", alpha=0.1)
    upper.set_title("spectrum of the targets, and the band", fontsize=9)
    upper.set_xlabel("Hz", fontsize=8)
    upper.set_ylabel("rad", fontsize=8)
    upper.grid(alpha=0.3)
    peaks = [peak for peak in peaks_of(made) if peak.joint in {motion.joints[j] for j in moved}]
    places = np.arange(len(peaks))
    for i, (name, label) in enumerate(Peaks.SHARES.items()):
        lower.barh(places + 0.25 * (i - 1), [getattr(peak, name) for peak in peaks], height=0.22, label=label)
    lower.set_yticks(places, [peak.joint for peak in peaks], fontsize=7)
    lower.invert_yaxis()
    lower.axvline(1.0, color="black", linewidth=0.8)
    lower.set_title("largest values, of the robot's limits", fontsize=9)
    lower.legend(fontsize=7)
    figure.suptitle(f"{motion.robot}: {motion.description or motion.kind}"[:150], fontsize=10)
    try:
        with new_file(path, MotionError, "give --plot another name, or move it away") as partial:
            figure.savefig(partial, dpi=110, format="png")
    finally:
        pyplot.close(figure)
