"""Distributions that randomisation terms draw from: frozen values with `sample(key, shape)`."""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp


class Distribution(Protocol):
    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Independent draws, float32."""
        ...


@dataclass(frozen=True)
class Uniform:
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"Uniform needs finite bounds with low <= high, found low={self.low}, high={self.high}")

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.uniform(key, shape, jnp.float32, self.low, self.high)


@dataclass(frozen=True)
class LogUniform:
    """Uniform in the logarithm: for scales, where a half is as likely as a double."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise ValueError(f"LogUniform needs bounds 0 < low <= high, found low={self.low}, high={self.high}")

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jnp.exp(jax.random.uniform(key, shape, jnp.float32, math.log(self.low), math.log(self.high)))


@dataclass(frozen=True)
class Normal:
    """Normal, cut off at `cutoff` standard deviations so that no draw leaves the plausible."""

    mean: float
    std: float
    cutoff: float = 3.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 <= self.std < math.inf and self.cutoff > 0):
            raise ValueError(f"Normal needs a finite mean, std >= 0 and cutoff > 0, found {self}")

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return self.mean + self.std * jax.random.truncated_normal(key, -self.cutoff, self.cutoff, shape, jnp.float32)
