"""Minutes from nothing to walking, over five seeds; and where the time of a training step goes.

Every two minutes of training the policy is evaluated on 512 randomised robots for 20 s, from seeds that no training uses and
nothing was chosen by; it walks when three evaluations in a row pass. `minutes` is the time of training up to the last of the
three: with compilation, and without evaluation. On an accelerator every case of `benchmarks.cases` is trained so; the first is
the one that is quoted.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from assets.json_file import write_json
from benchmarks.cases import Case, cases
from benchmarks.machine import memory_of
from benchmarks.seeds import seed_by_seed
from envs.registry import make_env, make_task
from envs.task import Task
from rl.evaluate import Evaluation, Evaluator
from rl.ppo import PPO, PPOConfig

TASK = "go2-velocity-flat"
_EVALUATION = 20261121  # plus the training's seed: others were looked at while settings were chosen
SEEDS = 5
ROBOTS, SECONDS = 512, 20.0
BETWEEN_MINUTES, LONGEST_MINUTES = 2.0, 20.0
IN_A_ROW = 3

# What walking means: falls, and mean errors of the planar velocity (m/s) and of the yaw rate (rad/s).
MOST_FALLS, MOST_PLANAR, MOST_YAW = 0.02, 0.2, 0.25


def walks(evaluation: Evaluation) -> bool:
    return (
        evaluation.falls <= MOST_FALLS * evaluation.robots
        and evaluation.metrics["planar_velocity_error"] <= MOST_PLANAR
        and evaluation.metrics["yaw_rate_error"] <= MOST_YAW
    )


def run(out: Path) -> dict[str, Any]:
    first, *others = cases()
    figures = _five_seeds(first, out)
    if others:
        figures["others"] = {str(case): _five_seeds(case, out) for case in others}
    write_json(out / "walk.json", figures)
    _plot(figures, out / "walk.png")
    for case in (first, *others):
        _partial(case, out).unlink(missing_ok=True)
    return figures


def _partial(case: Case, out: Path) -> Path:
    return out / f"walk-{case}.partial.json"


def _five_seeds(case: Case, out: Path) -> dict[str, Any]:
    task = make_task(TASK)
    evaluator = Evaluator(PPO(make_env(task, ROBOTS, case.engine), PPOConfig(minibatches=1)), SECONDS)
    same = {"task": TASK, "engine": case.engine, "envs": case.num_envs, "ppo": asdict(PPOConfig())}
    figures = seed_by_seed(_partial(case, out), same, SEEDS, lambda seed: _train(seed, task, case, evaluator), _tell)
    return figures | {"minutes": [told["minutes"] for told in figures["runs"]]}


def _tell(told: dict[str, Any]) -> str:
    return f"walks after {told['minutes']:.1f} min" if told["minutes"] else f"does not walk within {LONGEST_MINUTES:g} min"


def _train(seed: int, task: Task, case: Case, evaluator: Evaluator) -> dict[str, Any]:
    console = Console(stderr=True)
    began = time.perf_counter()
    ppo = PPO(make_env(task, case.num_envs, case.engine), PPOConfig())
    state = jax.jit(ppo.init)(jax.random.key(seed))
    update = jax.jit(ppo.update, donate_argnums=0).lower(state).compile()
    memory = memory_of(update)
    state, _ = jax.block_until_ready(update(state))
    spent = compiling = time.perf_counter() - began
    evaluations: list[dict[str, Any]] = []
    passed, minutes = 0, None
    while spent < 60 * LONGEST_MINUTES and minutes is None:
        began = time.perf_counter()
        goal = 60 * BETWEEN_MINUTES * (len(evaluations) + 1)
        while spent + time.perf_counter() - began < goal:
            state, _ = jax.block_until_ready(update(state))
        spent += time.perf_counter() - began
        evaluation = evaluator(state, seed=_EVALUATION + seed)
        passed = passed + 1 if walks(evaluation) else 0
        evaluations.append(
            {"minutes": spent / 60, "updates": int(state.updates), "walks": walks(evaluation), **evaluation.to_json()}
        )
        rate = (int(state.updates) - 1) * ppo.steps_per_update / (spent - compiling)
        console.print(
            f"seed {seed}, {spent / 60:.1f} min, {rate:,.0f} steps/s: {evaluation.falls} of {ROBOTS} fell, planar"
            f" {evaluation.metrics['planar_velocity_error']:.3f} m/s, yaw {evaluation.metrics['yaw_rate_error']:.3f} rad/s"
            f"{', walks' if walks(evaluation) else ''}",
            highlight=False,
        )
        if passed == IN_A_ROW:
            minutes = spent / 60
    return {
        "seed": seed,
        "minutes": minutes,
        "compile_seconds": compiling,
        "memory_bytes": memory,
        "steps_per_second": rate,
        "evaluations": evaluations,
        "shares": _shares(ppo, state) if seed == 0 else None,
    }


def _shares(ppo: PPO, state: Any) -> dict[str, float]:
    """Shares of an update's time: physics alone, the rest of the rollout, learning. Each part is timed by itself."""

    def timed(function: Any, *args: Any, repeats: int = 3) -> float:
        jax.block_until_ready(function(*args))
        began = time.perf_counter()
        for _ in range(repeats):
            jax.block_until_ready(function(*args))
        return (time.perf_counter() - began) / repeats

    env = ppo.env
    targets = state.env.targets[:, 0]
    targets = jax.numpy.repeat(targets[:, None], env.num_substeps, axis=1)

    def physics(state):
        step = lambda s, _: (env.physics.step(s, targets, env.num_substeps), None)  # noqa: E731
        return jax.lax.scan(step, state.env.physics, None, length=ppo.config.rollout_length)[0]

    whole = timed(jax.jit(ppo.update), state)
    rollout = timed(jax.jit(lambda s: ppo.collect(s, jax.random.key(0))), state)
    only = timed(jax.jit(physics), state)
    return {"physics": only / whole, "rest of the rollout": (rollout - only) / whole, "learning": (whole - rollout) / whole}


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    panels = (("falls", MOST_FALLS * ROBOTS), ("planar_velocity_error", MOST_PLANAR), ("yaw_rate_error", MOST_YAW))
    for axis, (name, bound) in zip(axes, panels, strict=True):
        for told in figures["runs"]:
            rows = told["evaluations"]
            axis.plot([r["minutes"] for r in rows], [r[name] for r in rows], marker=".", label=f"seed {told['seed']}")
        axis.axhline(bound, color="0.3", linestyle="--")
        axis.set(xlabel="minutes of training", title=name.replace("_", " "), ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
