"""That what is asked for is what bounces, in falls that the table was not measured by."""

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.materials import restitution as bounce
from assets.materials.errors import MaterialError
from assets.materials.restitution import LEAST, MOST, SPREAD, bouncing, measure

STIFF = 1e6  # rad/s: of no influence


def rebounds(wanted: float, timestep: float, mass: float, radius: float, falls: np.ndarray) -> np.ndarray:
    """√(height after / height before) of spheres that fall from these heights (m) to a floor whose own contact is soft."""
    spec = mujoco.MjSpec()
    spec.option.timestep = timestep
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1])
    for i, fall in enumerate(falls):
        ball = spec.worldbody.add_body(pos=(3 * radius * i, 0, radius + fall))
        ball.add_freejoint()
        geom = ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], mass=mass, priority=1)
        geom.solref[:] = bouncing(wanted, STIFF, timestep)
    model = spec.compile()
    data = mujoco.MjData(model)
    highest, touched = np.zeros(len(falls)), np.zeros(len(falls), bool)
    for _ in range(math.ceil(3.2 * math.sqrt(2 * falls.max() / 9.81) / timestep)):
        mujoco.mj_step(model, data)
        height = data.qpos[2::7] - radius
        touched |= height < 0
        highest = np.where(touched, np.maximum(highest, height), 0)
    return np.sqrt(highest / falls)


@pytest.mark.parametrize("timestep, mass, radius", [(0.002, 0.1, 0.03), (0.001, 10.0, 0.3), (0.005, 0.5, 0.1)])
@pytest.mark.parametrize("wanted", [0.05, 0.2, 0.35, 0.5, 0.7, 0.9])
def test_a_dropped_sphere_rebounds_as_wanted(wanted, timestep, mass, radius):
    falls = 0.2 + np.linspace(0, 2 * bounce.SPEED * timestep, 6, endpoint=False)
    found = rebounds(wanted, timestep, mass, radius, falls)
    assert abs(found.mean() - wanted) < 0.02
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_the_table_is_what_measuring_gives():
    ratios, steps = np.array(bounce._RATIOS)[[1, 5, 9]], np.array(bounce._STEPS)[[1, 5, 9]]
    for weight, row in list(zip(bounce._WEIGHTS, bounce._RESTITUTION, strict=True))[::2]:
        mean, spread = measure(ratios, steps, weight)
        np.testing.assert_allclose(mean, np.array(row)[[1, 5, 9]], atol=2e-3)
        assert (spread < 1.5 * SPREAD).all() if weight < 0.2 else True


def test_without_gravity_and_with_small_steps_it_is_the_spring_and_damper_that_cannot_pull():
    """Schwager & Pöschel 2007, "Coefficient of restitution and linear-dashpot model revisited", eq. 18."""
    ratios = np.array([0.05, 0.2, 0.5])
    found, _ = measure(ratios, np.full(3, 0.02), 0.0)
    root = np.sqrt(1 - ratios**2)
    expected = np.exp(-ratios / root * (np.pi - np.arctan2(2 * ratios * root, 1 - 2 * ratios**2)))
    np.testing.assert_allclose(found, expected, atol=6e-3)


@given(st.floats(LEAST, MOST), st.floats(LEAST, MOST), st.floats(10.0, 1e5), st.floats(1e-4, 0.01))
def test_what_bounces_less_is_damped_more(one, other, frequency, timestep):
    low, high = sorted((one, other))
    ratios = [-damping / (2 * math.sqrt(-stiffness)) for stiffness, damping in (bouncing(e, 30.0, 1e-4) for e in (low, high))]
    assert ratios[0] >= ratios[1] - 1e-12
    stiffness, damping = bouncing(one, frequency, timestep)
    assert 0 < -stiffness <= frequency**2 * (1 + 1e-12)
    assert -stiffness * timestep**2 <= 0.4**2 + 1e-9
    assert -damping * timestep < 1


def test_beyond_the_table_its_end_counts():
    assert bouncing(0.0, STIFF, 0.002) == bouncing(LEAST, STIFF, 0.002)
    assert bouncing(1.0, STIFF, 0.002) == bouncing(MOST, STIFF, 0.002)


@pytest.mark.parametrize(
    "arguments", [(-0.1, 1.0, 0.002), (1.1, 1.0, 0.002), (0.5, 0.0, 0.002), (0.5, 1.0, 0.0), (0.5, 1.0, math.nan)]
)
def test_what_is_no_restitution_is_refused(arguments):
    with pytest.raises(MaterialError, match="expected a restitution from 0 to 1"):
        bouncing(*arguments)
