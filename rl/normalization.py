"""Running mean and variance of observations, merged batch by batch (Chan, Golub and LeVeque 1979)."""

import math

import jax
import jax.numpy as jnp
from flax import struct


class Normalizer(struct.PyTreeNode):
    count: jax.Array
    mean: jax.Array
    """(size,)"""
    second: jax.Array
    """Sum of squared deviations from the mean, (size,)."""

    @classmethod
    def of(cls, size: int) -> "Normalizer":
        # As if one unit observation had been seen, so that the first batches cannot blow up.
        return cls(jnp.float32(1.0), jnp.zeros(size), jnp.ones(size))

    @property
    def std(self) -> jax.Array:
        return jnp.sqrt(jnp.maximum(self.second / self.count, 1e-6))

    def __call__(self, observation: jax.Array) -> jax.Array:
        """Standardised and kept within +-5."""
        return jnp.clip((observation - self.mean) / self.std, -5.0, 5.0)

    def update(self, batch: jax.Array, longest: float = 1e8) -> "Normalizer":
        """With the observations of a batch, (..., size). Beyond `longest` observations old ones fade."""
        axes = tuple(range(batch.ndim - 1))  # as they are: flattened, what devices have of them would be sent to all
        n = jnp.float32(math.prod(batch.shape[:-1]))
        mean = batch.mean(axes)
        second = jnp.sum(jnp.square(batch - mean), axes)
        total = self.count + n
        delta = mean - self.mean
        merged = self.second + second + jnp.square(delta) * self.count * n / total
        keep = jnp.minimum(1.0, longest / total)
        return Normalizer(total * keep, self.mean + delta * n / total, merged * keep)
