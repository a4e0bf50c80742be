"""The fit: parameters with which the simulation follows the logs, by `mujoco.sysid`.

    problem = Problem(robot, spec, free, replays, noise=0.002)
    solution = solve(problem, problem.nominal)
    problem.values(solution.x)

Large errors count less than by their square, so that a blow or a lost message does not decide; a ridge towards the nominal
values, weak against any data, decides where the data say nothing.
"""

import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco import minimize

from assets.robots.robot import Robot
from sim2real.calibrate.parameters import Parameter, build_model, read_signals
from sim2real.calibrate.replay import Replay
from sim2real.calibrate.starts import Starts

_BIN = 0.02  # s; the errors within one are averaged: neighbours tell nothing new
_ROBUST = 3.0  # noises, beyond which an error counts less than by its square
RIDGE = 0.1
"""Weight of the solver's variables less their nominal values, beside residuals over their noise."""
_CORNER = 2e-3  # of the range of a variable: a search that starts at a bound may stall there
_DIFFERENCE = 1e-3  # of the solver's variables, of which 1 is a likely deviation


class Problem:
    """Errors of the simulation over the windows of some logs, as a function of a solver's variables."""

    def __init__(self, robot: Robot, spec: mujoco.MjSpec, free: Sequence[Parameter], replays: Sequence[Replay], noise: float):
        """`noise` is the standard deviation of what the model need not explain (rad)."""
        self.robot, self.spec, self.free, self.replays, self.noise = robot, spec, tuple(free), tuple(replays), noise
        self._bins = [np.floor(replay.windows.time / _BIN).astype(int) for replay in replays]
        self._limbs = limbs(robot, spec)
        self._affected = [self._limbs_of(parameter) for parameter in self.free]
        self._starts: list[Starts] | None = None
        self.rounds = rounds_of(self._affected)
        """Indices of parameters that are told apart in one simulation, as they move different limbs."""

    def with_free_starts(self, x: np.ndarray) -> "Problem":
        """The same, but for what other states at the windows' starts would explain, at x and nearby."""
        values, made = self.values(x), copy.copy(self)
        model, signals = build_model(self.spec, self.free, values), read_signals(self.robot, self.free, values)
        made._starts = [
            Starts(replay, self._limbs, model, signals, lambda errors, bins=bins: _average(errors, bins))
            for replay, bins in zip(self.replays, self._bins, strict=True)
        ]
        return made

    def with_noise(self, noise: float) -> "Problem":
        made = copy.copy(self)
        made.noise = noise
        return made

    def with_timestep(self, timestep: float, x: np.ndarray) -> "Problem":
        """The same in other steps (s), its starts free at x if they are."""
        spec = self.spec.copy()
        spec.option.timestep = timestep
        replays = [Replay(self.robot, replay.windows, timestep, replay.threads) for replay in self.replays]
        made = Problem(self.robot, spec, self.free, replays, self.noise)
        return made if self._starts is None else made.with_free_starts(x)

    @property
    def windows(self) -> np.ndarray:
        """For each row of `residuals` the log that it is of and its window there, (bins, 2)."""
        rows = []
        for i, (replay, bins) in enumerate(zip(self.replays, self._bins, strict=True)):
            window = np.repeat(np.arange(len(replay.windows)), bins.max() + 1)
            rows.append(np.stack([np.full(len(window), i), window], axis=1))
        return np.concatenate(rows)

    @property
    def nominal(self) -> np.ndarray:
        return np.array([p.to_solver(p.nominal) for p in self.free])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([p.to_solver(p.low) for p in self.free]), np.array([p.to_solver(p.high) for p in self.free])

    def values(self, x: np.ndarray) -> np.ndarray:
        """Physical, (parameters,)."""
        return np.array([p.from_solver(v) for p, v in zip(self.free, x, strict=True)])

    def errors(self, x: np.ndarray) -> list[np.ndarray]:
        """Of each replay, (windows, samples, joints) rad."""
        values = self.values(x)
        model, signals = build_model(self.spec, self.free, values), read_signals(self.robot, self.free, values)
        return [replay.errors(model, signals) for replay in self.replays]

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Means of bins of time, over the noise: (bins of all windows of all logs, joints)."""
        averages = [_average(e, b) for e, b in zip(self.errors(x), self._bins, strict=True)]
        if self._starts is not None:
            averages = [start.without(a) for start, a in zip(self._starts, averages, strict=True)]
        return np.concatenate(averages) / self.noise

    def jacobian(self, x: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Of `residuals`, which are `base` at x: (bins, joints, parameters), by differences away from the nearer bound."""
        low, high = self.bounds
        step = np.where(x - low > high - x, -_DIFFERENCE, _DIFFERENCE)
        made = np.zeros((*base.shape, len(x)))
        for together in self.rounds:
            moved = x.copy()
            moved[together] += step[together]
            change = self.residuals(moved) - base
            for i in together:
                joints = [j for j, limb in enumerate(self._limbs) if limb in self._affected[i]]
                made[:, joints, i] = change[:, joints] / step[i]
        return made

    def _limbs_of(self, parameter: Parameter) -> frozenset[int]:
        model = self.spec.copy().compile()
        joints = self.robot.joints
        if parameter.kind.of in ("body", "tip"):
            joints_of = {model.body(model.jnt_bodyid[model.joint(name).id]).name: i for i, name in enumerate(joints)}
            return frozenset(self._limbs[joints_of[name]] for name in parameter.members)
        return frozenset(self._limbs[joints.index(name)] for name in parameter.members)


