"""The built-in robots beside their vendors' models in MuJoCo Menagerie: what is to hold of all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, PANDA, SO101, Robot, go2_spec, panda_spec, so101_spec
from tests.assets.robots.inertia import inertia_tensor


@dataclass(frozen=True)
class BuiltIn:
    robot: Robot
    spec: Callable[[], mujoco.MjSpec]
    file: str
    """The vendor's, in Menagerie."""
    renamed: dict[str, str] = field(default_factory=dict)
    """What the vendor calls a link otherwise."""
    relative: float = 1e-3
    """How far numbers may be from the vendor's, where the published ones are rounded."""
    absolute: float = 1e-9
    most_shapes: int | None = None
    """That collide."""
    outlines: tuple[float, float] | None = None
    """How far (m) the outlines of what is seen, and of what collides, may be from what is seen of the vendor's."""

    def __str__(self) -> str:
        return self.robot.name

    @cached_property
    def model(self) -> mujoco.MjModel:
        return self.spec().compile()

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(self.model.body(i).name for i in range(1, self.model.nbody))

    def vendor(self, menagerie: Path) -> mujoco.MjModel:
        path = menagerie / self.file
        if not path.is_file():
            pytest.skip(f"{path} does not exist")
        return mujoco.MjModel.from_xml_path(str(path))

    def dofs(self, model: mujoco.MjModel) -> list[int]:
        """Of a model, ours or the vendor's: the base's and those of the joints, in policy order."""
        base = range(6) if self.robot.is_floating else ()
        return [*base, *(model.joint(joint).dofadr[0] for joint in self.robot.joints)]

    def posed(self, model: mujoco.MjModel, joints: np.ndarray, speed: np.ndarray | float = 0.0) -> mujoco.MjData:
        """Joints in policy order; what the vendor has more of, as fingers, stays at zero. Speeds are of `dofs`."""
        data = mujoco.MjData(model)
        if self.robot.is_floating:
            data.qpos[:7] = (0, 0, 0, 1, 0, 0, 0)
        for joint, position in zip(self.robot.joints, joints, strict=True):
            data.joint(joint).qpos[0] = position
        data.qvel[self.dofs(model)] = speed
        mujoco.mj_forward(model, data)
        return data

    def poses(self, count: int) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.uniform(*self.robot.joint_ranges().T) for _ in range(count)]


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
    is_round = kind == mujoco.mjtGeom.mjGEOM_CAPSULE or kind == mujoco.mjtGeom.mjGEOM_SPHERE
    across = 1.0 if is_round else np.sqrt(1 - np.minimum(turn[:, 2] ** 2, 1))
    return np.abs(turn[:, 2]) * size[1] + size[0] * across


ROBOTS = (
    BuiltIn(GO2, go2_spec, "unitree_go2/go2.xml"),
    BuiltIn(
        SO101,
        so101_spec,
        "robotstudio_so101/so101.xml",
        renamed={"moving_jaw": "moving_jaw_so101_v1"},
        absolute=1e-7,
        most_shapes=10,
        outlines=(0.012, 0.025),
    ),
    BuiltIn(
        PANDA, panda_spec, "franka_emika_panda/panda.xml", relative=1e-6, absolute=1e-6, most_shapes=17, outlines=(0.016, 0.032)
    ),
)

of_each_robot = pytest.mark.parametrize("built_in", ROBOTS, ids=str)
of_each_link = pytest.mark.parametrize("built_in, link", [(x, link) for x in ROBOTS for link in x.links], ids=str)
of_each_outlined_link = pytest.mark.parametrize(
    "built_in, link", [(x, link) for x in ROBOTS if x.outlines for link in x.links], ids=str
)
of_each_joint = pytest.mark.parametrize("built_in, joint", [(x, joint) for x in ROBOTS for joint in x.robot.joints], ids=str)


@of_each_robot
def test_the_description_fits_the_model(built_in):
    built_in.robot.check()
    assert built_in.robot.is_floating == (built_in.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE)
    named = [built_in.model.joint(i).name for i in range(built_in.model.njnt)]
    assert built_in.robot.joints == tuple(named[built_in.robot.is_floating :])


