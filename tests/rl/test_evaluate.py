import jax
import jax.numpy as jnp
import pytest

from envs.task import MetricTerm, RewardTerm, TerminationTerm
from rl.evaluate import Evaluator
from rl.ppo import PPO, PPOConfig
from tests.rl.tracking import make_env, tracking_task


def seconds(view):
    return view.command_time


def test_a_metric_is_a_mean_over_the_steps_in_which_it_counts():
    metrics = (
        MetricTerm("all", seconds),
        MetricTerm("late", seconds, lambda view: view.command_time > 0.31),
        MetricTerm("never", seconds, lambda view: view.command_time < jnp.float32(0)),
    )
    env = make_env(tracking_task(metrics=metrics), 8)
    ppo = PPO(env, PPOConfig(minibatches=1, actor_hidden=(8,), critic_hidden=(8,)))
    # Commands hold for half a second at least: every robot counts the same 24 steps.
    evaluator = Evaluator(ppo, seconds=0.48)
    evaluator._chunk = 24
    found = evaluator(jax.jit(ppo.init)(jax.random.key(0)))
    steps = [0.02 * i for i in range(1, 25)]
    late = [t for t in steps if t > 0.31]
    assert found.metrics["all"] == pytest.approx(sum(steps) / len(steps), rel=1e-4)
    assert found.metrics["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert found.metrics_p95["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert "never" not in found.metrics


def test_a_return_ends_with_the_first_failure_and_counts_its_cost():
    """Rewarded by 2 a second, every robot fails in its 11th step, after 0.22 s, and starts anew."""
    task = tracking_task(
        rewards=(RewardTerm("two", lambda view: jnp.float32(2.0), 1.0),),
        terminations=(TerminationTerm("late", lambda view: view.command_time > 0.21),),
        termination_cost=3.0,
    )
    ppo = PPO(make_env(task, 4), PPOConfig(minibatches=1, actor_hidden=(8,), critic_hidden=(8,)))
    found = Evaluator(ppo, seconds=1.0)(jax.jit(ppo.init)(jax.random.key(0)))
    assert found.falls == 4
    assert found.mean_return == pytest.approx(11 * 0.02 * 2.0 - 3.0, abs=1e-4)
