import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.proprioception import Proprioception
from envs.registry import make_env, make_task
from envs.task import PolicyTerm, TaskError
from rl.symmetry import mirror_proprioception, policy_mirror


@pytest.fixture(scope="module")
def env():
    return make_env(make_task("go2-velocity-flat"), 2, "native")


def observe(env, sensed):
    return env._frame(sensed)


def test_the_mirrored_robot_observes_the_mirror_of_the_observation(env):
    keys = jax.random.split(jax.random.key(3), 6)
    quat = jax.random.normal(keys[0], (4,))
    sensed = Proprioception(
        joint_position=jax.random.normal(keys[1], (12,)),
        joint_velocity=jax.random.normal(keys[2], (12,)),
        imu_quaternion=quat / jnp.linalg.norm(quat),
        angular_velocity=jax.random.normal(keys[3], (3,)),
        command=jax.random.normal(keys[4], (3,)),
        last_action=jax.random.normal(keys[5], (12,)),
    )
    mirror = policy_mirror(env)
    image = mirror_proprioception(sensed, env.task.robot.mirror, np.array([1.0, -1.0, -1.0]))
    frame = jnp.tile(observe(env, sensed), env.task.observation_history)
    expected = jnp.tile(observe(env, image), env.task.observation_history)
    np.testing.assert_allclose(mirror.observation(frame), expected, atol=1e-6)


def test_mirroring_twice_changes_nothing(env):
    mirror = policy_mirror(env)
    for part, size in ((mirror.observation, env.observation_size["policy"]), (mirror.action, 12)):
        x = jax.random.normal(jax.random.key(0), (5, size))
        np.testing.assert_array_equal(part(part(x)), x)


def test_mirrored_actions_on_a_mirrored_robot_give_mirrored_motion(env):
    """The physics itself is the judge: a nominal robot and its mirror image, driven by mirrored targets, stay mirror images."""
    import mujoco

    from assets.scene import compile_for_physics

    model = compile_for_physics(env.task.scene())
    one, other = mujoco.MjData(model), mujoco.MjData(model)
    mirror, layout = policy_mirror(env), env.layout
    start = layout.start_qpos()
    one.qpos[:] = other.qpos[:] = start
    rng = np.random.default_rng(0)
    for _ in range(10):
        action = rng.uniform(-0.5, 0.5, 12).astype(np.float32)
        one.ctrl[:] = env.joint_target(jnp.asarray(action))
        other.ctrl[:] = env.joint_target(mirror.action(jnp.asarray(action)))
        for _ in range(4):
            mujoco.mj_step(model, one)
            mujoco.mj_step(model, other)
    assert np.abs(one.qpos[7:] - start[7:]).max() > 0.05
    np.testing.assert_allclose(mirror.action(jnp.asarray(one.qpos[7:])), other.qpos[7:], atol=2e-3)
    np.testing.assert_allclose(one.qpos[:3] * [1, -1, 1], other.qpos[:3], atol=2e-3)


def test_a_term_without_a_mirror_image_is_named(env):
    lopsided = PolicyTerm("lopsided", lambda sensed, robot: sensed.joint_position[:3] + sensed.joint_position[3:6] ** 2)
    task = dataclasses.replace(env.task, policy_observation=(*env.task.policy_observation, lopsided))
    broken = make_env(task, 2, "native")
    with pytest.raises(TaskError, match="lopsided"):
        policy_mirror(broken)
