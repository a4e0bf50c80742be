"""How good a policy is: many robots, drawn as in training but from seeds that it never sees, each until its first failure."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.env import Env, EnvState
from envs.registry import make_env
from envs.safety import CAUSES
from envs.task import Task, TaskError
from rl.checkpoint import Checkpoints
from rl.ppo import PPO, TrainState
from rl.run import Run, RunError, check_seed
from rl.safety import Watchman

_EVALUATION_STREAM = 0x5EED_E7A1

Progress = Callable[[float], None]

Act = Callable[[Any, EnvState], jax.Array]
"""Actions (num_envs, num_actions), given what a policy has learned and the environments that it is to see."""

Places = Mapping[str, tuple[str, ...]]
"""Where to evaluate: values of a curriculum's labels, {"kind": ("steps",), "level": ("3",)}; all of a label not named."""


@dataclass(frozen=True)
class Group:
    """The robots of one place of the task's curriculum, such as a kind and level of terrain. As `Evaluation`."""

    labels: dict[str, str | int]
    robots: int
    falls: int
    diverged: int
    metrics: dict[str, float]

    def to_json(self) -> dict[str, object]:
        return {**self.labels, "robots": self.robots, "falls": self.falls, "diverged": self.diverged, **self.metrics}


@dataclass(frozen=True)
class Evaluation:
    """What was measured. Errors are means over all robots and control steps up to each robot's first failure; where a metric
    counts in some steps only, over those. A robot whose episode ends otherwise, as it leaves its tile of a terrain, goes on
    from a new start."""

    task: str
    robots: int
    seconds: float
    seed: int
    falls: int
    """Robots that failed within the time."""
    diverged: int
    """Of these, simulations that diverged."""
    metrics: dict[str, float]
    """The task's metrics: for walking planar_velocity_error (m/s), yaw_rate_error (rad/s), and what a robot that does not move
    would have (`..._at_rest`). Those that never counted are left out."""
    metrics_p95: dict[str, float]
    """The same, of the robot that is worse than 95 % of them."""
    return_per_second: float
    """Rewards up to each robot's first failure and its cost, summed, mean over robots, divided by `seconds`: a robot that fell
    earns nothing for the rest of the time."""
    updates: int
    """Of the policy that was evaluated."""
    safety_trips: dict[str, int]
    """Robots that the safety filter would have let down before their first failure, by each cause (`envs.safety`)."""
    tripped: int
    """Robots that it would have let down by any."""
    groups: tuple[Group, ...] = ()
    """The same for each place of the task's curriculum, which share out the robots; none without a curriculum."""

    def to_json(self) -> dict[str, object]:
        told = asdict(self)
        return {
            **{k: v for k, v in told.items() if k not in ("metrics", "metrics_p95", "groups")},
            **self.metrics,
            "p95": self.metrics_p95,
            **({"groups": [group.to_json() for group in self.groups]} if self.groups else {}),
        }


def evaluation_key(seed: int) -> jax.Array:
    """Training draws from jax.random.key(seed); what is evaluated or shown from a stream that no such key starts. Raises
    RunError."""
    check_seed(seed)
    return jax.random.fold_in(jax.random.key(_EVALUATION_STREAM), seed)


def hold_places(task: Task, places: Places | None = None) -> Task:
    """The task as it is evaluated: its curriculum held still, at these places or at all of them. Raises TaskError where it has
    none."""
    if task.curriculum is not None:
        return dataclasses.replace(task, curriculum=task.curriculum.held(dict(places or {})))
    if named := [label for label, values in (places or {}).items() if values]:
        raise TaskError(f"task {task.name!r} has no curriculum, and so no {' or '.join(named)} to choose: leave it out")
    return task


