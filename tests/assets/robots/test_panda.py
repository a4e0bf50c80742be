"""The built-in Panda beside the vendor's model in MuJoCo Menagerie."""

import mujoco
import numpy as np
import pytest

from assets.robots import PANDA, panda_spec
from assets.scene import compile_for_physics, scene_spec
from tests.assets.robots.inertia import inertia_tensor

MODEL = panda_spec().compile()
LINKS = tuple(MODEL.body(i).name for i in range(1, MODEL.nbody))


@pytest.fixture(scope="module")
def vendor(menagerie_folder) -> mujoco.MjModel:
    file = menagerie_folder / "franka_emika_panda" / "panda.xml"
    if not file.is_file():
        pytest.skip(f"{file} does not exist")
    return mujoco.MjModel.from_xml_path(str(file))


def posed(model: mujoco.MjModel, joints: np.ndarray, speed: np.ndarray | float = 0.0) -> mujoco.MjData:
    """Joints in policy order, which is both models' own; the vendor's fingers come after, closed."""
    data = mujoco.MjData(model)
    data.qpos[:7], data.qvel[:7] = joints, speed
    mujoco.mj_forward(model, data)
    return data


def outline(model: mujoco.MjModel, body: str, group: int) -> np.ndarray:
    """Lowest and highest corner of the box around a body's geoms of a group, in the body's frame, (2, 3) m."""
    corners = []
    for geom in np.flatnonzero((model.geom_bodyid == model.body(body).id) & (model.geom_group == group)):
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        turn = turn.reshape(3, 3)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.mesh(model.geom_dataid[geom])
            points = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]] @ turn.T
        else:
            points = reach(model.geom_type[geom], model.geom_size[geom], turn) * np.array([[-1], [1]])
        corners.append(points + model.geom_pos[geom])
    return np.array([np.concatenate(corners).min(axis=0), np.concatenate(corners).max(axis=0)])


def reach(kind: int, size: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """How far a primitive goes from its middle along each axis, (3,) m."""
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return np.abs(turn) @ size
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        return np.sqrt(turn**2 @ size**2)
    along = np.abs(turn[:, 2]) * size[1]
    return along + (size[0] if kind == mujoco.mjtGeom.mjGEOM_CAPSULE else size[0] * np.sqrt(1 - np.minimum(turn[:, 2] ** 2, 1)))


def test_the_description_fits_its_model():
    PANDA.check()
    assert not PANDA.is_floating
    assert PANDA.joints == tuple(MODEL.joint(i).name for i in range(MODEL.njnt))


@pytest.mark.parametrize("link", LINKS)
def test_a_link_is_placed_and_weighs_as_the_vendors(vendor, link):
    ours, theirs = MODEL.body(link), vendor.body(link)
    np.testing.assert_allclose(ours.mass, theirs.mass, rtol=1e-6)
    np.testing.assert_allclose(ours.pos, theirs.pos, atol=1e-6)
    np.testing.assert_allclose(ours.quat, theirs.quat, atol=1e-6)
    np.testing.assert_allclose(ours.ipos, theirs.ipos, atol=1e-6)
    np.testing.assert_allclose(inertia_tensor(MODEL, link), inertia_tensor(vendor, link), rtol=1e-3, atol=1e-9)


def test_nothing_else_has_mass(vendor):
    assert MODEL.body_mass.sum() == pytest.approx(vendor.body_mass.sum(), rel=1e-6)


@pytest.mark.parametrize("joint", PANDA.joints)
def test_a_joint_moves_as_the_vendors(vendor, joint):
    ours, theirs = MODEL.joint(joint), vendor.joint(joint)
    for field in ("axis", "pos", "range", "damping", "armature", "frictionloss", "stiffness"):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), atol=1e-9, err_msg=field)
    assert MODEL.jnt_limited[ours.id]
    assert ours.type == theirs.type


def test_effort_limits_and_the_pose_at_home_are_the_vendors(vendor):
    np.testing.assert_allclose(PANDA.effort_limits, vendor.actuator_forcerange[:7, 1])
    np.testing.assert_allclose(PANDA.default_pose, vendor.key("home").qpos[:7], atol=1e-4)


