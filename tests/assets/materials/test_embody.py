"""Bodies of known materials: what they weigh and how they touch, by formulas, and that a file and a shelf have it all."""

import dataclasses
import math
from pathlib import Path

import mujoco
import numpy as np
import pytest

from assets.materials.classes import FLUID, SAND, SNOW
from assets.materials.embody import contact_frequency, covered, drawn, embody, surface
from assets.materials.errors import MaterialError
from assets.materials.properties import DENSITY, FILL, FRICTION, INDEX, RESTITUTION, YOUNG
from assets.materials.restitution import bouncing
from assets.objects.mjcf import write_mjcf
from assets.objects.shelf import Shelf
from assets.scene import flat_ground
from tests.assets.materials.fields import FOAM, RUBBER, WOOD, field_of, joined
from tests.assets.objects.made import ball, brick, ell

BRICK, ELL = brick(), ell()


def two_halves():
    """The brick: wood below half its length, rubber beyond."""
    beyond = BRICK.voxels.centers[..., 0] > 0.1
    return joined(field_of(BRICK, WOOD), field_of(BRICK, RUBBER), beyond)


def test_a_brick_of_two_materials_has_the_mass_centre_and_inertia_of_two_boxes():
    body = embody(BRICK, two_halves()).inertial
    half = 0.1 * 0.1 * 0.06
    masses, places = np.array([600 * half, 1100 * half]), np.array([0.05, 0.15])
    total = masses.sum()
    com = (masses * places).sum() / total
    assert body.mass == pytest.approx(total, rel=5e-3)
    np.testing.assert_allclose(body.com, (com, 0.05, 0.03), atol=1e-3)
    about_z = (masses * (2 * 0.1**2 / 12 + (places - com) ** 2)).sum()
    assert body.inertia[2] == pytest.approx(about_z, rel=0.02)


def test_a_hollow_weighs_by_its_fill():
    hollow = embody(BRICK, field_of(BRICK, WOOD | {FILL: 0.1}))
    assert hollow.inertial.mass == pytest.approx(0.1 * embody(BRICK, field_of(BRICK, WOOD)).inertial.mass)


def test_only_the_skin_is_the_surface():
    at_surface = surface(BRICK.voxels)
    inside = BRICK.voxels.centers[at_surface]
    depth = np.minimum(inside, np.array([0.2, 0.1, 0.06]) - inside).min(1)
    assert depth.max() < 1.01 * BRICK.voxels.size
    assert 0 < at_surface.sum() < 0.6 * (BRICK.voxels.occupancy > 0).sum()


def test_each_hull_touches_as_the_surface_that_it_covers():
    """The foot of rubber, the post of wood; the longer box is the first hull."""
    foot, post = covered(ELL)
    posted = np.zeros(ELL.voxels.shape, bool)
    posted[tuple(post.T)] = True
    posted[tuple(foot.T)] = False
    made = embody(ELL, joined(field_of(ELL, RUBBER), field_of(ELL, WOOD), posted))
    rubber, mixed = (contact.friction[0] for contact in made.contacts)
    assert rubber == pytest.approx(0.9)
    assert 0.4 < mixed < 0.65  # where the post stands on the foot, both cover the same voxels
    assert made.contacts[0].priority == made.contacts[1].priority == 1


def test_the_insides_material_is_not_felt():
    inside = ~surface(BRICK.voxels)
    made = embody(BRICK, joined(field_of(BRICK, WOOD), field_of(BRICK, RUBBER | {FRICTION: 1.5}), inside))
    assert made.contacts[0].friction[0] == pytest.approx(0.4)
    assert made.inertial.mass > embody(BRICK, field_of(BRICK, WOOD)).inertial.mass


def test_contacts_last_as_long_as_hertz_says():
    """Steel balls of 10 mm that fall 0.2 m on a hard floor touch for about 40 µs."""
    radius = 0.005
    frequency = contact_frequency(210e9, 0.3, 7800 * 4 / 3 * math.pi * radius**3, radius)
    contact = 2.87 * ((7800 * 4 / 3 * math.pi * radius**3) ** 2 / (radius * (210e9 / 0.91) ** 2 * 2.0)) ** 0.2
    assert frequency * contact == pytest.approx(math.pi)
    assert 1e-5 < contact < 1e-4


def test_what_is_soft_is_soft_in_contact_as_far_as_the_time_step_resolves_it():
    def stiffness(values, timestep):
        return -embody(BRICK, field_of(BRICK, values), timestep=timestep).contacts[0].solref[0]

    fine = 1e-5
    foam, rubber = stiffness(FOAM, fine), stiffness(RUBBER | {DENSITY: 50.0, RESTITUTION: 0.2}, fine)
    assert rubber / foam == pytest.approx((5e6 / (1 - 0.48**2) / (1e5 / (1 - 0.2**2))) ** 0.8, rel=1e-3)
    assert stiffness(WOOD, 0.002) == pytest.approx(-bouncing(0.5, 1e9, 0.002)[0])


