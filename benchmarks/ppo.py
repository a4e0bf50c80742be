"""Our PPO against brax's, by wall-clock: control steps a second, and return over the minutes of training.

Three learners on the same task: ours on `native`, brax's PPO on our environment on `native`, and the same on MJX-JAX. They take
turns, seed by seed, so that a machine whose speed drifts does not favour one; quoted are medians over the seeds, of rates and
of the ratios within a seed.

Rates are environment steps over wall-clock, without compilation and without evaluation, for all alike: a training is stepped in
chunks (an update of ours, an epoch of brax's), the clock stands still while a policy is evaluated, and the first chunk, which
compiles, counts as long as the typical one. After each of a number of minutes the deterministic policy is evaluated on robots
from seeds that no training uses, on the engine that ours learns on. Ours is its moving average, which is what our PPO evaluates
and exports. With an accelerator, `native` is `warp`, then `mjx`, each with as many environments as `benchmarks.cases` says; the
first case's figures are quoted, the others' stand beside them.

brax's settings are those that MuJoCo Playground publishes for its Go1 joystick task, but for what follows from fewer
environments (four minibatches of a quarter of them each, where Playground has 32 of 256 trajectories each for 8,192) and from
the comparison: hidden layers as ours, and within the time no resets and no evaluations by brax, as the environment begins ended
episodes anew by itself. Its critic sees the critic's observation, as ours does.
"""

import contextlib
import functools
import importlib.util
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from assets.json_file import write_json
from benchmarks.cases import cases
from benchmarks.machine import machine
from benchmarks.peers import paired_ratio
from envs.env import Env, EnvState
from envs.registry import make_env, make_task
from envs.task import Task
from rl.evaluate import PolicyEvaluator
from rl.ppo import PPO, PPOConfig
from rl.run import RunError

_EVALUATION = 20261122  # plus the training's seed


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    task: str = "go2-velocity-flat"
    engine: str = "native"
    """On which ours and brax's learn, and all are evaluated."""
    num_envs: int = 512
    """Of every learner."""
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float = 6.0
    """Of each training on that engine."""
    mjx_minutes: float = 3.0
    """Of brax's on MJX-JAX, which on a CPU needs a rate and learns little in any such time."""
    between_minutes: float = 1.0
    """From one evaluation to the next."""
    robots: int = 512
    seconds: float = 20.0
    """How long each robot is evaluated."""
    hidden: tuple[int, ...] = PPOConfig().actor_hidden
    """Layers of every network."""
    brax_steps_per_epoch: int = 5
    """Training steps of brax's between two looks at the clock; one on MJX-JAX."""

    @property
    def ours(self) -> PPOConfig:
        return PPOConfig(actor_hidden=self.hidden, critic_hidden=self.hidden)

    @property
    def brax(self) -> dict[str, Any]:
        """Settings of brax's PPO beside the networks'."""
        return {
            "unroll_length": 20,
            "num_minibatches": 4,
            "batch_size": self.num_envs // 4,
            "num_updates_per_batch": 4,
            "discounting": 0.97,
            "learning_rate": 3e-4,
            "entropy_cost": 1e-2,
            "reward_scaling": 1.0,
            "max_grad_norm": 1.0,
            "normalize_observations": True,
        }


Report = Callable[[int, Any, Any], None]
"""Is told after each chunk of a training: control steps so far, the function that acts (`rl.evaluate.Act`), what that has
learned. Nothing may be under way on the device by then. Raises `Finished` when time is up."""


@dataclass(frozen=True)
class Learner:
    name: str
    what: str
    engine: str
    train: Callable[[Plan, Env, int, Report], None]
    """Trains with a seed until the report raises `Finished`."""


class Finished(Exception):  # noqa: N818 - no error: the time is up
    """A training has had its time."""