def test_anchors_axes_and_the_hand_are_the_vendors_in_any_pose(vendor):
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = rng.uniform(*PANDA.joint_ranges().T)
        ours, theirs = posed(MODEL, joints), posed(vendor, joints)
        np.testing.assert_allclose(ours.xanchor, theirs.xanchor[:7], atol=1e-6)
        np.testing.assert_allclose(ours.xaxis, theirs.xaxis[:7], atol=1e-6)
        for link in LINKS:
            np.testing.assert_allclose(ours.body(link).xpos, theirs.body(link).xpos, atol=1e-6)
            np.testing.assert_allclose(ours.body(link).xmat, theirs.body(link).xmat, atol=1e-5)


def test_dynamics_are_the_vendors(vendor):
    """The same forces in any pose, with closed fingers: mass matrix and bias."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        pose, speed = rng.uniform(*PANDA.joint_ranges().T), rng.normal(size=7)
        found = []
        for model in (MODEL, vendor):
            data = posed(model, pose, speed)
            mass = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, mass)
            found.append((mass[:7, :7], data.qfrc_bias[:7]))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("link", LINKS)
def test_a_link_looks_and_collides_about_as_large_as_the_vendors(vendor, link):
    theirs = outline(vendor, link, group=2)
    np.testing.assert_allclose(outline(MODEL, link, group=2), theirs, atol=0.016)
    np.testing.assert_allclose(outline(MODEL, link, group=3), theirs, atol=0.032)


def test_its_tool_lies_between_its_finger_tips():
    data = mujoco.MjData(MODEL)
    mujoco.mj_forward(MODEL, data)
    tool, hand = data.site(PANDA.end_effector), data.body("hand")
    fingers = (data.body("left_finger").xpos + data.body("right_finger").xpos) / 2
    out = (fingers - hand.xpos) / np.linalg.norm(fingers - hand.xpos)
    np.testing.assert_allclose(tool.xpos - hand.xpos, 0.1034 * out, atol=1e-6)


def test_it_collides_by_few_shapes_that_every_engine_knows():
    simple = {mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_SPHERE}
    collides = (MODEL.geom_contype != 0) | (MODEL.geom_conaffinity != 0)
    assert set(MODEL.geom_type[collides]) <= {int(shape) for shape in simple}
    assert collides.sum() <= 17
    assert all(MODEL.geom(int(i)).name for i in np.flatnonzero(collides))


def test_it_never_touches_itself():
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert posed(MODEL, rng.uniform(*PANDA.joint_ranges().T)).ncon == 0


def test_a_scene_holds_any_pose_without_gravity_to_fight_and_without_jitter():
    """The gains leave room for what randomisation adds to them, at a scene's time step."""
    model = compile_for_physics(scene_spec(PANDA))
    model.actuator_gainprm[:, 0] *= 1.21
    model.actuator_biasprm[:, 1:3] *= 1.21
    model.dof_armature[:] *= 0.8
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    low, high = PANDA.joint_ranges().T
    ids = [model.joint(name).qposadr[0] for name in PANDA.joints]
    for _ in range(8):
        mujoco.mj_resetData(model, data)
        data.qpos[ids] = target = rng.uniform(low + 0.1, high - 0.1)
        data.qpos[ids[1]] = target[1] = 0.0  # first and third axis in line: the least inertia between two joints
        data.qpos[ids[5]] = target[5] = 2.0
        data.ctrl[:] = target
        data.qvel[:7] = rng.uniform(-0.5, 0.5, 7)
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        mujoco.mj_step(model, data, 600)
        np.testing.assert_allclose(data.qpos[ids], target, atol=5e-3)
        assert np.abs(data.qvel[:7]).max() < 1e-2


def test_each_spec_is_a_fresh_one():
    changed = panda_spec()
    changed.body("hand").mass = 100.0
    assert panda_spec().body("hand").mass == pytest.approx(0.73)
