"""What an hour of training on this machine's best engine makes of rough ground: falls, errors and distance, by kind and level.

The goal is steps of 8 cm and slopes of 15 degrees: 85 % of 512 robots that no training saw walk 20 s without a fall, and go
most of the way that they are told to, so that standing still does not pass. Every other kind and level is evaluated as well.
An interrupted training goes on where it stopped; a finished one is evaluated anew.
"""

from pathlib import Path
from typing import Any

from rich.console import Console

from assets.json_file import write_json
from benchmarks.machine import machine
from envs.registry import make_task
from rl.curve import read_progress, training_seconds
from rl.evaluate import Evaluation, Evaluator, Group, Places, load_policy
from rl.ppo import PPOConfig
from rl.run import Run, RunError
from rl.train import Budget, start_run, train

TASK = "go2-velocity-rough"
MINUTES = 60.0
_EVALUATION = 20261121
ROBOTS, SECONDS = 512, 20.0
ROBOTS_PER_TILE = 32
GOAL: Places = {"kind": ("steps", "slope_up", "slope_down"), "level": ("3",)}
"""Level 3 of `assets.terrains.rough_terrain` has steps of 8 cm and slopes of 15 degrees."""

LEAST_WITHOUT_FALL, LEAST_WAY = 0.85, 0.7


def way(measured: Evaluation | Group) -> float:
    """Share of the way commanded that was gone in the direction commanded."""
    return measured.metrics["speed_along_command"] / measured.metrics["planar_velocity_error_at_rest"]


def passes(evaluation: Evaluation) -> bool:
    without_fall = 1 - evaluation.falls / evaluation.robots
    return without_fall >= LEAST_WITHOUT_FALL and way(evaluation) >= LEAST_WAY


def run(out: Path) -> dict[str, Any]:
    console = Console(stderr=True)
    directory = out / "rough"
    resume = (directory / "checkpoints").is_dir()
    opened = Run.open(directory) if resume else start_run(TASK, directory, None, None, seed=0)
    if (opened.task, opened.ppo) != (TASK, PPOConfig()):
        raise RunError(f"{directory} is a training with other settings than today's: choose another --out, or move it away")
    left = MINUTES - (sum(training_seconds(directory)) / 60 if resume else 0.0)
    before = machine()
    if left > 0.05 and train(opened, Budget(minutes=left), resume=resume).interrupted:
        raise SystemExit(130)
    rows = read_progress(directory)
    goal = _evaluate(opened, GOAL, ROBOTS)
    terrain = make_task(TASK).terrain
    assert terrain is not None
    everywhere = _evaluate(opened, {}, ROBOTS_PER_TILE * terrain.num_levels * len(terrain.kinds))
    seconds = sum(training_seconds(directory))
    figures = {
        "machine": before,
        "task": TASK,
        "engine": opened.engine,
        "envs": opened.num_envs,
        "minutes": seconds / 60,
        "steps": rows[-1]["steps"],
        "steps_per_second": rows[-1]["steps"] / seconds,
        "passes": passes(goal),
        "goal": goal.to_json() | {"way": way(goal), "metres": goal.metrics["speed_along_command"] * SECONDS},
        "everywhere": everywhere.to_json(),
    }
    write_json(out / "rough.json", figures)
    _plot(rows, everywhere, terrain.kinds, out / "rough.png")
    console.print(
        f"{goal.falls} of {goal.robots} fell on steps of 8 cm and slopes of 15 degrees; {way(goal):.0%} of the way gone, planar"
        f" {goal.metrics['planar_velocity_error']:.3f} m/s, yaw {goal.metrics['yaw_rate_error']:.3f} rad/s",
        highlight=False,
    )
    return figures


def _evaluate(opened: Run, places: Places, robots: int) -> Evaluation:
    ppo, state = load_policy(opened, robots, places=places)
    return Evaluator(ppo, SECONDS)(state, seed=_EVALUATION)


def _plot(rows: list[dict[str, float]], everywhere: Evaluation, kinds: tuple[str, ...], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import numpy as np
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for kind in kinds:
        points = [(row["steps"] / 1e6, row[f"curriculum/level/{kind}"]) for row in rows if f"curriculum/level/{kind}" in row]
        axes[0].plot(*zip(*points, strict=True), label=kind.replace("_", " "))
    axes[0].set(xlabel="control steps (millions)", title="mean level in training", ylim=(0, None))
    axes[0].legend(fontsize="small")
    axes[0].grid(alpha=0.3)
    levels = 1 + max(int(group.labels["level"]) for group in everywhere.groups)
    for axis, title, measure in (
        (axes[1], "without a fall in 20 s (%)", lambda group: 100 * (1 - group.falls / group.robots)),
        (axes[2], "of the way commanded (%)", lambda group: 100 * way(group)),
    ):
        table = np.full((len(kinds), levels), np.nan)
        for group in everywhere.groups:
            table[kinds.index(str(group.labels["kind"])), int(group.labels["level"])] = measure(group)
        axis.imshow(table, vmin=0, vmax=100, cmap="RdYlGn", aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            axis.text(column, row, f"{value:.0f}", ha="center", va="center")
        axis.set(title=title, xlabel="level", yticks=range(len(kinds)), yticklabels=[kind.replace("_", " ") for kind in kinds])
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
