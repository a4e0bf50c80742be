import math

import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import GO2
from envs.proprioception import Proprioception
from envs.terms import observations
from tests.envs.terms.hand_made import LAYOUT, NUM_JOINTS, POSE, view

SENSED = Proprioception(
    joint_position=jnp.asarray(POSE + 0.1, jnp.float32),
    joint_velocity=jnp.arange(12.0),
    imu_quaternion=jnp.array([math.cos(math.pi / 4), math.sin(math.pi / 4), 0.0, 0.0]),
    angular_velocity=jnp.array([0.1, 0.2, 0.3]),
    command=jnp.array([1.0, 0.5, -0.5]),
    last_action=jnp.arange(12.0) * 0.1,
)


def test_the_policy_sees_its_joints_relative_to_the_default_pose():
    np.testing.assert_allclose(observations.joint_position(SENSED, GO2), 0.1, rtol=1e-5)
    np.testing.assert_allclose(observations.true_joint_position(view(joints=POSE - 0.2)), -0.2, rtol=1e-5)


def test_a_robot_on_its_left_side_feels_gravity_there():
    # rolled by 90 degrees about x, left goes up: down is to the right
    np.testing.assert_allclose(observations.projected_gravity(SENSED, GO2), [0, -1, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["joint_velocity", "angular_velocity", "command", "last_action"])
def test_other_measurements_are_passed_on(name):
    np.testing.assert_array_equal(getattr(observations, name)(SENSED, GO2), getattr(SENSED, name))


def test_feet_are_seen_from_the_base():
    # The base stands at (1, 2, 0.5), turned to the left by 90 degrees; the foot is 0.3 m ahead of it and 0.5 m below.
    here = view(
        quaternion=(math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)),
        sensors={"FL_pos": (1.0, 2.3, 0.0)},
    )
    here = here.replace(qpos=here.qpos.at[:3].set(jnp.array([1.0, 2.0, 0.5])))
    np.testing.assert_allclose(observations.feet_from_base(here)[:3], [0.3, 0, -0.5], atol=1e-6)


def test_contacts_are_numbers():
    assert observations.foot_contact(view(sensors={"FR_touch": 30.0, "RL_touch": 0.2})).tolist() == [0, 1, 0, 0]


class TestWhatIsRandomised:
    def test_nothing_is_nominal(self):
        here, model = view(), LAYOUT.model
        np.testing.assert_allclose(observations.foot_friction(here), [model.geom(foot).friction[0] for foot in GO2.feet])
        assert not observations.base_mass(here).any()
        assert not observations.motor_gains(here).any()

    def test_what_was_drawn_is_seen(self):
        model = LAYOUT.model
        fields = {name: jnp.asarray(getattr(model, name), jnp.float32) for name in ("geom_friction", "body_mass", "body_ipos")}
        base, foot = LAYOUT.base_body, model.geom("RL").id
        fields["geom_friction"] = fields["geom_friction"].at[foot, 0].set(0.33)
        fields["body_mass"] = fields["body_mass"].at[base].multiply(1.5)
        fields["body_ipos"] = fields["body_ipos"].at[base, 1].add(0.02)
        fields["actuator_gainprm"] = jnp.asarray(model.actuator_gainprm, jnp.float32).at[3, 0].multiply(0.8)
        here = view(fields=fields)
        assert observations.foot_friction(here)[2] == pytest.approx(0.33)
        np.testing.assert_allclose(observations.base_mass(here), [0.5, 0, 0.2, 0], atol=1e-5)
        np.testing.assert_allclose(observations.motor_gains(here), -0.2 * (np.arange(NUM_JOINTS) == 3), atol=1e-6)
