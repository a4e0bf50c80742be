"""Terms for inertia, against what MuJoCo's compiler makes of the same bodies."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.scene import compile_for_physics
from sim.native import NativePhysics
from sim.randomization import (
    CenterOfMass,
    FieldSampler,
    Inertia,
    Mass,
    Normal,
    Payload,
    RandomizationError,
    Uniform,
)
from tests.sim.randomization.drawn import drawn, inertia_tensor

Vector = tuple[float, float, float]
LENGTHS = st.tuples(*[st.floats(0.01, 0.3)] * 3)
POSITIONS = st.tuples(*[st.floats(-0.3, 0.3)] * 3)
ROTATIONS = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


def compiled(*boxes: tuple[float, Vector, tuple[float, ...], Vector]) -> mujoco.MjModel:
    """One body of boxes, each of a mass, a centre, a turn (quaternion) and half edge lengths."""
    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name="body")
    for mass, pos, quat, size in boxes:
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, mass=mass, pos=pos, quat=quat, size=size)
    spec.worldbody.add_body(name="other", pos=[0, 0, 1]).add_geom(size=[0.1, 0, 0], mass=0.5)
    return spec.compile()


PLAIN = compiled((1.0, (0, 0, 0), (1, 0, 0, 0), (0.1, 0.1, 0.1)))
WILD = (
    Mass(Uniform(-1.0, 5.0), "body"),
    Inertia(Normal(1.0, 1.0), "body"),
    CenterOfMass(Uniform(-1.0, 1.0), "body"),
    Payload("body", Uniform(-1.0, 5.0), (0.1, 0.0, 0.3), Uniform(-0.5, 0.5)),
)


@pytest.fixture(scope="module")
def wild_draws() -> Callable[[jax.Array, dict[str, jax.Array]], list[dict[str, jax.Array]]]:
    """The fields after each of WILD alone, and after all of them in turn."""
    draws = [term.bind(PLAIN)[1] for term in WILD]

    @jax.jit
    def draw(key: jax.Array, values: dict[str, jax.Array]) -> list[dict[str, jax.Array]]:
        alone = [values | one(key, values) for one in draws]
        for i, one in enumerate(draws):
            values = values | one(jax.random.fold_in(key, i), values)
        return [*alone, values]

    return draw


@given(mass=st.floats(0.01, 50), pos=POSITIONS, quat=ROTATIONS, extent=LENGTHS, seed=st.integers(0, 10**6))
def test_whatever_is_drawn_is_some_distribution_of_mass(wild_draws, mass, pos, quat, extent, seed):
    second = mass * np.square(extent)  # second moments along the principal axes
    row = {
        "body_mass": mass,
        "body_inertia": second.sum() - second,
        "body_ipos": pos,
        "body_iquat": np.divide(quat, np.linalg.norm(quat)),
    }
    values = {name: np.array(getattr(PLAIN, name), np.float32) for name in row}
    for name, value in row.items():
        values[name][1] = value
    for drawn_values in wild_draws(jax.random.key(seed), values):
        new = {name: np.asarray(value, float) for name, value in drawn_values.items()}
        moments = new["body_inertia"][1]
        assert all(np.isfinite(value).all() for value in new.values())
        assert new["body_mass"][1] > 0
        assert moments.min() > 0
        # no moment exceeds the sum of the others: the mass has no negative extent along any axis
        assert (moments.sum() - 2 * moments >= -1e-5 * moments.max()).all()
        assert np.linalg.norm(new["body_iquat"][1]) == pytest.approx(1, abs=1e-5)
        for name, value in new.items():
            np.testing.assert_array_equal(value[2], values[name][2], err_msg="of the other body")


@settings(max_examples=30)
@given(
    mass=st.floats(0.1, 20),
    pos=POSITIONS,
    quat=ROTATIONS,
    size=LENGTHS,
    added=st.floats(0, 20),
    position=POSITIONS,
    edges=st.tuples(*[st.floats(0.02, 0.5)] * 3),
)
def test_a_payload_is_a_box_compiled_into_the_body(mass, pos, quat, size, added, position, edges):
    body = (mass, pos, quat, size)
    found = drawn(compiled(body), Payload("body", Uniform(added, added), position, Uniform(0, 0), edges))
    half = tuple(edge / 2 for edge in edges)
    expected = compiled(body, (added, position, (1, 0, 0, 0), half)) if added > 1e-6 else compiled(body)
    np.testing.assert_allclose(found.body("body").mass, expected.body("body").mass, rtol=1e-5)
    np.testing.assert_allclose(found.body("body").ipos, expected.body("body").ipos, atol=1e-6)
    scale = np.trace(inertia_tensor(expected, "body"))
    np.testing.assert_allclose(inertia_tensor(found, "body"), inertia_tensor(expected, "body"), atol=1e-5 * scale)
    assert found.body_subtreemass[0] == pytest.approx(expected.body_subtreemass[0], rel=1e-5)


def test_a_payload_keeps_principal_axes_that_are_half_a_turn_away():
    # where a quaternion's scalar part vanishes, and with it the usual way from a matrix to a quaternion
    random = np.random.default_rng(0)
    for axis in random.normal(size=(12, 3)):
        body = compiled((2.0, (0, 0, 0), (0, *axis), (0.3, 0.2, 0.1)))
        found = drawn(body, Payload("body", Uniform(0, 0), (0, 0, 0), Uniform(0, 0)))
        np.testing.assert_allclose(inertia_tensor(found, "body"), inertia_tensor(body, "body"), atol=1e-6)


def test_a_payload_lies_within_its_spread():
    sampler = FieldSampler(PLAIN, (Payload("body", Uniform(1.0, 2.0), (0.1, 0.2, 0.3), Uniform(-0.05, 0.05)),))
    values = jax.jit(jax.vmap(sampler))(jax.random.split(jax.random.key(0), 200))
    added = np.asarray(values["body_mass"][:, 1]) - 1
    assert ((added > 1) & (added < 2)).all()
    # the centre of mass of the cube at the origin, of 1 kg, with the payload
    position = np.asarray(values["body_ipos"][:, 1]) * (1 + added)[:, None] / added[:, None]
    assert np.abs(position - [0.1, 0.2, 0.3]).max() < 0.05 + 1e-5
    assert np.ptp(position, axis=0).min() > 0.08


def test_a_heavier_body_is_the_same_shape_of_another_density():
    model = drawn(PLAIN, Mass(Uniform(2.0, 3.0)))
    for body in ("body", "other"):
        scale = model.body(body).mass / PLAIN.body(body).mass
        assert 2 < scale < 3
        np.testing.assert_allclose(model.body(body).inertia, scale * PLAIN.body(body).inertia, rtol=1e-5)
    assert model.body("body").mass / PLAIN.body("body").mass != model.body("other").mass / PLAIN.body("other").mass


def test_inertia_scales_the_extent_of_the_mass():
    # Twice the second moment along every axis is a box whose edges are longer by the square root of two.
    model = drawn(PLAIN, Inertia(Uniform(2.0, 2.0)))
    longer = compiled((1.0, (0, 0, 0), (1, 0, 0, 0), (0.1 * 2**0.5,) * 3))
    np.testing.assert_allclose(model.body("body").inertia, longer.body("body").inertia, rtol=1e-5)
    assert model.body("body").mass == 1.0


def test_a_payload_sits_on_one_body():
    with pytest.raises(RandomizationError, match=r"Payload.*sits on one body, but '\*' matches 2"):
        Payload("*", Uniform(0, 1), (0, 0, 0), Uniform(0, 0)).bind(PLAIN)


class TestAFreeBodyWhoseCentreOfMassIsItsOrigin:
    """MuJoCo compiles such a body with shortcuts (`body_simple`, `body_sameframe`), which the terms must not fall for."""

    @staticmethod
    def spec(center: Vector = (0.0, 0.0, 0.0)) -> mujoco.MjSpec:
        spec = mujoco.MjSpec()
        body = spec.worldbody.add_body(name="cube", mass=1.0, ipos=center, inertia=[0.01, 0.02, 0.025], explicitinertial=True)
        body.add_freejoint()
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], pos=[0, 0, -0.5])
        body.add_geom(name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.1, 0.1, 0.1])
        return spec

    def test_a_drawn_centre_of_mass_moves_it_as_a_compiled_one(self):
        model = compile_for_physics(self.spec())
        assert mujoco.MjModel.from_xml_string(self.spec().to_xml()).body_simple[1], "else there is no shortcut to fall for"
        physics = NativePhysics(model, 2)
        fields = jax.jit(jax.vmap(FieldSampler(model, (CenterOfMass(Uniform(0.02, 0.05)),))))(
            jax.random.split(jax.random.key(0), 2)
        )
        state = physics.init(fields)
        spin = jnp.array([0.5, 0.0, 0.0, 1.0, 2.0, 3.0])
        state = physics.step(state.replace(qvel=state.qvel + spin), jnp.zeros((2, 0)), 200)
        for env, center in enumerate(np.asarray(fields["body_ipos"][:, 1], float)):
            moved = compile_for_physics(self.spec(tuple(center)))
            data = mujoco.MjData(moved)
            data.qvel = spin
            mujoco.mj_step(moved, data, 200)
            assert np.abs(data.qpos[:3]).max() > 0.1
            np.testing.assert_allclose(state.qpos[env], data.qpos, atol=1e-5)
