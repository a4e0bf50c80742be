"""What a view derives, against MuJoCo's own functions and sensors on a random state of the Go2 and of the walker."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from envs.proprioception import rotate_inverse
from envs.view import Layout, View
from tests.envs.walker import ROBOT


def view_of(robot: Robot, data: mujoco.MjData) -> View:
    none = jnp.zeros(0)
    return View(
        qpos=jnp.asarray(data.qpos, jnp.float32),
        qvel=jnp.asarray(data.qvel, jnp.float32),
        sensordata=jnp.asarray(data.sensordata, jnp.float32),
        fields={},
        command=none,
        action=none,
        last_action=none,
        memory={},
        time=jnp.zeros(()),
        command_time=jnp.zeros(()),
        layout=Layout.of(robot, data.model),
        dt=0.02,
    )


def tumbling(robot: Robot, height: float = 2.0) -> mujoco.MjData:
    """Anywhere, at any speed, with motors at work."""
    data = mujoco.MjData(compile_for_physics(scene_spec(robot)))
    random = np.random.default_rng(0)
    data.qpos = random.uniform(-0.5, 0.5, data.model.nq)
    data.qpos[2] = height
    data.qpos[3:7] /= np.linalg.norm(data.qpos[3:7])
    data.qvel = random.uniform(-2, 2, data.model.nv)
    data.ctrl = random.uniform(-0.2, 0.2, data.model.nu)
    mujoco.mj_forward(data.model, data)
    return data


def velocity(data: mujoco.MjData, kind: mujoco.mjtObj, name: str, local: bool) -> tuple[np.ndarray, np.ndarray]:
    """Angular and linear velocity of an object's frame, in its own axes or in the world's."""
    out = np.zeros(6)
    mujoco.mj_objectVelocity(data.model, data, kind, mujoco.mj_name2id(data.model, kind, name), out, local)
    return out[:3], out[3:]


@pytest.mark.parametrize("robot", [GO2, ROBOT], ids=lambda robot: robot.name)
class TestFloatingBase:
    def test_velocities_of_the_base_are_in_its_frame(self, robot):
        data = tumbling(robot)
        view = view_of(robot, data)
        angular, linear = velocity(data, mujoco.mjtObj.mjOBJ_XBODY, robot.base, local=True)
        np.testing.assert_allclose(view.base_linear_velocity, linear, atol=1e-5)
        np.testing.assert_allclose(view.base_angular_velocity, angular, atol=1e-5)

    def test_velocities_of_the_base_are_those_that_the_imu_feels(self, robot):
        data = tumbling(robot)
        view = view_of(robot, data)
        site = data.model.site(robot.imu_site)
        into_imu = jnp.asarray(site.quat, jnp.float32)
        np.testing.assert_allclose(rotate_inverse(into_imu, view.base_angular_velocity), view.sensor("imu_gyro"), atol=1e-5)
        at_imu = view.base_linear_velocity + np.cross(view.base_angular_velocity, site.pos)
        np.testing.assert_allclose(rotate_inverse(into_imu, jnp.asarray(at_imu)), view.sensor("imu_linvel"), atol=1e-5)

    def test_gravity_is_seen_from_the_base(self, robot):
        data = tumbling(robot)
        down = data.body(robot.base).xmat.reshape(3, 3).T @ [0, 0, -1]
        np.testing.assert_allclose(view_of(robot, data).projected_gravity, down, atol=1e-6)

    def test_height_is_that_of_the_base(self, robot):
        assert view_of(robot, tumbling(robot, height=1.25)).base_height == 1.25

    def test_joints_are_in_policy_order(self, robot):
        data = tumbling(robot)
        view = view_of(robot, data)
        for i, joint in enumerate(robot.joints):
            assert view.joint_position[i] == pytest.approx(data.joint(joint).qpos[0], abs=1e-6)
            assert view.joint_velocity[i] == pytest.approx(data.joint(joint).qvel[0], abs=1e-6)
            dof = data.model.joint(joint).dofadr[0]
            assert view.joint_torque[i] == pytest.approx(data.qfrc_actuator[dof], rel=1e-5)

    def test_feet_move_as_their_geoms(self, robot):
        data = tumbling(robot)
        view = view_of(robot, data)
        for i, foot in enumerate(robot.feet):
            np.testing.assert_allclose(view.foot_position[i], data.geom(foot).xpos, atol=1e-6)
            linear = velocity(data, mujoco.mjtObj.mjOBJ_GEOM, foot, local=False)[1]
            np.testing.assert_allclose(view.foot_velocity[i], linear, atol=1e-5)


def normal_forces(data: mujoco.MjData) -> dict[str, float]:
    """Sum over the contacts of each geom, N."""
    forces: dict[str, float] = {}
    for i in range(data.ncon):
        force = np.zeros(6)
        mujoco.mj_contactForce(data.model, data, i, force)
        for geom in data.contact[i].geom:
            name = data.model.geom(int(geom)).name
            forces[name] = forces.get(name, 0.0) + force[0]
    return forces


class TestContacts:
    def test_feet_carry_a_standing_robot_and_nothing_else_touches(self):
        data = mujoco.MjData(compile_for_physics(scene_spec(GO2)))
        data.qpos = Layout.of(GO2, data.model).start_qpos()
        data.ctrl = GO2.default_pose
        mujoco.mj_step(data.model, data, 200)
        mujoco.mj_forward(data.model, data)
        view, forces = view_of(GO2, data), normal_forces(data)
        assert view.foot_contact.all()
        np.testing.assert_allclose(view.foot_force, [forces[foot] for foot in GO2.feet], rtol=1e-5)
        assert view.foot_force.sum() == pytest.approx(data.model.body_subtreemass[0] * 9.81, rel=0.05)
        assert not view.base_contact_force.any()
        assert not view.limb_contact_force.any()

    def test_base_and_limbs_feel_their_own_contacts(self):
        # on its back, it lies on trunk and thighs
        data = mujoco.MjData(compile_for_physics(scene_spec(GO2)))
        data.qpos = Layout.of(GO2, data.model).start_qpos()
        data.qpos[2], data.qpos[3:7] = 0.2, (0, 1, 0, 0)
        data.ctrl = GO2.default_pose
        mujoco.mj_step(data.model, data, 300)
        mujoco.mj_forward(data.model, data)
        view, forces = view_of(GO2, data), normal_forces(data)
        base = {data.model.geom(i).name for i in range(data.model.ngeom) if data.model.geom_bodyid[i] == view.layout.base_body}
        limbs = forces.keys() - base - {"floor"} - set(GO2.feet)
        assert view.base_contact_force.sum() == pytest.approx(sum(forces.get(name, 0.0) for name in base), rel=1e-5)
        assert view.base_contact_force.sum() > 10
        assert view.limb_contact_force.sum() == pytest.approx(sum(forces[name] for name in limbs), rel=1e-5, abs=1e-3)

    def test_a_sensor_that_is_not_there_is_named_with_those_that_are(self):
        with pytest.raises(KeyError, match="no sensor 'imu_giro'; it has: imu_quat, imu_gyro"):
            view_of(ROBOT, tumbling(ROBOT)).sensor("imu_giro")


class TestLayout:
    def test_a_joint_without_limits_has_an_infinite_range(self):
        layout = Layout.of(ROBOT, compile_for_physics(scene_spec(ROBOT)))
        np.testing.assert_array_equal(layout.joint_range, [[-np.inf, np.inf], [-1, 1]])

    def test_a_robot_starts_standing_in_its_default_pose(self):
        layout = Layout.of(ROBOT, compile_for_physics(scene_spec(ROBOT)))
        np.testing.assert_allclose(layout.start_qpos(), [0, 0, 0.3, 1, 0, 0, 0, -0.2, 0.1], rtol=1e-6)
