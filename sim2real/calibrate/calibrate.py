"""Calibrating a robot from its logs: `calibrate(robot, logs, holdout)`.

    calibration = calibrate(GO2, [open_log(a), open_log(b)], [open_log(c)])

The parameters are fitted in stages, those that the motion shows most plainly first, and from several starts. What the logs
cannot tell is said to be so, and goes back to where the nominal model has it if the simulation follows the logs as well then.
The errors are of logs that nothing was fitted to.
"""

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from assets.robots.robot import Robot
from sim2real.calibrate.calibration import Calibration, Estimate, LogErrors
from sim2real.calibrate.fit import Problem, Solution, solve
from sim2real.calibrate.parameters import Parameter, Sharing, parameters
from sim2real.calibrate.prepare import check_apart, check_excited, ready, warnings_of
from sim2real.calibrate.replay import Replay, suspended_spec
from sim2real.calibrate.uncertainty import bootstrap, intervals, judge, shift_of, unsure_by
from sim2real.calibrate.windows import CalibrationError, Windows, cut
from sim2real.logs.robot_log import RobotLog

QUANTITIES_OF_MOTORS = ("delay", "offset", "armature", "damping", "frictionloss", "strength")
QUANTITIES_OF_SERVOS = ("delay", "offset", "armature", "damping", "frictionloss", "stiffness")
_DELAYS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15)  # s; a fit finds a delay from nearby only
LEAST_NOISE = 5e-4  # rad
_HARDLY_APART = 0.9
_NO_WORSE = 1.05  # times the open-loop error

Told = Callable[[str, float], None]
"""What is being done, and how much of all of it is done."""


@dataclass(frozen=True)
class Settings:
    quantities: tuple[str, ...] | None = None
    """What is free; by default what motors, or servos with gains of their own, differ in."""
    sharing: Mapping[str, Sharing] = field(default_factory=dict)
    """By quantity; by default as `QUANTITIES` has it."""
    window_seconds: float = 0.5
    windows: int = 160
    """As many are fitted to at most, spread over all logs. Errors are of all."""
    timestep: float = 0.001
    """Of the simulation (s). The search for a solution takes twice that, and half of the windows; then it is refined."""
    starts: int = 2
    iterations: int = 12
    """Of each solution."""
    draws: int = 400
    """Of the bootstrap."""
    draws_kept: int = 100
    seed: int = 0
    threads: int = 2


def calibrate(
    robot: Robot,
    logs: Sequence[RobotLog],
    holdout: Sequence[RobotLog],
    settings: Settings | None = None,
    told: Told = lambda text, share: None,
) -> Calibration:
    """Raises CalibrationError where a log cannot be used: of another robot, without gains, too short, held out and fitted, of
    wrong signs or units; and where the logs tell nothing of any parameter. RobotLogError as `ready`."""
    settings = settings or Settings()
    if not logs:
        raise CalibrationError("no log to fit to: give at least one")
    given = [*logs, *holdout]
    made_ready = [ready(robot, log) for log in given]
    check_apart(made_ready[: len(logs)], made_ready[len(logs) :])
    check_excited(made_ready[: len(logs)])
    quantities = settings.quantities or quantities_of(robot)
    free = parameters(robot, suspended_spec(robot, settings.timestep), quantities, settings.sharing)
    every = [cut(log, settings.window_seconds) for log in made_ready]
    limits = [text for log in made_ready for text in warnings_of(robot, log)]
    fitted = every[: len(logs)]
    told("replaying", 0.0)
    found = _refine(robot, free, fitted, settings, _search(robot, free, fitted, settings, told), told)
    problem, solution, draws, unknown = _without_unknown(robot, fitted, settings, found, told)
    told("replaying all windows", 0.9)
    estimates = _kept(_estimates(problem, solution, draws)) + tuple(_left_nominal(e) for e in unknown)
    logs_errors = _errors(robot, problem, solution, given, every, len(logs), settings)
    return Calibration(
        robot=robot.name,
        joints=robot.joints,
        estimates=estimates,
        correlations=_hardly_apart(problem, draws),
        logs=logs_errors,
        draws=tuple((*map(float, problem.values(row)), *(e.nominal for e in unknown)) for row in draws[: settings.draws_kept]),
        settings={**asdict(settings), "quantities": quantities, "noise_rad": problem.noise},
        versions={name: importlib.metadata.version(name) for name in ("mujoco", "numpy", "scipy")},
        warnings=(*_warnings(robot, given, len(logs), every), *_not_told(unknown), *limits),
    )


