"""How late the robot's joints answer their commands: `lags(log, robot)`, one `Lag` for each joint.

A joint lags behind its target by its own dynamics too. What is sought here is the pure delay: of the links, the queues and the
cycles of the motor's electronics. So the equation of a joint under its controller is fitted at every delay d,

    position = a target(t - d) + b velocity + c acceleration + f sign(velocity) + coupled joints + constant,

all coefficients free (they hold the gains, which need not be known), all terms under the same Gaussian window, which keeps the
encoder's noise and steps out and lets the held commands be shifted by any time (`sim2real.logs.band`). As velocity and
acceleration come of the same noisy positions, plain least squares would be biased. Instead only what the commands explain of
each term counts (two-stage least squares; the instruments are the commands at many delays, as in Soderstrom and Stoica, System
Identification, 1989, chapter 8), which also leaves out what no command brought about.

The interval is that of the estimate under disturbances that are correlated for up to half a second and uneven over the log (the
sandwich of block sums), widened by how much the estimates under three windows differ, which shows what the model does not hold.
Joints whose delays show no difference then lean on one another.

A delay of state messages cannot be told from one of commands, as the motor closes its loop itself: what is found is their sum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from assets.robots.robot import Robot
from sim2real.logs.band import Held, OverTime, Samples
from sim2real.logs.check import UNKNOWN, Estimate, Lag
from sim2real.logs.coupling import Coupling, couplings
from sim2real.logs.pooling import pool
from sim2real.logs.robot_log import RobotLog

EARLIEST, LATEST = -0.02, 0.4
"""Delays that are looked at (s)."""
_NARROWEST = 0.008  # s: a window that passes up to some 20 Hz
_LEAST_INTERVALS = 1.5  # of samples, in a window
_WINDOWS = (1.0, 1.5, 2.5)
_LEAST_WINDOWS = 2  # that agree on an answer at all
_BEYOND = 0.01  # s
_BLOCK = 0.5  # s
_MOVED = 0.003  # rad, of a target
_LEAST_ROWS = 60
_MEMORY = 0.3  # s
_MEMORY_WINDOWS = 16
_DELAYS = 40
_NEGLIGIBLE = 1e-7
_LEAST_EXPLAINED = 0.05
_HUBER = 2.5
_DIFFERENCE = 0.0003  # s, by which the delays of joints are taken to differ at least


@dataclass(frozen=True, eq=False)
class _Rows:
    """A regression of one joint: rows are times."""

    times: np.ndarray
    position: np.ndarray
    fixed: np.ndarray
    """(rows, columns) that do not depend on the delay."""
    commands: tuple[OverTime, ...]
    """Columns that do, as functions of time."""
    instruments: np.ndarray
    """(rows, columns) that no noise of the encoder is in."""
    moves: np.ndarray
    """(rows,) bool: not at rest, where dry friction may have any value."""

    def delayed(self, delay: float) -> np.ndarray:
        return np.stack([command(self.times - delay) for command in self.commands], axis=1)


@dataclass(frozen=True, eq=False)
class Fit:
    """One joint under one window."""

    delay: float
    error: float
    """Standard error (s)."""
    drift: float
    """Of the delay (s/s)."""
    drift_error: float
    explained: float
    delays: np.ndarray
    left_over: np.ndarray
    """Share of the acceleration at each of `delays`."""
    blocks: int


def lags(log: RobotLog, robot: Robot | None = None) -> tuple[Lag, ...]:
    """By joint, in policy order. Needs positions and targets, whose stamps are of one clock."""
    log.require("position", "target")
    alone = [joint_lag(log, j, coupling) for j, coupling in enumerate(couplings(log, robot))]
    return tuple(lag for lag, _ in _together(alone))


def joint_lag(log: RobotLog, joint: int, coupling: Coupling) -> tuple[Lag, float]:
    """By what that joint tells alone, and the standard error (s)."""
    name = log.info.joints[joint]
    if reason := _why_not(log, joint):
        return Lag(name, UNKNOWN, np.nan, 0.0, reason), np.nan
    fits = joint_fits(log, joint, coupling)
    following = _following(log, joint)
    if len(fits) < _LEAST_WINDOWS:
        reason = "no delay makes the model of a joint under its controller fit, or too little moves"
        return Lag(name, UNKNOWN, following, 0.0, reason), np.nan
    best = min(fits, key=lambda fit: fit.error)
    spread = float(np.std([fit.delay for fit in fits], ddof=1))
    if coupling.alike:  # then the chain explains what the joint's own command does, or the other way round
        apart = joint_fits(log, joint, Coupling((), coupling.others))
        if len(apart) < _LEAST_WINDOWS:
            reason = "joints of its chain were asked to move alike, so that their effects cannot be told apart"
            return Lag(name, UNKNOWN, following, best.explained, reason), np.nan
        spread += float(np.ptp([fit.delay for fit in fits + apart]))
    if best.delay - 2 * best.error > following + _BEYOND:
        reason = "the model of a joint under its controller does not fit: it answers later by it than it follows"
        return Lag(name, UNKNOWN, following, best.explained, reason), np.nan
    error = float(np.hypot(best.error, spread))
    half = float(student.ppf(0.975, best.blocks - 1)) * error
    delay = Estimate(best.delay, best.delay - half, best.delay + half)
    return Lag(name, delay, following, best.explained, "", best.delays, best.left_over), error


def _together(alone: list[tuple[Lag, float]]) -> list[tuple[Lag, float]]:
    """The same joints, each knowing of the others: their commands come by one bus, and where their delays show no difference
    each estimate leans on what they share (the best linear prediction under random effects). Intervals keep their width."""
    known = [j for j, (lag, _) in enumerate(alone) if not lag.reason]
    if len(known) < 3:
        return alone
    values = np.array([alone[j][0].delay.value for j in known])
    errors = np.array([alone[j][1] for j in known])
    shared = pool(values, errors, _DIFFERENCE**2)
    told = list(alone)
    for j, value, error in zip(known, values, errors, strict=True):
        own = shared.between / (shared.between + error**2)
        better = own * value + (1 - own) * shared.mean
        lag = alone[j][0]
        half = (lag.delay.high - lag.delay.low) / 2  # errors may be common to all, as by jitter of the messages that they share
        told[j] = replace(lag, delay=Estimate(better, better - half, better + half)), error
    return told


def joint_fits(log: RobotLog, joint: int, coupling: Coupling) -> list[Fit]:
    """Under each window at which the commands explain something."""
    narrow = max(_NARROWEST, _LEAST_INTERVALS * _samples(log).interval)
    found = (_fit(_rows(log, joint, coupling, factor * narrow), factor * narrow) for factor in _WINDOWS)
    return [fit for fit in found if fit is not None]


def origin(log: RobotLog) -> int:
    """The stamp that times count from (ns)."""
    return int(log["position"].stamps.min())


def _samples(log: RobotLog) -> Samples:
    return Samples.of(log["position"], origin(log))


def _why_not(log: RobotLog, joint: int) -> str:
    target, position = log["target"], log["position"]
    if len(target) < 3 or np.ptp(target.values[:, joint]) < _MOVED:
        return "its target does not move"
    if np.ptp(position.values[:, joint]) < _MOVED:
        return "it does not move"
    if log.seconds < 2.0 + LATEST:
        return "the recording is too short"
    return ""


def _rows(log: RobotLog, joint: int, coupling: Coupling, sigma: float) -> _Rows:
    """The regression of a joint under a window."""
    samples = _samples(log)
    chosen = Samples(samples.times, samples.values[:, [joint, *coupling.all]])
    first = max(samples.times[0] + 5 * sigma, 1e-9 * (log["target"].stamps.min() - origin(log)) + LATEST)
    times = np.arange(first, samples.times[-1] - 5 * sigma, 0.75 * sigma)
    times = times[chosen.covers(times, sigma) & _steady_gains(log, times, 5 * sigma)]
    q, qd, qdd = (chosen.smooth(sigma, order)(times) for order in range(3))
    friction, moves = _friction(chosen, sigma, times)
    softness, damping = _gains(log, joint, times)
    forces = np.concatenate([np.ones((len(times), 1)), qd, qdd, q[:, 1:], friction], axis=1)
    fixed = np.concatenate([softness * forces, damping * qd[:, :1]], axis=1)
    commands = _commands(log, joint, sigma)
    return _Rows(times, q[:, 0], fixed, commands, _instruments(log, joint, coupling, commands, sigma, times), moves)


def _instruments(
    log: RobotLog, joint: int, coupling: Coupling, commands: tuple[OverTime, ...], sigma: float, times: np.ndarray
) -> np.ndarray:
    """The commands of the joint and of those that are coupled, at delays that cover a joint's memory; and for dry friction the
    sign of how the target changes."""
    memory = max(_MEMORY, _MEMORY_WINDOWS * sigma)
    delays = np.linspace(EARLIEST, memory, _DELAYS)
    held = Held.of(log["target"], origin(log))
    slope = Held(held.times, held.values[:, [joint]]).smooth(sigma, 1)
    columns = [np.ones((len(times), 1))]
    columns += [command(times - delay)[:, None] for command in commands for delay in delays]
    columns += [np.sign(slope(times - delay)) for delay in delays[:12:2]]
    if coupling.all:
        others = Held(held.times, held.values[:, list(coupling.all)]).smooth(sigma)
        columns += [others(times - delay) for delay in delays[::8]]
    return np.concatenate(columns, axis=1)


def _friction(samples: Samples, sigma: float, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sign of the first joint's velocity under the window, (times, 1), and where it moves at all, (times,)."""
    own = Samples(samples.times, samples.values[:, :1])
    grid, _ = own.on_grid
    velocity = own.smooth(max(0.5 * sigma, 1.2 * own.interval), 1)(grid)
    slow = 0.02 * max(float(np.percentile(np.abs(velocity), 95)), 1e-9)
    sign = Samples(grid, np.tanh(velocity / slow)).smooth(sigma)(times)
    return sign, np.abs(own.smooth(sigma, 1)(times)[:, 0]) > 2 * slow


