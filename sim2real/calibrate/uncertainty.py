"""How sure a fit is: draws of the parameters by bootstrap over episodes, and what the Fisher information says of each.

    draws = bootstrap(problem, solution, seed=0)             # (draws, parameters), of the solver's variables
    draws = unsure_by(draws, shift_of(problem.with_timestep(0.002, solution.x), solution), problem.bounds)
    judged = judge(problem, solution.x, np.cov(draws.T))

The bootstrap resamples whole blocks of time, never single samples, as the errors of neighbours are alike. Each draw is one
Newton step from the solution, which the linearised problem of the resampled blocks asks for: a refit for the price of a small
linear system. Its Hessian is that of the robust loss, which is less than the weights that the fit itself descends with. By how
much each block pulls the solution towards itself is taken back, as that hides how far off it would be without it (Cameron and
Miller, "A practitioner's guide to cluster-robust inference", J. Human Resources 50, 2015, VI.B, CV3).

What all blocks share no resampling shows: the simulation's own steps are wrong alike in each. How far the solution moves in
steps of twice the size is by how much it may be wrong in these, in whole where steps are of first order and by a third where
they are of second (Richardson), and is added to the draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from sim2real.calibrate.fit import RIDGE, Problem, Solution
from sim2real.calibrate.parameters import Parameter

Verdict = Literal["identified", "weak", "not identifiable"]

_BLOCK = 2  # windows
_ENOUGH_LOGS = 8  # from which on whole logs are resampled
_END = 0.975
_WIDEST = 3.0  # of two or three blocks nothing is known, but an interval that is all there is helps nobody
_IDENTIFIED, _WEAK = 0.1, 0.5


def bootstrap(problem: Problem, solution: Solution, draws: int = 400, seed: int = 0) -> np.ndarray:
    """Draws of the solver's variables, (draws, parameters), within their bounds."""
    blocks = _blocks(problem)
    count = int(blocks.max()) + 1
    n = len(solution.x)
    prior = RIDGE**2 * np.eye(n)
    information, gradient = np.zeros((count, n, n)), np.zeros((count, n))
    for block in range(count):
        rows = blocks == block
        jacobian, weights = solution.jacobian[rows].reshape(-1, n), solution.weights[rows].reshape(-1, 1)
        # of r²/2 -> s² (sqrt(1 + r²/s²) - 1) the second derivative is the weight to the third
        information[block] = (weights**3 * jacobian).T @ jacobian
        gradient[block] = (weights * jacobian).T @ solution.residuals[rows].ravel()
    share = np.linalg.solve(information.sum(axis=0) + prior, information)
    alone = np.linalg.solve(np.eye(n) - np.swapaxes(share, 1, 2), gradient[..., None])[..., 0]
    rng = np.random.default_rng(seed)
    times = rng.multinomial(count, np.full(count, 1.0 / count), size=draws)
    low, high = problem.bounds
    # What the sample's own gradient leaves at the solution, at a bound above all, is no draw's business.
    rest = alone.sum(axis=0)
    made = np.empty((draws, n))
    for i, counts in enumerate(times):
        step = np.linalg.solve(np.tensordot(counts, information, 1) + prior, counts @ alone - rest)
        made[i] = np.clip(solution.x - step, low, high)
    # A bootstrap of few blocks is too sure: of their spread by the root, and of its ends as Student's t is wider than a normal.
    freedom = max(count - 1, 1)
    wider = np.sqrt(count / freedom) * min(stdtrit(freedom, _END) / stdtrit(np.inf, _END), _WIDEST)
    return np.clip(solution.x + (made - solution.x) * wider, low, high)


def shift_of(other: Problem, solution: Solution) -> np.ndarray:
    """How far the solution would move if the problem were this other one, of the same rows: to first order, (parameters,)."""
    n = len(solution.x)
    weighted = (solution.jacobian * solution.weights[..., None]).reshape(-1, n)
    change = (other.residuals(solution.x) - solution.residuals).ravel()
    return -np.linalg.solve(weighted.T @ solution.jacobian.reshape(-1, n) + RIDGE**2 * np.eye(n), weighted.T @ change)


def unsure_by(draws: np.ndarray, shift: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], seed: int = 0) -> np.ndarray:
    """The draws, each moved by a share of an error of which only the size is known: any share from -1 to 1 is as likely ("Guide
    to the expression of uncertainty in measurement", JCGM 100:2008, 4.3.7)."""
    share = np.random.default_rng(seed).uniform(-1.0, 1.0, (len(draws), 1))
    return np.clip(draws + share * shift, *bounds)


def _blocks(problem: Problem) -> np.ndarray:
    """For each row the block that it is resampled with: some windows of a log, or the log where there are many."""
    log, window = problem.windows.T
    if log.max() + 1 >= _ENOUGH_LOGS:
        return log
    return np.unique(np.stack([log, window // _BLOCK], axis=1), axis=0, return_inverse=True)[1].ravel()


@dataclass(frozen=True)
class Judgement:
    """How well the data determine a parameter."""

    parameter: str
    verdict: Verdict
    relative_error: float
    """Half the width of its 95 % interval, over the nominal value or, where that is 0, over a likely deviation."""
    text: str


def fisher_covariance(solution: Solution) -> np.ndarray:
    """Of the solver's variables, (parameters, parameters), as the Fisher information has it if errors were independent."""
    n = solution.jacobian.shape[-1]
    weighted = (solution.jacobian * solution.weights[..., None]).reshape(-1, n)
    return np.linalg.inv(weighted.T @ solution.jacobian.reshape(-1, n) + RIDGE**2 * np.eye(n))


def judge(problem: Problem, x: np.ndarray, covariance: np.ndarray) -> tuple[Judgement, ...]:
    """A verdict on each parameter at x, of the covariance of the solver's variables. What is known so badly that it may as well
    be nominal is not identifiable."""
    covariance = np.atleast_2d(covariance)
    deviations = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
    correlations = np.abs(covariance / np.outer(deviations, deviations)) - np.eye(len(x))
    judged = []
    for i, parameter in enumerate(problem.free):
        error = relative(parameter, parameter.from_solver(x[i]), 1.96 * deviations[i])
        may_be_nominal = abs(x[i] - problem.nominal[i]) <= 1.96 * deviations[i]
        unknown = error > _WEAK and may_be_nominal
        verdict: Verdict = "identified" if error <= _IDENTIFIED else "not identifiable" if unknown else "weak"
        text = f"known to within {100 * error:.2g} %" if error < 1.0 else "hardly known at all"
        if verdict != "identified" and correlations[i].max(initial=0.0) > 0.9:
            text += f"; the data cannot tell it from {problem.free[int(correlations[i].argmax())].name}"
        judged.append(Judgement(parameter.name, verdict, float(error), text))
    return tuple(judged)


def relative(parameter: Parameter, value: float, half_width: float) -> float:
    """A half width of the solver's variable, over the parameter's reference."""
    if parameter.kind.factor:
        return float(np.expm1(half_width * parameter.kind.scale))
    reference = abs(parameter.nominal) or parameter.kind.scale
    return half_width * parameter.kind.scale / max(reference, abs(value))


def intervals(free: Sequence[Parameter], draws: np.ndarray, share: float = 0.95) -> np.ndarray:
    """Of each parameter's value, (parameters, 2)."""
    low, high = np.percentile(draws, [50 * (1 - share), 50 * (1 + share)], axis=0)
    return np.array([[p.from_solver(a), p.from_solver(b)] for p, a, b in zip(free, low, high, strict=True)])
