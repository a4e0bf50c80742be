"""What actions mean, and that an environment's targets are what they say."""

import jax
import jax.numpy as jnp
import numpy as np

from envs.action import JointPosition, RelativeJointPosition
from sim.randomization import Randomization, SensorNoise
from tests.rl.tracking import arm, make_env, tracking_task

ROBOT = arm()


def test_a_position_is_the_same_wherever_the_joints_are():
    action = jnp.array([[0.7], [-1.0]])
    targets = [JointPosition().target(ROBOT, action, measured) for measured in (jnp.zeros((2, 1)), jnp.full((2, 1), 9.0))]
    np.testing.assert_array_equal(*targets)
    np.testing.assert_allclose(targets[0], np.asarray(ROBOT.default_pose) + np.asarray(ROBOT.action_scale) * action, rtol=1e-6)


def test_a_relative_position_counts_from_where_the_policy_saw_the_joints():
    noise = SensorNoise(joint_position=0.1)
    task = tracking_task(action=RelativeJointPosition(0.5), randomization=Randomization(noise=noise))
    env = make_env(task, 4)
    start = jax.jit(env.reset)(jax.random.key(1))
    begun = start.physics.qpos[:, env.layout.qpos_index]
    np.testing.assert_array_equal(start.targets[:, 0], begun)  # one that has been told nothing yet holds where it is
    seen = np.asarray(start.observation["policy"][:, :1]) + np.asarray(ROBOT.default_pose)
    assert np.abs(seen - begun).max() > 0.02
    step = jax.jit(env.step)
    moved = step(start, jnp.full((4, 1), 0.4))
    np.testing.assert_allclose(moved.targets[:, 0], seen + 0.4 * 0.5 * np.asarray(ROBOT.action_scale), atol=1e-6)


def test_targets_stay_within_the_limits_of_the_joints():
    env = make_env(tracking_task(action=RelativeJointPosition(5.0)), 3)
    state = jax.jit(env.step)(jax.jit(env.reset)(jax.random.key(1)), jnp.full((3, 1), 10.0))
    np.testing.assert_allclose(state.targets[:, 0], env.layout.joint_range[0, 1])