def first_place(task: Task, places: Places | None = None) -> Places:
    """Of the places chosen that of the first robot: for several to be seen at one. Raises TaskError like `hold_places`."""
    curriculum = hold_places(task, places).curriculum
    if curriculum is None:
        return {}
    labels = curriculum.labels(jax.device_get(curriculum.first(jnp.int32(0))))
    return {label: (str(value),) for label, value in labels.items()}


def load_policy(
    run: Run, num_envs: int, engine: str | None = None, update: int | None = None, places: Places | None = None
) -> tuple[PPO, TrainState]:
    """A run's newest policy (or that of the given update) with `num_envs` environments of its task, its curriculum held still.
    Its `env` is not set up."""
    engine = engine or run.engine
    env = make_env(hold_places(run.make_task(), places), num_envs, engine, run.room if engine == run.engine else None)
    minibatches = 1  # nothing is learned here, so any number of environments will do
    ppo = PPO(env, type(run.ppo)(**{**asdict(run.ppo), "minibatches": minibatches}))
    checkpoints = Checkpoints(run.checkpoints)
    state = checkpoints.restore_policy(jax.eval_shape(ppo.init, jax.random.key(0)), update)
    for warning in checkpoints.warnings:
        warnings.warn(warning, stacklevel=2)
    if update is None and checkpoints.updates:
        update = checkpoints.updates[-1 - len(checkpoints.warnings)]
    return ppo, state.replace(updates=jnp.int32(update or 0))


class PolicyEvaluator:
    """Evaluates policies, whoever's they are, on all of an environment's robots; compiled once for as many as come.

    `act` is traced; `seconds` is how long each robot is to last.
    """

    def __init__(self, env: Env, act: Act, seconds: float = 20.0):
        self._env = env
        self._act = act
        self._watchman = Watchman(env)
        self._seconds = seconds
        self._total = _control_steps(env, seconds)
        # Steps between two tellings of progress, so that they come out even.
        self._chunk = max(n for n in range(1, 51) if self._total % n == 0)
        self._reset = jax.jit(env.reset)
        self._advance = jax.jit(self._steps)

    def __call__(self, learned: Any, *, seed: int = 0, updates: int = 0, progress: Progress | None = None) -> Evaluation:
        """`learned` is what `act` takes; `updates` says which policy it is, and is only passed on."""
        env, task = self._env, self._env.task
        names = [t.name for t in task.metrics]
        n, total = env.num_envs, self._total
        none = jnp.zeros(n, bool)
        env_state = self._reset(evaluation_key(seed))
        sums, counts = ({name: jnp.zeros(n) for name in names}, {name: jnp.zeros(n, jnp.int32) for name in names})
        trips = jnp.zeros((n, len(CAUSES)), bool)
        carry = (env_state, ~none, none, none, jnp.zeros(n), sums, counts, trips)
        for done in range(0, total, self._chunk):
            carry = self._advance(learned, carry)
            if progress is not None:
                jax.block_until_ready(carry)
                progress((done + self._chunk) / total)
        env.physics.check_overflow(carry[0].physics)
        _, _, fell, diverged, returns, sums, counts, trips = jax.device_get(carry)

        def means(rows: np.ndarray | slice) -> dict[str, float]:
            counted = [name for name in names if counts[name][rows].any()]
            return {name: float(sums[name][rows].sum() / counts[name][rows].sum()) for name in counted}

        groups = [
            Group(labels, len(rows), int(fell[rows].sum()), int(diverged[rows].sum()), means(rows))
            for labels, rows in _places(task, jax.device_get(env_state.curriculum), n)
        ]
        each = {name: sums[name][counts[name] > 0] / counts[name][counts[name] > 0] for name in names}
        return Evaluation(
            task=task.name,
            robots=n,
            seconds=self._seconds,
            seed=seed,
            falls=int(fell.sum()),
            diverged=int(diverged.sum()),
            metrics=means(slice(None)),
            metrics_p95={name: float(np.quantile(each[name], 0.95)) for name in names if each[name].size},
            return_per_second=float(returns.mean() / self._seconds),
            updates=updates,
            safety_trips={cause: int(count) for cause, count in zip(CAUSES, trips.sum(axis=0), strict=True) if count},
            tripped=int(trips.any(axis=1).sum()),
            groups=tuple(groups),
        )

    def _steps(self, learned: Any, carry: tuple) -> tuple:
        env = self._env

        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            before, alive, fell, diverged, returns, sums, counts, trips = carry
            state = env.step(before, self._act(learned, before))
            returns += jnp.where(alive, state.reward, 0.0)
            # The step in which a robot fails counts for no error: its state is that of a new episode, or absurd.
            fails = alive & state.terminated
            diverged |= fails & (state.metrics["failed/diverged"] > 0)
            alive &= ~state.terminated
            # Where an episode ended, the targets are those that the next one begins with.
            going_on = alive & ~state.truncated
            trips |= self._watchman(before, state) & going_on[:, None]
            values = {name: state.metrics[f"metric/{name}"] for name in sums}
            count = {name: alive & ~jnp.isnan(value) for name, value in values.items()}
            sums = {name: s + jnp.where(count[name], values[name], 0.0) for name, s in sums.items()}
            counts = {name: c + count[name] for name, c in counts.items()}
            return (state, alive, fell | fails, diverged, returns, sums, counts, trips), None

        return jax.lax.scan(step, carry, None, length=self._chunk)[0]


