import mujoco
import numpy as np
import pytest

from assets.robots import SO101, so101_spec
from tests.assets.robots.inertia import inertia_tensor

# Ours, and what the vendor calls it.
LINKS = {
    **{name: name for name in ("base", "shoulder", "upper_arm", "lower_arm", "wrist", "gripper")},
    "moving_jaw": "moving_jaw_so101_v1",
}
MODEL = so101_spec().compile()


@pytest.fixture(scope="module")
def vendor(menagerie_folder) -> mujoco.MjModel:
    file = menagerie_folder / "robotstudio_so101" / "so101.xml"
    if not file.is_file():
        pytest.skip(f"{file} does not exist")
    return mujoco.MjModel.from_xml_path(str(file))


def posed(model: mujoco.MjModel, joints: np.ndarray, speed: np.ndarray | float = 0.0) -> mujoco.MjData:
    """Joints in policy order, which is both models' own."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = joints, speed
    mujoco.mj_forward(model, data)
    return data


def outline(model: mujoco.MjModel, body: str, group: int) -> np.ndarray:
    """Lowest and highest corner of the box around a body's geoms of a group, in the body's frame, (2, 3) m."""
    corners = []
    for geom in np.flatnonzero((model.geom_bodyid == model.body(body).id) & (model.geom_group == group)):
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.mesh(model.geom_dataid[geom])
            points = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]]
        else:
            center, half = model.geom_aabb[geom].reshape(2, 3)
            points = center + half * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        corners.append(points @ turn.reshape(3, 3).T + model.geom_pos[geom])
    return np.array([np.concatenate(corners).min(axis=0), np.concatenate(corners).max(axis=0)])


def test_the_description_fits_its_model():
    SO101.check()
    assert not SO101.is_floating
    assert SO101.joints == tuple(MODEL.joint(i).name for i in range(MODEL.njnt))


@pytest.mark.parametrize("link", LINKS)
def test_a_link_is_placed_and_weighs_as_the_vendors(vendor, link):
    ours, theirs = MODEL.body(link), vendor.body(LINKS[link])
    np.testing.assert_allclose(ours.mass, theirs.mass, rtol=1e-3)
    np.testing.assert_allclose(ours.pos, theirs.pos, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(ours.quat, theirs.quat, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(ours.ipos, theirs.ipos, rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(inertia_tensor(MODEL, link), inertia_tensor(vendor, LINKS[link]), rtol=1e-3, atol=1e-15)


def test_nothing_else_has_mass(vendor):
    assert MODEL.body_mass.sum() == pytest.approx(vendor.body_mass.sum(), rel=1e-6)


@pytest.mark.parametrize("joint", SO101.joints)
def test_a_joint_moves_as_the_vendors(vendor, joint):
    ours, theirs = MODEL.joint(joint), vendor.joint(joint)
    for field in ("axis", "pos", "range", "damping", "armature", "frictionloss", "stiffness"):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), rtol=1e-3, atol=1e-9, err_msg=field)
    assert MODEL.jnt_limited[ours.id]
    assert ours.type == theirs.type


def test_gains_and_effort_limits_are_those_of_the_vendors_actuators(vendor):
    for i, joint in enumerate(SO101.joints):
        actuator = vendor.actuator(joint)
        assert SO101.stiffness[i] == pytest.approx(actuator.gainprm[0], rel=1e-3)
        assert SO101.damping[i] == pytest.approx(-actuator.biasprm[2], rel=1e-3)
        np.testing.assert_allclose(actuator.forcerange, [-SO101.effort_limits[i], SO101.effort_limits[i]], rtol=1e-3)


def test_anchors_axes_and_the_tool_are_the_vendors_in_any_pose(vendor):
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = rng.uniform(*SO101.joint_ranges().T)
        ours, theirs = posed(MODEL, joints), posed(vendor, joints)
        np.testing.assert_allclose(ours.xanchor, theirs.xanchor, atol=1e-6)
        np.testing.assert_allclose(ours.xaxis, theirs.xaxis, atol=1e-6)
        np.testing.assert_allclose(ours.site("gripperframe").xpos, theirs.site("gripperframe").xpos, atol=1e-6)
        np.testing.assert_allclose(ours.site("gripperframe").xmat, theirs.site("gripperframe").xmat, atol=1e-6)


def test_dynamics_are_the_vendors(vendor):
    """The same forces in any pose: mass matrix and bias."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        pose, speed = rng.uniform(*SO101.joint_ranges().T), rng.normal(size=6)
        found = []
        for model in (MODEL, vendor):
            data = posed(model, pose, speed)
            mass = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, mass)
            found.append((mass, data.qfrc_bias))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("link", LINKS)
def test_a_link_looks_and_collides_about_as_large_as_the_vendors(vendor, link):
    theirs = outline(vendor, LINKS[link], group=2)
    np.testing.assert_allclose(outline(MODEL, link, group=2), theirs, atol=0.012)
    np.testing.assert_allclose(outline(MODEL, link, group=3), theirs, atol=0.025)


def test_it_collides_by_few_shapes_that_every_engine_knows():
    simple = {mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_SPHERE}
    collides = (MODEL.geom_contype != 0) | (MODEL.geom_conaffinity != 0)
    assert set(MODEL.geom_type[collides]) <= {int(shape) for shape in simple}
    assert collides.sum() <= 10
    assert all(MODEL.geom(int(i)).name for i in np.flatnonzero(collides))


def test_it_never_touches_itself():
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert posed(MODEL, rng.uniform(*SO101.joint_ranges().T)).ncon == 0


def test_each_spec_is_a_fresh_one():
    changed = so101_spec()
    changed.body("gripper").mass = 100.0
    assert so101_spec().body("gripper").mass == pytest.approx(0.087)
