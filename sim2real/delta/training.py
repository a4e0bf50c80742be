"""Supervised learning of a correction from short windows of logs: `Trainer`.

    model = Trainer(robot, parts, limbs, Architecture(), Schedule()).fit(seed=0)

A network's corrections of a window, through the window's derivatives, are to take away what the simulation does otherwise
than the log. That is one Gauss-Newton step with the network's parameters as unknowns: noise is weighed by what it does to the
motion, and no label has to be made up where the motion hardly depends on it. The next step is taken around simulations with
the correction learned so far as well, from the histories that it then sees there: beside the logs' own, which are not to be
forgotten for them (Ross, Gordon and Bagnell, "A reduction of imitation learning ... to no-regret online learning", 2011).

Held back are whole stretches of time of every log, never single samples, as neighbours are alike; they end the training of each
network, set where its support ends, and say how much of the correction is borne out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from assets.robots.robot import Robot
from envs.delta.errors import DeltaError
from envs.delta.features import History, features
from envs.delta.model import USUAL, DeltaModel, Kind, Support, bounded, evaluate, make_network
from sim2real.delta.linearised import derivatives, members_of, residual
from sim2real.delta.part import Part

_RIDGE = 0.01  # of a correction's square over that of a usual one, beside the share of the error that is left
_DECAY = 1e-3
_ROBUST = 4.0  # usual errors, beyond which one counts less than by its square
_VELOCITY = 0.3  # weight of velocities beside positions
_FLOOR = 0.1  # of each feature's deviation: what differs by less is the same to the support
_EDGE = 0.99  # of what was held back lies within the support
_LEAST_WINDOWS = 12
_LOOK = 50  # updates between two looks at what is held back


@dataclass(frozen=True)
class Architecture:
    """What is learned."""

    kind: Kind = "shared"
    steps: int = 8
    """Control steps of history."""
    period: float = 0.02
    """Control period (s)."""
    hidden: tuple[int, ...] = (96, 96, 96)
    members: int = 5
    bound: float = 1.0
    """Largest correction, in units of action."""


@dataclass(frozen=True)
class Schedule:
    """How it is learned."""

    iterations: int = 2
    """Gauss-Newton steps."""
    updates: int = 4000
    """Steps along the gradient, in each."""
    batch: int = 96
    """Windows of a joint, so that robots of many joints take no longer."""
    learning_rate: float = 5e-3
    block_seconds: float = 2.0
    """Length of the stretches that are held back or drawn together."""
    every: int = 5
    """One stretch of so many is held back."""

    def windows(self, num_joints: int) -> int:
        """Of a batch, of all joints."""
        return max(1, self.batch // num_joints)


class Dataset(struct.PyTreeNode):
    """Windows of all logs. Errors are over those that the simulator usually makes by itself."""

    features: np.ndarray
    """(windows, offsets, num_joints, features)"""
    per_action: np.ndarray
    """Offset (rad) per unit of action at the window's stiffness, (windows, num_joints)."""
    given: np.ndarray
    """Offsets (rad) around which all is linear, (windows, offsets, num_joints)."""
    error: np.ndarray
    """There, (windows, 2, control steps, num_joints)."""
    slope: tuple[np.ndarray, ...]
    """By limb, of its errors by its offsets, (windows, 2 x control steps x its joints, offsets x its joints)."""
    block: np.ndarray
    """Which stretch of time of which log each window is in, (windows,)."""
    held: np.ndarray
    """Whether it is held back, bool."""

    def beside(self, other: "Dataset") -> "Dataset":
        """With the windows of another, of the same stretches."""
        return jax.tree.map(lambda a, b: np.concatenate([a, b]), self, other)


