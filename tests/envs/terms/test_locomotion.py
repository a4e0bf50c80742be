import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.terms import locomotion
from tests.envs.terms.hand_made import LAYOUT, NUM_JOINTS, POSE, standing_on, view

QUARTER_TURN = (math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4))  # to the left
WALK = (0.5, 0.0, 0.0)


def roll(degrees: float) -> tuple[float, ...]:
    return (math.cos(math.radians(degrees) / 2), math.sin(math.radians(degrees) / 2), 0.0, 0.0)


class TestTracking:
    def test_the_commanded_velocity_is_in_the_robots_own_frame(self):
        # Turned to the left, walking along the world's y is walking forward.
        here = view(quaternion=QUARTER_TURN, linear_velocity=(0.0, 0.8, 0.0), command=(0.8, 0.0, 0.0))
        assert locomotion.planar_velocity_error(here) == pytest.approx(0.0, abs=1e-6)
        assert locomotion.track_planar_velocity(here) == pytest.approx(1.0)

    def test_the_error_is_the_length_of_the_difference(self):
        here = view(linear_velocity=(0.1, -0.1, 5.0), command=(0.4, 0.3, 0.0))
        assert locomotion.planar_velocity_error(here) == pytest.approx(0.5)
        assert locomotion.track_planar_velocity(here) == pytest.approx(math.exp(-1))

    def test_yaw_rate(self):
        here = view(angular_velocity=(3.0, 3.0, -0.2), command=(0.0, 0.0, 0.3))
        assert locomotion.yaw_rate_error(here) == pytest.approx(0.5)
        assert locomotion.track_yaw_rate(here) == pytest.approx(math.exp(-1))

    def test_errors_at_rest_are_those_of_a_robot_that_does_not_move(self):
        moving = view(linear_velocity=(1.0, 1.0, 0.0), angular_velocity=(0, 0, 1.0), command=(0.3, 0.4, -0.6))
        still = view(command=(0.3, 0.4, -0.6))
        assert locomotion.planar_velocity_error_at_rest(moving) == locomotion.planar_velocity_error(still) == pytest.approx(0.5)
        assert locomotion.yaw_rate_error_at_rest(moving) == locomotion.yaw_rate_error(still) == pytest.approx(0.6)


class TestPosture:
    @pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0])
    def test_tilt_is_the_squared_sine(self, degrees):
        assert locomotion.tilt(view(quaternion=roll(degrees))) == pytest.approx(math.sin(math.radians(degrees)) ** 2, abs=1e-6)

    @pytest.mark.parametrize("degrees, toppled", [(0, False), (69, False), (71, True), (180, True), (-71, True)])
    def test_a_robot_has_toppled_beyond_70_degrees(self, degrees, toppled):
        assert bool(locomotion.toppled(view(quaternion=roll(degrees)))) == toppled

    def test_heading_is_no_tilt(self):
        assert locomotion.tilt(view(quaternion=QUARTER_TURN)) == pytest.approx(0, abs=1e-6)

    def test_bobbing_and_swaying(self):
        here = view(linear_velocity=(1.0, 1.0, -0.3), angular_velocity=(0.1, 0.2, 5.0))
        assert locomotion.vertical_velocity(here) == pytest.approx(0.09)
        assert locomotion.roll_pitch_rate(here) == pytest.approx(0.05)

    def test_height(self):
        assert locomotion.base_height(view()) == 0
        assert locomotion.base_height(view(height=LAYOUT.robot.standing_height - 0.1)) == pytest.approx(0.01, rel=1e-4)

    def test_the_default_pose_is_where_its_reward_is_greatest(self):
        off = POSE + np.eye(NUM_JOINTS)[1] * 0.5
        assert locomotion.near_default_pose(view()) == pytest.approx(1)
        assert locomotion.near_default_pose(view(joints=off)) == pytest.approx(math.exp(-0.25))

    def test_the_pose_counts_only_while_standing_is_asked_for(self):
        off = POSE + np.eye(NUM_JOINTS)[1] * 0.5
        assert locomotion.pose_while_standing(view(joints=off)) == pytest.approx(0.5)
        assert locomotion.pose_while_standing(view(joints=off, command=WALK)) == 0

    def test_joints_may_come_within_a_twentieth_of_their_range(self):
        low, high = LAYOUT.joint_range.T
        assert locomotion.joint_limits(view(joints=low + 0.051 * (high - low))) == 0
        assert locomotion.joint_limits(view(joints=high - 0.051 * (high - low))) == 0
        too_far = POSE.copy()
        too_far[0], too_far[4] = low[0], high[4] + 0.1
        expected = 0.05 * (high - low)[0] + 0.05 * (high - low)[4] + 0.1
        assert locomotion.joint_limits(view(joints=too_far)) == pytest.approx(expected, rel=1e-5)


class TestEffort:
    def test_power_counts_driving_and_braking(self):
        first, second = LAYOUT.robot.joints[:2]
        velocity = np.zeros(NUM_JOINTS)
        velocity[:2] = (3.0, 5.0)
        here = view(joint_velocity=velocity, sensors={f"{first}_torque": 2.0, f"{second}_torque": -1.0})
        assert locomotion.joint_power(here) == pytest.approx(11)
        assert locomotion.joint_effort(here) == pytest.approx(5)

    def test_a_constant_action_costs_no_rate(self):
        same = jnp.full(NUM_JOINTS, 0.7)
        assert locomotion.action_rate(view(action=same, last_action=same)) == 0
        assert locomotion.action_rate(view(action=same, last_action=same - 0.5)) == pytest.approx(NUM_JOINTS / 4)


