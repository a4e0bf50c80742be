import pickle
from dataclasses import fields

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, Motor, RobotError, menagerie_robot, menagerie_spec

GO2_GIVEN = {
    "stiffness": 35.0,
    "damping": 0.7,
    "default_pose": {"*_hip_joint": 0.0, "*_thigh_joint": 0.8, "*_calf_joint": -1.6},
    "action_scale": 0.5,
    "velocity_limits": {"*": 30.1, "*_calf_joint": 15.7},
    "feet": ("FL", "FR", "RL", "RR"),
    "safety": GO2.safety,
    "motors": {
        f"{leg}_{part}_joint": Motor(3 * i + j)
        for i, leg in enumerate(("FR", "FL", "RR", "RL"))
        for j, part in enumerate(("hip", "thigh", "calf"))
    },
}

# What `mujoco_menagerie` reads of a model, small enough to write where each test needs it.
SMALL_ARM = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <light name="lamp"/>
    <body name="base">
      <geom size="0.1"/>
      <body name="upper">
        <joint name="shoulder" axis="0 0 1" range="-2 2" actuatorfrcrange="-30 30"/>
        <geom size="0.1" margin="0.01" condim="6"/>
        <geom name="shell" size="0.2" contype="0" conaffinity="0"/>
        <body name="lower" pos="0.5 0 0">
          <joint name="elbow" axis="0 1 0" range="-2 2"/>
          <geom name="elbow_guard" size="0.1"/>
          <site name="gyroscope"/>
          <body name="jaw" pos="0.5 0 0"><joint name="jaw" type="slide" axis="0 1 0"/><geom size="0.1"/></body>
        </body>
      </body>
    </body>
  </worldbody>
  <contact><pair geom1="shell" geom2="elbow_guard"/></contact>
  <actuator>{actuators}</actuator>
  <sensor><gyro site="gyroscope"/></sensor>
  {keyframes}
