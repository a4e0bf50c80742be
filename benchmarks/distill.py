"""Teacher and student against training directly, at equal time.

For each seed a teacher that sees what only the simulator knows is trained for `MINUTES`, and distilled for as long into a
student that sees what the robot's sensors gave in the last `HISTORY` steps; and a policy of that same observation is trained
directly, by PPO, for both times together. All are evaluated on the same 512 robots, which no training sees. Time is the
training's own: compilation stands beside it, as `seconds_to_first_update`.

The runs are in OUT/distill; a benchmark that was interrupted goes on where it was.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from assets.json_file import write_json
from benchmarks.seeds import keep_for, seed_by_seed
from envs.registry import make_task
from rl.curve import read_progress
from rl.distill import DistillConfig
from rl.evaluate import Evaluator, load_policy
from rl.ppo import PPOConfig
from rl.run import Run
from rl.train import DEFAULT_NUM_ENVS, start_distillation, start_run, train_in_all
from sim.engine import default_engine

TASK = "go2-velocity-flat"
_EVALUATION = 20261122  # an evaluation seed that nothing was chosen by
SEEDS = 3
MINUTES = 6.0
HISTORY = 5
ROBOTS, SECONDS = 512, 20.0

# Minutes of training that each kind of policy costs, in units of MINUTES: the student's include its teacher's.
COST = {"teacher": 1, "student": 2, "direct": 2}


def run(out: Path) -> dict[str, Any]:
    console = Console(stderr=True)
    engine = default_engine()
    same = {
        "task": TASK,
        "engine": engine,
        "envs": DEFAULT_NUM_ENVS[engine],
        "history": HISTORY,
        "minutes": {kind: cost * MINUTES for kind, cost in COST.items()},
        "robots": ROBOTS,
        "seconds": SECONDS,
        "ppo": asdict(PPOConfig()),
        "distill": asdict(DistillConfig()),
    }
    runs = out / "distill"
    keep_for(runs, same)
    evaluators: dict[str, Evaluator] = {}

    def one(seed: int) -> dict[str, Any]:
        folders = {kind: runs / f"seed-{seed}" / kind for kind in COST}
        _train(folders, seed, same["envs"])
        told: dict[str, Any] = {"seed": seed}
        for kind, folder in folders.items():
            told[kind] = _evaluate(folder, kind, evaluators) | {
                "seconds_to_first_update": read_progress(folder)[0]["seconds_to_first_update"],
                "steps": read_progress(folder)[-1]["steps"],
                "curve": _curve(folder),
            }
            shown = ", ".join(f"{name.replace('_', ' ')} {told[kind][name]:.3f}" for name in _names(told[kind]))
            console.print(f"seed {seed}, {kind}: {shown}", highlight=False)
        return told

    partial = out / "distill.partial.json"
    figures = seed_by_seed(partial, same, SEEDS, one, lambda told: "teacher, student and direct policy are evaluated")
    figures["mean"] = {kind: _mean([told[kind] for told in figures["runs"]]) for kind in COST}
    write_json(out / "distill.json", figures)
    _plot(figures, out / "distill.png")
    partial.unlink(missing_ok=True)
    return figures


def _train(folders: dict[str, Path], seed: int, num_envs: int) -> None:
    """The three runs of a seed, each started, continued or left as it is."""
    privileged = PPOConfig(actor_observation="critic")
    plan: list[tuple[str, float, Callable[[], Run]]] = [
        ("teacher", MINUTES, lambda: start_run(TASK, folders["teacher"], None, num_envs, seed, privileged)),
        (
            "student",
            MINUTES,
            lambda: start_distillation(Run.open(folders["teacher"]), folders["student"], None, num_envs, seed, history=HISTORY),
        ),
        ("direct", 2 * MINUTES, lambda: start_run(TASK, folders["direct"], None, num_envs, seed, history=HISTORY)),
    ]
    for kind, minutes, start in plan:
        if not train_in_all(folders[kind], minutes, start):
            raise SystemExit(130)


def _evaluate(folder: Path, kind: str, evaluators: dict[str, Evaluator]) -> dict[str, Any]:
    """Student and direct policy are alike in all but their parameters: what one's evaluation compiled serves the other."""
    ppo, state = load_policy(Run.open(folder), ROBOTS)
    evaluator = evaluators.setdefault("teacher" if kind == "teacher" else "student", Evaluator(ppo, SECONDS))
    return evaluator(state, seed=_EVALUATION).to_json()


def _curve(folder: Path) -> dict[str, list[float]]:
    """The reward per second over the minutes of a run, of all its starts."""
    rows = [row for row in read_progress(folder) if "episode_reward_rate" in row]
    seconds = np.array([row["seconds"] for row in rows])
    before = np.cumsum(np.where(np.diff(seconds, prepend=0.0) < 0, np.roll(seconds, 1), 0.0))
    rewards = [row["episode_reward_rate"] for row in rows]
    return {"minutes": [round(float(m), 3) for m in (before + seconds) / 60], "reward": [round(r, 3) for r in rewards]}


def _names(told: dict[str, Any]) -> list[str]:
    """The figures that policies are compared by."""
    metrics = [term.name for term in make_task(TASK).metrics if not term.name.endswith("_at_rest")]
    return [name for name in ("falls", "return_per_second", *metrics) if name in told]


def _mean(tolds: list[dict[str, Any]]) -> dict[str, float]:
    return {name: float(np.mean([told[name] for told in tolds])) for name in _names(tolds[0])}


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    colors = {"teacher": "#7f7f7f", "student": "#1f77b4", "direct": "#d62728"}
    names = _names(figures["runs"][0]["student"])
    figure, axes = pyplot.subplots(1, 1 + len(names), figsize=(4.4 + 2.4 * len(names), 3.4), layout="constrained")
    for told in figures["runs"]:
        for kind, color in colors.items():
            curve = told[kind]["curve"]
            begins = MINUTES if kind == "student" else 0.0
            label = kind if told is figures["runs"][0] else None
            axes[0].plot(begins + np.array(curve["minutes"]), curve["reward"], color=color, linewidth=1.0, label=label)
    axes[0].set(xlabel="minutes of training", title="reward in training (1/s)")
    axes[0].legend(fontsize="small")
    for axis, name in zip(axes[1:], names, strict=True):
        for x, (kind, color) in enumerate(colors.items()):
            values = [told[kind][name] for told in figures["runs"]]
            axis.bar(x, np.mean(values), width=0.6, color=color, alpha=0.35)
            axis.plot([x] * len(values), values, ".", color=color)
        axis.set_xticks(range(len(colors)), [f"{kind}\n{figures['minutes'][kind]:g} min" for kind in colors], fontsize="small")
        axis.set_title(name.replace("_", " "), fontsize="medium")
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
