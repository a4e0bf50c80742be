"""The policy and the value function: multilayer perceptrons in Flax, and the diagonal Gaussian that a policy draws from.

    networks = Networks.of(actions=12, actor_hidden=(128, 128), critic_hidden=(128, 128), initial_std=0.5, action_limit=1.0)
    mean, std = networks.policy(params, observation)
    action = networks.action(mean + std * noise)             # what is drawn, squashed into +-action_limit

Squashed, a policy can go to an extreme and stay there whatever its noise: one that draws actions themselves may learn a gait
that its noise makes, and whose mean stands still. Densities, entropy and divergence are of what is drawn. Ratios of densities
and divergences are the actions' own as well; entropy is not, as squashing takes some away.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

Params = Any

# Below this no policy explores: the smallest standard deviation, in units of action.
MIN_STD = 0.02


class MLP(nn.Module):
    """Hidden layers with ELU, a linear output."""

    hidden: Sequence[int]
    outputs: int
    output_scale: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for size in self.hidden:
            x = nn.elu(nn.Dense(size, kernel_init=nn.initializers.orthogonal(math.sqrt(2)))(x))
        return nn.Dense(self.outputs, kernel_init=nn.initializers.orthogonal(self.output_scale))(x)


class Actor(nn.Module):
    """Mean and standard deviation of what is drawn; the deviation depends on no observation and is positive by construction."""

    hidden: Sequence[int]
    actions: int
    initial_std: float

    @nn.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = MLP(self.hidden, self.actions, output_scale=0.01)(observation)
        raw = math.log(math.expm1(self.initial_std - MIN_STD))  # softplus inverse
        std = self.param("raw_std", nn.initializers.constant(raw), (self.actions,))
        return mean, jax.nn.softplus(std) + MIN_STD


@dataclass(frozen=True)
class Networks:
    """An actor that sees the policy's observation and a critic that sees its own."""

    actor: Actor
    critic: MLP
    action_limit: float
    """Actions are within +- this."""

    @classmethod
    def of(
        cls,
        actions: int,
        actor_hidden: Sequence[int],
        critic_hidden: Sequence[int],
        initial_std: float,
        action_limit: float,
    ) -> "Networks":
        return cls(Actor(tuple(actor_hidden), actions, initial_std), MLP(tuple(critic_hidden), 1), action_limit)

    def init(self, key: jax.Array, policy_size: int, critic_size: int) -> Params:
        key_actor, key_critic = jax.random.split(key)
        return {
            "actor": self.actor.init(key_actor, jnp.zeros((1, policy_size))),
            "critic": self.critic.init(key_critic, jnp.zeros((1, critic_size))),
        }

    def policy(self, params: Params, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean (..., actions) and standard deviation (actions,) of what is drawn."""
        return cast(tuple[jax.Array, jax.Array], self.actor.apply(params["actor"], observation))

    def action(self, drawn: jax.Array) -> jax.Array:
        """Near zero what was drawn, beyond that less: never beyond the limit."""
        return self.action_limit * jnp.tanh(drawn / self.action_limit)

    def value(self, params: Params, observation: jax.Array) -> jax.Array:
        return cast(jax.Array, self.critic.apply(params["critic"], observation))[..., 0]


def log_prob(mean: jax.Array, std: jax.Array, drawn: jax.Array) -> jax.Array:
    """Log density of a diagonal Gaussian, summed over actions."""
    z = (drawn - mean) / std
    return jnp.sum(-0.5 * jnp.square(z) - jnp.log(std) - 0.5 * math.log(2 * math.pi), axis=-1)


def entropy(std: jax.Array) -> jax.Array:
    return jnp.sum(jnp.log(std) + 0.5 * math.log(2 * math.pi * math.e))


def kl_divergence(mean: jax.Array, std: jax.Array, other_mean: jax.Array, other_std: jax.Array) -> jax.Array:
    """KL(first || second) of diagonal Gaussians, summed over actions."""
    ratio = jnp.square(std / other_std)
    return 0.5 * jnp.sum(ratio + jnp.square((mean - other_mean) / other_std) - 1 - jnp.log(ratio), axis=-1)
