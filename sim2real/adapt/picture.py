"""An adaptation as a picture: what each policy earns, on the corrected simulation and on the twin, and how both learned."""

from pathlib import Path

import numpy as np

from assets.whole_file import whole_file
from rl.curve import read_progress
from rl.run import RunError
from sim2real.adapt.adapt import CANDIDATES, CONTROL, CORRECTED, ORIGINAL, Adapted

_COLORS = {ORIGINAL: "#9e9e9e", CONTROL: "#ff7f0e", CORRECTED: "#1f77b4"}


def plot_adaptation(adapted: Adapted, path: Path) -> None:
    """Writes a PNG, whole or not at all. Raises RunError where it cannot."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (bars, curves) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    names = [name for name in _COLORS if name in adapted.scores]
    for i, name in enumerate(names):
        score, shift = adapted.scores[name], 0.27 * (i - 1)
        heights = [score.simulated] + ([score.twin.return_per_second] if score.twin is not None else [])
        bars.bar(np.arange(len(heights)) + shift, heights, 0.25, label=name, color=_COLORS[name])
        if score.twin is not None:
            each = score.twin.returns_per_second
            bars.plot(np.full(len(each), 1 + shift), each, "k.", markersize=3, alpha=0.5)
    if adapted.nominal is not None:
        bars.axhline(adapted.nominal.return_per_second, color="black", linestyle=":", label="original, on a twin without gap")
    bars.set_xticks(
        range(1 if adapted.nominal is None else 2), ["corrected simulation", "twin"][: 1 + (adapted.nominal is not None)]
    )
    bars.set(ylabel="return (1/s)", title=f"kept: {adapted.kept}")
    bars.legend(fontsize=8, loc="lower right")
    for name in CANDIDATES:
        points = [
            (row["steps"] / 1e6, row["episode_reward_rate"])
            for row in read_progress(path.parent / name)
            if "episode_reward_rate" in row
        ]
        if points:
            curves.plot(*zip(*points, strict=True), color=_COLORS[name], label=name)
    curves.set(xlabel="control steps (millions)", title="reward while learning, each in its own simulation (1/s)")
    curves.legend(fontsize=8)
    for axis in (bars, curves):
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    try:
        with whole_file(path, RunError) as partial:
            figure.savefig(partial, dpi=110)
    finally:
        pyplot.close(figure)
