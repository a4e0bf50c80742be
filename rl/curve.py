"""The learning curve of a run as a picture."""

import json
from pathlib import Path

from assets.whole_file import whole_file
from rl.run import RunError

# What is drawn: figure in progress.jsonl, and its label.
_PANELS = (
    ("episode_reward_rate", "reward (1/s)"),
    ("metric/planar_velocity_error", "planar velocity error (m/s)"),
    ("metric/yaw_rate_error", "yaw rate error (rad/s)"),
    ("metric/settled_position_error", "position error (m)"),
    ("metric/settled_orientation_error", "orientation error (rad)"),
    ("episode_seconds", "mean time to failure (s)"),
    ("curriculum/level", "level"),
    ("imitation_error", "imitation error (action)"),
)


def read_progress(directory: Path) -> list[dict[str, float]]:
    """The lines of a run's progress.jsonl; one that a crash cut short or garbled is left out."""
    path = directory / "progress.jsonl"
    if not path.is_file():
        raise RunError(f"{directory} has no progress.jsonl: it is no run, or was stopped before its first figures")
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and "steps" in row:
            rows.append(row)
    return rows


def training_seconds(directory: Path) -> list[float]:
    """How long each start of a run trained (s), compilation left out."""
    seconds: list[float] = []
    for row in read_progress(directory):
        if not seconds or row.get("seconds", 0.0) < seconds[-1]:
            seconds.append(0.0)
        seconds[-1] = max(seconds[-1], row.get("seconds", 0.0))
    return seconds


def plot_curve(directory: Path) -> Path:
    """Draws curve.png in the run's directory and returns its path."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = read_progress(directory)
    panels = [(name, label) for name, label in _PANELS if any(name in row for row in rows)] or [("steps", "control steps")]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.2), squeeze=False, layout="constrained")
    for axis, (name, label) in zip(axes[0], panels, strict=True):
        points = [(row["steps"] / 1e6, row[name]) for row in rows if name in row]
        if points:
            axis.plot(*zip(*points, strict=True), color="#1f77b4")
        if name == "episode_seconds":
            axis.set_yscale("log")
        axis.set(xlabel="control steps (millions)", title=label)
        axis.grid(alpha=0.3)
    figure.suptitle(directory.name)
    path = directory / "curve.png"
    with whole_file(path, RunError) as partial:
        figure.savefig(partial, dpi=110)
    pyplot.close(figure)
    return path


def plot_levels(directory: Path) -> Path | None:
    """Draws levels.png in the run's directory, how a curriculum's levels moved, and returns its path; None where none did."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    prefix = "curriculum/level"
    rows = read_progress(directory)
    names = list(dict.fromkeys(name for row in rows for name in row if name.startswith(prefix)))
    if not names:
        return None
    figure, axis = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name in names:
        told = [row for row in rows if name in row]
        kind = name.removeprefix(prefix).removeprefix("/")
        width, color = (1.2, None) if kind else (2.5, "black")
        steps = [row["steps"] / 1e6 for row in told]
        axis.plot(steps, [row[name] for row in told], label=kind.replace("_", " ") or "mean", linewidth=width, color=color)
    axis.set(xlabel="control steps (millions)", ylabel="level", title=directory.name)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend()
    path = directory / "levels.png"
    with whole_file(path, RunError) as partial:
        figure.savefig(partial, dpi=110)
    pyplot.close(figure)
    return path
