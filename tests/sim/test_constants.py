"""Derived constants are those of `mj_setConst`, whatever was computed before."""

import copy

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.constants import DerivedConstants

_XML = """
<mujoco>
  <worldbody>
    <body name="arm" pos="0 0 1" simple="false">
      <joint name="shoulder" axis="0 1 0" armature=".01"/>
      <geom name="upper" type="capsule" fromto="0 0 0 .3 0 0" size=".02"/>
      <body pos=".3 0 0">
        <joint name="elbow" axis="0 1 0"/>
        <geom name="lower" type="box" size=".1 .02 .03" pos=".1 0 0"/>
        <site name="tip" pos=".2 0 0"/>
      </body>
    </body>
    <site name="hook" pos="0 0 2"/>
    <body name="ball" pos="0 1 1" {simple}><freejoint/><geom name="ball" size=".1"/></body>
  </worldbody>
  <tendon><spatial name="rope"><site site="hook"/><site site="tip"/></spatial></tendon>
  <actuator><motor joint="shoulder"/></actuator>
  <equality><connect body1="arm" body2="ball" anchor=".1 0 0" active="false"/></equality>
</mujoco>
"""
MODEL = mujoco.MjModel.from_xml_string(_XML.format(simple='simple="false"'))
ROWS = 8
EVERYTHING = tuple(mujoco.MjModel._setconst_outputs)
INPUTS = ("body_ipos", "body_mass", "body_pos", "dof_armature", "geom_size", "jnt_axis", "qpos0")


def _draw(seed: int) -> dict[str, jax.Array]:
    """Fields of ROWS environments."""
    random = np.random.default_rng(seed)
    drawn = {}
    for name in INPUTS:
        value = getattr(MODEL, name)
        drawn[name] = value * random.uniform(0.8, 1.2, (ROWS, *value.shape)) + random.uniform(0, 0.01, (ROWS, *value.shape))
    return {name: jnp.asarray(value, jnp.float32) for name, value in drawn.items()}


def _expected(fields: dict[str, jax.Array], row: int) -> mujoco.MjModel:
    model = copy.copy(MODEL)
    for name, values in fields.items():
        getattr(model, name)[...] = values[row]
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


CONSTANTS = jax.jit(DerivedConstants(MODEL, INPUTS, EVERYTHING, ROWS))


@settings(max_examples=20)  # of ROWS rows each
@given(st.integers(0, 1000))
def test_every_row_is_what_mj_setconst_makes_of_it(seed: int) -> None:
    fields = _draw(seed)
    derived = CONSTANTS(fields, jnp.int32(ROWS))
    assert {"body_invweight0", "dof_invweight0", "geom_rbound", "tendon_length0", "actuator_acc0", "eq_data"} <= set(derived)
    for row in range(ROWS):
        model = _expected(fields, row)
        for name, values in derived.items():
            expected = np.asarray(getattr(model, name)).astype(np.float32)
            np.testing.assert_allclose(values[row], expected.reshape(values[row].shape), rtol=1e-6, atol=1e-12, err_msg=name)


def test_the_result_does_not_depend_on_earlier_calls() -> None:
    first = CONSTANTS(_draw(1), jnp.int32(ROWS))
    CONSTANTS(_draw(2), jnp.int32(ROWS))
    again = CONSTANTS(_draw(1), jnp.int32(ROWS))
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


def test_only_rows_below_the_count_are_computed_and_they_are_right() -> None:
    fields = _draw(3)
    derived = CONSTANTS(fields, jnp.int32(2))
    for row in range(2):
        np.testing.assert_allclose(derived["body_invweight0"][row], _expected(fields, row).body_invweight0, rtol=1e-6)


def test_fields_that_nothing_derives_from_cost_nothing() -> None:
    constants = DerivedConstants(MODEL, ("geom_friction", "dof_damping", "opt.gravity"), EVERYTHING, ROWS)
    assert constants.outputs == ()
    assert constants({}, jnp.int32(ROWS)) == {}


def test_only_what_depends_on_a_field_is_derived() -> None:
    constants = DerivedConstants(MODEL, ("geom_size",), EVERYTHING, ROWS)
    assert {"geom_rbound", "geom_aabb"} <= set(constants.outputs)
    assert not {"body_invweight0", "dof_invweight0", "body_subtreemass"} & set(constants.outputs)


def test_moving_the_centre_of_mass_of_a_simple_body_is_an_error_that_names_the_remedy() -> None:
    model = mujoco.MjModel.from_xml_string(_XML.format(simple=""))
    constants = jax.jit(DerivedConstants(model, ("body_ipos",), EVERYTHING, ROWS))
    nominal = jnp.tile(jnp.asarray(model.body_ipos, jnp.float32), (ROWS, 1, 1))
    jax.block_until_ready(constants({"body_ipos": nominal}, jnp.int32(ROWS)))
    with pytest.raises((RuntimeError, ValueError), match="simple='false'"):
        jax.block_until_ready(constants({"body_ipos": nominal + 0.01}, jnp.int32(ROWS)))
