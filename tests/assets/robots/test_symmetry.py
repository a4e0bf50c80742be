import mujoco

from assets.robots import Mirror, find_foot_mirror, find_mirror

# Legs whose knees turn against each other, and a neck that turns about the vertical.
BIPED = """
<mujoco>
  <worldbody>
    <body name="trunk" pos="0 0 1">
      <freejoint/>
      <geom size="0.1"/>
      <body pos="0 0 0.2"><joint name="neck" axis="0 0 1"/><geom size="0.05"/></body>
      <body pos="0 {left} 0">
        <joint name="left_hip" axis="1 0 0"/><geom size="0.05"/>
        <body pos="0 0 -0.4"><joint name="left_knee" axis="0 1 0"/><geom name="left_foot" pos="0 0 -0.4" size="0.05"/></body>
      </body>
      <body pos="0 -0.1 0">
        <joint name="right_hip" axis="1 0 0"/><geom size="0.05"/>
        <body pos="0 0 -0.4"><joint name="right_knee" axis="0 -1 0"/><geom name="right_foot" pos="0 0 -0.4" size="0.05"/></body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
JOINTS = ("neck", "left_hip", "left_knee", "right_hip", "right_knee")
FEET = ("left_foot", "right_foot")


def test_each_joint_finds_its_image_and_the_way_it_turns():
    model = mujoco.MjModel.from_xml_string(BIPED.format(left=0.1))
    assert find_mirror(model, JOINTS) == Mirror(index=(0, 3, 4, 1, 2), sign=(-1, -1, -1, -1, -1))
    assert find_foot_mirror(model, FEET) == (1, 0)


def test_a_lopsided_robot_has_no_mirror():
    model = mujoco.MjModel.from_xml_string(BIPED.format(left=0.12))
    assert find_mirror(model, JOINTS) is None
    assert find_foot_mirror(model, FEET) == ()


def test_half_a_pair_has_no_mirror():
    model = mujoco.MjModel.from_xml_string(BIPED.format(left=0.1))
    assert find_mirror(model, ("left_hip", "left_knee")) is None