</mujoco>
"""
POSITION = """
<position joint="elbow" kp="100" kv="4" gear="2" forcerange="-8 9"/>
<position joint="shoulder" kp="100" dampratio="1" forcerange="-40 40"/>
<position joint="jaw" kp="10"/>
"""
HOME = '<keyframe><key name="away" qpos="1 1 0"/><key name="home" qpos="0.1 0.2 0"/></keyframe>'


@pytest.fixture
def small_arm(tmp_path, monkeypatch):
    """Writes an arm under a name that Menagerie knows, and gives that name."""

    def write(actuators: str = POSITION, keyframes: str = HOME) -> str:
        folder = tmp_path / "universal_robots_ur5e"
        folder.mkdir(exist_ok=True)
        (folder / "ur5e.xml").write_text(SMALL_ARM.format(actuators=actuators, keyframes=keyframes))
        monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
        return folder.name

    return write


def test_the_vendors_go2_is_the_built_in_one(menagerie):
    robot = menagerie_robot("unitree_go2", **GO2_GIVEN)
    for field in fields(robot):
        if field.name not in ("name", "spec", "standing_height"):
            assert getattr(robot, field.name) == getattr(GO2, field.name), field.name
    assert robot.standing_height == pytest.approx(GO2.standing_height, abs=1e-6)
    assert robot.is_floating


def test_its_spec_compiles_with_meshes_and_without_what_scenes_add(menagerie):
    model = menagerie_spec("unitree_go2", feet=GO2.feet).compile()
    assert model.nmesh > 0
    assert model.nu == model.nsensor == model.nkey == model.nlight == model.npair == 0
    collides = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    assert set(model.geom_conaffinity[collides]) == {1}
    assert not model.geom_contype.any()
    assert not model.geom_margin[collides].any()
    assert all(model.geom(int(i)).name for i in np.flatnonzero(collides))
    assert {model.geom(int(i)).name for i in np.flatnonzero(model.geom_priority)} == set(GO2.feet)


def test_its_spec_weighs_and_moves_as_the_source(menagerie):
    model = menagerie_spec("unitree_go2").compile()
    source = mujoco.MjModel.from_xml_path(str(menagerie / "unitree_go2" / "go2.xml"))
    for field in ("body_mass", "body_inertia", "jnt_range", "dof_damping", "dof_armature", "dof_frictionloss", "geom_friction"):
        np.testing.assert_array_equal(getattr(model, field), getattr(source, field), err_msg=field)


def add_tool(spec: mujoco.MjSpec) -> None:
    spec.body("hand").add_site(name="tool", pos=[0, 0, 0.1])


def test_the_panda_tells_all_but_speeds_and_tool(menagerie):
    if not (menagerie / "franka_emika_panda").is_dir():
        pytest.skip(f"{menagerie} holds no franka_emika_panda")
    speeds = {"joint[1-4]": 2.175, "joint[5-7]": 2.61}
    robot = menagerie_robot("franka_emika_panda", velocity_limits=speeds, end_effector="tool", edit=add_tool)
    assert robot.joints == tuple(f"joint{i}" for i in range(1, 8))
    assert robot.stiffness == (4500, 4500, 3500, 3500, 2000, 2000, 2000)
    assert robot.damping == (450, 450, 350, 350, 200, 200, 200)
    assert robot.effort_limits == (87, 87, 87, 87, 12, 12, 12)
    assert robot.velocity_limits == (2.175,) * 4 + (2.61,) * 3
    assert robot.default_pose == pytest.approx((0, 0, 0, -1.57079, 0, 1.57079, -0.7853))
    assert robot.base == "link0"
    assert not robot.is_floating
    assert robot.mirror is None


def test_a_robot_survives_pickling(menagerie):
    robot = menagerie_robot("unitree_go2", **GO2_GIVEN)
    assert pickle.loads(pickle.dumps(robot)).joint_ranges().tolist() == robot.joint_ranges().tolist()


def test_gains_and_limits_are_told_per_joint_whatever_the_actuators_order_and_gear(small_arm):
    robot = menagerie_robot(small_arm(), velocity_limits=3.0)
    assert robot.joints == ("shoulder", "elbow")
    assert robot.stiffness == pytest.approx((100, 400))
    assert robot.damping[1] == pytest.approx(16)
    assert robot.damping[0] > 0
    assert robot.effort_limits == pytest.approx((30, 16))
    assert robot.default_pose == pytest.approx((0.1, 0.2))
    assert robot.imu_site == "gyroscope"
    assert robot.motors == ()


def test_motors_tell_torque_limits_but_no_gains(small_arm):
    name = small_arm('<motor joint="shoulder" ctrlrange="-1 1" gear="20"/><motor joint="elbow" ctrlrange="-7 7"/>')
    robot = menagerie_robot(name, velocity_limits=3.0, stiffness=10.0, damping=1.0)
    assert robot.effort_limits == pytest.approx((20, 7))
    with pytest.raises(RobotError, match=r"doesn't tell stiffness of joint 'shoulder'; give stiffness="):
        menagerie_robot(name, velocity_limits=3.0)


def test_joints_can_be_chosen_and_ordered(small_arm):
    robot = menagerie_robot(small_arm(), joints=("elbow", "shoulder"), velocity_limits={"shoulder": 1.0, "elbow": 2.0})
    assert robot.velocity_limits == (2.0, 1.0)
    assert robot.default_pose == pytest.approx((0.2, 0.1))


def test_what_is_given_counts_more_than_what_is_told(small_arm):
    robot = menagerie_robot(small_arm(), velocity_limits=3.0, stiffness={"elbow": 7.0}, effort_limits=2.0)
    assert robot.stiffness == pytest.approx((100, 7))
    assert robot.effort_limits == (2.0, 2.0)


def test_a_cleaned_spec_collides_with_scenes_only(small_arm):
    model = menagerie_spec(small_arm()).compile()
    assert model.npair == model.nlight == 0
    assert model.geom("shell").conaffinity == 0
    assert model.geom("upper_collision_0").conaffinity == 1
    assert model.geom("upper_collision_0").condim == 3
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


@pytest.mark.parametrize(
    "given, message",
    [
        ({"joints": ("elbw",)}, r"no joint 'elbw'; did you mean 'elbow'"),
        ({"joints": ("shoulder", "jaw"), "effort_limits": 1.0}, r"joint 'jaw' is no hinge"),
        ({"stiffness": {"elbw": 1.0}}, r"no joint 'elbw'; did you mean 'elbow'\? \(in stiffness\)"),
        ({"velocity_limits": {"elbow": 1.0}}, r"doesn't tell velocity_limits of joint 'shoulder'"),
        ({"motors": {"elbow": Motor(0)}}, r"motors has no entry for joint 'shoulder'"),
        ({"motors": {"elbw": Motor(0)}}, r"no joint 'elbw'.*\(in motors\)"),
        ({"feet": ("elbow_gard",)}, r"no colliding geom 'elbow_gard'; did you mean 'elbow_guard'"),
        ({"end_effector": "tool"}, r"no site 'tool'; it has: gyroscope"),
        ({"default_pose": 3.0}, r"default_pose of 'shoulder' is 3 rad, outside \[-2, 2\]"),
        ({"entry": "scene"}, r"entry 'scene' is a scene, expected a robot alone: ur5e"),
        ({"entry": "ur6e"}, r"no entry point 'ur6e'; available: scene, ur5e"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_remedy(small_arm, given, message):
    with pytest.raises(RobotError, match=message):
        menagerie_robot(small_arm(), **({"velocity_limits": 3.0} | given))


def test_a_pose_that_no_keyframe_tells_must_be_given(small_arm):
    name = small_arm(keyframes="")
    with pytest.raises(RobotError, match="doesn't tell default_pose of joint 'shoulder'"):
        menagerie_robot(name, velocity_limits=3.0)
    assert menagerie_robot(name, velocity_limits=3.0, default_pose=0.0).default_pose == (0.0, 0.0)


def test_a_model_that_does_not_compile_is_named(small_arm):
    with pytest.raises(RobotError, match=r"robot 'universal_robots_ur5e': its model doesn't compile: .*wheel"):
        menagerie_robot(small_arm('<motor joint="wheel"/>'), velocity_limits=3.0)


def test_an_unknown_robot_offers_the_nearest():
    with pytest.raises(RobotError, match=r"robot 'unitre_go2': .* did you mean 'unitree_go2'"):
        menagerie_robot("unitre_go2", velocity_limits=1.0)


def test_a_checkout_without_the_robot_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(RobotError, match=r"robot 'unitree_go1': its model can't be had .* set MENAGERIE_ROOT"):
        menagerie_robot("unitree_go1", velocity_limits=1.0)


def test_a_missing_download_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(RobotError, match="`mujoco-menagerie prefetch unitree_go1`"):
        menagerie_robot("unitree_go1", velocity_limits=1.0)
