"""Which samples of a rollout each gradient step learns from.

    minibatches = Minibatches(count=4, rollout_length=24, num_envs=512, devices=env.devices)
    orders = minibatches.orders(key)                    # of one epoch
    batch = minibatches.take(orders[0], samples)        # samples: arrays (rollout_length, num_envs, ...)

Each minibatch has as many steps of every environment as the others, drawn at random; where the minibatches don't divide the
rollout, of every block of the fewest environments that they do divide. So each device has its part of every minibatch, nothing
is sent between them, and how many there are changes no minibatch.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from sim.devices import Devices

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Minibatches:
    count: int
    """Per epoch."""
    rollout_length: int
    """Control steps."""
    num_envs: int
    """On all devices together."""
    devices: Devices

    def __post_init__(self) -> None:
        steps = self.rollout_length * self.num_envs
        if steps % self.count:
            raise ValueError(
                f"a rollout has {self.rollout_length} x {self.num_envs} = {steps} steps, which {self.count}"
                " minibatches do not divide; change num_envs or minibatches"
            )
        part = self.num_envs // self.devices.count
        if part % self.block:
            raise ValueError(
                f"{self.count} minibatches of rollouts of {self.rollout_length} steps need blocks of {self.block} environments,"
                f" and each device has {part}; change num_envs, minibatches or rollout_length"
            )

    @property
    def block(self) -> int:
        """Environments whose steps the minibatches share equally."""
        return self.count // math.gcd(self.rollout_length, self.count)

    def orders(self, key: jax.Array) -> jax.Array:
        """Of one epoch, for `take`: (count, samples of a block in a minibatch, blocks)."""
        blocks = self.num_envs // self.block
        # One sort, where jax.random.permutation sorts twice to order equal draws at random as well.
        order = jnp.argsort(jax.random.bits(key, (self.block * self.rollout_length, blocks)), axis=0)
        return order.reshape(self.count, -1, blocks)

    def take(self, order: jax.Array, samples: Tree) -> Tree:
        """The minibatch of one of `orders`: arrays (samples, ...) out of (rollout_length, num_envs, ...)."""
        return self.devices.each(self._take, (), order, samples, axis=1)

    def _take(self, _: Any, start: jax.Array, order: jax.Array, samples: Tree) -> Tree:
        blocks = order.shape[1]
        env = self.block * jnp.arange(blocks) + order // self.rollout_length
        rows = (order % self.rollout_length * (self.block * blocks) + env).ravel()
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[rows], samples)
