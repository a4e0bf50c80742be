from collections.abc import Callable

import jax
import mujoco
import numpy as np
import pytest

from sim.physics import nominal_field
from sim.randomization import Field, FieldSampler, Mass, Uniform, friction, joint_damping
from sim.randomization.term import Values

MODEL = mujoco.MjModel.from_xml_string("""
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <body name="a"><joint name="a" damping=".1"/><geom name="a" size=".1" mass="1"/></body>
    <body name="b"><joint name="b" damping=".2"/><geom name="b" size=".1" mass="2"/></body>
  </worldbody>
</mujoco>
""")
TERMS = (
    Mass(Uniform(0.5, 1.5)),
    friction(Uniform(0.5, 1.0)),
    joint_damping(Uniform(0.5, 1.5)),
    joint_damping(Uniform(2.0, 3.0)),
)


@pytest.fixture(scope="module")
def sampler() -> FieldSampler:
    return FieldSampler(MODEL, TERMS)


@pytest.fixture(scope="module")
def batch(sampler) -> Callable[[jax.Array], Values]:
    return jax.jit(jax.vmap(sampler))


def test_a_key_gives_the_same_fields_alone_and_in_a_batch(sampler, batch):
    keys = jax.random.split(jax.random.key(0), 50)
    values = batch(keys)
    for i in (0, 7):
        for name, value in sampler(keys[i]).items():
            np.testing.assert_allclose(value, values[name][i], rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, values, batch(keys))


def test_every_environment_gets_values_of_its_own(batch):
    for name, drawn in batch(jax.random.split(jax.random.key(0), 50)).items():
        assert len(np.unique(np.asarray(drawn).reshape(50, -1), axis=0)) == 50, name


def test_terms_draw_independently_of_each_other():
    sampler = FieldSampler(MODEL, (joint_damping(Uniform(0, 1)), Field("dof_armature", Uniform(0, 1), "set")))
    values = jax.jit(jax.vmap(sampler))(jax.random.split(jax.random.key(0), 500))
    damping, armature = values["dof_damping"] / MODEL.dof_damping, values["dof_armature"]
    correlation = np.corrcoef(np.hstack([damping, armature]).T)
    assert np.abs(correlation - np.eye(4)).max() < 0.2


def test_later_terms_see_what_earlier_ones_drew(sampler):
    scale = sampler(jax.random.key(0))["dof_damping"] / MODEL.dof_damping
    assert ((scale > 2 * 0.5) & (scale < 3 * 1.5)).all()
    doubled = FieldSampler(MODEL, (joint_damping(Uniform(2, 2)), joint_damping(Uniform(3, 3))))(jax.random.key(0))
    np.testing.assert_allclose(doubled["dof_damping"], 6 * MODEL.dof_damping, rtol=1e-6)


def test_only_fields_that_some_term_changes_are_drawn(sampler):
    assert sampler.names == ("body_inertia", "body_mass", "dof_damping", "geom_friction")
    values = sampler(jax.random.key(1))
    assert set(values) == set(sampler.names)
    for name, value in values.items():
        assert value.shape == nominal_field(MODEL, name).shape
        assert value.dtype == np.float32


def test_no_terms_draw_nothing():
    assert FieldSampler(MODEL, ())(jax.random.key(0)) == {}
