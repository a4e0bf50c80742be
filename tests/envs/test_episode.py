import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.scene import compile_for_physics
from envs.episode import EpisodeSampler, Start
from envs.view import Layout
from sim.randomization import Mass, Push, Randomization, Uniform
from tests.envs.walker import ROBOT, walker_task

N = 20  # more than are drawn at a time
TASK = walker_task(randomization=Randomization(model=(Mass(Uniform(0.5, 1.5)),), push=Push(Uniform(1.0, 2.0), linear=0.1)))


@pytest.fixture(scope="module")
def sampler() -> EpisodeSampler:
    return EpisodeSampler(TASK, Layout.of(ROBOT, compile_for_physics(TASK.scene())))


@pytest.fixture(scope="module")
def replace_where(sampler):
    return jax.jit(sampler.replace_where)


@pytest.fixture(scope="module")
def old(sampler) -> Start:
    shapes = jax.eval_shape(sampler, jax.random.key(0), {})
    return jax.tree.map(lambda x: jnp.full((N, *x.shape), -7, x.dtype), shapes)


def rows(start: Start, index: object) -> list[np.ndarray]:
    return [np.asarray(leaf)[index] for leaf in jax.tree.leaves(start)]


@pytest.mark.parametrize("ended", [[], [3], [0, 19], list(range(5, 18)), list(range(N))])
def test_exactly_those_that_ended_get_a_new_start(replace_where, old, ended):
    mask = np.isin(np.arange(N), ended)
    new = replace_where(old, jnp.asarray(mask), jax.random.key(1))
    for kept in rows(new, ~mask):
        assert (kept == -7).all()
    for fresh in rows(new, mask):
        assert (fresh != -7).all()


def test_a_start_does_not_depend_on_who_else_ended(replace_where, old):
    everyone = replace_where(old, jnp.ones(N, bool), jax.random.key(1))
    for i in (0, 9, 19):
        alone = replace_where(old, jnp.arange(N) == i, jax.random.key(1))
        for a, b in zip(rows(alone, i), rows(everyone, i), strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_two_starts_are_alike(replace_where, old):
    starts = replace_where(old, jnp.ones(N, bool), jax.random.key(1))
    for drawn in (starts.qpos, starts.qvel, starts.fields["body_mass"], starts.command, starts.push_left):
        assert len(np.unique(np.asarray(drawn).reshape(N, -1), axis=0)) == N


def test_exactly_those_whose_time_is_up_get_a_new_command(sampler):
    renew = jax.jit(sampler.renew_command)
    old, keys = (jnp.full((N, 1), -7.0), (), jnp.full(N, -7.0)), jax.random.split(jax.random.key(2), N)
    mask = jnp.arange(N) % 2 == 0
    some, _, seconds = renew(old, mask, keys)
    assert ((np.asarray(some)[:, 0] != -7) == np.asarray(mask)).all()
    np.testing.assert_allclose(np.asarray(seconds)[::2], TASK.command.seconds[0], rtol=1e-6)
    everyone, _, _ = renew(old, jnp.ones(N, bool), keys)
    np.testing.assert_array_equal(some[::2], everyone[::2], "who else asks does not matter")
    assert len(np.unique(everyone)) == N
