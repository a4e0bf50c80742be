"""A correction as a picture: what is left of each joint's error, and a window of a log in which most is corrected."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assets.whole_file import whole_file
from envs.delta.errors import DeltaError
from sim2real.delta.delta import Delta

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {"nominal": "#9e9e9e", "calibrated": "#1f77b4", "delta": "#2ca02c", "residual_dynamics": "#ff7f0e", "ppo": "#9467bd"}
LABELS = {
    "nominal": "nominal",
    "calibrated": "calibrated",
    "delta": "calibrated, action corrected",
    "residual_dynamics": "calibrated, state corrected",
    "ppo": "calibrated, action corrected by PPO",
}
"""Of what is compared, by `Delta.names`."""
_MOST = 6  # joints whose curves are drawn: those that are corrected most


def draw(delta: Delta) -> "Figure":
    from matplotlib.figure import Figure

    example, joints = delta.example, delta.model.joints
    shown = np.sort(np.argsort(-np.abs(example.correction).mean(axis=0), kind="stable")[:_MOST])
    figure = Figure(figsize=(15, max(5.0, 1.9 * len(shown) + 0.8)), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[4, 11], squeeze=False)[0]
    bars = left.subplots()
    places = np.arange(len(joints))
    for i, name in enumerate(delta.names):
        at = places + 0.8 * ((i + 0.5) / len(delta.names) - 0.5)
        bars.barh(at, 1e3 * delta.rmse_per_joint(name), 0.8 / len(delta.names), color=COLORS[name], label=LABELS[name])
    bars.set_yticks(places, joints, fontsize=7, parse_math=False)
    bars.invert_yaxis()
    bars.set_xlabel("mrad", fontsize=8)
    held = "held out" if any(log.held_out for log in delta.logs) else "learned from"
    bars.set_title(f"open-loop error over {delta.settings.window_seconds:g} s, logs {held}", fontsize=9)
    bars.legend(fontsize=7)
    bars.grid(axis="x", alpha=0.3)
    bars.set_axisbelow(True)
    bars.tick_params(axis="x", labelsize=7)
    axes = right.subplots(len(shown), 2, sharex=True, squeeze=False)
    limit = 1.1 * float(np.abs(example.correction).max()) + 1e-6
    for (motion, correction), joint in zip(axes, shown, strict=True):
        motion.plot(example.time, example.measured[:, joint], color="black", linewidth=1.2, label="measured")
        for name in delta.names:
            motion.plot(example.time, example.predicted[name][:, joint], color=COLORS[name], linewidth=0.9, label=LABELS[name])
        motion.set_title(f"{joints[joint]} (rad)", fontsize=8, loc="left", pad=2, parse_math=False)
        correction.step(example.correction_time, example.correction[:, joint], where="post", color=COLORS["delta"])
        correction.set_ylim(-limit, limit)
        correction.set_title("correction (units of action)", fontsize=8, loc="left", pad=2)
        for axis in (motion, correction):
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=6)
    for axis in axes[-1]:
        axis.set_xlabel("s", fontsize=8)
    figure.suptitle(f"{delta.model.robot}: a window of {Path(example.log).name}"[:150], fontsize=10, parse_math=False)
    return figure


def plot_delta(delta: Delta, path: Path) -> None:
    """Writes a PNG, whole or not at all. Raises DeltaError where it cannot."""
    with whole_file(path, DeltaError) as partial:
        draw(delta).savefig(partial, dpi=110, format="png")