class Course:
    """The course of one training: its clock, its rate, and its evaluations. Called after each chunk, as a `Report`."""

    def __init__(
        self,
        minutes: float,
        between_minutes: float,
        evaluate: Callable[[Any, Any], dict[str, Any]],
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.evaluations: list[dict[str, Any]] = []
        whole = math.ceil(minutes / between_minutes - 1e-9)
        self._due = [between_minutes * i for i in range(1, whole)] + [minutes]
        self._evaluate = evaluate
        self._clock = clock
        self._chunks: list[float] = []
        self._steps: list[int] = []
        self._began = clock()

    def __call__(self, steps: int, act: Any, learned: Any) -> None:
        self._chunks.append(self._clock() - self._began)
        self._steps.append(steps)
        reached = [minutes for minutes in self._due if len(self._chunks) > 1 and 60 * minutes <= self.seconds]
        if reached:
            told = {"after_minutes": reached[-1], "minutes": self.seconds / 60, "steps": steps}
            self.evaluations.append(told | self._evaluate(act, learned))
            self._due = self._due[len(reached) :]
            if not self._due:
                raise Finished
        self._began = self._clock()

    @property
    def seconds(self) -> float:
        """Of training: the first chunk, which compiles, counts as the median of the others."""
        return sum(self._chunks[1:]) + self._typical

    @property
    def starting_seconds(self) -> float:
        """Setting up and compiling: what the first chunk took beyond a typical one."""
        return max(0.0, self._chunks[0] - self._typical)

    @property
    def steps(self) -> int:
        return self._steps[-1]

    @property
    def steps_per_s(self) -> float:
        """Of all chunks but the first."""
        return (self._steps[-1] - self._steps[0]) / sum(self._chunks[1:])

    @property
    def _typical(self) -> float:
        return statistics.median(self._chunks[1:])


def train_ours(plan: Plan, env: Env, seed: int, report: Report) -> None:
    ppo = PPO(env, plan.ours)
    update = jax.jit(ppo.update, donate_argnums=0)
    state = jax.jit(ppo.init)(jax.random.key(seed))
    steps = 0
    while True:
        state, _ = jax.block_until_ready(update(state))
        steps += ppo.steps_per_update
        report(steps, ppo.act_in, state.policy)


def train_brax(plan: Plan, env: Env, seed: int, report: Report) -> None:
    from brax.training.agents.ppo import networks

    from envs.adapters import brax_ppo

    acting: list[Any] = []

    def on_epoch(steps: int, make_policy: Callable[..., Any], params: Any) -> None:
        if steps == 0:  # before the first
            return
        if not acting:

            def act(learned: Any, env: EnvState) -> jax.Array:
                policy = make_policy(learned, deterministic=True)
                return policy({"state": env.observation["policy"]}, jax.random.key(0))[0]

            acting.append(act)
        report(steps, acting[0], params)

    settings = plan.brax
    steps_per_epoch = settings["unroll_length"] * settings["batch_size"] * settings["num_minibatches"]
    steps_per_epoch *= plan.brax_steps_per_epoch if env.physics.name == "native" else 1
    epochs = 100_000  # far more than there is time for
    brax_ppo.train(
        env,
        num_timesteps=epochs * steps_per_epoch,
        num_evals=epochs + 1,
        run_evals=False,
        num_resets_per_eval=0,
        seed=seed,
        policy_params_fn=on_epoch,
        network_factory=functools.partial(
            networks.make_ppo_networks,
            policy_obs_key="state",
            value_obs_key="privileged_state",
            policy_hidden_layer_sizes=plan.hidden,
            value_hidden_layer_sizes=plan.hidden,
        ),
        **settings,
    )


def learners(engine: str) -> tuple[Learner, ...]:
    """Ours and brax's on that engine; and brax's on MJX-JAX, where that is another."""
    kinds = (("ours", engine, train_ours), ("brax", engine, train_brax), ("brax", "mjx", train_brax))
    named = {f"{name}_{on}": Learner(f"{name}_{on}", f"{name}, {on}", on, train) for name, on, train in kinds}
    return tuple(named.values())


def run(out: Path) -> dict[str, Any]:
    first, *others = cases()
    if not others:
        return compare(Plan(engine=first.engine, num_envs=first.num_envs), out)
    # What learns on an accelerator is given MJX-JAX's time in full.
    minutes = Plan().minutes
    told = {
        str(case): compare(Plan(engine=case.engine, num_envs=case.num_envs, mjx_minutes=minutes), out / f"ppo-{case}")
        for case in (first, *others)
    }
    figures = told[str(first)] | {"others": {str(case): told[str(case)] for case in others}}
    write_json(out / "ppo.json", figures)
    return figures


def compare(plan: Plan, out: Path) -> dict[str, Any]:
    """Train and evaluate; write ppo.json and ppo.png into `out`, and return the figures. Goes on where an earlier call with the
    same plan was interrupted. Raises RunError where brax is not installed."""
    if importlib.util.find_spec("brax") is None:
        raise RunError("the ppo benchmark compares with brax, which is not installed: pip install 'zerogap[brax]'")
    console = Console(stderr=True)
    task = make_task(plan.task)
    out.mkdir(parents=True, exist_ok=True)
    partial = out / "ppo.partial.json"
    figures = _begin(plan, partial, console)
    evaluator_env = make_env(task, plan.robots, plan.engine)
    for seed in plan.seeds:
        for learner in learners(plan.engine):
            runs = figures["runs"][learner.name]
            if any(told["seed"] == seed for told in runs):
                continue
            runs.append({"seed": seed, **_train(plan, learner, task, seed, evaluator_env, console)})
            write_json(partial, figures)
    figures |= summary(figures["runs"], plan.engine)
    write_json(out / "ppo.json", figures)
    _plot(figures, out / "ppo.png")
    partial.unlink(missing_ok=True)
    ours, brax, *_ = learners(plan.engine)
    for name in (*(f"{learner.name}_steps_per_s" for learner in learners(plan.engine)), *_ratios(plan.engine)):
        print(f"{name:32}{figures[name]:>10,.2f}")
    for row in figures["return_after_minutes"]:
        print(f"after {row['minutes']:g} min, return per second: ours {row[ours.name]:.3f}, brax {row[brax.name]:.3f}")
    return figures


def _begin(plan: Plan, partial: Path, console: Console) -> dict[str, Any]:
    """What an interrupted benchmark with the same plan has measured so far; else nothing yet."""
    # As JSON has it: tuples become lists.
    told = json.loads(json.dumps({**asdict(plan), "ours": asdict(plan.ours), "brax": plan.brax}))
    if partial.is_file():
        try:
            stored = json.loads(partial.read_text())
            is_same, done = stored["plan"] == told, sum(map(len, stored["runs"].values()))
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            raise RunError(f"{partial} is damaged: {type(error).__name__}: {error}; remove it to begin anew") from error
        if is_same:
            console.print(f"going on after {done} trainings of {partial}")
            return stored
        console.print(f"{partial} is of another plan, and is begun anew")
    return {"machine": machine(), "plan": told, "runs": {learner.name: [] for learner in learners(plan.engine)}}


def _train(plan: Plan, learner: Learner, task: Task, seed: int, robots: Env, console: Console) -> dict[str, Any]:
    evaluators: dict[Any, PolicyEvaluator] = {}

    def evaluate(act: Any, learned: Any) -> dict[str, Any]:
        if act not in evaluators:
            evaluators[act] = PolicyEvaluator(robots, act, plan.seconds)
        told = evaluators[act](learned, seed=_EVALUATION + seed).to_json()
        console.print(
            f"{learner.name}, seed {seed}, {course.seconds / 60:.1f} min, {course.steps_per_s:,.0f} steps/s:"
            f" {told['return_per_second']:.3f} return per second, {told['falls']} of {plan.robots} fell",
            highlight=False,
        )
        return {name: value for name, value in told.items() if name not in ("task", "robots", "seconds", "p95", "updates")}

    minutes = plan.minutes if learner.engine == plan.engine else plan.mjx_minutes
    console.print(f"{learner.name}, seed {seed}: {minutes:g} min; compiling", highlight=False)
    course = Course(minutes, plan.between_minutes, evaluate)
    with contextlib.suppress(Finished):
        learner.train(plan, make_env(task, plan.num_envs, learner.engine), seed, course)
    return {
        "steps": course.steps,
        "seconds": course.seconds,
        "steps_per_s": course.steps_per_s,
        "starting_seconds": course.starting_seconds,
        "evaluations": course.evaluations,
    }


def _ratios(engine: str) -> dict[str, str]:
    return {"ours_over_brax_mjx": "brax_mjx", "ours_over_brax_same_engine": f"brax_{engine}"}


def summary(runs: dict[str, list[dict[str, Any]]], engine: str) -> dict[str, Any]:
    """Medians of the rates, ratios of ours to the others', and what each had learned after the same minutes.

    `runs` has each learner's trainings, in the order of their seeds; ours are on `engine`. `return_after_minutes` has, for the
    minutes after which all trainings on that were evaluated, each learner's mean return per second, and seed by seed how much
    ours exceeds brax's.
    """
    ours, brax = f"ours_{engine}", f"brax_{engine}"
    rates = {name: [told["steps_per_s"] for told in trainings] for name, trainings in runs.items()}
    figures: dict[str, Any] = {f"{name}_steps_per_s": statistics.median(values) for name, values in rates.items()}
    for ratio, other in _ratios(engine).items():
        figures[ratio] = paired_ratio(rates[ours], rates[other])
        figures[f"{ratio}_all"] = [a / b for a, b in zip(rates[ours], rates[other], strict=True)]
    returns = {
        name: [{row["after_minutes"]: row["return_per_second"] for row in told["evaluations"]} for told in runs[name]]
        for name in (ours, brax)
    }
    reached = set.intersection(*(set(told) for trainings in returns.values() for told in trainings))
    rows = []
    for minutes in sorted(reached):
        at = {name: [told[minutes] for told in trainings] for name, trainings in returns.items()}
        differences = [a - b for a, b in zip(at[ours], at[brax], strict=True)]
        rows.append(
            {"minutes": minutes, **{name: statistics.mean(values) for name, values in at.items()}, "differences": differences}
        )
    return figures | {"return_after_minutes": rows}


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = learners(figures["plan"]["engine"])
    colours = ("#1f77b4", "#ff7f0e", "0.6")[: len(shown)]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    names = [learner.what for learner in shown]
    bars = left.bar(names, [figures[f"{learner.name}_steps_per_s"] for learner in shown], color=colours)
    left.bar_label(bars, fmt="{:,.0f}")
    envs = figures["plan"]["num_envs"]
    left.set(ylabel="control steps a second", title=f"{envs} environments, {figures['machine']['processor']}")
    for learner, colour in zip(shown, colours, strict=True):
        for i, told in enumerate(figures["runs"][learner.name]):
            rows = told["evaluations"]
            curve = [r["minutes"] for r in rows], [r["return_per_second"] for r in rows]
            right.plot(*curve, marker=".", color=colour, label=learner.what if i == 0 else None)
    right.set(xlabel="minutes of training", title="return per second")
    right.grid(alpha=0.3)
    right.legend(fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
