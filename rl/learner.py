"""What the training loop (`rl.train`) asks of that which learns: PPO, or the distillation of a teacher."""

from typing import Any, Protocol

import jax

from envs.env import Env, EnvState


class LearnerState(Protocol):
    """A pytree of everything that learning depends on: saving it saves the run.

    What acting needs, and evaluation reads, is in its parts `params`, `average`, `policy_normalizer` and `critic_normalizer`,
    the same for all learners (`rl.ppo.TrainState`).
    """

    @property
    def env(self) -> EnvState: ...

    @property
    def updates(self) -> jax.Array: ...


class Learner(Protocol):
    env: Env

    @property
    def steps_per_update(self) -> int:
        """Control steps of all environments together."""
        ...

    def init(self, key: jax.Array) -> Any:
        """A fresh state. May be called inside `jax.jit`."""
        ...

    def update(self, state: Any) -> tuple[Any, dict[str, jax.Array]]:
        """One rollout and the learning from it, and scalar figures: those of `rl.ppo.step_metrics`, `skipped_updates` and the
        learner's own. May be called inside `jax.jit`."""
        ...


def shardings(learner: Learner) -> Any:
    """Where the arrays of a learner's state lie, as a tree like it: each device has its environments, and all have the rest.

    None where there is one device.
    """
    devices = learner.env.devices
    if devices.count == 1:
        return None
    state = jax.eval_shape(learner.init, jax.random.key(0))
    everywhere = jax.tree.map(lambda _: devices.sharding(None), state)
    axes = learner.env.axes(state.env)
    return everywhere.replace(env=jax.tree.map(devices.sharding, axes, is_leaf=lambda axis: axis is None))
