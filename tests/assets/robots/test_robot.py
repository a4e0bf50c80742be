from dataclasses import replace

import mujoco
import pytest

from assets.robots import Mirror, Motor, Robot, RobotError

ARM_XML = """
<mujoco>
  <worldbody>
    <body name="base">
      <geom name="foot" size="0.1"/>
      <body name="link">
        <joint name="elbow" axis="0 1 0" range="-1 1"/>
        <geom size="0.1"/>
        <site name="tool"/>
        <body name="slider">
          <joint name="slide" type="slide" range="-1 1"/>
          <geom size="0.1"/>
          <body name="hand"><joint name="wrist" axis="0 0 1"/><geom size="0.1"/></body>
        </body>
      </body>
    </body>
  </worldbody>
  <compiler angle="radian"/>
</mujoco>
"""

ARM = Robot(
    name="arm",
    spec=lambda: mujoco.MjSpec.from_string(ARM_XML),
    joints=("elbow", "wrist"),
    default_pose=(0.5, 3.0),
    stiffness=(10.0, 10.0),
    damping=(1.0, 0.0),
    effort_limits=(5.0, 5.0),
    velocity_limits=(3.0, 3.0),
    action_scale=(0.5, 0.5),
    motors=(Motor(1), Motor(0, -1)),
    base="base",
    end_effector="tool",
)


def test_a_consistent_description_passes():
    ARM.check()
    assert ARM.num_joints == 2
    assert not ARM.is_floating
    assert ARM.joint_ranges()[0].tolist() == [-1, 1]


def test_a_simulated_robot_needs_no_motors():
    replace(ARM, motors=()).check()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"stiffness": (1.0,)}, r"robot 'arm': stiffness has 1 entries, expected 2"),
        ({"motors": (Motor(0),)}, r"motors has 1 entries, expected 2"),
        ({"motors": (Motor(1), Motor(1))}, r"motor index 1 appears more than once"),
        ({"joints": ("elbow", "elbow")}, r"joint 'elbow' appears more than once"),
        ({"stiffness": (1.0, -1.0)}, r"stiffness of joint 'wrist' is -1, expected none below zero"),
        ({"effort_limits": (0.0, 1.0)}, r"effort_limits of joint 'elbow' is 0, expected a positive number"),
        ({"velocity_limits": (1.0, float("nan"))}, r"velocity_limits of joint 'wrist' is nan"),
        ({"mirror": Mirror((0, 0), (1, 1))}, r"mirror.index must be a permutation of 0..1"),
        ({"mirror": Mirror((0, 1), (1, 0))}, r"mirror.sign must be 2 times \+1 or -1"),
        ({"mirror": Mirror((1, 0), (1, -1))}, r"mirror must undo itself"),
        ({"foot_mirror": (0,)}, r"foot_mirror must be a permutation"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(RobotError, match=message):
        replace(ARM, **change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"joints": ("elbw", "wrist")}, r"its model has no joint 'elbw'; did you mean 'elbow'\?"),
        ({"base": "trunk"}, r"no body 'trunk'; it has: world, base, link, slider, hand"),
        ({"feet": ("fot",)}, r"no geom 'fot'; did you mean 'foot'\?"),
        ({"imu_site": "imu"}, r"no site 'imu'; it has: tool"),
        ({"end_effector": "tol"}, r"no site 'tol'; did you mean 'tool'\?"),
        ({"joints": ("slide", "wrist")}, r"joint 'slide' is no hinge"),
        ({"default_pose": (1.5, 0.0)}, r"default_pose of 'elbow' is 1.5 rad, outside \[-1, 1\]"),
    ],
)
def test_a_description_that_does_not_fit_its_model_is_refused(change, message):
    with pytest.raises(RobotError, match=message):
        replace(ARM, **change).check()
