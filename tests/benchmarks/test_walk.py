"""What counts as walking."""

import dataclasses

import jax
import pytest

from benchmarks.walk import walks
from envs.registry import make_env, make_task
from rl.evaluate import Evaluator
from rl.ppo import PPO, PPOConfig


@pytest.fixture(scope="module")
def standing():
    """The evaluation of a policy that has learned nothing: it holds the default pose."""
    ppo = PPO(make_env(make_task("go2-velocity-flat"), 16, "native"), PPOConfig(minibatches=1))
    return Evaluator(ppo, seconds=3.0)(jax.jit(ppo.init)(jax.random.key(0)))


def test_standing_still_does_not_pass(standing):
    assert not walks(standing)
    assert standing.metrics["planar_velocity_error"] > 0.7 * standing.metrics["planar_velocity_error_at_rest"]


def test_walking_needs_few_falls_and_both_errors_small(standing):
    good = dataclasses.replace(standing, robots=512, falls=10, metrics={"planar_velocity_error": 0.19, "yaw_rate_error": 0.24})
    assert walks(good)
    assert not walks(dataclasses.replace(good, falls=11))
    for name in good.metrics:
        assert not walks(dataclasses.replace(good, metrics=good.metrics | {name: 0.26}))


def test_the_same_seed_evaluates_the_same_robots_bit_for_bit():
    ppo = PPO(make_env(make_task("go2-velocity-flat"), 8, "native"), PPOConfig(minibatches=1))
    state, evaluator = jax.jit(ppo.init)(jax.random.key(0)), Evaluator(ppo, seconds=1.0)
    assert evaluator(state, seed=3) == evaluator(state, seed=3)
    assert evaluator(state, seed=3) != evaluator(state, seed=4)
