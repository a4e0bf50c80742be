"""What a log can tell of a robot before anything is fitted to it: `identifiability(robot, log)`, a verdict on each parameter.

    for judged in identifiability(GO2, open_log(path)):
        print(judged.parameter, judged.verdict, judged.text)

The Fisher information of the log's windows at the nominal model: how much each parameter moves the simulation against what no
parameter explains, and whether another one moves it alike. Errors are taken for independent and the model for nearly right, so
that a verdict is a promise at best: the intervals of a calibration count.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from assets.robots.robot import Robot
from sim2real.calibrate.calibrate import LEAST_NOISE, quantities_of, thin, windows_of
from sim2real.calibrate.fit import RIDGE, Problem, Solution
from sim2real.calibrate.parameters import Sharing, parameters
from sim2real.calibrate.replay import Replay, suspended_spec
from sim2real.calibrate.uncertainty import Judgement, fisher_covariance, judge
from sim2real.logs.robot_log import RobotLog

_TIMESTEP = 0.002  # s
_WINDOWS = 80


def identifiability(
    robot: Robot,
    log: RobotLog,
    quantities: Sequence[str] | None = None,
    sharing: Mapping[str, Sharing] | None = None,
    window_seconds: float = 0.5,
    threads: int = 2,
) -> tuple[Judgement, ...]:
    """By parameter. Raises CalibrationError where the log cannot be replayed."""
    spec = suspended_spec(robot, _TIMESTEP)
    free = parameters(robot, spec, quantities or quantities_of(robot), sharing)
    windows = thin([windows_of(robot, log, window_seconds)], _WINDOWS)
    problem = Problem(robot, spec, free, [Replay(robot, w, _TIMESTEP, threads) for w in windows], 1.0)
    x = problem.nominal
    problem = problem.with_free_starts(x)
    base = problem.residuals(x)
    jacobian = problem.jacobian(x, base)
    noise = max(LEAST_NOISE, _unexplained(base, jacobian))
    at_nominal = Solution(x, 0.0, jacobian / noise, np.zeros_like(base), 0)
    # How many windows there are, and not how many were looked at, is what the log has to tell.
    every = len(windows_of(robot, log, window_seconds)) / len(windows[0])
    prior = RIDGE**2 * np.eye(len(x))
    covariance = np.linalg.inv(every * (np.linalg.inv(fisher_covariance(at_nominal)) - prior) + prior)
    return judge(problem, x, covariance)


def _unexplained(base: np.ndarray, jacobian: np.ndarray) -> float:
    """A robust standard deviation of what parameters leave of the errors, to first order."""
    flat = jacobian.reshape(-1, jacobian.shape[-1])
    step = np.linalg.lstsq(flat, base.ravel(), rcond=1e-6)[0]
    return float(1.4826 * np.median(np.abs(base.ravel() - flat @ step)))
