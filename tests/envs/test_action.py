"""What actions mean, and that an environment's targets are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.action import JointIncrement, JointPosition
from tests.rl.tracking import arm, make_env, tracking_task

ROBOT = arm()


def test_a_position_knows_no_past():
    action = jnp.array([[0.7], [-1.0]])
    targets = [JointPosition().target(ROBOT, action, last) for last in (jnp.zeros((2, 1)), jnp.full((2, 1), 9.0))]
    np.testing.assert_array_equal(*targets)
    np.testing.assert_allclose(targets[0], np.asarray(ROBOT.default_pose) + np.asarray(ROBOT.action_scale) * action, rtol=1e-6)


def test_increments_add_up():
    mapping, last = JointIncrement(0.2), jnp.array([0.5])
    for _ in range(3):
        last = mapping.target(ROBOT, jnp.array([1.5]), last)
    assert float(last[0]) == pytest.approx(0.5 + 3 * 1.5 * 0.2 * ROBOT.action_scale[0], rel=1e-5)


def test_an_arm_that_is_told_nothing_holds_where_it_begins_and_goes_no_further_than_its_limits():
    env = make_env(tracking_task(action=JointIncrement(0.5)), 3)
    start = jax.jit(env.reset)(jax.random.key(1))
    begun = start.physics.qpos[:, env.layout.qpos_index]
    np.testing.assert_array_equal(start.targets[:, 0], begun)
    step = jax.jit(env.step)
    held = step(start, jnp.zeros((3, 1)))
    np.testing.assert_array_equal(held.targets[:, 0], begun)
    high = env.layout.joint_range[0, 1]
    for _ in range(5):
        held = step(held, jnp.full((3, 1), 10.0))
    np.testing.assert_allclose(held.targets[:, 0], high)
