"""The baseline that corrects states instead of actions: a network that says by how much the simulator's next joint positions
and velocities are off, rolled out on its own predictions, as ASAP's DeltaDynamics (arXiv 2502.01143).

    dynamics = fit_residual(robot, [sequences(part, limbs, schedule)], architecture, schedule, seed=0)
    dynamics.errors(part)                         # (windows, samples, joints) rad

Its loss is that of K steps ahead, K growing. Through those steps the simulator is taken to be linear around the log's states.
It predicts, but no simulation in which a robot touches something can take a state that it is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from assets.robots.robot import Robot
from envs.delta.features import History, features
from envs.delta.model import evaluate, make_network
from sim2real.calibrate.fit import rounds_of
from sim2real.delta.control_steps import ControlSteps
from sim2real.delta.part import Part
from sim2real.delta.training import Architecture, Schedule, place

_DIFFERENCE = np.array([1e-4, 1e-2])  # rad, rad/s
_HORIZONS = (1, 2, 4, 8)
_DECAY = 1e-4


@dataclass(frozen=True, eq=False)
class Sequences:
    """Stretches of logs, with what the simulator makes of each state; (stretches, steps, ...)."""

    past: History
    """Before each stretch."""
    target: np.ndarray
    gain: np.ndarray
    """(stretches, num_joints)"""
    state: np.ndarray
    """Joint positions and velocities, one step more than the others, (stretches, steps + 1, 2 num_joints)."""
    simulated: np.ndarray
    """What the simulator makes of each state in one control step, (stretches, steps, 2 num_joints)."""
    slope: np.ndarray
    """By how much that changes with the state, (stretches, steps, 2 num_joints, 2 num_joints)."""
    held: np.ndarray
    """Whether the stretch is held back, (stretches,) bool."""


def sequences(part: Part, limbs: Sequence[int], schedule: Schedule) -> Sequences:
    """Of the windows of a part."""
    run, samples = part.steps_run, part.samples
    where = place(part, schedule)
    rows = part.index[:, None] + np.arange(run.count + 1)
    position, velocity = samples.position[rows], samples.velocity[rows]
    simulated, slopes = [], []
    for k in range(run.count):
        here = run.with_joints(run.start, position[:, k], velocity[:, k])
        simulated.append(_after(run, here, k))
        slopes.append(_slope(run, here, simulated[-1], k, limbs))
    past = part.logged(-1)
    return Sequences(
        past=jax.tree.map(lambda x: np.asarray(x)[where.use], past),
        target=samples.target[rows[where.use, :-1]],
        gain=part.gain[where.use],
        state=np.concatenate([position, velocity], axis=2)[where.use],
        simulated=np.stack(simulated, axis=1)[where.use],
        slope=np.stack(slopes, axis=1)[where.use],
        held=where.held[where.use],
    )


def _after(run: ControlSteps, states: np.ndarray, k: int) -> np.ndarray:
    return np.concatenate(run.joint_states(run.step(states, k)[:, run.per_step - 1]), axis=1)


def _slope(run: ControlSteps, states: np.ndarray, after: np.ndarray, k: int, limbs: Sequence[int]) -> np.ndarray:
    n = len(limbs)
    slope = np.zeros((len(states), 2 * n, 2 * n))
    for together in rounds_of([frozenset([limb]) for limb in limbs]):
        for kind, difference in enumerate(_DIFFERENCE):
            moved = list(run.joint_states(states))
            moved[kind] = moved[kind].copy()
            moved[kind][:, together] += difference
            change = (_after(run, run.with_joints(states, *moved), k) - after) / difference
            for j in together:
                own = [i + part for part in (0, n) for i, limb in enumerate(limbs) if limb == limbs[j]]
                slope[:, own, kind * n + j] = change[:, own]
    return slope


@dataclass(frozen=True, eq=False)
class ResidualDynamics:
    robot: Robot
    architecture: Architecture
    params: Any
    center: np.ndarray
    width: np.ndarray
    amplitude: np.ndarray
    """Usual size of a residual, (num_joints, 2), rad and rad/s."""

    def residual(self, params: Any, history: History, gain: jax.Array | np.ndarray) -> jax.Array:
        """Of the next joint positions and velocities, (..., 2 num_joints)."""
        scale = jnp.asarray(self.robot.action_scale, jnp.float32)
        x = (features(history, scale, self.architecture.period, gain) - self.center) / self.width
        network = make_network(self.architecture.kind, self.architecture.hidden, self.robot.num_joints, 2)
        said = jnp.asarray(self.amplitude, jnp.float32) * evaluate(network, params, x.astype(jnp.float32))
        return jnp.concatenate([said[..., 0], said[..., 1]], axis=-1)

    def errors(self, part: Part) -> np.ndarray:
        """Of simulations whose state is put right after each control step."""
        run, n = part.steps_run, self.robot.num_joints
        say = jax.jit(lambda history: self.residual(self.params, history, part.gain))
        history = part.logged(-1)
        states = run.start
        rows = [run.joint_positions(states)[:, None]]
        for k in range(run.count):
            position, velocity = run.joint_states(states)
            target = part.target(k)
            history = history.push(*(jnp.asarray(x, jnp.float32) for x in (position, velocity, target)))
            residual = np.asarray(say(history))
            made = run.step(states, k)
            share = np.minimum(np.arange(1, made.shape[1] + 1) / run.per_step, 1.0)
            rows.append(run.joint_positions(made) + share[:, None] * residual[:, None, :n])
            position, velocity = run.joint_states(made[:, -1])
            states = run.with_joints(made[:, -1], position + residual[:, :n], velocity + residual[:, n:])
        return part.replay.read(np.concatenate(rows, axis=1), run.signals) - part.replay.measured


def fit_residual(
    robot: Robot, parts: Sequence[Sequences], architecture: Architecture, schedule: Schedule, seed: int
) -> ResidualDynamics:
    """Of the stretches of some parts, of which `Trainer` has made sure that there are enough."""
    joined: dict[str, Any] = jax.tree.map(lambda *x: np.concatenate(x), *[vars(part) for part in parts])
    is_held = joined.pop("held")
    train, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    shape = _untrained(robot, joined, train, architecture)
    network = make_network(architecture.kind, architecture.hidden, robot.num_joints, 2)
    best = network.init(jax.random.key(seed), jnp.zeros((1, *shape.center.shape)))
    loss = _loss(shape)
    known = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32 if x.dtype.kind == "f" else None), joined)
    rng = np.random.default_rng(seed)
    horizons = [h for h in _HORIZONS if h <= joined["target"].shape[1]]
    batch = min(2 * schedule.windows(robot.num_joints), len(train))
    count = len(train) // batch
    epochs = max(1, schedule.updates // (len(horizons) * count))
    optimizer = optax.adamw(optax.cosine_decay_schedule(schedule.learning_rate, epochs * count), weight_decay=_DECAY)
    for horizon in horizons:

        def epoch(
            params: Any, state: Any, known: Any, held: jax.Array, order: jax.Array, horizon: int = horizon
        ) -> tuple[Any, Any, jax.Array]:
            def descend(carry: tuple[Any, Any], rows: jax.Array) -> tuple[tuple[Any, Any], None]:
                params, state = carry
                updates, state = optimizer.update(jax.grad(loss)(params, known, rows, horizon), state, params)
                return (optax.apply_updates(params, updates), state), None

            (params, state), _ = jax.lax.scan(descend, (params, state), order)
            return params, state, loss(params, known, held, horizon)

        run = jax.jit(epoch, static_argnames="horizon")
        params, state, least = best, optimizer.init(best), np.inf
        for _ in range(epochs):
            order = rng.permutation(train)[: count * batch].reshape(count, batch)
            params, state, now = run(params, state, known, jnp.asarray(held), jnp.asarray(order))
            if float(now) < least:
                least, best = float(now), params
    return replace(shape, params=best)


def _untrained(robot: Robot, joined: dict[str, Any], train: np.ndarray, architecture: Architecture) -> ResidualDynamics:
    n = robot.num_joints
    left = (joined["state"][:, 1:] - joined["simulated"])[train].reshape(-1, 2, n)
    amplitude = np.sqrt(np.square(left).mean(axis=0)).T + 1e-9
    now = (joined["state"][:, 0, :n], joined["state"][:, 0, n:], joined["target"][:, 0])
    first = jax.tree.map(jnp.asarray, joined["past"]).push(*(jnp.asarray(x, jnp.float32) for x in now))
    seen = np.asarray(features(first, jnp.asarray(robot.action_scale, jnp.float32), architecture.period, joined["gain"]))[train]
    return ResidualDynamics(robot, architecture, None, seen.mean(axis=0), seen.std(axis=0) + 1e-6, amplitude)


def _loss(shape: ResidualDynamics) -> Callable[[Any, Any, jax.Array, int], jax.Array]:
    """Mean square error of the stretches of some rows of `Sequences`, over what the simulator gets wrong in a step; every
    `horizon` steps the prediction begins anew where the log is."""
    n = shape.robot.num_joints
    usual = jnp.asarray(shape.amplitude.T.ravel(), jnp.float32)

    def loss(params: Any, known: Any, rows: jax.Array, horizon: int) -> jax.Array:
        part = jax.tree.map(lambda x: x[rows], known)

        def follow(
            carry: tuple[jax.Array, History], step: tuple[jax.Array, ...]
        ) -> tuple[tuple[jax.Array, History], jax.Array]:
            state, history = carry
            k, target, simulated, slope, measured, following = step
            state = jnp.where(k % horizon == 0, measured, state)
            history = history.push(state[:, :n], state[:, n:], target)
            moved = jnp.einsum("wij,wj->wi", slope, state - measured)
            after = simulated + moved + shape.residual(params, history, part["gain"])
            return (after, history), jnp.mean(jnp.square((after - following) / usual))

        by_step = [part["target"], part["simulated"], part["slope"], part["state"][:, :-1], part["state"][:, 1:]]
        rest = [jnp.swapaxes(x, 0, 1) for x in by_step]
        return jax.lax.scan(follow, (part["state"][:, 0], part["past"]), (jnp.arange(len(rest[0])), *rest))[1].mean()

    return loss