def quantities_of(robot: Robot) -> tuple[str, ...]:
    """What is free unless one says otherwise."""
    return QUANTITIES_OF_SERVOS if robot.servos else QUANTITIES_OF_MOTORS


def windows_of(robot: Robot, log: RobotLog, seconds: float) -> Windows:
    """Of a log of this robot. Raises CalibrationError where it cannot be replayed."""
    return cut(ready(robot, log), seconds)


def thin(windows: Sequence[Windows], most: int) -> list[Windows]:
    """At most so many windows, spread evenly over each log."""
    total = sum(map(len, windows))
    share = min(1.0, most / total)
    return [w.take(np.unique(np.linspace(0, len(w) - 1, max(1, round(share * len(w)))).astype(int))) for w in windows]


Found = tuple[Problem, Solution, np.ndarray]
"""A problem, its solution, and draws around it by bootstrap."""


def _search(robot: Robot, free: Sequence[Parameter], windows: Sequence[Windows], settings: Settings, told: Told) -> Found:
    """Stage by stage, each from where the one before it ended, on half of the windows and with twice the time step."""
    known = {p.name: p.nominal for p in free}
    stages = sorted({p.kind.stage for p in free})
    rng = np.random.default_rng(settings.seed)
    found: tuple[Problem, Solution] | None = None
    for number, stage in enumerate(stages):
        among = [p for p in free if p.kind.stage <= stage]
        start = np.array([p.to_solver(known[p.name]) for p in among])
        problem = _problem(robot, among, windows, settings, start, coarse=2)
        starts = _starts(problem, start, settings.starts, rng) if number == 0 else [start]
        iterations = settings.iterations if stage == stages[-1] else settings.iterations // 2
        solved = []
        for i, x in enumerate(starts):
            done = (number + i / len(starts)) / (len(stages) + 1)
            solved.append(solve(problem, x, iterations, _progress(told, f"stage {stage}", len(among), done)))
        solution = min(solved, key=lambda s: s.cost)
        known |= dict(zip((p.name for p in among), problem.values(solution.x), strict=True))
        found = problem, solution
    assert found is not None
    return *found, bootstrap(*found, settings.draws, settings.seed)