class TestContacts:
    def test_limbs_on_the_ground_are_counted_and_feet_are_not(self):
        here = view(sensors={**standing_on("FL", "RR"), "FL_calf_touch": 5.0, "RR_thigh_touch": 2.0, "FR_calf_touch": 0.5})
        assert locomotion.limb_contact(here) == 2
        assert not locomotion.base_contact(here)

    def test_any_part_of_the_base_on_the_ground(self):
        assert locomotion.base_contact(view(sensors={"trunk_touch": 5.0}))
        assert not locomotion.base_contact(view(sensors=standing_on("FL", "FR", "RL", "RR")))


class TestGait:
    @pytest.mark.parametrize(
        "feet, expected",
        [
            (("FL", "RR"), 1),
            (("FR", "RL"), 1),
            (("FL", "FR"), 0),
            (("FL", "RL"), 0),
            (("FL",), 0),
            ((), 0),
            (("FL", "FR", "RL", "RR"), 0),
        ],
    )
    def test_a_trot_is_one_diagonal_pair_on_the_ground(self, feet, expected):
        assert locomotion.trot(view(sensors=standing_on(*feet), command=WALK)) == expected
        assert locomotion.trot(view(sensors=standing_on(*feet))) == 0, "while standing is asked for"

    def test_a_landing_foot_is_paid_for_its_time_in_the_air(self):
        memory = {"air_time": jnp.array([0.3, 0.25, 0.9, 0.0])}
        landing = standing_on("FL", "RL", "RR")  # the second is still in the air, the last never was
        assert locomotion.air_time(view(sensors=landing, command=WALK, memory=memory)) == pytest.approx(0.2 + 0.3)
        assert locomotion.air_time(view(sensors=landing, memory=memory)) == 0

    def test_times_in_the_air_and_on_the_ground_go_on_until_the_other(self):
        memory = {"air_time": jnp.array([0.3, 0.0, 0.3, 0.0]), "stance_time": jnp.array([0.0, 0.4, 0.0, 0.4])}
        here = view(sensors=standing_on("FL", "FR"), memory=memory)
        np.testing.assert_allclose(locomotion.update_air_time(here), [0, 0, 0.32, 0.02], atol=1e-6)
        np.testing.assert_allclose(locomotion.update_stance_time(here), [0.02, 0.42, 0, 0], atol=1e-6)
        assert locomotion.zero_per_foot(LAYOUT).tolist() == [0, 0, 0, 0]

    def test_feet_that_dwell_are_counted_while_walking(self):
        memory = {"air_time": jnp.array([0.6, 0.0, 0.1, 0.0]), "stance_time": jnp.array([0.0, 0.7, 0.0, 0.4])}
        assert locomotion.long_stance_or_swing(view(memory=memory, command=WALK)) == 2
        assert locomotion.long_stance_or_swing(view(memory=memory)) == 0

    def test_only_feet_on_the_ground_slip(self):
        sensors = {**standing_on("FL"), "FL_linvel": (0.3, 0.4, 9.0), "FR_linvel": (5.0, 5.0, 0.0)}
        assert locomotion.foot_slip(view(sensors=sensors)) == pytest.approx(0.25)

    def test_moving_feet_ought_to_be_at_a_height(self):
        cost = locomotion.foot_clearance(0.09)
        low = {"FL_linvel": (4.0, 0.0, 0.0), "FL_pos": (0.0, 0.0, 0.04)}
        others_at_rest = {f"{foot}_pos": (0.0, 0.0, 0.02) for foot in ("FR", "RL", "RR")}
        assert cost(view(sensors={**low, **others_at_rest})) == pytest.approx(0.05 * 2, rel=0.01)
        assert cost(view(sensors={**low, **others_at_rest, "FL_pos": (0.0, 0.0, 0.09)})) < 1e-3


class TestCommands:
    def test_a_share_asks_to_stand_and_the_rest_is_within_the_ranges(self):
        sample = locomotion.uniform_velocity((-1.0, 2.0), (-0.5, 0.5), (0.5, 1.0), standing=0.25)
        commands = np.asarray(jax.vmap(sample)(jax.random.split(jax.random.key(0), 2000)))
        standing = (commands == 0).all(axis=1)
        assert standing.mean() == pytest.approx(0.25, abs=0.05)
        walking = commands[~standing]
        assert (walking >= [-1.0, -0.5, 0.5]).all()
        assert (walking <= [2.0, 0.5, 1.0]).all()
        np.testing.assert_allclose(walking.mean(axis=0), [0.5, 0.0, 0.75], atol=0.1)

    @pytest.mark.parametrize("command, walking", [((0, 0, 0), 0), ((0.05, 0, 0.05), 0), ((0, 0, 0.2), 1), ((-0.3, 0, 0), 1)])
    def test_a_tiny_command_asks_to_stand(self, command, walking):
        assert locomotion.is_walking(view(command=command)) == walking
