import copy

import mujoco
import numpy as np
import pytest

from assets.objects.errors import ObjectError
from assets.objects.shelf import GEOM_FIELDS, Shelf
from assets.robots.primitives import BOX, CAPSULE
from assets.scene import compile_for_physics, flat_ground
from tests.assets.objects.made import ball, brick, ell

OBJECTS = (brick(), ball(), ell())
MAKERS = {"primitives": Shelf.of_primitives(OBJECTS), "hulls": Shelf.of_hulls(OBJECTS)}


def scene(shelf: Shelf, height: float = 0.0) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    flat_ground(spec)
    shelf.attach(spec, pos=(0, 0, height))
    return compile_for_physics(spec)


def with_object(model: mujoco.MjModel, shelf: Shelf, index: int) -> mujoco.MjModel:
    model = copy.copy(model)
    for name, value in shelf.fields(model, index).items():
        getattr(model, name)[...] = value
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


@pytest.mark.parametrize("how", MAKERS)
@pytest.mark.parametrize("index", range(3))
def test_the_body_has_the_mass_and_inertia_of_the_object(how: str, index: int):
    shelf, thing = MAKERS[how], OBJECTS[index]
    model = with_object(scene(shelf), shelf, index)
    alone = thing.spec().compile()
    np.testing.assert_allclose(model.body("object").mass, alone.body(1).mass, rtol=1e-6)
    np.testing.assert_allclose(model.body("object").inertia, alone.body(1).inertia, rtol=1e-6)
    np.testing.assert_allclose(model.body("object").ipos + shelf.seats[index], alone.body(1).ipos, atol=1e-7)


@pytest.mark.parametrize("how", MAKERS)
def test_every_object_stands_where_the_body_is_put(how: str):
    shelf = MAKERS[how]
    model = scene(shelf)
    for index, thing in enumerate(OBJECTS):
        changed = with_object(model, shelf, index)
        data = mujoco.MjData(changed)
        mujoco.mj_step(changed, data, 200)
        assert data.ncon >= 1
        np.testing.assert_allclose(data.qpos[:3], 0, atol=2e-3, err_msg=thing.name)


@pytest.mark.parametrize("index", range(3))
def test_hulls_move_as_the_object_alone_does(index: int):
    shelf, thing = MAKERS["hulls"], OBJECTS[index]
    model = with_object(scene(shelf, 0.01), shelf, index)
    spec = mujoco.MjSpec()
    flat_ground(spec)
    thing.attach(spec, pos=tuple(np.array([0, 0, 0.01]) - shelf.seats[index]))
    alone = compile_for_physics(spec)
    ours, theirs = mujoco.MjData(model), mujoco.MjData(alone)
    for data in (ours, theirs):
        data.qvel[:] = (0.4, 0.1, 0, 1.0, 2.0, 0.5)
    # the frames differ by the seat: the same motion has other velocities of their origins
    ours.qvel[:3] += np.cross(theirs.qvel[3:], shelf.seats[index])
    for _ in range(8):
        mujoco.mj_step(model, ours, 5)
        mujoco.mj_step(alone, theirs, 5)
        np.testing.assert_allclose(ours.body("object").xipos, theirs.body(thing.name).xipos, atol=5e-4)
    assert ours.ncon > 0


def test_spare_geoms_are_out_of_the_way():
    shelf = MAKERS["primitives"]
    kinds = [slot.kind for slot in shelf.slots[0]]
    assert (kinds.count(BOX), kinds.count(CAPSULE)) == (2, 1)
    assert all([slot.kind for slot in row] == kinds for row in shelf.slots)
    model = with_object(scene(shelf), shelf, 1)  # the ball, of one capsule
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 100)
    touching = {model.geom(int(geom)).name for contact in data.contact[: data.ncon] for geom in contact.geom}
    assert touching == {"floor", "object_part_2"}


def test_no_primitive_takes_the_compilers_shortcut_for_frames_that_coincide():
    assert not scene(MAKERS["primitives"]).geom_sameframe[1:].any()


def test_friction_is_each_objects_own():
    table = MAKERS["primitives"].table
    np.testing.assert_allclose(table["geom_friction"][:, :, 0], np.array([0.3, 0.6, 0.8])[:, None].repeat(3, 1), rtol=1e-6)
    assert set(GEOM_FIELDS) < set(table)


def test_no_more_parts_than_asked_for():
    shelf = Shelf.of_primitives(OBJECTS, parts=1)
    assert len(shelf.slots[0]) <= 2  # a box or a capsule


def test_what_is_missing_is_told():
    with pytest.raises(ObjectError, match="at least one object"):
        Shelf.of_primitives(())
    with pytest.raises(ObjectError, match="no shelf 'object' of 3 geoms: attach it"):
        MAKERS["primitives"].geom_ids(mujoco.MjSpec().compile())
    spec = mujoco.MjSpec()
    MAKERS["primitives"].attach(spec)
    with pytest.raises(ObjectError, match="has a body 'object' already"):
        MAKERS["primitives"].attach(spec)
