"""A network that sees each voxel alone: the same features, heads and losses as the predictor's, without what is around."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from assets.materials.baselines.point import drawn_points, point_features
from assets.materials.believed import Believed
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.model.network import Belief
from assets.materials.model.scale import CENTER, SPREAD
from assets.materials.model.train import losses
from assets.materials.properties import PROPERTIES
from assets.materials.seen import Seen

_EACH = 48  # voxels of each sample
_BATCH = 2048
_STEPS = 4000


class PointNetwork(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> Belief:
        """Of features (n, inputs)."""
        for width in (96, 96, 96):
            x = nn.silu(nn.Dense(width)(x))
        logits = nn.Dense(len(CLASSES))(x)
        mean, log_variance = jnp.split(nn.Dense(2 * len(PROPERTIES))(x), 2, -1)
        return Belief(logits, mean, jnp.clip(log_variance, -7.0, 3.0))


@dataclass(frozen=True, eq=False)
class PerPoint:
    params: Any
    middle: np.ndarray
    """Of the features, (inputs,)."""
    scale: np.ndarray

    @cached_property
    def _apply(self) -> Any:
        return jax.jit(PointNetwork().apply)

    @classmethod
    def fit(cls, data: Data, indices: np.ndarray, seed: int = 0, steps: int = _STEPS) -> "PerPoint":
        features, truth = drawn_points(data, indices, _EACH, seed)
        middle, scale = features.mean(0), features.std(0) + 1e-3
        features = (features - middle) / scale
        label = np.where(np.isnan(truth[:, 0]), -1, truth[:, 0]).astype(np.int32)
        target = (truth[:, 1:] - CENTER) / SPREAD
        network = PointNetwork()
        params: Any = network.init(jax.random.key(seed), features[:1])
        optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))
        state = optimiser.init(params)
        update = jax.jit(partial(_update, network, optimiser))
        rng = np.random.default_rng([seed, 3])
        for _ in range(steps):
            chosen = rng.integers(0, len(features), _BATCH)
            params, state = update(params, state, features[chosen], label[chosen], target[chosen])
        return cls(jax.device_get(params), middle, scale)

    def believe(self, seen: Seen) -> Believed:
        features = (point_features(seen) - self.middle) / self.scale
        padded = np.resize(features, (max(1024, 1 << (len(features) - 1).bit_length()), features.shape[1]))
        belief = self._apply(self.params, padded)
        logits, mean, log_variance = (np.asarray(x, np.float64)[: len(features)] for x in belief)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return Believed(odds / odds.sum(1, keepdims=True), mean * SPREAD + CENTER, np.exp(0.5 * log_variance) * SPREAD)


def _update(
    network: PointNetwork,
    optimiser: optax.GradientTransformation,
    params: Any,
    state: Any,
    features: jax.Array,
    label: jax.Array,
    target: jax.Array,
) -> tuple[Any, Any]:
    def total(params: Any) -> jax.Array:
        return losses(network.apply(params, features), label, target)[0]  # pyright: ignore[reportArgumentType]

    updates, state = optimiser.update(jax.grad(total)(params), state, params)
    return optax.apply_updates(params, updates), state
