"""What counts as walking."""

import dataclasses
from collections.abc import Callable

import pytest

from benchmarks.walk import walks
from envs.registry import make_env, make_task
from rl.evaluate import Evaluation, Evaluator
from rl.ppo import PPO, PPOConfig
from tests.rl.untrained import untrained

pytestmark = pytest.mark.long("it compiles the walk and its evaluation")


@pytest.fixture(scope="module")
def evaluate() -> Callable[[int], Evaluation]:
    """Evaluates a policy that has learned nothing, and so holds the default pose, on the robots of a seed."""
    ppo = PPO(make_env(make_task("go2-velocity-flat"), 24, "native"), PPOConfig(minibatches=1))
    policy, evaluator = untrained(ppo), Evaluator(ppo, seconds=1.0)
    return lambda seed: evaluator(policy, seed=seed)


@pytest.fixture(scope="module")
def standing(evaluate):
    return evaluate(0)


def test_standing_still_does_not_pass(standing):
    assert not walks(standing)
    assert standing.metrics["planar_velocity_error"] > 0.7 * standing.metrics["planar_velocity_error_at_rest"]


def test_walking_needs_few_falls_and_both_errors_small(standing):
    good = dataclasses.replace(standing, robots=512, falls=10, metrics={"planar_velocity_error": 0.19, "yaw_rate_error": 0.24})
    assert walks(good)
    assert not walks(dataclasses.replace(good, falls=11))
    for name in good.metrics:
        assert not walks(dataclasses.replace(good, metrics=good.metrics | {name: 0.26}))


def test_the_same_seed_evaluates_the_same_robots_bit_for_bit(evaluate):
    first = evaluate(3)
    assert evaluate(3) == first
    assert dataclasses.replace(evaluate(4), seed=3) != first
