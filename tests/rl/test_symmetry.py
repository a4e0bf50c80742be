import copy
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.proprioception import Proprioception
from envs.registry import make_env, make_task
from envs.task import CriticTerm, PolicyTerm, TaskError
from envs.terms import mirrors
from envs.view import View
from rl.symmetry import actor_mirror, mirror_proprioception


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
    mirror = actor_mirror(env, "policy")
    image = mirror_proprioception(sensed, env.task.robot.mirror, env.task.command)
    frame = jnp.tile(observe(env, sensed), env.task.observation_history)
    expected = jnp.tile(observe(env, image), env.task.observation_history)
    np.testing.assert_allclose(mirror.observation(frame), expected, atol=1e-6)


@pytest.mark.parametrize("observation", ["policy", "critic"])
def test_mirroring_twice_changes_nothing(env, observation):
    mirror = actor_mirror(env, observation)
    for part, size in ((mirror.observation, env.observation_size[observation]), (mirror.action, 12)):
        x = jax.random.normal(jax.random.key(0), (5, size))
        np.testing.assert_array_equal(part(part(x)), x)


def test_mirrored_actions_on_a_mirrored_robot_give_mirrored_motion(env):
    """The physics itself is the judge: a nominal robot and its mirror image, driven by mirrored targets, stay mirror images."""
    import mujoco

    from assets.scene import compile_for_physics

    model = compile_for_physics(env.task.scene())
    one, other = mujoco.MjData(model), mujoco.MjData(model)
    mirror, layout = actor_mirror(env, "policy"), env.layout
    start = layout.start_qpos()
    one.qpos[:] = other.qpos[:] = start
    rng = np.random.default_rng(0)
    for _ in range(10):
        action = rng.uniform(-0.5, 0.5, 12).astype(np.float32)
        one.ctrl[:] = env.joint_target(jnp.asarray(action), jnp.zeros(12))
        other.ctrl[:] = env.joint_target(mirror.action(jnp.asarray(action)), jnp.zeros(12))
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
        actor_mirror(broken, "policy")


def test_a_term_sees_the_reference_of_the_mirrored_command(env):
    command = dataclasses.replace(env.task.command, reference=lambda command: {"turn": jnp.sin(command[2:])})
    turn = PolicyTerm("turn", lambda sensed, robot: sensed.reference["turn"])
    task = dataclasses.replace(env.task, command=command, policy_observation=(turn, *env.task.policy_observation))
    mirror = actor_mirror(make_env(task, 2, "native"), "policy").observation
    assert (mirror.index[0], mirror.sign[0]) == (0, -1.0)


def randomised(model, fields):
    import mujoco

    model = copy.copy(model)
    for name, value in fields.items():
        getattr(model, name)[...] = value
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def test_the_critic_sees_the_mirror_of_its_observation_of_the_mirrored_robot(env):
    """The physics is the judge again: a robot of uneven feet, gains and mass, and its mirror image, fall onto the ground."""
    import mujoco

    from assets.scene import compile_for_physics

    nominal, robot, layout = compile_for_physics(env.task.scene()), env.task.robot, env.layout
    mirror, rng = actor_mirror(env, "critic"), np.random.default_rng(1)
    feet = [nominal.geom(foot).id for foot in robot.feet]
    base, joints = layout.base_body, list(robot.mirror.index)
    fields = {name: getattr(nominal, name).copy() for name in ("geom_friction", "body_mass", "body_ipos", "actuator_gainprm")}
    fields["geom_friction"][feet, 0] = rng.uniform(0.4, 1.2, 4)
    fields["body_mass"][base] *= 1.2
    fields["body_ipos"][base] += [0.02, 0.03, -0.01]
    fields["actuator_gainprm"][:, 0] *= rng.uniform(0.9, 1.1, 12)
    images = {name: value.copy() for name, value in fields.items()}
    images["geom_friction"][feet] = fields["geom_friction"][feet][list(robot.foot_mirror)]
    images["body_ipos"][base, 1] *= -1
    images["actuator_gainprm"] = fields["actuator_gainprm"][joints]

    quat = np.array([0.95, 0.1, -0.05, 0.25])
    start = layout.start_qpos()
    start[2] += 0.02
    start[3:7] = quat / np.linalg.norm(quat)
    image = start.copy()
    image[3:7] *= [1, -1, 1, -1]
    velocity = np.array([0.5, 0.3, -0.2, 0.4, -0.3, 0.6])
    action = rng.uniform(-0.5, 0.5, 12).astype(np.float32)
    memory = {name: rng.uniform(0, 1, 4).astype(np.float32) for name in ("air_time", "stance_time")}
    command = np.array([0.7, 0.4, -0.5], np.float32)

    def observe(fields, qpos, velocity, action, command, memory):
        model = randomised(nominal, fields)
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:6] = qpos, velocity
        data.ctrl[:] = env.joint_target(jnp.asarray(action), jnp.zeros(12))
        for _ in range(12):
            mujoco.mj_step(model, data)
        told = {name: jnp.asarray(value, jnp.float32) for name, value in fields.items()}
        arrays = (data.qpos, data.qvel, data.sensordata)
        qpos, qvel, sensordata = (jnp.asarray(x, jnp.float32) for x in arrays)
        action, command, time = jnp.asarray(action), jnp.asarray(command), jnp.float32(0)
        view = View(qpos, qvel, sensordata, told, command, action, action, memory, time, time, layout, 0.02)
        return jnp.concatenate([jnp.atleast_1d(t.function(view)) * t.scale for t in env.task.critic_observation])

    one = observe(fields, start, velocity, action, command, memory)
    other = observe(
        images,
        image,
        velocity * [1, -1, 1, -1, 1, -1],
        np.asarray(mirror.action(jnp.asarray(action))),
        command * np.array([1, -1, -1], np.float32),
        {name: value[list(robot.foot_mirror)] for name, value in memory.items()},
    )
    assert np.abs(other - one).max() > 0.5  # the two are far from alike
    contacts = np.asarray(one)[-12 - 4 - 4 - 8 - 4 : -12 - 4 - 4 - 8]
    assert set(contacts) == {0.0, 1.0}  # some of the feet touch the ground, some do not
    np.testing.assert_allclose(mirror.observation(one), other, atol=2e-3)


def with_critic(env, *terms):
    return make_env(dataclasses.replace(env.task, critic_observation=terms), 2, "native")


def test_a_critic_term_without_a_mirror_is_named(env):
    height = CriticTerm("height", lambda v: v.base_height, mirror=mirrors.same)
    silent = with_critic(env, height, CriticTerm("spin", lambda v: v.qvel))
    with pytest.raises(TaskError, match=r"'spin' declares no mirror.*--symmetry False"):
        actor_mirror(silent, "critic")


def test_a_mirror_of_another_size_is_named(env):
    wrong = with_critic(env, CriticTerm("four", lambda v: v.qpos[3:7], mirror=mirrors.joints))
    with pytest.raises(TaskError, match=r"'four'.*12 joints"):
        actor_mirror(wrong, "critic")
