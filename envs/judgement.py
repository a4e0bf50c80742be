"""What a control period of one robot was worth, and whether its episode is over: `judge(task, view, diverged)`.

    judged = jax.vmap(lambda view, diverged: judge(task, view, diverged))(views, physics.diverged)

It asks the task's terms alone, so whoever can fill a `View` is judged alike, be it an environment or a twin.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from envs.task import MetricTerm, Task
from envs.view import View


class Judgement(NamedTuple):
    rewards: dict[str, jax.Array]
    """Of each term times its weight, per second; 0 where the simulation diverged."""
    reward: jax.Array
    """Of the control period, the cost of failing included."""
    failed: dict[str, jax.Array]
    """By which termination term, bool; none of them where the simulation diverged."""
    terminated: jax.Array
    truncated: jax.Array
    metrics: dict[str, jax.Array]
    """NaN where one does not count."""
    memory: dict[str, jax.Array]
    """The new values of the task's memory terms."""


def judge(task: Task, view: View, diverged: jax.Array) -> Judgement:
    """Of one robot, from its view after the period. `diverged`: the simulation's state is no longer to be believed."""
    failed = {t.name: t.function(view) & ~diverged for t in task.terminations}
    terminated = jnp.stack([diverged, *failed.values()]).any()
    left = [t.function(view) for t in task.truncations]
    truncated = ~terminated & jnp.stack([view.time >= task.episode_seconds - task.control_seconds / 2, *left]).any()
    rewards = {t.name: jnp.where(diverged, 0.0, t.weight * t.function(view)) for t in task.rewards}
    total = jnp.maximum(sum(rewards.values()), task.minimum_reward) * task.control_seconds
    return Judgement(
        rewards=rewards,
        reward=total - task.termination_cost * terminated,
        failed=failed,
        terminated=terminated,
        truncated=truncated,
        metrics={t.name: _measure(t, view, ~diverged) for t in task.metrics},
        memory={t.name: t.update(view).astype(view.memory[t.name].dtype) for t in task.memory},
    )


def _measure(term: MetricTerm, view: View, valid: jax.Array) -> jax.Array:
    value = jnp.where(valid, term.function(view), 0.0)
    return value if term.where is None else jnp.where(valid & term.where(view), value, jnp.nan)
