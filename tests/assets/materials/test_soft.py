"""Soft bodies: a block under load is as short as Hooke says, weighs what it should, and yields where it may."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from assets.materials.classes import SAND
from assets.materials.errors import MaterialError
from assets.materials.properties import DENSITY, FILL, POISSON, YIELD, YOUNG
from assets.materials.soft import soften, write_soft_mjcf
from assets.objects.errors import ObjectError
from sim.engine import make_physics
from sim.physics import PhysicsError
from sim.plasticity import plastic_parts
from tests.assets.materials.fields import FOAM, WOOD, field_of, joined
from tests.assets.objects.made import brick, ell

BRICK = brick()
BOUNCELESS = FOAM | {POISSON: 0.0, YIELD: 1e6}


def pulled(soft, force: float, seconds: float = 1.0) -> float:
    """Strain of a brick held at x = 0 and pulled at x = 0.2 m (N), at rest."""
    spec = soft.spec()
    spec.option.gravity = (0, 0, 0)
    spec.option.timestep = 0.002
    held = [f"{soft.name}_{i}" for i in np.flatnonzero(soft.points[:, 0] < 1e-9)]
    for body in spec.bodies:
        if body.name in held:
            for joint in list(body.joints):
                spec.delete(joint)
    model = spec.compile()
    data = mujoco.MjData(model)
    ends = np.flatnonzero(soft.points[:, 0] > 0.2 - 1e-9)
    for i in ends:
        data.xfrc_applied[model.body(f"{soft.name}_{i}").id, 0] = force / len(ends)
    mujoco.mj_step(model, data, int(seconds / 0.002))
    moved = [data.body(f"{soft.name}_{i}").xpos[0] - soft.points[i, 0] for i in ends]
    return float(np.mean(moved)) / 0.2


def test_a_pulled_bar_is_as_long_as_hooke_says():
    force = 5.0
    soft = soften(BRICK, field_of(BRICK, BOUNCELESS), yields=False)
    expected = force / (1e5 * 0.1 * 0.06)
    assert pulled(soft, force) == pytest.approx(expected, rel=0.05)
    stiffer = soften(BRICK, field_of(BRICK, BOUNCELESS | {YOUNG: 4e5}), yields=False)
    assert pulled(stiffer, force) == pytest.approx(expected / 4, rel=0.05)


def test_a_hollow_is_as_soft_as_a_foam_of_that_fill():
    assert soften(BRICK, field_of(BRICK, FOAM | {YOUNG: 1e6, FILL: 0.1})).young == pytest.approx(1e4)


def test_it_weighs_what_the_object_weighs_and_where():
    beyond = BRICK.voxels.centers[..., 0] > 0.1
    field = joined(field_of(BRICK, FOAM), field_of(BRICK, FOAM | {DENSITY: 200.0}), beyond)
    rigid, soft = BRICK.with_density(field.mass_density).inertial, soften(BRICK, field)
    assert soft.masses.sum() == pytest.approx(rigid.mass)
    np.testing.assert_allclose(soft.masses @ soft.points / rigid.mass, rigid.com, atol=1e-3)


def test_the_lattice_fills_the_object():
    for thing in (BRICK, ell()):
        soft = soften(thing, field_of(thing, FOAM), boxes=8)
        corners = soft.points[soft.tetrahedra]
        volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6)
        assert (volume > 0).all()
        assert volume.sum() == pytest.approx(thing.solid.volume, rel=0.35)  # an ell of two boxes overlaps, and leans
    assert len(soften(BRICK, field_of(BRICK, FOAM), boxes=1).points) == 8


def test_what_yields_stays_bent():
    """Stress of 1.5 kPa, where it yields at 1 kPa; and of half of that."""
    weak = soften(BRICK, field_of(BRICK, BOUNCELESS | {YIELD: 1e3}))
    assert weak.yield_strain == pytest.approx(0.01)
    assert plastic_parts(weak.spec().compile()) == ("flex 'brick'",)
    elastic = soften(BRICK, field_of(BRICK, BOUNCELESS | {YIELD: 1e3}), yields=False)
    assert plastic_parts(elastic.spec().compile()) == ()
    assert pulled(weak, 3.0, 0.4) == pytest.approx(pulled(elastic, 3.0, 0.4), rel=0.02)
    assert pulled(weak, 9.0, 0.4) > 1.2 * pulled(elastic, 9.0, 0.4)


def test_rubber_that_would_stretch_to_double_does_not_yield():
    assert soften(BRICK, field_of(BRICK, FOAM | {YIELD: 1e5})).yield_strain == 0


def test_engines_that_cannot_say_so():
    yielding, elastic = (
        soften(BRICK, field_of(BRICK, FOAM), boxes=2, yields=yields).spec().compile() for yields in (True, False)
    )
    for engine in ("mjx", "warp"):
        with pytest.raises(PhysicsError, match=r"flex 'brick'.*native"):
            make_physics(yielding, 1, engine)
    with pytest.raises(PhysicsError, match=r"mjx engine cannot simulate this model.*[Ff]lex"):
        make_physics(elastic, 1, "mjx")


def test_it_rests_on_the_ground_and_the_file_is_the_same_model(tmp_path: Path):
    soft = soften(BRICK, field_of(BRICK, FOAM), boxes=4)
    path = write_soft_mjcf(soft, tmp_path / "brick")
    again, ours = mujoco.MjModel.from_xml_path(str(path)), soft.spec().compile()
    assert again.opt.integrator == mujoco.mjtIntegrator.mjINT_DISCRETE
    for name in ("body_mass", "body_pos", "flex_damping", "flex_yield", "flex_friction"):
        np.testing.assert_allclose(getattr(again, name), getattr(ours, name), rtol=1e-4, atol=1e-7, err_msg=name)
    np.testing.assert_array_equal(again.flex_elem, ours.flex_elem)
    np.testing.assert_allclose(
        again.flex_stiffness, ours.flex_stiffness, rtol=1e-3, atol=1e-3 * np.abs(ours.flex_stiffness).max()
    )
    with pytest.raises(ObjectError, match="exists already"):
        write_soft_mjcf(soft, tmp_path / "brick")
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1])
    soft.attach(spec, (0, 0, 0.01))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 500)
    lowest = data.flexvert_xpos[:, 2].min()
    assert -0.005 < lowest < 0.002
    assert np.abs(data.qvel).max() < 0.02
    with pytest.raises(ObjectError, match="has a body 'brick' already"):
        soft.attach(spec)


def test_what_is_hard_is_refused():
    with pytest.raises(MaterialError, match=r"'brick' has a Young's modulus of 1e\+10 Pa.*less than 1e\+07 Pa"):
        soften(BRICK, field_of(BRICK, WOOD))
    with pytest.raises(MaterialError, match="expected 1 to 12 boxes"):
        soften(BRICK, field_of(BRICK, FOAM), boxes=0)


def test_what_flows_is_refused_and_a_share_of_it_is_told():
    sand = field_of(BRICK, BOUNCELESS, material=SAND)
    with pytest.raises(MaterialError, match="'brick' is mostly sand, which flows"):
        soften(BRICK, sand)
    beyond = BRICK.voxels.centers[..., 0] > 0.15
    mixed = soften(BRICK, joined(field_of(BRICK, BOUNCELESS), sand, beyond))
    volumes = BRICK.voxels.moments[..., 0]
    share = volumes[beyond].sum() / volumes.sum()
    assert mixed.notes == (f"{share:.0%} of it is sand, which springs back with the rest",)


def test_a_lattice_that_mujoco_refuses_is_told_and_nothing_is_written(tmp_path: Path):
    soft = replace(soften(BRICK, field_of(BRICK, FOAM)), poisson=0.7)
    with pytest.raises(ObjectError, match="MuJoCo can't make a model of 'brick': Poisson ratio must be"):
        write_soft_mjcf(soft, tmp_path / "brick")
    assert not list(tmp_path.iterdir())
