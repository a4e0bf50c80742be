"""The network: a small 3D U-Net with one trunk, asked at some of the voxels.

    net = Network(extra=0)
    params = net.init(key, values, size, extra, voxel)
    raw = net.apply(params, values, size, extra, voxel)     # (b, p, classes + 2 properties): see `Belief`

Cubes are folded to 16^3 first, 2^3 voxels into channels (4^3 of a cube of 64): convolutions on 32^3 would cost ten times as
much. From there it goes down to 8^3 and 4^3, and back. What a voxel itself looks like joins again where the network is asked
about it, so that borders between parts are as sharp as the voxels are.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from assets.materials.classes import CLASSES
from assets.materials.model.inputs import channels
from assets.materials.properties import PROPERTIES

GRID = 16
"""Cells along an edge of the finest level."""

_LOG_VARIANCE = (-7.0, 3.0)


class Belief(NamedTuple):
    logits: jax.Array
    """Of CLASSES, (..., classes)."""
    mean: jax.Array
    """Of PROPERTIES, normalised by `scale.CENTER` and `scale.SPREAD`, (..., properties)."""
    log_variance: jax.Array


class Network(nn.Module):
    extra: int = 0
    """Features of a provider for each voxel."""
    base: int = 24
    """Channels of the finest level; those below have two and four times as many."""

    @nn.compact
    def __call__(self, values: jax.Array, size: jax.Array, extra: jax.Array, voxel: jax.Array) -> Belief:
        """Of cubes `values` (b, r, r, r, CHANNELS) uint8 with voxels of `size` (b,) m, and `extra` (b, r, r, r, c), at voxels
        (b, p) by their flat numbers."""
        r = values.shape[1]
        x = channels(values, size)
        if self.extra:
            x = jnp.concatenate([x, nn.Dense(32, name="project")(extra.astype(jnp.float32))], -1)
        fine = nn.Dense(self.base, name="stem")(_folded(x, r // GRID))
        fine = fine + Stencil(self.base, name="fine")(nn.silu(fine))
        middle = nn.Dense(2 * self.base, name="down")(_folded(nn.silu(fine), 2))
        middle = Block(2 * self.base, name="middle_0")(middle)
        middle = Block(2 * self.base, name="middle_1")(middle)
        coarse = nn.Dense(4 * self.base, name="down_again")(_folded(nn.silu(middle), 2))
        coarse = Block(4 * self.base, name="coarse_0")(coarse)
        whole = jnp.concatenate([coarse.mean((1, 2, 3)), coarse.max((1, 2, 3))], -1)
        whole = nn.Dense(4 * self.base, name="whole")(nn.silu(nn.Dense(4 * self.base, name="whole_in")(whole)))
        coarse = coarse + whole[:, None, None, None]
        coarse = Block(4 * self.base, name="coarse_1")(coarse)
        middle = middle + _unfolded(nn.Dense(8 * 2 * self.base, name="up")(nn.silu(coarse)), 2)
        middle = Block(2 * self.base, name="middle_2")(middle)
        fine = fine + _unfolded(nn.Dense(8 * self.base, name="up_again")(nn.silu(middle)), 2)
        fine = fine + Stencil(self.base, name="fine_again")(nn.silu(fine))
        return self._asked(x, fine, whole, voxel)

    def _asked(self, x: jax.Array, fine: jax.Array, whole: jax.Array, voxel: jax.Array) -> Belief:
        """What is believed at those voxels."""
        b, r, fold = x.shape[0], x.shape[1], x.shape[1] // GRID
        place = jnp.stack([voxel // (r * r), voxel // r % r, voxel % r], -1)
        cell = place // fold
        around = _taken(fine.reshape(b, GRID**3, -1), (cell[..., 0] * GRID + cell[..., 1]) * GRID + cell[..., 2])
        own = _taken(x.reshape(b, r**3, -1), voxel)
        within = (place % fold + 0.5) / fold - 0.5
        h = nn.Dense(3 * self.base, name="head_in")(jnp.concatenate([nn.silu(around), own, within], -1))
        h = h + nn.Dense(3 * self.base, name="head_whole")(nn.silu(whole))[:, None]
        h = nn.silu(nn.Dense(3 * self.base, name="head")(nn.silu(h)))
        logits = nn.Dense(len(CLASSES), name="classes", kernel_init=nn.initializers.zeros)(h)
        values = nn.Dense(2 * len(PROPERTIES), name="properties", kernel_init=nn.initializers.zeros)(h)
        mean, log_variance = jnp.split(values, 2, -1)
        return Belief(logits, mean, jnp.clip(log_variance, *_LOG_VARIANCE))


class Block(nn.Module):
    """Adds a 3^3 convolution of what is normalised."""

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = nn.silu(nn.LayerNorm()(x))
        return x + nn.Conv(self.channels, (3, 3, 3))(h)


class Stencil(nn.Module):
    """A convolution of each cell with its six neighbours: a matrix product, a quarter of the cost of 3^3."""

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
        n = x.shape[1]
        beside = [x]
        for axis in (1, 2, 3):
            for start in (0, 2):
                begin = [0, 1, 1, 1, 0]
                begin[axis] = start
                beside.append(jax.lax.dynamic_slice(padded, begin, (x.shape[0], n, n, n, x.shape[4])))
        return nn.Dense(self.channels)(jnp.concatenate(beside, -1))


def _folded(x: jax.Array, fold: int) -> jax.Array:
    """Cubes of fold^3 voxels into channels."""
    b, n, _, _, c = x.shape
    x = x.reshape(b, n // fold, fold, n // fold, fold, n // fold, fold, c)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, n // fold, n // fold, n // fold, fold**3 * c)


def _unfolded(x: jax.Array, fold: int) -> jax.Array:
    b, n, _, _, c = x.shape
    x = x.reshape(b, n, n, n, fold, fold, fold, c // fold**3)
    return x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, n * fold, n * fold, n * fold, c // fold**3)


def _taken(rows: jax.Array, index: jax.Array) -> jax.Array:
    """Rows (b, n, c) by their numbers (b, p), (b, p, c)."""
    return jnp.take_along_axis(rows, index[..., None], axis=1)
