"""An epoch's minibatches share a rollout out: each sample once, and as many of every environment in each."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.minibatches import Minibatches
from sim.devices import Devices
from tests.processes import python


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 12), count=st.integers(1, 6), blocks=st.integers(1, 5), seed=st.integers(0, 2**31 - 1))
def test_an_epoch_takes_each_sample_once(length, count, blocks, seed):
    block = count // np.gcd(length, count)
    envs = int(block * blocks)
    minibatches = Minibatches(count, length, envs, Devices())
    samples = {"step": np.arange(length * envs).reshape(length, envs), "env": np.tile(np.arange(envs), (length, 1))}
    taken = [minibatches.take(order, samples) for order in minibatches.orders(jax.random.key(seed))]
    assert len(taken) == count
    np.testing.assert_array_equal(np.sort(np.concatenate([t["step"] for t in taken])), np.arange(length * envs))
    for batch in taken:
        of_blocks = np.bincount(np.asarray(batch["env"]) // block, minlength=blocks)
        assert (of_blocks == length * envs // count // blocks).all()
        np.testing.assert_array_equal(np.asarray(batch["step"]) % envs, batch["env"])  # what belongs together stays so


def test_steps_are_drawn_at_random_for_each_environment():
    minibatches = Minibatches(2, 24, 64, Devices())
    time = np.tile(np.arange(24)[:, None], (1, 64))
    first = np.asarray(minibatches.take(minibatches.orders(jax.random.key(0))[0], time)).reshape(12, 64)
    assert len(np.unique(np.sort(first, axis=0), axis=1).T) > 60
    assert 8 < first.mean() < 15  # of 0 to 23, not the rollout's first half


def test_devices_share_the_minibatches_of_one():
    python(
        """
import jax, numpy as np
from rl.minibatches import Minibatches
from sim.devices import Devices

samples = np.arange(6 * 8 * 3.0).reshape(6, 8, 3)
one, two = (Minibatches(4, 6, 8, devices) for devices in (Devices(), Devices.all()))
orders = one.orders(jax.random.key(0))
for order in orders:
    a, b = one.take(order, samples), jax.jit(two.take)(order, samples)
    assert b.sharding.shard_shape(b.shape) == (6, 3)
    assert set(map(tuple, np.asarray(a))) == set(map(tuple, np.asarray(b)))
""",
        devices=2,
    )


def test_minibatches_must_divide_the_rollout():
    with pytest.raises(ValueError, match="5 minibatches do not divide"):
        Minibatches(5, 3, 4, Devices())