def test_its_own_friction_and_restitution_count_on_any_floor():
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    flat_ground(spec)
    made = embody(BRICK, field_of(BRICK, WOOD | {FRICTION: 0.25, RESTITUTION: 0.1}), timestep=0.001)
    made.attach(spec)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 300)
    start = data.qpos[0]
    data.qvel[0] = 1.0
    mujoco.mj_step(model, data, 1000)
    assert data.qpos[0] - start == pytest.approx(1 / (2 * 0.25 * 9.81), rel=0.05)


def test_the_folder_has_it_all(tmp_path: Path):
    posted = ELL.voxels.centers[..., 2] > 0.02
    made = embody(ELL, joined(field_of(ELL, RUBBER), field_of(ELL, WOOD), posted))
    ours, again = made.spec().compile(), mujoco.MjModel.from_xml_path(str(write_mjcf(made, tmp_path / "ell")))
    for name in ("geom_friction", "geom_solref", "geom_priority", "body_mass", "body_inertia", "body_ipos"):
        np.testing.assert_allclose(getattr(again, name), getattr(ours, name), rtol=1e-5, err_msg=name)
    assert len(set(ours.geom_friction[ours.geom_priority == 1, 0])) == 2


def test_a_shelf_has_each_parts_own_contact():
    posted = ELL.voxels.centers[..., 2] > 0.02
    made = embody(ELL, joined(field_of(ELL, RUBBER), field_of(ELL, WOOD), posted))
    for shelf in (Shelf.of_primitives([BRICK, made]), Shelf.of_hulls([BRICK, made])):
        found = np.unique(shelf.table["geom_friction"][1, :, 0])
        np.testing.assert_allclose(found, sorted(contact.friction[0] for contact in made.contacts), rtol=1e-6)


DOUBT = {DENSITY: 0.1, FRICTION: 0.1, RESTITUTION: 0.05, YOUNG: 0.3}


def test_draws_are_as_uncertain_as_the_belief():
    things = drawn(BRICK, field_of(BRICK, WOOD, DOUBT), 200, seed=3)
    masses = np.log10([thing.inertial.mass for thing in things])
    expected = embody(BRICK, field_of(BRICK, WOOD)).inertial
    assert masses.mean() == pytest.approx(math.log10(expected.mass), abs=0.03)
    assert masses.std() == pytest.approx(0.1, rel=0.2)
    frictions = np.log10([thing.contacts[0].friction[0] for thing in things])
    assert frictions.std() == pytest.approx(0.1, rel=0.2)
    assert abs(np.corrcoef(masses, frictions)[0, 1]) < 0.25
    for thing in things[:20]:  # the same in each voxel, so the shape of the inertia stays
        np.testing.assert_allclose(
            np.divide(thing.inertial.inertia, thing.inertial.mass)[:3],
            np.divide(expected.inertia, expected.mass)[:3],
            rtol=1e-6,
        )


def test_what_is_uncertain_in_one_place_only_moves_the_centre_of_mass():
    field = two_halves()
    std = np.zeros_like(field.std)
    std[BRICK.voxels.centers[..., 0] > 0.1, INDEX[DENSITY]] = 0.2
    centres = [thing.inertial.com[0] for thing in drawn(BRICK, dataclasses.replace(field, std=std), 20, seed=0)]
    assert np.ptp(centres) > 0.01
    assert 0.05 < min(centres) < max(centres) < 0.15


def test_the_same_seed_draws_the_same_objects():
    one, same, other = (drawn(BRICK, field_of(BRICK, WOOD, DOUBT), 3, seed) for seed in (5, 5, 6))
    assert [thing.inertial for thing in one] == [thing.inertial for thing in same]
    assert [thing.contacts for thing in one] == [thing.contacts for thing in same]
    assert one[0].inertial != other[0].inertial


def test_what_does_not_fit_is_told():
    with pytest.raises(MaterialError, match=r"field is of .* voxels, but 'brick' has"):
        embody(BRICK, field_of(ball(), WOOD))
    with pytest.raises(MaterialError, match="at least one object"):
        drawn(BRICK, field_of(BRICK, WOOD), 0, seed=0)


@pytest.mark.parametrize("material", [SAND, SNOW, FLUID])
def test_what_flows_becomes_rigid_with_a_warning(material):
    with pytest.warns(UserWarning, match=f"'brick': 100% of it is {material.name}, which is simulated as a rigid body"):
        made = embody(BRICK, field_of(BRICK, WOOD, material=material))
    assert any(material.name in note for note in made.notes)