def _gains(log: RobotLog, joint: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One over the stiffness, in units of its first value, (times, 1); and how the damping over the stiffness differs from a
    constant of that, (times, 0 or 1): a column only where gains change."""
    stamps = (1e9 * times).astype(np.int64) + origin(log)
    stiffness, damping = (
        log[name].held_at(stamps)[:, [joint]] if name in log and np.ptp(log[name].values[:, joint]) > 0 else None
        for name in ("stiffness", "damping")
    )
    softness = np.ones((len(times), 1))
    if stiffness is not None:
        softness = float(np.median(stiffness)) / np.maximum(stiffness, 1e-3 * float(stiffness.max()))
    return softness, np.zeros((len(times), 0)) if damping is None else damping * softness


def _steady_gains(log: RobotLog, times: np.ndarray, reach: float) -> np.ndarray:
    """At which times no gain has changed within a window and the longest delay."""
    steady = np.ones(len(times), bool)
    for name in ("stiffness", "damping"):
        if name in log and len(log[name]) > 1:
            changed = np.flatnonzero((np.diff(log[name].values, axis=0) != 0).any(axis=1)) + 1
            at = 1e-9 * (log[name].stamps[changed] - origin(log))
            next_change = np.searchsorted(at, times + reach)
            last = np.where(next_change > 0, at[np.maximum(next_change - 1, 0)] if len(at) else -np.inf, -np.inf)
            steady &= last < times - LATEST - reach
    return steady


def _commands(log: RobotLog, joint: int, sigma: float) -> tuple[OverTime, ...]:
    """What is commanded, as functions of time. With the gains, it is one target; without, each has an unknown gain."""
    wanted = {}
    for name in ("target", "target_velocity", "feedforward"):
        if name in log and len(log[name]) and np.ptp(log[name].values[:, joint]) > 0:
            held = Held.of(log[name], origin(log))
            wanted[name] = Held(held.times, held.values[:, [joint]]).smooth(sigma)
    if len(wanted) > 1 and {"stiffness", "damping"} <= set(log):
        return (_equal_target(log, joint, wanted),)
    return tuple((lambda times, f=f: f(times)[:, 0]) for f in wanted.values())


def _equal_target(log: RobotLog, joint: int, wanted: dict[str, OverTime]) -> OverTime:
    """The target that alone would bring about the same torque."""

    def target(times: np.ndarray) -> np.ndarray:
        stamps = (1e9 * times).astype(np.int64) + origin(log)
        stiffness, damping = (log[name].held_at(stamps)[:, joint] for name in ("stiffness", "damping"))
        stiffness = np.maximum(stiffness, 1e-6)
        gain = {"target": np.ones(len(times)), "target_velocity": damping / stiffness, "feedforward": 1 / stiffness}
        return np.sum([gain[name] * smooth(times)[:, 0] for name, smooth in wanted.items()], axis=0)

    return target


def _fit(rows: _Rows, sigma: float) -> Fit | None:
    """None where the commands explain nothing, at any delay within the bounds."""
    weights = rows.moves.astype(float)
    if weights.sum() < max(_LEAST_ROWS, 4 * rows.fixed.shape[1]):
        return None
    delays = np.arange(EARLIEST, LATEST, sigma / 3)
    delay, around = 0.0, np.inf
    left_over = np.zeros(len(delays))
    for _ in range(3):  # weights that take off what no model explains
        projection = _Projection(rows, np.sqrt(weights))
        if around == np.inf:
            left_over = np.array([projection.left_over(d) for d in delays])
            best = int(np.argmin(left_over))
            if best in (0, len(delays) - 1) or left_over[best] > (1 - _LEAST_EXPLAINED) * projection.total:
                return None
            delay, around = float(delays[best]), sigma / 2
        bounds = (delay - around, delay + around)
        delay = float(minimize_scalar(projection.left_over, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x)
        residual = projection.residual(delay)
        plain = np.divide(residual, projection.root, out=np.zeros_like(residual), where=projection.root > 0)
        scale = 1.4826 * float(np.median(np.abs(plain[rows.moves]))) or 1.0
        weights = rows.moves * np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(plain), 1e-12))
    return _with_errors(projection, delay, delays, left_over)


class _Projection:
    """The rows as the instruments see them, without what the fixed columns explain."""

    def __init__(self, rows: _Rows, root: np.ndarray):
        self.rows, self.root = rows, root
        self._seen = _basis(rows.instruments * root[:, None])
        fixed = self._seen.T @ (rows.fixed * root[:, None])
        self._explained = _basis(fixed)
        self._fixed_gains = np.linalg.pinv(fixed, rcond=_NEGLIGIBLE)
        self.position = self.reduced(rows.position)
        self.total = float(self.position @ self.position)

    def reduced(self, column: np.ndarray) -> np.ndarray:
        """(rows,) or (rows, columns), in the coordinates of what the instruments see."""
        seen = self._seen.T @ (column * (self.root if column.ndim == 1 else self.root[:, None]))
        return seen - self._explained @ (self._explained.T @ seen)

    def full(self, reduced: np.ndarray) -> np.ndarray:
        return self._seen @ reduced

    def gains(self, delay: float) -> np.ndarray:
        return np.linalg.lstsq(self.reduced(self.rows.delayed(delay)), self.position, rcond=None)[0]

    def left_over(self, delay: float) -> float:
        commands = self.reduced(self.rows.delayed(delay))
        gains = np.linalg.lstsq(commands, self.position, rcond=None)[0]
        if gains[0] <= 0:  # a motor that drives away from its target is none: the delay is half a period off
            return self.total
        rest = self.position - commands @ gains
        return float(rest @ rest)

    def residual(self, delay: float) -> np.ndarray:
        """(rows,) of the equation itself, weighted."""
        rest = self.rows.position - self.rows.delayed(delay) @ self.gains(delay)
        fixed = self._fixed_gains @ (self._seen.T @ (self.root * rest))
        return self.root * (rest - self.rows.fixed @ fixed)


def _basis(columns: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(columns, axis=0)
    u, s, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    return u[:, s > _NEGLIGIBLE * s[0]]


def _with_errors(projection: _Projection, delay: float, delays: np.ndarray, left_over: np.ndarray) -> Fit | None:
    """The delay with its standard error, and whether it drifts, from one Gauss-Newton step about it."""
    rows, step = projection.rows, 1e-4
    residual = projection.residual(delay)
    slope = (rows.delayed(delay + step) - rows.delayed(delay - step)) @ projection.gains(delay) / (2 * step)
    free = projection.reduced(rows.delayed(delay))
    columns = projection.reduced(np.stack([slope, slope * (rows.times - rows.times.mean())], axis=1))
    columns = projection.full(columns - free @ np.linalg.lstsq(free, columns, rcond=None)[0])
    inverse = np.linalg.pinv(columns.T @ columns)
    span = float(rows.times[-1] - rows.times[0])
    blocks = int(np.clip(span / _BLOCK, 6, 200))
    block = np.minimum(((rows.times - rows.times[0]) / span * blocks).astype(int), blocks - 1)
    sums = np.stack([np.bincount(block, column * residual, blocks) for column in columns.T], axis=1)
    covariance = inverse @ (sums.T @ sums) @ inverse * blocks / (blocks - 1)
    drift = float((inverse @ (columns.T @ residual))[1])
    own = columns[:, 0]
    if not own @ own > 0:
        return None
    error = np.sqrt(float(sums[:, 0] @ sums[:, 0]) * blocks / (blocks - 1)) / float(own @ own)
    explained = 1 - projection.left_over(delay) / projection.total
    share = left_over / max(float(left_over.max()), 1e-300)
    return Fit(delay, float(error), drift, float(np.sqrt(covariance[1, 1])), explained, delays, share, blocks)


def _following(log: RobotLog, joint: int) -> float:
    """The delay at which target and position correlate best (s); NaN where they do not."""
    samples = _samples(log)
    sigma = max(0.02, _LEAST_INTERVALS * samples.interval)
    own = Samples(samples.times, samples.values[:, [joint]])
    held = Held.of(log["target"], origin(log))
    target = Held(held.times, held.values[:, [joint]]).smooth(sigma)
    times = np.arange(samples.times[0] + LATEST, samples.times[-1] - 5 * sigma, sigma)
    times = times[own.covers(times, sigma)]
    if len(times) < 10:
        return np.nan
    position = own.smooth(sigma)(times)[:, 0]
    return best_shift(lambda shift: target(times - shift)[:, 0], position, (EARLIEST, LATEST), sigma / 2)[0]


def best_shift(
    shifted: Callable[[float], np.ndarray], signal: np.ndarray, bounds: tuple[float, float], step: float
) -> tuple[float, float]:
    """The shift at which the two correlate best, and that correlation; NaN and 0 where there is none within the bounds."""

    def against(shift: float) -> float:
        other = shifted(shift)
        size = float(other.std() * signal.std())
        return -float(((other - other.mean()) * (signal - signal.mean())).mean()) / size if size > 0 else 0.0

    shifts = np.arange(bounds[0], bounds[1] + step, step)
    values = [against(shift) for shift in shifts]
    best = int(np.argmin(values))
    if best in (0, len(shifts) - 1) or values[best] >= 0:
        return np.nan, 0.0
    near = minimize_scalar(against, bounds=(shifts[best - 1], shifts[best + 1]), method="bounded", options={"xatol": 1e-6})
    return float(near.x), -float(near.fun)
