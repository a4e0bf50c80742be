import jax
import jax.numpy as jnp
import pytest

from envs.task import CommandTerm, MetricTerm, RewardTerm, TerminationTerm
from rl.evaluate import Evaluator, PolicyEvaluator
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
    found = evaluator(jax.jit(ppo.init)(jax.random.key(0)))
    steps = [0.02 * i for i in range(1, 25)]
    late = [t for t in steps if t > 0.31]
    assert found.metrics["all"] == pytest.approx(sum(steps) / len(steps), rel=1e-4)
    assert found.metrics["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert found.metrics_p95["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert "never" not in found.metrics


def test_the_return_ends_with_a_robots_first_failure():
    """A reward of 5 per second; a robot commanded to a positive angle fails after 0.2 s, which costs 2."""
    task = tracking_task(
        rewards=(RewardTerm("five", lambda view: jnp.float32(1.0), 5.0),),
        terminations=(TerminationTerm("late", lambda view: (view.time > 0.19) & (view.command[0] > 0)),),
        termination_cost=2.0,
        command=CommandTerm(("angle (rad)",), lambda key: jax.random.uniform(key, (1,), minval=-1.0), (9.0, 10.0)),
    )
    env = make_env(task, 32)
    evaluator = PolicyEvaluator(env, lambda level, env: jnp.full((32, 1), level), seconds=1.0)
    found = evaluator(jnp.float32(0.3), updates=7)
    assert 0 < found.falls < 32
    expected = (32 - found.falls) * 5.0 + found.falls * (5.0 * 0.2 - 2.0)
    assert found.return_per_second == pytest.approx(expected / 32, rel=1e-4)
    assert found.updates == 7
