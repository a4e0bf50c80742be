"""Trees that are refitted find what a search without trees finds, wherever geoms are."""

import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.terrains import rough_terrain
from sim.bounding import refit_trees
from tests.assets.terrains.tile_model import robot_on, set_tile

TERRAIN = rough_terrain()


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return robot_on(GO2, TERRAIN)


def contacts(model: mujoco.MjModel, poses: np.ndarray, with_trees: bool) -> list[list[tuple[int, int, float]]]:
    flag = int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    model.opt.disableflags = model.opt.disableflags & ~flag if with_trees else model.opt.disableflags | flag
    data, found = mujoco.MjData(model), []
    for qpos in poses:
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)
        found.append(sorted((int(c.geom[0]), int(c.geom[1]), float(c.dist)) for c in data.contact))
    return found


def lying_about(model: mujoco.MjModel) -> np.ndarray:
    """The robot in the ground and near it, any way up, (40, nq)."""
    random = np.random.default_rng(0)
    poses = random.uniform(-1, 1, (40, model.nq))
    poses[:, :3] *= (3.0, 3.0, 0.4)
    return poses


def test_refitted_to_nothing_new_they_are_the_compilers(model):
    names = ("geom_pos", "geom_quat", "geom_aabb", "body_ipos", "body_iquat")
    boxes = refit_trees(model, {name: np.stack([getattr(model, name)] * 2) for name in names})
    np.testing.assert_allclose(boxes, [model.bvh_aabb] * 2, atol=1e-12)


@pytest.mark.parametrize("kind", range(len(TERRAIN.kinds)))
def test_they_find_every_contact(model, kind):
    set_tile(model, TERRAIN, 3, kind)
    poses = lying_about(model)
    found = contacts(model, poses, with_trees=True)
    assert found == contacts(model, poses, with_trees=False)
    assert sum(map(len, found)) > 100


def test_so_they_do_where_inertial_frames_have_moved(model):
    set_tile(model, TERRAIN, 3, 2)
    nominal = model.body_ipos.copy(), model.body_iquat.copy()
    random = np.random.default_rng(1)
    try:
        model.body_ipos[1:] += random.uniform(-0.3, 0.3, (model.nbody - 1, 3))
        model.body_iquat[1:] = random.normal(size=(model.nbody - 1, 4))
        model.body_iquat[1:] /= np.linalg.norm(model.body_iquat[1:], axis=1, keepdims=True)
        geometry = {name: getattr(model, name)[None] for name in ("body_ipos", "body_iquat", "geom_pos", "geom_quat")}
        poses = lying_about(model)
        without = contacts(model, poses, with_trees=False)
        stale = contacts(model, poses, with_trees=True)
        model.bvh_aabb[...] = refit_trees(model, geometry | {"geom_aabb": model.geom_aabb[None]})[0]
        assert stale != without, "else there is nothing to refit"
        assert contacts(model, poses, with_trees=True) == without
    finally:
        model.body_ipos[...], model.body_iquat[...] = nominal
