"""What the network looks at, before it has learned anything."""

import jax
import jax.numpy as jnp
import numpy as np

from assets.materials.model.inputs import CELL, GRID, INPUTS
from assets.materials.model.network import SIGHTS, Alike


def test_a_voxel_is_told_of_the_part_that_looks_like_its_own_wherever_that_is():
    """Of an object of two looks, of which one is at both ends: each sight tells of the voxel's own look, however noisy."""
    rng = np.random.default_rng(0)
    looks = 2.0 * rng.standard_normal((2, CELL))
    is_second = np.zeros((GRID, GRID, GRID), int)
    is_second[3:5] = 1
    cells = (looks[is_second] + 0.3 * rng.standard_normal((GRID, GRID, GRID, CELL)))[None].astype(np.float32)
    there = np.ones((1, GRID, GRID, GRID, 1), np.float32)
    cell = np.array([[0, GRID**3 - 1, 4 * GRID**2 + 5]])
    inputs = (cells, there, np.eye(GRID**3)[cell], np.zeros((1, 3, INPUTS), np.float32))
    params = Alike().init(jax.random.key(0), *inputs)
    told = np.asarray(Alike().apply(params, *map(jnp.asarray, inputs))).reshape(3, SIGHTS, 2 * CELL + 4)  # pyright: ignore[reportArgumentType]
    for voxel, own in enumerate((0, 0, 1)):
        for sight in range(SIGHTS):
            mean = told[voxel, sight, :CELL]
            assert np.linalg.norm(mean - looks[own]) < 0.3 * np.linalg.norm(mean - looks[1 - own])


def test_cells_where_the_object_is_not_tell_nothing():
    rng = np.random.default_rng(1)
    cells = rng.standard_normal((1, GRID, GRID, GRID, CELL)).astype(np.float32)
    there = (rng.random((1, GRID, GRID, GRID, 1)) < 0.5).astype(np.float32)
    cell = np.flatnonzero(there)[None, :2]
    inputs = (there, np.eye(GRID**3)[cell], np.zeros((1, 2, INPUTS), np.float32))
    params = Alike().init(jax.random.key(0), cells, *inputs)
    first, second = (Alike().apply(params, jnp.asarray(c), *inputs) for c in (cells, np.where(there > 0, cells, 3.0)))
    np.testing.assert_allclose(first, second, atol=1e-3)  # pyright: ignore[reportArgumentType]
