"""How sure a fit is: intervals that cover as often as they say, on a linear problem whose answer is known, and verdicts."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from sim2real.calibrate.fit import Solution
from sim2real.calibrate.parameters import Parameter
from sim2real.calibrate.uncertainty import bootstrap, fisher_covariance, intervals, judge, shift_of, unsure_by

WINDOWS, BINS, JOINTS = 60, 25, 2


@dataclass
class Linear:
    """What `bootstrap` reads of a problem: residuals that are linear in two parameters."""

    truth: np.ndarray
    free: tuple[Parameter, ...]
    log: int = 0

    @property
    def nominal(self) -> np.ndarray:
        return np.zeros(2)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.full(2, -50.0), np.full(2, 50.0)

    @property
    def windows(self) -> np.ndarray:
        return np.stack([np.zeros(WINDOWS * BINS, int), np.repeat(np.arange(WINDOWS), BINS)], axis=1)


FREE = tuple(Parameter(f"offset {name}", "offset", (name,), 0.0, -0.5, 0.5) for name in "ab")


def solved(seed: int, alike: float = 0.0) -> tuple[Linear, Solution]:
    """A least-squares fit to data whose errors go on from bin to bin within a window, as those of a robot do."""
    rng = np.random.default_rng(seed)
    problem = Linear(np.array([1.0, -0.5]), FREE)
    jacobian = rng.normal(size=(WINDOWS * BINS, JOINTS, 2))
    jacobian = jacobian.reshape(WINDOWS, BINS, JOINTS, 2).cumsum(axis=1).reshape(jacobian.shape)
    jacobian[..., 1] = alike * jacobian[..., 0] + (1 - alike) * jacobian[..., 1]
    noise = rng.normal(size=(WINDOWS, BINS, JOINTS))
    noise = (0.3 * noise + rng.normal(size=(WINDOWS, 1, JOINTS))).reshape(WINDOWS * BINS, JOINTS)
    flat = jacobian.reshape(-1, 2)
    x = np.linalg.solve(flat.T @ flat, flat.T @ (flat @ problem.truth + noise.ravel()))
    residuals = (flat @ (x - problem.truth) - noise.ravel()).reshape(noise.shape)
    return problem, Solution(x, 0.0, jacobian, residuals, 1)


def test_95_percent_intervals_hold_the_truth_about_95_times_in_100():
    held = []
    for seed in range(120):
        problem, solution = solved(seed)
        draws = bootstrap(problem, solution, 200, seed)  # type: ignore[arg-type]
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        held.append((low <= problem.truth) & (problem.truth <= high))
    assert 0.89 <= np.mean(held) <= 0.99


GRAVITY, NOISE, FEW = 9.81, 2e-3, 12


@dataclass
class Falling:
    """What `bootstrap` and `shift_of` read of a problem: velocity at the start and gravity of what falls, by steps of a size
    whose error goes by some power of it."""

    times: np.ndarray
    measured: np.ndarray
    step: float
    order: float = 2.0

    nominal = np.array([0.0, 1.0])
    bounds = np.full(2, -50.0), np.full(2, 50.0)

    @property
    def jacobian(self) -> np.ndarray:
        too_far = 1e-3 * self.step**self.order
        return np.stack([self.times, 0.5 * self.times * (self.times + too_far)], axis=1)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        return ((self.jacobian @ x - self.measured) / NOISE)[:, None]

    @property
    def windows(self) -> np.ndarray:
        return np.stack([np.zeros(FEW * BINS, int), np.repeat(np.arange(FEW), BINS)], axis=1)


def fallen(seed: int, step: float, order: float = 2.0) -> tuple[Falling, Solution]:
    """Fitted to what it fell in truth, and noise."""
    times = np.tile(np.linspace(0.1, 1.0, BINS), FEW)
    noise = np.random.default_rng(seed).normal(0, NOISE, times.shape)
    problem = Falling(times, 0.5 * GRAVITY * times**2 + noise, step, order)
    x = np.linalg.lstsq(problem.jacobian, problem.measured, rcond=None)[0]
    return problem, Solution(np.array(x), 0.0, problem.jacobian[:, None] / NOISE, problem.residuals(x), 1)


def held(step: float, order: float = 2.0, with_steps: bool = False) -> np.ndarray:
    """The share of seeds in which each interval holds the truth."""
    found = []
    for seed in range(100):
        problem, solution = fallen(seed, step, order)
        draws = bootstrap(problem, solution, 200, seed)  # type: ignore[arg-type]
        if with_steps:
            shift = shift_of(replace(problem, step=2 * step), solution)  # type: ignore[arg-type]
            draws = unsure_by(draws, shift, problem.bounds, seed)
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        found.append((low <= [0.0, GRAVITY]) & (np.array([0.0, GRAVITY]) <= high))
    return np.mean(found, axis=0)


def test_of_few_blocks_they_hold_the_truth_as_often():
    """12 windows are 6 blocks."""
    assert held(0.0).min() >= 0.89


@pytest.mark.parametrize("order", [1.3, 2.0])
def test_an_error_of_the_steps_that_all_windows_share_is_in_the_interval(order: float):
    assert held(1.0, order)[0] < 0.3
    assert held(1.0, order, with_steps=True).min() >= 0.9


def test_the_shift_to_other_steps_is_that_of_a_fit_with_them():
    problem, solution = fallen(0, 1.0)
    shift = shift_of(replace(problem, step=2.0), solution)  # type: ignore[arg-type]
    np.testing.assert_allclose(shift, fallen(0, 2.0)[1].x - solution.x, rtol=0.02, atol=1e-6)
    np.testing.assert_allclose(shift_of(problem, solution), 0.0, atol=1e-4)  # type: ignore[arg-type]


def test_errors_that_go_on_make_it_wider_than_independent_ones_would():
    problem, solution = solved(0)
    draws = bootstrap(problem, solution, 300, 0)  # type: ignore[arg-type]
    assert (draws.std(axis=0) > 2 * np.sqrt(np.diag(fisher_covariance(solution)))).all()


def test_the_same_seed_draws_the_same():
    problem, solution = solved(0)
    np.testing.assert_array_equal(bootstrap(problem, solution, 20, 3), bootstrap(problem, solution, 20, 3))  # type: ignore[arg-type]
    assert not np.array_equal(bootstrap(problem, solution, 20, 3), bootstrap(problem, solution, 20, 4))  # type: ignore[arg-type]


def test_two_parameters_that_do_the_same_are_not_told_apart():
    problem, solution = solved(0, alike=0.999)
    judged = judge(problem, solution.x, np.cov(bootstrap(problem, solution, 300, 0).T))  # type: ignore[arg-type]
    assert [j.verdict for j in judged] != ["identified", "identified"]
    assert any("cannot tell it from offset" in j.text for j in judged)


@pytest.mark.parametrize("deviation, verdict", [(0.02, "identified"), (0.15, "weak"), (2.0, "not identifiable")])
def test_verdicts_go_by_the_width_of_the_interval(deviation: float, verdict: str):
    problem, _ = solved(0)
    judged = judge(problem, np.ones(2), np.eye(2) * deviation**2)  # type: ignore[arg-type]
    assert judged[0].verdict == verdict


def test_what_is_surely_not_nominal_is_at_least_weak():
    problem, _ = solved(0)
    assert judge(problem, np.full(2, 9.0), np.eye(2) * 4.0)[0].verdict == "weak"  # type: ignore[arg-type]


def test_intervals_are_of_values_and_in_order():
    draws = np.random.default_rng(0).normal(1.0, 0.1, (4000, 2))
    ends = intervals(FREE, draws)
    np.testing.assert_allclose(ends, 0.01 * np.array([[0.804, 1.196]] * 2), atol=1e-4)
