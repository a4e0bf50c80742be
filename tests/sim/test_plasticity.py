"""What yields is simulated by the C engine alone; others would let it spring back and say nothing."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.engine import make_physics
from sim.physics import PhysicsError
from sim.plasticity import plastic_parts

_HINGE = """
<mujoco>
  <option timestep="0.002"/>
  <worldbody>
    <body><joint name="hinge" axis="0 1 0" stiffness="10" damping="0.5" springyield="{springyield}"/>
      <geom type="capsule" fromto="0 0 0 0.2 0 0" size="0.01" mass="0.1"/></body>
  </worldbody>
  <actuator><motor joint="hinge"/></actuator>
</mujoco>
"""
_TENDON = """
<mujoco>
  <worldbody>
    <body><joint name="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0.2 0 0" size="0.01"/></body>
  </worldbody>
  <tendon><fixed name="band" stiffness="10" springyield="2"><joint joint="hinge" coef="1"/></fixed></tendon>
</mujoco>
"""
_FLEX = """
<mujoco>
  <option integrator="discrete"/>
  <worldbody>
    <flexcomp name="dough" type="grid" count="3 3 3" spacing=".05 .05 .05" dim="3" mass="1" radius="0.001">
      <elasticity young="1e5" poisson="0.3" damping="0.01" {}/>
    </flexcomp>
  </worldbody>
</mujoco>
"""


def hinge(springyield: float) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_HINGE.format(springyield=springyield))


def test_all_that_yields_is_found():
    assert plastic_parts(hinge(2.0)) == ("joint 'hinge'",)
    assert plastic_parts(mujoco.MjModel.from_xml_string(_TENDON)) == ("tendon 'band'",)
    assert plastic_parts(mujoco.MjModel.from_xml_string(_FLEX.format('yield="0.01"'))) == ("flex 'dough'",)


def test_what_is_elastic_does_not_yield():
    assert plastic_parts(hinge(0.0)) == ()
    assert plastic_parts(mujoco.MjModel.from_xml_string(_FLEX.format(""))) == ()


@pytest.mark.parametrize("engine", ["mjx", "warp"])
def test_other_engines_refuse_it_and_name_the_place_and_the_remedy(engine: str):
    with pytest.raises(PhysicsError, match=rf"the {engine} engine .*joint 'hinge'.*native engine.*springyield"):
        make_physics(hinge(2.0), 1, engine)
    with pytest.raises(PhysicsError, match=rf"the {engine} engine .*flex 'dough'"):
        make_physics(mujoco.MjModel.from_xml_string(_FLEX.format('yield="0.01"')), 1, engine)


def test_the_native_engine_keeps_it_bent_from_step_to_step():
    """Pushed beyond the yield torque of 2 N m, and let go."""

    def rest(springyield: float) -> float:
        physics = make_physics(hinge(springyield), 1, "native")
        state = physics.init({})
        for ctrl in (5.0, 5.0, 0.0, 0.0, 0.0):
            state = physics.step(state, jnp.full((1, 1), ctrl), 50)
        for _ in range(20):
            state = physics.step(state, jnp.zeros((1, 1)), 50)
        return float(state.qpos[0, 0])

    # gravity of a tenth of a kilogram bends the spring by a hundredth of a radian
    assert abs(rest(0.0)) < 0.02
    assert rest(2.0) > 0.2
    model = hinge(2.0)
    data = mujoco.MjData(model)
    data.ctrl[0] = 5.0
    mujoco.mj_step(model, data, 100)
    data.ctrl[0] = 0.0
    mujoco.mj_step(model, data, 1150)
    np.testing.assert_allclose(rest(2.0), data.qpos[0], atol=1e-4)
