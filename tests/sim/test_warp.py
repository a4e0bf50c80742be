"""What is particular to the MuJoCo Warp engine: buffers of fixed size, and what it refuses."""

import re

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.physics import PhysicsError, PhysicsState

pytest.importorskip("mujoco_warp")

from sim.warp import WarpPhysics

# A raft of balls that falls on the ground: as many contacts as balls.
_RAFT = """
<mujoco>
  <option timestep="0.005" integrator="Euler"><flag eulerdamp="disable" island="disable" midphase="disable"/></option>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body pos="0 0 .12">
      <freejoint/>
      {balls}
    </body>
  </worldbody>
</mujoco>
"""
BALLS = 6
MODEL = mujoco.MjModel.from_xml_string(
    _RAFT.format(balls="".join(f'<geom size=".1" pos="{0.3 * (i % 3)} {0.3 * (i // 3)} 0"/>' for i in range(BALLS)))
)
ENVS = 3


def _fall(physics: WarpPhysics) -> PhysicsState:
    return physics.step(physics.init({}), jnp.zeros((ENVS, 0)), 20)


def test_the_rooms_estimated_from_the_model_suffice() -> None:
    physics = WarpPhysics(MODEL, ENVS)
    state = _fall(physics)
    physics.check_overflow(state)
    assert np.asarray(state.engine.watched["contacts"]).max() == ENVS * BALLS  # the raft did land


@pytest.mark.parametrize("argument, room", [("contacts_per_env", 2), ("constraints_per_env", 8)])
def test_an_overflow_is_an_error_whose_number_suffices(argument: str, room: int) -> None:
    physics = WarpPhysics(MODEL, ENVS, **{argument: room})
    with pytest.raises(PhysicsError) as error:
        physics.check_overflow(_fall(physics))
    found = re.search(rf"set {argument}=(\d+)", str(error.value))
    assert found is not None, error.value
    enough = WarpPhysics(MODEL, ENVS, **{argument: int(found.group(1))})
    enough.check_overflow(_fall(enough))


def test_an_overflow_is_remembered_over_a_reset() -> None:
    physics = WarpPhysics(MODEL, ENVS, contacts_per_env=2)
    state = _fall(physics)
    state = physics.reset(state, jnp.ones(ENVS, bool), jnp.tile(MODEL.qpos0, (ENVS, 1)), jnp.zeros((ENVS, 6)), {})
    with pytest.raises(PhysicsError, match="contacts_per_env"):
        physics.check_overflow(state)


def test_what_warp_would_leave_out_without_a_word_is_refused() -> None:
    model = mujoco.MjModel.from_xml_string("""
        <mujoco>
          <worldbody><body><joint name="j"/><geom size=".1"/></body></worldbody>
          <actuator><motor joint="j" armature=".1"/></actuator>
        </mujoco>""")
    with pytest.raises(PhysicsError, match="actuator_armature"):
        WarpPhysics(model, ENVS)


def test_a_field_that_warp_reads_once_for_all_environments_is_refused() -> None:
    with pytest.raises(PhysicsError, match=r"opt\.impratio"):
        WarpPhysics(MODEL, ENVS).init({"opt.impratio": jnp.ones(ENVS)})


def test_the_damping_of_actuators_is_kept_where_that_of_joints_varies() -> None:
    """MuJoCo Warp folds the one into the other."""
    model = mujoco.MjModel.from_xml_string("""
        <mujoco>
          <option timestep="0.005" integrator="Euler"><flag eulerdamp="disable"/></option>
          <worldbody>
            <body><joint name="j" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .3 0 0" size=".02"/></body>
          </worldbody>
          <actuator><motor joint="j" damping="0.2"/></actuator>
        </mujoco>""")
    physics = WarpPhysics(model, 2)
    state = physics.step(physics.init({"dof_damping": jnp.array([[0.0], [0.1]])}), jnp.zeros((2, 1)), 40)
    for env, damping in enumerate((0.0, 0.1)):
        model.dof_damping[:] = damping
        data = mujoco.MjData(model)
        mujoco.mj_step(model, data, 40)
        np.testing.assert_allclose(state.qpos[env], data.qpos, atol=1e-5)
