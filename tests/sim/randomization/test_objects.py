"""Another object in each environment, on every engine, against MuJoCo's C engine with one model per object."""

import copy
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.objects.shelf import Shelf
from assets.scene import compile_for_physics, flat_ground
from sim.engine import make_physics
from sim.physics import ENGINES, PhysicsError, nominal_field
from sim.randomization import AnyObject, FieldSampler, Mass, RandomizationError, Uniform
from tests.assets.objects.made import ball, brick, ell, slab

OBJECTS = (brick(), ball(), slab())
SHELF = Shelf.of_primitives(OBJECTS)
NUM_ENVS = 6


@dataclass(frozen=True)
class Throw:
    height: float
    """Of the object's lowest point above the ground (m)."""
    qvel: tuple[float, ...]


FLYING = Throw(1.0, (0.5, 0.2, 0.0, 3.0, 2.0, 1.0))
SLIDING = Throw(0.0, (0.5, 0.2, 0.0, 0.0, 0.0, 1.0))


def scene(shelf: Shelf) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.004
    spec.option.iterations = 30
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP | mujoco.mjtDisableBit.mjDSBL_ISLAND)
    flat_ground(spec)
    shelf.attach(spec)
    return compile_for_physics(spec)


MODEL = scene(SHELF)


def draw(model: mujoco.MjModel, *terms, num_envs: int = NUM_ENVS) -> dict[str, jax.Array]:
    sampler = FieldSampler(model, terms)
    return jax.jit(jax.vmap(sampler))(jax.random.split(jax.random.key(1), num_envs))


def model_of(model: mujoco.MjModel, fields: dict[str, jax.Array], env: int) -> mujoco.MjModel:
    model = copy.copy(model)
    for name, value in fields.items():
        nominal_field(model, name)[...] = np.asarray(value[env])
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


class Started:
    """Environments on an engine, each with the object that its fields say."""

    def __init__(self, model: mujoco.MjModel, fields: dict[str, jax.Array], engine: str):
        self.physics = make_physics(model, len(fields["body_mass"]), engine)
        self.fields, self.state = fields, self.physics.init(fields)

    def moved(self, throw: Throw, steps: int = 25) -> np.ndarray:
        """qpos of each environment some steps after its object is thrown, (envs, nq)."""
        physics, count = self.physics, self.physics.num_envs
        qpos = jnp.tile(jnp.asarray(physics.model.qpos0, jnp.float32).at[2].set(throw.height), (count, 1))
        qvel = jnp.tile(jnp.array(throw.qvel), (count, 1))
        self.state = physics.reset(self.state, jnp.ones(count, bool), qpos, qvel, self.fields)
        self.state = physics.step(self.state, jnp.zeros((count, 0)), steps)
        physics.check_overflow(self.state)
        assert not self.state.diverged.any()
        return np.asarray(self.state.qpos)


def oracle(model: mujoco.MjModel, fields: dict[str, jax.Array], env: int, throw: Throw, steps: int = 25) -> np.ndarray:
    """The same by MuJoCo's C engine alone."""
    model = model_of(model, fields, env)
    data = mujoco.MjData(model)
    data.qpos[2], data.qvel[:] = throw.height, np.float32(throw.qvel)
    mujoco.mj_step(model, data, steps)
    return data.qpos


@pytest.mark.parametrize("engine", ENGINES)
def test_each_environment_moves_an_object_of_its_own(quick_to_compile: None, engine: str):
    fields = draw(MODEL, AnyObject(SHELF))
    drawn = np.asarray(AnyObject(SHELF).index_of(MODEL, fields))
    assert set(drawn) == {0, 1, 2}
    started = Started(MODEL, fields, engine)
    flying, sliding = started.moved(FLYING), started.moved(SLIDING)
    for env in range(NUM_ENVS):
        name = OBJECTS[drawn[env]].name
        # in the air inertia alone counts; on the ground, where engines find other points of contact, shape and friction as well
        np.testing.assert_allclose(flying[env], oracle(MODEL, fields, env, FLYING), atol=2e-5, err_msg=name)
        np.testing.assert_allclose(sliding[env], oracle(MODEL, fields, env, SLIDING), atol=5e-3, err_msg=name)
    # which is little beside what tells the objects apart
    for found, least in ((flying, 1e-3), (sliding, 1e-2)):
        one, two, three = (found[drawn == index][0] for index in range(3))
        assert min(np.abs(one - two).max(), np.abs(two - three).max(), np.abs(one - three).max()) > least


def test_hulls_on_the_native_engine_are_mj_step_bit_for_bit():
    shelf = Shelf.of_hulls((brick(), ball(), ell()))
    model = scene(shelf)
    fields = draw(model, AnyObject(shelf))
    found = Started(model, fields, "native").moved(SLIDING, steps=100)
    for env in range(NUM_ENVS):
        np.testing.assert_array_equal(found[env], oracle(model, fields, env, SLIDING, steps=100).astype(np.float32))


def test_hulls_on_other_engines_are_refused():
    shelf = Shelf.of_hulls(OBJECTS)
    model = scene(shelf)
    fields = draw(model, AnyObject(shelf), num_envs=2)
    with pytest.raises(PhysicsError, match="mjx engine cannot vary the model field 'geom_dataid'"):
        make_physics(model, 2, "mjx").init(fields)


def test_all_objects_are_equally_likely_and_told_apart():
    fields = draw(MODEL, AnyObject(SHELF), num_envs=600)
    drawn = np.asarray(AnyObject(SHELF).index_of(MODEL, fields))
    assert np.bincount(drawn, minlength=3).min() > 150
    for index in range(3):
        env = int(np.flatnonzero(drawn == index)[0])
        for name, value in SHELF.fields(MODEL, index).items():
            np.testing.assert_allclose(fields[name][env], value, rtol=1e-6, atol=1e-7, err_msg=name)


def test_later_terms_vary_the_object_that_was_drawn():
    fields = draw(MODEL, AnyObject(SHELF), Mass(Uniform(2.0, 2.0), "object"), num_envs=20)
    drawn = np.asarray(AnyObject(SHELF).index_of(MODEL, fields))
    body = MODEL.body("object").id
    expected = [2 * OBJECTS[index].inertial.mass for index in drawn]
    np.testing.assert_allclose(fields["body_mass"][:, body], expected, rtol=1e-5)


def test_a_scene_without_the_shelf_is_told():
    with pytest.raises(RandomizationError, match="AnyObject: the model has no shelf 'object'"):
        FieldSampler(mujoco.MjSpec().compile(), (AnyObject(SHELF),))
