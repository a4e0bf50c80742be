import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.native import NativePhysics
from sim.randomization import FieldSampler, GeomSize, RandomizationError, Uniform
from tests.sim.randomization.drawn import drawn

SIZES = {
    "sphere": (0.1,),
    "capsule": (0.06, 0.1),
    "cylinder": (0.08, 0.05),
    "ellipsoid": (0.12, 0.08, 0.06),
    "box": (0.1, 0.07, 0.05),
}


def falling(size: dict[str, np.ndarray]) -> mujoco.MjModel:
    """One body of each kind of geom above the ground, of fixed mass and inertia."""
    bodies = "".join(
        f"""
        <body name="{kind}" pos="0 {i} .3" euler="20 30 0" simple="false">
          <freejoint/>
          <inertial mass="1" pos="0 0 0" diaginertia=".01 .01 .01"/>
          <geom name="{kind}" type="{kind}" size="{" ".join(f"{x:.9g}" for x in size[kind])}"/>
        </body>"""
        for i, kind in enumerate(size)
    )
    floor = '<geom name="floor" type="plane" size="0 0 1"/>'
    return mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{floor}{bodies}</worldbody></mujoco>")


NOMINAL = falling({kind: np.array(size) for kind, size in SIZES.items()})


@pytest.fixture(scope="module")
def scaled() -> mujoco.MjModel:
    return drawn(NOMINAL, GeomSize(Uniform(0.5, 2.0), "[!f]*"), seed=4)  # all but the floor


@pytest.fixture(scope="module")
def compiled(scaled) -> mujoco.MjModel:
    """What MuJoCo's compiler makes of the sizes that were drawn."""
    return falling({kind: scaled.geom(kind).size[: len(size)] for kind, size in SIZES.items()})


@pytest.mark.parametrize("kind", SIZES)
def test_a_geom_has_the_bounds_that_the_compiler_gives_one_of_its_size(scaled, compiled, kind):
    assert abs(scaled.geom(kind).size[0] / SIZES[kind][0] - 1) > 0.02
    values = FieldSampler(NOMINAL, (GeomSize(Uniform(0.5, 2.0), "[!f]*"),))(jnp.array([0, 4], jnp.uint32))
    geom = compiled.geom(kind).id
    np.testing.assert_allclose(values["geom_size"][geom], compiled.geom_size[geom], rtol=1e-6)
    np.testing.assert_allclose(values["geom_rbound"][geom], compiled.geom_rbound[geom], rtol=1e-6)
    np.testing.assert_allclose(values["geom_aabb"][geom], compiled.geom_aabb[geom], rtol=1e-6)


def test_scaled_geoms_land_as_compiled_ones_do(compiled):
    physics = NativePhysics(NOMINAL, 2)
    values = FieldSampler(NOMINAL, (GeomSize(Uniform(0.5, 2.0), "[!f]*"),))(jnp.array([0, 4], jnp.uint32))
    fields = {name: jnp.stack([jnp.asarray(getattr(NOMINAL, name), jnp.float32), value]) for name, value in values.items()}
    state = physics.step(physics.init(fields), jnp.zeros((2, 0)), 300)
    for env, model in enumerate((NOMINAL, compiled)):
        data = mujoco.MjData(model)
        mujoco.mj_step(model, data, 300)
        assert data.ncon >= 5
        np.testing.assert_allclose(state.qpos[env], data.qpos, atol=1e-5)


def test_only_primitives_can_be_scaled():
    with pytest.raises(RandomizationError, match=r"GeomSize.*'floor' is a mjGEOM_PLANE"):
        FieldSampler(NOMINAL, (GeomSize(Uniform(1, 2), "floor"),))