@of_each_link
def test_a_link_is_placed_and_weighs_as_the_vendors(built_in, link, menagerie_folder):
    vendor = built_in.vendor(menagerie_folder)
    name = built_in.renamed.get(link, link)
    ours, theirs = built_in.model.body(link), vendor.body(name)
    for what in ("mass", "pos", "quat", "ipos"):
        found, expected = getattr(ours, what), getattr(theirs, what)
        np.testing.assert_allclose(found, expected, rtol=built_in.relative, atol=built_in.absolute, err_msg=what)
    inertia = inertia_tensor(vendor, name)
    np.testing.assert_allclose(inertia_tensor(built_in.model, link), inertia, rtol=1e-3, atol=1e-6 * np.abs(inertia).max())


@of_each_robot
def test_nothing_else_has_mass(built_in, menagerie_folder):
    vendor = built_in.vendor(menagerie_folder)
    assert built_in.model.body_mass.sum() == pytest.approx(vendor.body_mass.sum(), rel=1e-6)


@of_each_joint
def test_a_joint_moves_as_the_vendors(built_in, joint, menagerie_folder):
    ours, theirs = built_in.model.joint(joint), built_in.vendor(menagerie_folder).joint(joint)
    for what in ("axis", "pos", "range", "damping", "armature", "frictionloss", "stiffness"):
        found, expected = getattr(ours, what), getattr(theirs, what)
        np.testing.assert_allclose(found, expected, rtol=built_in.relative, atol=1e-9, err_msg=what)
    assert built_in.model.jnt_limited[ours.id]
    assert ours.type == theirs.type


@of_each_robot
def test_links_anchors_and_axes_are_the_vendors_in_any_pose(built_in, menagerie_folder):
    vendor = built_in.vendor(menagerie_folder)
    for pose in built_in.poses(20):
        ours, theirs = built_in.posed(built_in.model, pose), built_in.posed(vendor, pose)
        for joint in built_in.robot.joints:
            np.testing.assert_allclose(ours.joint(joint).xanchor, theirs.joint(joint).xanchor, atol=1e-6)
            np.testing.assert_allclose(ours.joint(joint).xaxis, theirs.joint(joint).xaxis, atol=1e-6)
        for link in built_in.links:
            name = built_in.renamed.get(link, link)
            np.testing.assert_allclose(ours.body(link).xpos, theirs.body(name).xpos, atol=1e-6)
            np.testing.assert_allclose(ours.body(link).xmat, theirs.body(name).xmat, atol=1e-5)


@of_each_robot
def test_dynamics_are_the_vendors(built_in, menagerie_folder):
    """The same forces in any pose: mass matrix and bias."""
    vendor, rng = built_in.vendor(menagerie_folder), np.random.default_rng(0)
    for pose in built_in.poses(5):
        speed, found = rng.normal(size=len(built_in.dofs(vendor))), []
        for model in (built_in.model, vendor):
            data, dofs = built_in.posed(model, pose, speed), built_in.dofs(model)
            mass = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, mass)
            found.append((mass[np.ix_(dofs, dofs)], data.qfrc_bias[dofs]))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


@of_each_outlined_link
def test_a_link_looks_and_collides_about_as_large_as_the_vendors(built_in, link, menagerie_folder):
    theirs = outline(built_in.vendor(menagerie_folder), built_in.renamed.get(link, link), group=2)
    for group, error in zip((2, 3), built_in.outlines, strict=True):
        np.testing.assert_allclose(outline(built_in.model, link, group), theirs, atol=error)


@of_each_robot
def test_it_collides_by_few_shapes_that_every_engine_knows(built_in):
    model = built_in.model
    simple = {mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_SPHERE}
    collides = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    assert set(model.geom_type[collides]) <= {int(shape) for shape in simple}
    assert built_in.most_shapes is None or collides.sum() <= built_in.most_shapes
    assert not model.geom_margin.any()
    assert all(model.geom(int(i)).name for i in np.flatnonzero(collides))


@of_each_robot
def test_it_never_touches_itself(built_in):
    for pose in built_in.poses(50):
        assert built_in.posed(built_in.model, pose).ncon == 0


@of_each_robot
def test_each_spec_is_a_fresh_one(built_in):
    name = built_in.links[0]
    changed = built_in.spec()
    changed.body(name).mass = 1000.0
    assert built_in.spec().body(name).mass == pytest.approx(built_in.model.body(name).mass[0])
