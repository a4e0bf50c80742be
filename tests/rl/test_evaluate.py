import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.task import MetricTerm, RewardTerm, TaskError, TerminationTerm
from rl.evaluate import Evaluator, PolicyEvaluator, first_place, hold_places
from rl.ppo import PPO, PPOConfig
from rl.run import RunError
from tests.rl.tracking import Heavier, make_env, tracking_task
from tests.rl.untrained import untrained


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
    found = evaluator(untrained(ppo))
    steps = [0.02 * i for i in range(1, 25)]
    late = [t for t in steps if t > 0.31]
    assert found.metrics["all"] == pytest.approx(sum(steps) / len(steps), rel=1e-4)
    assert found.metrics["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert found.metrics_p95["late"] == pytest.approx(sum(late) / len(late), rel=1e-4)
    assert "never" not in found.metrics


def test_the_places_of_a_curriculum_make_up_the_whole():
    # What swings out far fails, so that some of each place do and others do not.
    falls = TerminationTerm("swings out", lambda view: jnp.abs(view.joint_velocity[0]) > 4.0)
    task = tracking_task(curriculum=Heavier(), terminations=(falls,))
    ppo = PPO(make_env(hold_places(task, {"level": ("0", "3", "1")}), 30), PPOConfig(minibatches=1, actor_hidden=(8,)))
    found = Evaluator(ppo, seconds=1.0)(untrained(ppo))
    labels = [tuple(group.labels.values()) for group in found.groups]
    assert sorted(labels) == sorted((kind, level) for kind in ("even", "odd") for level in (0, 1, 3))
    assert [group.robots for group in found.groups] == [5] * 6
    assert 0 < found.falls == sum(group.falls for group in found.groups) < 30
    errors = [group.metrics["error"] for group in found.groups]
    assert min(errors) < found.metrics["error"] < max(errors)
    told = found.to_json()["groups"]
    assert isinstance(told, list)
    assert told[0] == {**found.groups[0].labels, "robots": 5, "falls": found.groups[0].falls, "diverged": 0, "error": errors[0]}
    # Without failures every robot counts all steps, and the whole is the mean of its places.
    ppo = PPO(make_env(hold_places(tracking_task(curriculum=Heavier())), 24), PPOConfig(minibatches=1, actor_hidden=(8,)))
    found = Evaluator(ppo, seconds=1.0)(untrained(ppo))
    assert found.metrics["error"] == pytest.approx(np.mean([group.metrics["error"] for group in found.groups]), rel=1e-5)


def test_one_place_is_chosen_for_several_robots_to_be_seen_at():
    task = tracking_task(curriculum=Heavier())
    chosen = first_place(task, {"level": ("3", "1")})
    assert set(chosen) == {"kind", "level"}
    assert chosen["level"] == ("3",)
    env = make_env(hold_places(task, chosen), 4)
    progress = jax.jit(env.reset)(jax.random.key(0)).curriculum
    assert {str(level) for level in np.asarray(progress["level"])} == {"3"}


def test_a_task_without_a_curriculum_has_no_places():
    assert first_place(tracking_task()) == {}
    assert hold_places(tracking_task(), {"level": ()}).curriculum is None
    with pytest.raises(TaskError, match="task 'hinge-track' has no curriculum, and so no level to choose"):
        hold_places(tracking_task(), {"level": ("3",)})


def test_the_return_ends_with_a_robots_first_failure():
    """A reward of 5 per second; a robot commanded to a positive angle fails after 0.2 s, which costs 2."""
    task = tracking_task(
        rewards=(RewardTerm("five", lambda view: jnp.float32(1.0), 5.0),),
        terminations=(TerminationTerm("late", lambda view: (view.time > 0.19) & (view.command[0] > 0)),),
        termination_cost=2.0,
        command=dataclasses.replace(tracking_task().command, seconds=(9.0, 10.0)),
    )
    env = make_env(task, 32)
    evaluator = PolicyEvaluator(env, lambda level, env: jnp.full((32, 1), level), seconds=1.0)
    found = evaluator(jnp.float32(0.3), updates=7)
    assert 0 < found.falls < 32
    expected = (32 - found.falls) * 5.0 + found.falls * (5.0 * 0.2 - 2.0)
    assert found.return_per_second == pytest.approx(expected / 32, rel=1e-4)
    assert found.updates == 7


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 0.001])
def test_robots_that_would_not_last_a_step_are_refused(seconds: float):
    env = make_env(tracking_task(), 4)
    with pytest.raises(RunError, match="control period"):
        PolicyEvaluator(env, lambda learned, env: None, seconds)
