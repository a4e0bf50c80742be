"""The built-in Go2: what a quadruped has, and other robots have not."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.robots import GO2, find_foot_mirror, find_mirror, go2_spec

LINKS = ("base_link", *(f"{leg}_{part}" for leg in ("FL", "FR", "RL", "RR") for part in ("hip", "thigh", "calf")))
MODEL = go2_spec().compile()


@pytest.fixture(scope="module")
def vendor(menagerie_folder) -> mujoco.MjModel:
    file = menagerie_folder / "unitree_go2" / "go2.xml"
    if not file.is_file():
        pytest.skip(f"{file} does not exist")
    return mujoco.MjModel.from_xml_path(str(file))


def posed(joints: np.ndarray, model: mujoco.MjModel = MODEL) -> mujoco.MjData:
    """The robot upright at the origin, its joints (policy order) as given."""
    data = mujoco.MjData(model)
    data.qpos[:7] = (0, 0, 0, 1, 0, 0, 0)
    for name, position in zip(GO2.joints, joints, strict=True):
        data.joint(name).qpos[0] = position
    mujoco.mj_kinematics(model, data)
    return data


def poses() -> st.SearchStrategy[np.ndarray]:
    return st.tuples(*(st.floats(low, high) for low, high in GO2.joint_ranges())).map(np.array)


def on_floor(friction: float = 1.0, look: bool = True) -> mujoco.MjModel:
    spec = go2_spec()
    spec.compiler.discardvisual = not look
    floor = spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], contype=1, conaffinity=0)
    floor.friction[0] = friction
    return spec.compile()


def test_effort_limits_are_the_vendors_motors(vendor):
    limits = {vendor.joint(vendor.actuator_trnid[i, 0]).name: vendor.actuator_ctrlrange[i, 1] for i in range(vendor.nu)}
    np.testing.assert_allclose(GO2.effort_limits, [limits[joint] for joint in GO2.joints], rtol=1e-3)


def test_motors_sit_in_the_order_of_the_vendors_actuators(vendor):
    order = [vendor.joint(vendor.actuator_trnid[i, 0]).name for i in range(vendor.nu)]
    assert [order[motor.index] for motor in GO2.motors] == list(GO2.joints)


def test_feet_and_imu_sit_where_the_vendors_do(vendor):
    for foot in GO2.feet:
        np.testing.assert_allclose(MODEL.geom(foot).pos, vendor.geom(foot).pos)
        assert MODEL.geom(foot).size[0] == vendor.geom(foot).size[0]
    np.testing.assert_allclose(MODEL.site(GO2.imu_site).pos, vendor.site("imu").pos)


def test_feet_just_touch_the_ground_in_the_default_pose():
    data = posed(np.array(GO2.default_pose))
    for foot in GO2.feet:
        lowest = GO2.standing_height + data.geom(foot).xpos[2] - MODEL.geom(foot).size[0]
        assert lowest == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(poses())
def test_a_mirrored_pose_has_mirrored_kinematics(pose):
    assert GO2.mirror is not None
    mirrored = np.array(GO2.mirror.sign) * pose[list(GO2.mirror.index)]
    data, image = posed(pose), posed(mirrored)
    for foot, other in zip(GO2.feet, GO2.foot_mirror, strict=True):
        np.testing.assert_allclose(image.geom(GO2.feet[other]).xpos, data.geom(foot).xpos * (1, -1, 1), atol=1e-9)
    for link in LINKS[1:]:
        twin = {"L": "R", "R": "L"}[link[1]]
        expected = data.body(link).xipos * (1, -1, 1)
        np.testing.assert_allclose(image.body(link[0] + twin + link[2:]).xipos, expected, atol=1e-9)


def test_the_declared_mirror_is_the_models():
    assert find_mirror(MODEL, GO2.joints) == GO2.mirror
    assert find_foot_mirror(MODEL, GO2.feet) == GO2.foot_mirror


def test_every_part_rests_on_the_ground_that_it_is_pressed_to():
    model = on_floor()
    data = mujoco.MjData(model)
    data.qpos[:7] = (0, 0, -0.1, 1, 0, 0, 0)
    mujoco.mj_forward(model, data)
    touching = {model.body(model.geom_bodyid[geom]).name for geom in data.contact.geom.ravel()}
    assert touching == {"world", *LINKS}


def test_the_foots_friction_counts_not_the_floors():
    for floor in (0.2, 1.5):
        model = on_floor(friction=floor)
        data = mujoco.MjData(model)
        data.qpos[:7] = (0, 0, GO2.standing_height - 0.002, 1, 0, 0, 0)
        for name, position in zip(GO2.joints, GO2.default_pose, strict=True):
            data.joint(name).qpos[0] = position
        mujoco.mj_forward(model, data)
        assert data.ncon == len(GO2.feet)
        np.testing.assert_allclose(data.contact.friction[:, 0], model.geom("FL").friction[0])


def test_its_look_does_not_move_it():
    states = []
    for look in (True, False):
        model = on_floor(look=look)
        data = mujoco.MjData(model)
        mujoco.mj_step(model, data, 200)
        states.append(data.qpos.copy())
    np.testing.assert_array_equal(*states)


def test_it_attaches_to_another_model():
    scene = mujoco.MjSpec()
    scene.worldbody.add_frame(pos=[0, 0, 1]).attach_body(go2_spec().body("base_link"), "one/", "")
    model = scene.compile()
    np.testing.assert_allclose(model.joint("one/FL_hip_joint").range, MODEL.joint("FL_hip_joint").range)