def _refine(
    robot: Robot, free: Sequence[Parameter], windows: Sequence[Windows], settings: Settings, rough: Found, told: Told
) -> Found:
    """Once more, finely, from a rough solution; what is not free any more is nominal.

    Then with the windows' starts free as well, which takes off what noise in them adds to the parameters. Where the model lacks
    something, free starts hide it instead: if it moves less like the logs with what was found so, the first solution stands.
    """
    known = dict(zip((p.name for p in rough[0].free), rough[1].x, strict=True))
    start = np.array([known[p.name] for p in free])
    problem = _problem(robot, free, windows, settings, start, coarse=1)
    say = _progress(told, "refining", len(free), 0.7)
    solution = solve(problem, start, settings.iterations // 2, say)
    freed = _with_noise(problem.with_free_starts(solution.x), solution.x)
    better = solve(freed, solution.x, settings.iterations // 2, say)
    if _error(problem, better.x) <= _NO_WORSE * _error(problem, solution.x):
        problem, solution = freed, better
    shift = shift_of(problem.with_timestep(2 * settings.timestep, solution.x), solution)
    draws = bootstrap(problem, solution, settings.draws, settings.seed)
    return problem, solution, unsure_by(draws, shift, problem.bounds, settings.seed)


def _without_unknown(
    robot: Robot, windows: Sequence[Windows], settings: Settings, found: Found, told: Told
) -> tuple[Problem, Solution, np.ndarray, tuple[Estimate, ...]]:
    """With what the logs cannot tell back at its nominal value, where that leaves the robot moving as much like the logs; and
    what that is. Raises CalibrationError where the logs tell nothing at all."""
    problem, solution, draws = found
    unknown = tuple(e for e in _estimates(*found) if e.verdict == "not identifiable")
    known = [p for p in problem.free if p.name not in {e.name for e in unknown}]
    if not known:
        names = ", ".join(replay.windows.log for replay in problem.replays)
        raise CalibrationError(
            f"{names}: the positions tell nothing of {', '.join(e.name for e in unknown)}: all would stay nominal; record"
            " faster and larger motions of `zerogap excite`, such as a chirp or a multisine"
        )
    if not unknown:
        return problem, solution, draws, ()
    fewer = _refine(robot, known, windows, settings, found, told)
    if _error(fewer[0], fewer[1].x) > _NO_WORSE * _error(problem, solution.x):
        return problem, solution, draws, ()
    return *fewer, unknown


def _left_nominal(e: Estimate) -> Estimate:
    return replace(e, value=e.nominal, at_bound=False)


def _kept(estimates: tuple[Estimate, ...]) -> tuple[Estimate, ...]:
    """What is not known by itself, and yet has the value that was found: with the nominal one the logs are followed worse."""
    text = "left as it was found, as the logs are followed worse where it is nominal"
    return tuple(
        replace(e, verdict="weak", text=f"{e.text}; {text}") if e.verdict == "not identifiable" else e for e in estimates
    )


def _not_told(unknown: Sequence[Estimate]) -> tuple[str, ...]:
    names = ", ".join(e.name for e in unknown)
    return (f"the logs do not tell {names}: left nominal",) if unknown else ()


def _error(problem: Problem, x: np.ndarray) -> float:
    """Root mean square of the open-loop errors from the measured starts (rad)."""
    errors = np.concatenate([e.ravel() for e in problem.errors(x)])
    return float(np.sqrt(np.nanmean(np.square(errors))))


def _progress(told: Told, what: str, count: int, done: float) -> Callable[[int, float], None]:
    return lambda iteration, cost: told(f"{what}: {count} parameters, iteration {iteration}, cost {cost:.4g}", done)


def _problem(
    robot: Robot, free: Sequence[Parameter], windows: Sequence[Windows], settings: Settings, x: np.ndarray, coarse: int
) -> Problem:
    """From the measured starts."""
    timestep = coarse * settings.timestep
    spec = suspended_spec(robot, timestep)
    replays = [Replay(robot, w, timestep, settings.threads) for w in thin(windows, settings.windows // coarse)]
    return _with_noise(Problem(robot, spec, free, replays, 1.0), x)


def _with_noise(problem: Problem, x: np.ndarray) -> Problem:
    """With the noise that is left over at x: what the model does not explain sets how sure one can be."""
    return problem.with_noise(max(LEAST_NOISE, _spread(problem.with_noise(1.0).residuals(x))))


def _starts(problem: Problem, x: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The most promising of some: the delays that a fit would not find by itself, and draws around the nominal values."""
    delays = [i for i, p in enumerate(problem.free) if p.quantity == "delay"]
    tried = []
    for delay in _DELAYS if delays else (0.0,):
        for around in range(2):
            start = x + (rng.normal(size=len(x)) if around else 0.0)
            start[delays] = [problem.free[i].to_solver(delay) for i in delays]
            start = np.clip(start, *problem.bounds)
            tried.append((float(np.abs(problem.residuals(start)).mean()), start))
    return [start for _, start in sorted(tried, key=lambda pair: pair[0])[:count]]


def _spread(residuals: np.ndarray) -> float:
    """A robust standard deviation about zero."""
    return float(1.4826 * np.median(np.abs(residuals)))


def _estimates(problem: Problem, solution: Solution, draws: np.ndarray) -> tuple[Estimate, ...]:
    values, ends = problem.values(solution.x), intervals(problem.free, draws)
    judged = judge(problem, solution.x, np.cov(draws.T))
    low, high = problem.bounds
    at_bound = (solution.x - low < 1e-3 * (high - low)) | (high - solution.x < 1e-3 * (high - low))
    return tuple(
        Estimate(p.name, p.quantity, p.members, p.unit, p.nominal, float(v), float(a), float(b), j.verdict, bool(bound), j.text)
        for p, v, (a, b), j, bound in zip(problem.free, values, ends, judged, at_bound, strict=True)
    )


def _hardly_apart(problem: Problem, draws: np.ndarray) -> tuple[tuple[str, str, float], ...]:
    """Pairs of parameters whose draws go together, the closest first."""
    moving = np.flatnonzero(draws.std(axis=0) > 0)
    correlation = np.corrcoef(draws[:, moving].T) if len(moving) > 1 else np.eye(len(moving))
    pairs = [
        (problem.free[moving[i]].name, problem.free[moving[j]].name, float(correlation[i, j]))
        for i, j in zip(*np.triu_indices(len(moving), 1), strict=True)
        if abs(correlation[i, j]) > _HARDLY_APART
    ]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair[2])))


def _errors(
    robot: Robot,
    problem: Problem,
    solution: Solution,
    logs: Sequence[RobotLog],
    windows: Sequence[Windows],
    num_fitted: int,
    settings: Settings,
) -> tuple[LogErrors, ...]:
    """Of all windows of each log, before and after."""
    replays = [Replay(robot, w, settings.timestep, settings.threads) for w in windows]
    whole = Problem(robot, problem.spec, problem.free, replays, 1.0)
    nominal, calibrated = whole.errors(whole.nominal), whole.errors(solution.x)
    return tuple(
        _log_errors(log, w, n, c, i >= num_fitted)
        for i, (log, w, n, c) in enumerate(zip(logs, windows, nominal, calibrated, strict=True))
    )


def _log_errors(log: RobotLog, windows: Windows, nominal: np.ndarray, calibrated: np.ndarray, held_out: bool) -> LogErrors:
    def rms(errors: np.ndarray, axis: tuple[int, ...] | None = None) -> np.ndarray:
        return np.sqrt(np.nanmean(np.square(errors), axis=axis))

    return LogErrors(
        source=log.name,
        content_hash=log.content_hash,
        excitation=log.info.excitation,
        held_out=held_out,
        seconds=log.seconds,
        windows=len(windows),
        rmse_nominal_rad=float(rms(nominal)),
        rmse_calibrated_rad=float(rms(calibrated)),
        joints_nominal_rad=tuple(map(float, rms(nominal, (0, 1)))),
        joints_calibrated_rad=tuple(map(float, rms(calibrated, (0, 1)))),
    )


def _warnings(robot: Robot, logs: Sequence[RobotLog], num_fitted: int, windows: Sequence[Windows]) -> tuple[str, ...]:
    told = []
    if len(logs) == num_fitted:
        told.append("no log was held out: the errors are of what was fitted to, and prove nothing")
    elif {log.info.excitation for log in logs[num_fitted:]} <= {log.info.excitation for log in logs[:num_fitted]}:
        told.append("the logs held out are of the same kinds of excitation as those fitted to")
    for log, part in zip(logs, windows, strict=True):
        if log.info.time_base == "nominal":
            told.append(
                f"{log.name}: its stamps were not recorded; period, delay and velocities are confounded, so that what is"
                " fitted predicts, but is not the truth"
            )
        if log.info.payload and robot.is_floating:
            told.append(
                f"{log.name}: the robot carried {log.info.payload:g} kg, taken to be on its base, which was held: of no account"
            )
        elif log.info.payload and len(robot.tips()) != 1:
            told.append(
                f"{log.name}: the robot carried {log.info.payload:g} kg, and nobody knows on which of its {len(robot.tips())}"
                " tips: let the payload be found (--free payload, beside the others)"
            )
        if part.left_out:
            told.append(
                f"{log.name}: {part.left_out} windows were left out, as samples or commands are missing or gains change within"
                " them"
            )
    return tuple(told)
