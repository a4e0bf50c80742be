"""A policy that has learned nothing, for tests of whatever a policy is put to."""

import jax

from rl.ppo import PPO, TrainState


def untrained(ppo: PPO) -> TrainState:
    """As `ppo.init` has it, but that its environments are not set up: who evaluates or shows a policy does that."""
    return jax.jit(lambda key: ppo.init(key).replace(env=None))(jax.random.key(0))
