"""The network: a small 3D U-Net with one trunk, asked at some of the voxels.

    net = Network()
    params = net.init(key, *inputs)                         # `encoding.Inputs`
    belief = net.apply(params, *inputs)                     # of (b, p) voxels

Its finest level has 8^3 cells, each with a summary of its voxels; from there it goes down to 4^3 and the whole, and back.
Convolutions on 32^3 would cost a hundred times as much, and what tells materials apart is how a whole part looks: so cells are
also gathered into a few soft parts of the object, as the network itself divides it, and each learns what its part is like
(slots, as in Locatello et al., Object-centric learning with slot attention, 2020, with one step of attention). What a voxel
itself looks like joins where the network is asked about it, so that borders between parts are as sharp as the voxels are.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from assets.materials.classes import CLASSES
from assets.materials.properties import PROPERTIES

PARTS = 8
"""Soft parts of an object."""

_LOG_VARIANCE = (-7.0, 3.0)


class Belief(NamedTuple):
    logits: jax.Array
    """Of CLASSES, (..., classes)."""
    mean: jax.Array
    """Of PROPERTIES, normalised by `scale.CENTER` and `scale.SPREAD`, (..., properties)."""
    log_variance: jax.Array


class Network(nn.Module):
    base: int = 24
    """The finest level has twice as many channels, the one below four times as many."""

    @nn.compact
    def __call__(self, cells: jax.Array, there: jax.Array, own: jax.Array, cell: jax.Array, within: jax.Array) -> Belief:
        """See `Inputs`."""
        b, n = cells.shape[:2]
        fine = nn.Dense(2 * self.base, name="stem_in")(cells)
        fine = nn.Dense(2 * self.base, name="stem")(nn.silu(fine))
        fine, _ = Parts(name="parts_in")(fine, there)
        fine = Block(name="fine_0")(fine)
        coarse = nn.Dense(4 * self.base, name="down")(_folded(fine, 2))
        coarse = Block(name="coarse_0")(coarse)
        some = _folded(there, 2).max(-1, keepdims=True) > 0
        mean = jnp.where(some, coarse, 0).sum((1, 2, 3)) / jnp.maximum(some.sum((1, 2, 3)), 1)
        whole = jnp.concatenate([mean, jnp.where(some, coarse, -10.0).max((1, 2, 3))], -1)
        whole = nn.Dense(4 * self.base, name="whole")(nn.silu(nn.Dense(4 * self.base, name="whole_in")(whole)))
        coarse = Block(name="coarse_1")(coarse + whole[:, None, None, None])
        fine = fine + _unfolded(nn.Dense(8 * 2 * self.base, name="up")(coarse), 2)
        fine = Block(name="fine_1")(fine)
        fine, parts = Parts(name="parts_out")(fine, there)
        rows = nn.LayerNorm(name="around")(fine).reshape(b, n**3, -1)
        around = jax.nn.one_hot(cell, n**3) @ rows  # a product: the gradient of a gather takes as long as all the rest
        h = nn.Dense(4 * self.base, name="head_in")(jnp.concatenate([around, own, within], -1))
        h = h + nn.Dense(4 * self.base, name="head_whole")(nn.silu(whole))[:, None]
        share = nn.softmax(nn.Dense(PARTS, name="head_share")(nn.silu(h)))
        h = h + share @ nn.Dense(4 * self.base, name="head_parts")(parts)
        h = nn.silu(nn.Dense(4 * self.base, name="head")(nn.silu(h)))
        logits = nn.Dense(len(CLASSES), name="classes", kernel_init=nn.initializers.zeros)(h)
        values = nn.Dense(2 * len(PROPERTIES), name="properties", kernel_init=nn.initializers.zeros)(h)
        mean, log_variance = jnp.split(values, 2, -1)
        return Belief(logits, mean, jnp.clip(log_variance, *_LOG_VARIANCE))


class Block(nn.Module):
    """Adds what a cell and its neighbours have together: a 3^3 convolution of each channel, then two layers across them (Liu et
    al., A ConvNet for the 2020s, 2022)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        h = nn.LayerNorm()(Near()(x))
        return x + nn.Dense(channels)(nn.silu(nn.Dense(2 * channels)(h)))


class Near(nn.Module):
    """A 3^3 convolution of each channel by itself, as a sum of shifted cubes: XLA's own is a hundred times slower on a CPU."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        b, n, _, _, c = x.shape
        kernel = self.param("kernel", nn.initializers.normal(27**-0.5), (3, 3, 3, c))
        bias = self.param("bias", nn.initializers.zeros, (c,))
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))
        total = jnp.broadcast_to(bias, x.shape)
        for i in range(3):
            for j in range(3):
                for k in range(3):
                    shifted = jax.lax.slice(padded, (0, i, j, k, 0), (b, i + n, j + n, k + n, c))
                    total = total + shifted * kernel[i, j, k]
        return total


class Parts(nn.Module):
    """Gathers cells into soft parts and tells each cell about its own: the cells, and what was gathered (b, PARTS, 2 c)."""

    @nn.compact
    def __call__(self, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        b, c = x.shape[0], x.shape[-1]
        rows, weight = nn.LayerNorm()(x).reshape(b, -1, c), weight.reshape(b, -1, 1)
        share = nn.softmax(nn.Dense(PARTS, name="share")(rows) * 2.0)
        value = nn.Dense(c, name="value")(rows)
        taking = share * weight
        total = taking.sum(1)[..., None]
        mean = jnp.einsum("bnk,bnc->bkc", taking, value) / (total + 1e-2)
        square = jnp.einsum("bnk,bnc->bkc", taking, value**2) / (total + 1e-2)
        deviation = jnp.sqrt(jnp.maximum(square - mean**2, 0) + 1e-4)
        large = total / (weight.sum(1)[..., None] + 1e-2)
        gathered = jnp.concatenate([mean, deviation, large, jnp.log(total + 1e-2) / 3], -1)
        gathered = nn.silu(nn.Dense(2 * c, name="part")(gathered))
        told = jnp.einsum("bnk,bkc->bnc", share, nn.Dense(c, name="told")(gathered))
        return x + told.reshape(x.shape), gathered


def _folded(x: jax.Array, fold: int) -> jax.Array:
    """Cubes of fold^3 cells into channels."""
    b, n, _, _, c = x.shape
    x = x.reshape(b, n // fold, fold, n // fold, fold, n // fold, fold, c)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, n // fold, n // fold, n // fold, fold**3 * c)


def _unfolded(x: jax.Array, fold: int) -> jax.Array:
    b, n, _, _, c = x.shape
    x = x.reshape(b, n, n, n, fold, fold, fold, c // fold**3)
    return x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, n * fold, n * fold, n * fold, c // fold**3)