class Trainer:
    """Windows of some logs with their derivatives, to learn a correction from. Raises DeltaError where they are too few."""

    def __init__(
        self,
        robot: Robot,
        parts: Sequence[Part],
        limbs: Sequence[int],
        architecture: Architecture,
        schedule: Schedule,
        told: Callable[[float], None] = lambda share: None,
    ):
        self.robot, self.parts, self.architecture, self.schedule = robot, tuple(parts), architecture, schedule
        self._members = members_of(limbs)
        self._places = [place(part, schedule) for part in parts]
        use, held = (np.concatenate([getattr(p, name) for p in self._places]) for name in ("use", "held"))
        if min((use & held).sum(), (use & ~held).sum()) < _LEAST_WINDOWS:
            raise DeltaError(
                f"the logs have {(use & ~held).sum()} windows to learn from and {(use & held).sum()} to hold back, expected at"
                f" least {_LEAST_WINDOWS} of each; record {15 * schedule.block_seconds:g} s or more without a pause"
            )
        slopes = []
        for i, part in enumerate(self.parts):
            slopes.append(derivatives(part.steps_run, limbs))
            told((i + 1) / len(parts))
        alone = [part.steps_run.states(part.no_offsets()) for part in parts]
        errors = np.concatenate([residual(part, states) for part, states in zip(parts, alone, strict=True)])
        self._usual = np.sqrt(np.mean(np.square(errors), axis=(0, 2), keepdims=True)) + 1e-9
        self._usual[:, 1] /= _VELOCITY
        self._slopes = [
            _flat(np.concatenate(of_limb)[use] / self._usual[..., joints, None, None].astype(np.float32))
            for joints, *of_limb in zip(self._members, *slopes, strict=True)
        ]

    @property
    def simulated(self) -> int:
        """Physics steps so far."""
        return sum(part.steps_run.simulated for part in self.parts)

    def fit(self, seed: int, told: Callable[[float], None] = lambda share: None) -> DeltaModel:
        """The ensemble, each network from a start and a draw of stretches of its own."""
        data = self._from_logs()
        train = ~data.held
        seen = data.features[train].reshape(-1, *data.features.shape[2:])
        center, width = seen.mean(axis=0), seen.std(axis=0) + 1e-6
        x = (seen - center) / width
        precision = np.linalg.inv(np.einsum("njf,njg->jfg", x, x) / len(x) + _FLOOR**2 * np.eye(x.shape[-1]))
        ones = jnp.ones(self.robot.num_joints)
        architecture = self.architecture
        model = DeltaModel(
            robot=self.robot.name,
            joints=self.robot.joints,
            kind=architecture.kind,
            hidden=architecture.hidden,
            steps=architecture.steps,
            period=architecture.period,
            bound=architecture.bound,
            action_scale=np.array(self.robot.action_scale),
            params=first_params(architecture, x.shape[1:], seed),
            center=center,
            width=width,
            shrink=np.ones(self.robot.num_joints),
            support=Support(jnp.zeros(x.shape[1:]), jnp.asarray(precision, jnp.float32), ones, ones),
        )
        around = data
        for i in range(self.schedule.iterations):
            if i > 0:
                around = around.beside(self._from_simulation(model))
            done = lambda share, i=i: told((i + share) / self.schedule.iterations)  # noqa: E731
            model = model.replace(params=self._descend(model, around, seed + i, done))
        return _with_edges(model, data.features[data.held].reshape(-1, *seen.shape[1:]))

    # What is linear around what

    def _from_logs(self) -> Dataset:
        """Around no correction, with the pasts that are in the logs."""
        rows = []
        for part in self.parts:
            histories = [part.logged(k) for k in range(-part.steps_run.before, part.steps_run.count)]
            given = part.no_offsets()
            rows.append((histories, given, part.steps_run.states(given)))
        return self._around(rows)

    def _from_simulation(self, model: DeltaModel) -> Dataset:
        """Around what the networks say on average, with the pasts that they see where they are followed."""
        rows = []
        for part in self.parts:
            correct = jax.jit(lambda history, gain=part.gain: model.mean(history, gain))
            found = part.follow(lambda history, c=correct: np.asarray(c(history)))
            rows.append((found.histories, found.run.offsets, found.run.states))
        return self._around(rows)

    def _around(self, rows: Sequence[tuple[Sequence[History], np.ndarray, np.ndarray]]) -> Dataset:
        scale = jnp.asarray(self.robot.action_scale, jnp.float32)
        columns: list[list[np.ndarray]] = [[] for _ in range(6)]
        first = 0
        for part, where, (histories, given, states) in zip(self.parts, self._places, rows, strict=True):
            seen = [np.asarray(features(history, scale, part.samples.period, part.gain)) for history in histories]
            per_action = part.scale / np.maximum(part.gain, 1e-6)
            error = residual(part, states) / self._usual
            values = (np.stack(seen, axis=1), per_action, given, error, where.block + first, where.held)
            for column, value in zip(columns, values, strict=True):
                column.append(value[where.use])
            first += int(where.block.max()) + 1
        seen, per_action, given, error, block, held = (np.concatenate(column) for column in columns)
        return Dataset(seen, per_action, given, error, tuple(self._slopes), block, held)

    # Descending

    def _descend(self, model: DeltaModel, data: Dataset, seed: int, told: Callable[[float], None]) -> Any:
        """Parameters of all members, each as it was when it did best on what was held back."""
        schedule, train = self.schedule, np.flatnonzero(~data.held)
        batch, looks = min(schedule.windows(len(model.joints)), len(train)), max(1, schedule.updates // _LOOK)
        rate = optax.cosine_decay_schedule(schedule.learning_rate, looks * _LOOK)
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=_DECAY))
        network = make_network(model.kind, model.hidden, len(model.joints))
        x = (data.features - model.center) / model.width
        values = (data.per_action, data.given, data.error)
        # Given as an argument: what a compiled function holds is folded into it, anew for each log.
        known = tuple(jnp.asarray(v, jnp.float32) for v in (x, *values)), tuple(map(jnp.asarray, data.slope))
        held = jnp.asarray(np.flatnonzero(data.held))

        def loss(params: Any, known: Any, rows: jax.Array, drawn: jax.Array) -> jax.Array:
            (x, per_action, given, error), slopes = jax.tree.map(lambda array: array[rows], known)
            said = bounded(evaluate(network, params, x)[..., 0], model.bound)
            moved = said * per_action[:, None] - given
            left = jnp.zeros(len(rows))
            for joints, slope in zip(self._members, slopes, strict=True):
                index = np.array(joints)
                change = jnp.einsum("weu,wu->we", slope, moved[..., index].reshape(len(rows), -1))
                after = error[..., index].reshape(len(rows), -1) + change
                robust = 2 * _ROBUST**2 * (jnp.sqrt(1.0 + jnp.square(after / _ROBUST)) - 1.0)
                left += robust.sum(axis=1) / (error.shape[2] * error.shape[3])
            ridge = _RIDGE * jnp.square(said / USUAL).mean(axis=(1, 2))
            return jnp.sum(drawn * (left + ridge)) / (jnp.sum(drawn) + 1e-9)

        def judge(params: Any, known: Any, held: jax.Array) -> jax.Array:
            return loss(params, known, held, jnp.ones(len(held)))

        def learn(
            params: Any, state: Any, known: Any, held: jax.Array, order: jax.Array, drawn: jax.Array
        ) -> tuple[Any, Any, jax.Array]:
            def descend(carry: tuple[Any, Any], rows: jax.Array) -> tuple[tuple[Any, Any], None]:
                params, state = carry
                updates, state = optimizer.update(jax.grad(loss)(params, known, rows, drawn[rows]), state, params)
                return (optax.apply_updates(params, updates), state), None

            (params, state), _ = jax.lax.scan(descend, (params, state), order)
            return params, state, judge(params, known, held)

        rng = np.random.default_rng(seed)
        drawn = jnp.asarray(_draw(data.block, train, self.architecture.members, rng), jnp.float32)
        params = best = model.params
        state = jax.vmap(optimizer.init)(params)
        least = jax.vmap(judge, in_axes=(0, None, None))(params, known, held)
        run = jax.jit(jax.vmap(learn, in_axes=(0, 0, None, None, None, 0)))
        for i in range(looks):
            order = np.concatenate([rng.permutation(train) for _ in range(-(-_LOOK * batch // len(train)))])
            order = order[: _LOOK * batch].reshape(_LOOK, batch)
            params, state, now = run(params, state, known, held, jnp.asarray(order), drawn)
            better = now < least
            least = jnp.where(better, now, least)
            best = jax.tree.map(
                lambda new, old, b=better: jnp.where(b.reshape(-1, *[1] * (new.ndim - 1)), new, old), params, best
            )
            told((i + 1) / looks)
        return best


@dataclass(frozen=True, eq=False)
class Place:
    """Of each window of a part, where in time it lies."""

    block: np.ndarray
    held: np.ndarray
    use: np.ndarray
    """Whether it and its past lie wholly in what is held back, or wholly in what is not, bool."""


def place(part: Part, schedule: Schedule) -> Place:
    """The same for the same log: one stretch in so many is held back."""
    length = round(schedule.block_seconds / part.samples.period)
    block = np.arange(len(part.samples)) // length
    held = block % schedule.every == schedule.every // 2
    run = part.steps_run
    # What shares measurements with what is held back is neither fitted to nor held back.
    span = part.index[:, None] + np.arange(-part.steps - run.before, run.count + 2)
    inside = held[np.clip(span, 0, len(held) - 1)]
    return Place(block[part.index], held[part.index], (inside == inside[:, :1]).all(axis=1))


def _flat(slope: np.ndarray) -> np.ndarray:
    return slope.reshape(len(slope), int(np.prod(slope.shape[1:4])), -1)


def first_params(architecture: Architecture, shape: tuple[int, ...], seed: int) -> Any:
    """Of all members; `shape` is that of a robot's features."""
    network = make_network(architecture.kind, architecture.hidden, shape[0])
    keys = jax.random.split(jax.random.key(seed), architecture.members)
    return jax.vmap(lambda key: network.init(key, jnp.zeros((1, *shape))))(keys)


def _draw(block: np.ndarray, train: np.ndarray, members: int, rng: np.random.Generator) -> np.ndarray:
    """How often each window counts for each member: stretches are drawn with replacement, (members, windows)."""
    blocks = np.unique(block[train])
    times = rng.multinomial(len(blocks), np.full(len(blocks), 1.0 / len(blocks)), size=members)
    counts = np.zeros((members, int(block.max()) + 1))
    counts[:, blocks] = times
    return counts[:, block]


def _with_edges(model: DeltaModel, held: np.ndarray) -> DeltaModel:
    """With the support as wide as almost all that was held back, features (control steps, num_joints, features)."""
    x = model.standardise(jnp.asarray(held, jnp.float32))
    distance, spread = np.asarray(model.support.distance(x)), np.asarray(model.members(x)).std(axis=0)
    if model.kind == "whole-body":
        distance, spread = (np.broadcast_to(v.max(axis=1, keepdims=True), v.shape) for v in (distance, spread))
    edges = (jnp.asarray(np.quantile(v, _EDGE, axis=0) + 1e-9, jnp.float32) for v in (distance, spread))
    return model.replace(support=model.support.replace(**dict(zip(("edge", "spread"), edges, strict=True))))