class Evaluator:
    """Evaluates the mean action of our PPO's policies on all of `ppo.env`'s environments."""

    def __init__(self, ppo: PPO, seconds: float = 20.0):
        self._evaluate = PolicyEvaluator(ppo.env, ppo.act_in, seconds)

    def __call__(self, state: TrainState, *, seed: int = 0, progress: Progress | None = None) -> Evaluation:
        return self._evaluate(state.policy, seed=seed, updates=int(state.updates), progress=progress)


def _control_steps(env: Env, seconds: float) -> int:
    """That many seconds in control periods. Raises RunError where they are none."""
    steps = round(seconds / env.task.control_seconds) if np.isfinite(seconds) else 0
    if steps < 1:
        raise RunError(f"robots are to last {seconds:g} s: expected a control period ({env.task.control_seconds:g} s) or more")
    return steps


def _places(task: Task, progress: dict[str, np.ndarray], n: int) -> list[tuple[dict[str, str | int], np.ndarray]]:
    """The places of the curriculum in the order of their first robots, each with its robots."""
    if task.curriculum is None:
        return []
    robots: dict[tuple, list[int]] = {}
    for i in range(n):
        labels = task.curriculum.labels({name: value[i] for name, value in progress.items()})
        robots.setdefault(tuple(labels.items()), []).append(i)
    return [(dict(labels), np.array(rows)) for labels, rows in robots.items()]


@dataclass(frozen=True)
class Rollout:
    """What robots did under a policy, to be shown."""

    qpos: np.ndarray
    """(steps, num_envs, nq)"""
    command: np.ndarray
    """(steps, num_envs, size)"""
    fields: dict[str, np.ndarray]
    """Their model fields at the start, (num_envs, *shape in MjModel) each."""


def roll_out(ppo: PPO, state: TrainState, *, seconds: float, seed: int = 0) -> Rollout:
    """The policy in all environments of `ppo.env`, each beginning anew where its episode ends. Raises RunError."""
    env, steps = ppo.env, _control_steps(ppo.env, seconds)

    def step(env_state: EnvState, _: None) -> tuple[EnvState, tuple[jax.Array, jax.Array]]:
        env_state = env.step(env_state, ppo.act_in(state, env_state))
        return env_state, (env_state.physics.qpos, env_state.command)

    start = jax.jit(env.reset)(evaluation_key(seed))
    qpos, command = jax.device_get(jax.jit(lambda s: jax.lax.scan(step, s, None, length=steps)[1])(start))
    return Rollout(qpos, command, jax.device_get(start.physics.fields))
