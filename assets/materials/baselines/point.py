"""What a voxel tells of itself alone: features of those baselines that know nothing around it."""

import jax
import jax.numpy as jnp
import numpy as np

from assets.materials.data.shards import Data
from assets.materials.model.inputs import INPUTS, channels
from assets.materials.seen import Seen

_channels = jax.jit(channels)


def point_features(seen: Seen) -> np.ndarray:
    """The network's inputs at the object's voxels, (v, INPUTS) float32."""
    cube = _channels(jnp.asarray(seen.dense()[None]), jnp.asarray([seen.size], jnp.float32))
    return np.asarray(cube).reshape(-1, INPUTS)[seen.voxel]


def drawn_points(data: Data, indices: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and truth of so many voxels of each of those samples, (n each, INPUTS) and (n each, 1 + properties)."""
    rng = np.random.default_rng(seed)
    features, truth = [], []
    for index in indices:
        chosen = rng.integers(0, len(data.part(index)), each)
        features.append(point_features(data.seen(index))[chosen])
        truth.append(data.truth(index)[chosen])
    return np.concatenate(features), np.concatenate(truth)
