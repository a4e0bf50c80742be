"""What is particular to the MJX-JAX engine: what it refuses, and that it can be differentiated."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.mjx import MAX_CONTACT_POINTS, MjxPhysics
from sim.physics import PhysicsError

pytestmark = pytest.mark.usefixtures("quick_to_compile")

_PENDULUM = """
<mujoco>
  <option timestep="0.005" integrator="Euler"><flag eulerdamp="disable"/></option>
  <worldbody>
    <body>
      <joint name="pivot" axis="0 1 0" damping="0.01" {joint}/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".02" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor name="motor" joint="pivot" {motor}/></actuator>
</mujoco>
"""


def _pendulum(joint: str = "", motor: str = "") -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_PENDULUM.format(joint=joint, motor=motor))


def _refuses(fields: dict[str, np.ndarray], *parts: str) -> None:
    physics = MjxPhysics(_pendulum(), 2)
    with pytest.raises(PhysicsError) as error:
        physics.init({name: jnp.asarray(value) for name, value in fields.items()})
    for part in parts:
        assert part in str(error.value)


def test_a_field_that_is_compiled_in_is_refused_by_name() -> None:
    _refuses({"jnt_limited": np.zeros((2, 1))}, "mjx", "jnt_limited", "compiles")


def test_a_misspelt_field_is_refused_with_the_nearest_name() -> None:
    _refuses({"body_masses": np.zeros((2, 2))}, "'body_masses'", "body_mass")


def test_a_field_of_the_wrong_shape_is_refused_with_the_right_one() -> None:
    _refuses({"body_mass": np.ones((2, 3))}, "body_mass", "(2, 3)", "(2, 2)")


def test_a_control_of_the_wrong_shape_is_refused_with_the_right_ones() -> None:
    physics = MjxPhysics(_pendulum(), 2)
    state = jax.eval_shape(physics.init, {})
    with pytest.raises(PhysicsError, match=r"\(2, 1\).*\(2, 4, 1\)"):
        physics.step(state, jnp.zeros((2, 3)), 4)


@pytest.mark.parametrize(
    "model, part",
    [
        (_pendulum(joint='stiffness="1 2"'), "jnt_stiffnesspoly"),
        (_pendulum(motor='armature="0.1"'), "actuator_armature"),
        (_pendulum(motor='damping="0.1"'), "actuator_damping"),
        (_pendulum(motor='delay="0.01" nsample="4"'), "nhistory"),
    ],
)
def test_what_mjx_would_leave_out_without_a_word_is_refused(model: mujoco.MjModel, part: str) -> None:
    with pytest.raises(PhysicsError, match=part):
        MjxPhysics(model, 2)


def test_a_pair_of_geoms_that_mjx_cannot_collide_is_refused() -> None:
    model = mujoco.MjModel.from_xml_string("""
        <mujoco><worldbody>
          <body><freejoint/><geom type="cylinder" size=".1 .1"/></body>
          <body pos="0 0 1"><freejoint/><geom type="box" size=".1 .1 .1"/></body>
        </worldbody></mujoco>""")
    with pytest.raises(PhysicsError, match=r"mjx engine.*CYLINDER"):
        MjxPhysics(model, 2)


def test_the_gradient_through_a_step_is_that_of_finite_differences() -> None:
    physics = MjxPhysics(_pendulum(), 2)
    state = physics.init({})

    @jax.jit
    @jax.value_and_grad
    def speed(ctrl: jax.Array) -> jax.Array:
        return physics.step(state, ctrl, 4).qvel[0, 0]

    (low, _), (_, gradient), (high, _) = (speed(jnp.full((2, 1), ctrl)) for ctrl in (-0.2, 0.3, 0.8))
    np.testing.assert_allclose(gradient[:, 0], [high - low, 0.0], rtol=1e-3)


def test_where_one_environment_brakes_the_others_stay_free() -> None:
    """MJX-JAX compiles friction loss in or out for all; where it is in, one of zero must brake nothing."""
    physics = MjxPhysics(_pendulum(), 2)
    fields = {"dof_frictionloss": jnp.array([[0.0], [5.0]])}
    state = physics.step(physics.init(fields), jnp.zeros((2, 1)), 20)
    data = mujoco.MjData(physics.model)
    mujoco.mj_step(physics.model, data, 20)
    np.testing.assert_allclose(state.qpos[0], data.qpos, atol=1e-5)
    assert abs(data.qpos[0]) > 0.1
    assert abs(float(state.qpos[1, 0])) < 0.01


def test_resets_in_several_chunks_reach_every_masked_environment() -> None:
    n = 150  # more than two chunks of 64
    physics = MjxPhysics(_pendulum(), n)
    mask = np.arange(n) % 50 != 0
    qpos = jnp.linspace(-1, 1, n)[:, None]
    state = physics.init({})
    state = physics.reset(state, jnp.asarray(mask), qpos, jnp.ones((n, 1)), {})
    np.testing.assert_array_equal(np.asarray(state.qpos), np.where(mask[:, None], qpos, 0.0))
    np.testing.assert_array_equal(np.asarray(state.qvel)[:, 0], mask)


_BALLS = """
<mujoco>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body pos="0 0 .099"><freejoint/><geom size=".1"/></body>
    <body pos="1 0 .099"><freejoint/><geom size=".1"/></body>
    <body pos="2 0 .3"><freejoint/><geom size=".1"/></body>
  </worldbody>
</mujoco>
"""


@pytest.mark.parametrize("room, told", [(3, False), (2, True)])
def test_contacts_that_fill_the_models_own_room_are_told(room: int, told: bool) -> None:
    spec = mujoco.MjSpec.from_string(_BALLS)
    spec.add_numeric(name=MAX_CONTACT_POINTS, data=[room])
    physics = MjxPhysics(spec.compile(), 1)
    state = physics.init({})
    physics.check_overflow(state)
    state = physics.step(state, jnp.zeros((1, 0)), 1)
    if told:
        with pytest.raises(PhysicsError, match=r"up to 2 contacts at once.*raise the model's number max_contact_points, 2"):
            physics.check_overflow(state)
    else:
        physics.check_overflow(state)
