"""Another object in each environment, on every engine, against MuJoCo's C engine with one model per object."""

import copy

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
from tests.assets.objects.made import ball, brick, ell

OBJECTS = (brick(), ball(), ell())
SHELF = Shelf.of_primitives(OBJECTS)
NUM_ENVS = 6


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


def pushed(model: mujoco.MjModel, fields: dict[str, jax.Array], engine: str, steps: int) -> np.ndarray:
    """qpos of each environment after a push along the ground, (envs, nq)."""
    num_envs = len(fields["body_mass"])
    physics = make_physics(model, num_envs, engine)
    state = physics.init(fields)
    qpos = jnp.tile(jnp.asarray(model.qpos0, jnp.float32), (num_envs, 1))
    qvel = jnp.tile(jnp.array([0.5, 0.2, 0, 0, 0, 1.0]), (num_envs, 1))
    state = physics.reset(state, jnp.ones(num_envs, bool), qpos, qvel, fields)
    state = physics.step(state, jnp.zeros((num_envs, 0)), steps)
    physics.check_overflow(state)
    assert not state.diverged.any()
    return np.asarray(state.qpos)


def oracle(model: mujoco.MjModel, fields: dict[str, jax.Array], env: int, steps: int) -> np.ndarray:
    model = model_of(model, fields, env)
    data = mujoco.MjData(model)
    data.qvel[:] = np.array([0.5, 0.2, 0, 0, 0, 1.0], np.float32)
    mujoco.mj_step(model, data, steps)
    return data.qpos


@pytest.mark.parametrize("engine", ENGINES)
def test_each_environment_moves_an_object_of_its_own(quick_to_compile: None, engine: str):
    fields = draw(MODEL, AnyObject(SHELF))
    drawn = np.asarray(AnyObject(SHELF).index_of(MODEL, fields))
    assert set(drawn) == {0, 1, 2}
    steps = 25
    found = pushed(MODEL, fields, engine, steps)
    for env in range(NUM_ENVS):
        np.testing.assert_allclose(found[env], oracle(MODEL, fields, env, steps), atol=2e-4, err_msg=OBJECTS[drawn[env]].name)
    places = [found[drawn == index][0, :2] for index in range(3)]
    assert min(np.linalg.norm(places[i] - places[j]) for i, j in ((0, 1), (1, 2), (0, 2))) > 1e-3


def test_hulls_on_the_native_engine_are_mj_step_bit_for_bit():
    shelf = Shelf.of_hulls(OBJECTS)
    model = scene(shelf)
    fields = draw(model, AnyObject(shelf))
    found = pushed(model, fields, "native", 100)
    for env in range(NUM_ENVS):
        np.testing.assert_array_equal(found[env], oracle(model, fields, env, 100).astype(np.float32))


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
