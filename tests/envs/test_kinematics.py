"""Forward kinematics against MuJoCo's, on the SO-101 and on an arm whose joints are off their bodies' origins."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2, SO101
from assets.robots.robot import Robot, RobotError
from envs.kinematics import Kinematics
from envs.proprioception import rotate

ODD = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body name="mount" pos="0.1 0.2 0.5" euler="0 0.4 1.0">
      <geom name="mount" size="0.05" contype="0" conaffinity="1"/>
      <body name="upper" pos="0 0 0.1" euler="0.3 0 0">
        <joint name="roll" axis="1 0 0" pos="0 0.05 0.02" range="-3 3" limited="true"/>
        <joint name="pitch" axis="0 1 1" pos="-0.02 0 0.1" range="-3 3" limited="true" ref="0.3"/>
        <geom name="upper" type="box" size=".05 .1 .02" pos="0 0 .1" euler=".1 .2 .3" mass="1" contype="0" conaffinity="1"/>
        <body name="mast" pos="0 0 0.2" euler="0 0 0.5">
          <geom name="mast" type="box" size="0.1 0.1 0.1" mass="1" contype="0" conaffinity="1"/>
          <body name="lower" pos="0.2 0 0">
            <joint name="yaw" axis="0 0 1" range="-3 3" limited="true"/>
            <geom name="lower" type="box" size="0.1 0.02 0.02" pos="0.1 0 0" mass="1" contype="0" conaffinity="1"/>
            <site name="tool" pos="0.2 0.01 0" euler="0.5 0 0"/>
          </body>
        </body>
        <body name="lid" pos="0 0 -0.1"><joint name="lid" type="slide" axis="0 0 1"/><geom name="lid" size="0.01"/></body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

ARM = Robot(
    name="odd",
    spec=lambda: mujoco.MjSpec.from_string(ODD),
    joints=("yaw", "roll", "pitch"),
    default_pose=(0.0, 0.0, 0.0),
    stiffness=(1.0,) * 3,
    damping=(1.0,) * 3,
    effort_limits=(1.0,) * 3,
    velocity_limits=(1.0,) * 3,
    action_scale=(1.0,) * 3,
    motors=(),
    base="mount",
    end_effector="tool",
)


def truth(robot: Robot, joints: np.ndarray) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = robot.spec().compile()
    data = mujoco.MjData(model)
    for name, position in zip(robot.joints, joints, strict=True):
        data.joint(name).qpos[0] = position
    mujoco.mj_forward(model, data)
    return model, data


@pytest.mark.parametrize("robot", [SO101, ARM], ids=lambda robot: robot.name)
class TestAgainstMujoco:
    @pytest.fixture
    def arm(self, robot) -> Kinematics:
        return Kinematics.of(robot)

    @pytest.fixture
    def trials(self, robot) -> np.ndarray:
        return np.random.default_rng(0).uniform(*robot.joint_ranges().T, size=(10, robot.num_joints))

    def test_the_end_effector_by_matrices_is_the_same(self, robot, arm, trials):
        def both(joints):
            poses, tool = arm.poses(joints), arm.tool(joints)
            axes = jax.vmap(rotate, (None, 0), 1)(arm.end_effector(poses)[1], jnp.eye(3))
            return (arm.end_effector(poses)[0], axes, arm.jacobian(poses)), (tool.position, tool.rotation, tool.jacobian)

        for expected, found in zip(*jax.jit(jax.vmap(both))(jnp.asarray(trials, jnp.float32)), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-6)

    def test_the_end_effector_is_where_mujoco_has_it_in_the_bases_frame(self, robot, arm, trials):
        solve = jax.jit(lambda joints: arm.end_effector(arm.poses(joints)))
        for joints in trials:
            _, data = truth(robot, joints)
            base, tool = data.body(robot.base), data.site(robot.end_effector)
            into_base = base.xmat.reshape(3, 3).T
            position, quat = solve(jnp.asarray(joints, jnp.float32))
            np.testing.assert_allclose(position, into_base @ (tool.xpos - base.xpos), atol=1e-5)
            turn = np.zeros(9)
            mujoco.mju_quat2Mat(turn, np.asarray(quat, float))
            np.testing.assert_allclose(turn.reshape(3, 3), into_base @ tool.xmat.reshape(3, 3), atol=1e-5)

    def test_shifts_and_turns_go_along_joints_by_the_transposed_jacobian(self, robot, arm, trials):
        solve = jax.jit(lambda joints, shift, turn: arm.along_joints(arm.poses(joints), shift, turn))
        shift, turn = np.array([0.3, -0.2, 0.5]), np.array([-0.1, 0.7, 0.2])
        for joints in trials:
            model, data = truth(robot, joints)
            jacobian = np.zeros((2, 3, model.nv))
            mujoco.mj_jacSite(model, data, *jacobian, model.site(robot.end_effector).id)
            dofs = [model.joint(name).dofadr[0] for name in robot.joints]
            from_base = data.body(robot.base).xmat.reshape(3, 3)
            expected = jacobian[0].T @ from_base @ shift + jacobian[1].T @ from_base @ turn
            found = solve(jnp.asarray(joints, jnp.float32), jnp.asarray(shift), jnp.asarray(turn))
            np.testing.assert_allclose(found, expected[dofs], atol=1e-5)

    def test_no_moving_part_is_below_the_lowest_corner(self, robot, arm, trials):
        """A plane below every corner is touched by nothing."""
        solve = jax.jit(lambda joints: arm.heights(arm.poses(joints)).min())
        for joints in trials:
            model, data = truth(robot, joints)
            moving = np.flatnonzero((model.geom_conaffinity != 0) & (model.geom_bodyid != model.body(robot.base).id))
            axes = data.geom_xmat[moving].reshape(-1, 3, 3)[:, 2]
            half = model.geom_aabb[moving, 3:]
            centers = data.geom_xpos[moving, 2] + np.sum(axes * model.geom_aabb[moving, :3], axis=1)
            lowest = np.min(centers - np.sum(np.abs(axes) * half, axis=1))
            assert solve(jnp.asarray(joints, jnp.float32)) == pytest.approx(lowest, abs=1e-5)


def test_a_robot_that_is_no_arm_is_told_so():
    with pytest.raises(RobotError, match="'go2': expected an arm on a fixed base; it names no end effector"):
        Kinematics.of(GO2)
