"""The network: a small 3D U-Net with one trunk, asked at some of the voxels.

    net = Network()
    params = net.init(key, *inputs)                         # `encoding.Inputs`
    belief = net.apply(params, *inputs)                     # of (b, p) voxels

Its finest level has 8^3 cells, each with a summary of its voxels; from there it goes down to 4^3 and the whole, and back.
Convolutions on 32^3 would cost a hundred times as much. What tells materials apart is how a whole part looks, so where the
network is asked about a voxel it also looks at all cells that are like the voxel's own, near or far (`Alike`), and what a voxel
itself looks like joins there, so that borders between parts are as sharp as the voxels are.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from assets.materials.classes import CLASSES
from assets.materials.properties import PROPERTIES

SIGHTS = 4
"""Ways to tell which cells are like a voxel's own."""
_SIGHT = 8  # dimensions of each

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
        rows = nn.LayerNorm(name="around")(fine).reshape(b, n**3, -1)
        of_cell = jax.nn.one_hot(cell, n**3)  # a product: the gradient of a gather takes as long as all the rest
        alike = Alike(name="alike")(cells, there, of_cell, own)
        h = nn.Dense(8 * self.base, name="head_in")(jnp.concatenate([of_cell @ rows, own, within, alike], -1))
        h = h + nn.Dense(8 * self.base, name="head_whole")(nn.silu(whole))[:, None]
        h = nn.silu(nn.Dense(8 * self.base, name="head")(nn.silu(h)))
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


class Alike(nn.Module):
    """What those cells have in common that are like a voxel's own: their means, deviations and number, by several sights.

    Each sight sees cells as points in a space of its own, by their features and where they are, and weighs each by how near it
    is to the voxel's there: attention (Vaswani et al., 2017), with a squared distance for the product. In any such space what
    is alike is near, so that a part is gathered from the first steps of training on.
    """

    @nn.compact
    def __call__(self, cells: jax.Array, there: jax.Array, of_cell: jax.Array, own: jax.Array) -> jax.Array:
        """Of `Inputs`, and of one-hot numbers of the voxels' cells (b, p, n^3); (b, p, SIGHTS * (2 c + 4))."""
        b, n, c = cells.shape[0], cells.shape[1], cells.shape[-1]
        at = (jnp.arange(n) + 0.5) / n * 2 - 1
        place = jnp.broadcast_to(jnp.stack(jnp.meshgrid(at, at, at, indexing="ij"), -1), (b, n, n, n, 3))
        rows = jnp.concatenate([cells, 2 * place], -1).reshape(b, n**3, c + 3)
        size = SIGHTS * _SIGHT
        point = nn.Dense(size, name="point", kernel_init=nn.initializers.normal((c + 3) ** -0.5))(rows)
        mine = of_cell @ point + nn.Dense(size, name="mine", kernel_init=nn.initializers.zeros)(own)
        point, mine = (jnp.moveaxis(x.reshape(b, -1, SIGHTS, _SIGHT), 2, 1) for x in (point, mine))
        # The squared distance as a product; that of the voxel's point alone is the same for all cells, and added last.
        known = jnp.log(there.reshape(b, 1, -1, 1) + 1e-6) - (point**2).sum(-1, keepdims=True)
        one = jnp.ones((*mine.shape[:-1], 1), mine.dtype)
        near = jnp.concatenate([2 * mine, one], -1) @ jnp.swapaxes(jnp.concatenate([point, known], -1), -1, -2)
        most = jax.lax.stop_gradient(near.max(-1, keepdims=True))
        share = jnp.exp(near - most)
        number = share.sum(-1, keepdims=True)
        mean, square = jnp.split(share @ jnp.concatenate([rows, rows**2], -1)[:, None] / number, 2, -1)
        deviation = jnp.sqrt(jnp.maximum(square - mean**2, 0) + 1e-4)
        total = jnp.log(number) + most - (mine**2).sum(-1, keepdims=True)
        told = jnp.concatenate([mean[..., :c], deviation, total / 3], -1)
        return jnp.moveaxis(told, 1, 2).reshape(b, mine.shape[2], -1)


def _folded(x: jax.Array, fold: int) -> jax.Array:
    """Cubes of fold^3 cells into channels."""
    b, n, _, _, c = x.shape
    x = x.reshape(b, n // fold, fold, n // fold, fold, n // fold, fold, c)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, n // fold, n // fold, n // fold, fold**3 * c)


def _unfolded(x: jax.Array, fold: int) -> jax.Array:
    b, n, _, _, c = x.shape
    x = x.reshape(b, n, n, n, fold, fold, fold, c // fold**3)
    return x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, n * fold, n * fold, n * fold, c // fold**3)