def limbs(robot: Robot, spec: mujoco.MjSpec) -> tuple[int, ...]:
    """For each joint the limb that it is in: as the base is fixed, limbs do not move each other."""
    model = spec.copy().compile()
    base = model.body(robot.base).id

    def root(body: int) -> int:
        while model.body_parentid[body] not in (0, base):
            body = model.body_parentid[body]
        return body

    return tuple(int(root(int(model.jnt_bodyid[model.joint(name).id]))) for name in robot.joints)


def rounds_of(affected: Sequence[frozenset[int]]) -> list[list[int]]:
    """Groups of which no two members affect the same limb, each as large as comes."""
    rounds: list[tuple[set[int], list[int]]] = []
    for i, limbs in enumerate(affected):
        for taken, members in rounds:
            if not taken & limbs:
                taken.update(limbs)
                members.append(i)
                break
        else:
            rounds.append((set(limbs), [i]))
    return [members for _, members in rounds]


def _average(errors: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Means of each window's bins, (windows * bins, joints); 0 where a bin has no sample. One of few samples, as where a window
    ends, counts by the root of its share: it is as much less sure."""
    windows, _, joints = errors.shape
    count = int(bins.max()) + 1
    valid = np.isfinite(errors)
    index = (np.arange(windows)[:, None] * count + bins).ravel()
    sums, counts = np.zeros((windows * count, joints)), np.zeros((windows * count, joints))
    np.add.at(sums, index, np.where(valid, errors, 0.0).reshape(-1, joints))
    np.add.at(counts, index, valid.reshape(-1, joints))
    return sums / np.sqrt(np.maximum(counts, 1) * max(counts.max(initial=1.0), 1.0))


@dataclass(frozen=True, eq=False)
class Solution:
    x: np.ndarray
    """Of the solver's variables."""
    cost: float
    jacobian: np.ndarray
    """At x, (bins, joints, parameters), over the noise."""
    residuals: np.ndarray
    """At x, (bins, joints)."""
    iterations: int

    @property
    def weights(self) -> np.ndarray:
        """How much each residual counts, (bins, joints): 1 for a small one."""
        return 1.0 / np.sqrt(1.0 + (self.residuals / _ROBUST) ** 2)


def solve(
    problem: Problem, start: np.ndarray, iterations: int = 20, told: Callable[[int, float], None] | None = None
) -> Solution:
    """The nearest minimum from a start; `told` is called with each iteration's number and cost."""
    from mujoco import sysid

    nominal, (low, high) = problem.nominal, problem.bounds
    start = np.clip(start, low + _CORNER * (high - low), high - _CORNER * (high - low))
    shape: tuple[int, int] = problem.residuals(start).shape
    prior = RIDGE * np.eye(len(start))
    latest: dict[str, np.ndarray] = {}

    def residual(x: np.ndarray) -> np.ndarray:
        columns = []
        for column in x.reshape(len(start), -1).T:
            latest["x"], latest["base"] = column, problem.residuals(column)
            columns.append(np.concatenate([latest["base"].ravel(), RIDGE * (column - nominal)]))
        return np.stack(columns, axis=1).reshape(-1, *x.shape[1:])

    def jacobian(x: np.ndarray, r: np.ndarray) -> np.ndarray:
        base = r.ravel()[: -len(start)].reshape(shape)
        return np.concatenate([problem.jacobian(x.ravel(), base).reshape(-1, len(start)), prior])

    def report(log: list[minimize.IterLog]) -> None:
        if told is not None:
            told(len(log), float(log[-1].objective))

    free = sysid.ParameterDict()
    for parameter, x, a, b in zip(problem.free, start, low, high, strict=True):
        free.add(sysid.Parameter(parameter.name, x, a, b))
    best, _ = sysid.optimize(
        free,
        lambda x, _: ([residual(x)], None, None),
        optimizer="mujoco",
        verbose=False,
        max_iters=iterations,
        jacobian=jacobian,
        norm=_Robust(),
        xtol=1e-3,
        iter_callback=report,
        output=io.StringIO(),
    )
    x = best.as_vector()
    base = problem.residuals(x)
    cost = float(_Robust().value(np.concatenate([base.ravel(), RIDGE * (x - nominal)])[:, None]))
    return Solution(x, cost, problem.jacobian(x, base), base, iterations)


class _Robust(minimize.Norm):
    """c² (sqrt(1 + (r / c)²) - 1), summed: quadratic near zero, linear far out (Charbonnier et al. 1994)."""

    def value(self, r: np.ndarray) -> np.float64:
        return np.float64(_ROBUST**2 * (np.sqrt(1.0 + (r / _ROBUST) ** 2) - 1.0).sum())

    def grad_hess(self, r: np.ndarray, proj: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight = 1.0 / np.sqrt(1.0 + (r / _ROBUST) ** 2)
        # The weight stands for the Hessian, which is smaller and not positive for all: iteratively reweighted least squares.
        return proj.T @ (weight * r), proj.T @ (weight * proj)
