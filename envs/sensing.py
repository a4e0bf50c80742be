"""A robot's sensors in simulation, as its policy knows them: perfect readings, and what late, noisy and biased ones would be.

sensing = Sensing(task, layout, model)
now = sensing.read(physics)                             # (num_envs, size), true
late = sensing.delay(key, history, episode)             # of readings, newest first, (num_envs, sensing.history, size)
measured = sensing.measure(key, late, episode)          # as `Proprioception` names them
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import mujoco

from envs.proprioception import multiply, rotate, small_rotation
from envs.task import Task
from envs.view import Layout, in_base
from sim.physics import PhysicsState
from sim.randomization.actuators import joint_offset
from sim.randomization.disturbances import interpolate_delay


class Sensing:
    """Of all environments of a task."""

    def __init__(self, task: Task, layout: Layout, model: mujoco.MjModel):
        self._layout, self._random, self._seconds = layout, task.randomization, task.control_seconds
        self._num_joints = task.robot.num_joints
        self.history = math.ceil(task.randomization.observation_latency.longest / task.control_seconds) + 2
        """How many readings `delay` is given."""
        self.size = 2 * self._num_joints + 7 + (0 if layout.tracked is None else 7)
        """Of a reading."""
        site = model.site(task.robot.imu_site) if task.robot.imu_site else None
        self._imu_quat = jnp.asarray(site.quat if site is not None else [1.0, 0, 0, 0], jnp.float32)
        self._imu_rotation = jnp.stack([rotate(self._imu_quat, axis) for axis in jnp.eye(3)], axis=1)

    def joints(self, physics: PhysicsState) -> tuple[jax.Array, jax.Array]:
        """Positions as the encoders read them (rad) and velocities (rad/s), (num_envs, num_joints) each."""
        position = physics.qpos[:, self._layout.qpos_index]
        if "actuator_biasprm" in physics.fields:
            position = position + joint_offset(physics.fields["actuator_biasprm"])
        return position, physics.qvel[:, self._layout.qvel_index]

    def read(self, physics: PhysicsState) -> jax.Array:
        """What perfect sensors would read now: joint position and velocity, IMU quaternion and angular velocity, and the pose
        of what is tracked."""
        position, velocity = self.joints(physics)
        n = len(position)
        if self._layout.floating:
            quat, gyro = multiply(physics.qpos[:, 3:7], self._imu_quat), physics.qvel[:, 3:6] @ self._imu_rotation
        else:
            quat, gyro = jnp.broadcast_to(jnp.array([1.0, 0, 0, 0]), (n, 4)), jnp.zeros((n, 3))
        tracked = [] if self._layout.tracked is None else [in_base(self._layout, physics.qpos[:, self._layout.tracked])]
        return jnp.concatenate([position, velocity, quat, gyro, *tracked], axis=1)

    def delay(self, key: jax.Array, history: jax.Array, episode: dict[str, jax.Array]) -> jax.Array:
        """Of readings (num_envs, history, size), newest first, those that have arrived, (num_envs, size)."""
        latency, dt = self._random.observation_latency, self._seconds
        if latency.longest == 0:
            return history[:, 0]
        jitter = latency.jitter.sample(key, (len(history),)) / dt
        delay = jnp.clip(episode["observation_delay"] + jitter, 0.0, latency.longest / dt)
        return jax.vmap(interpolate_delay)(history, delay)

    def measure(self, key: jax.Array, reading: jax.Array, episode: dict[str, jax.Array]) -> dict[str, Any]:
        """Readings with noise and bias, as Proprioception names them."""
        noise, n = self._random.noise, self._num_joints
        position, velocity, quat, gyro, tracked = jnp.split(reading, [n, 2 * n, 2 * n + 4, 2 * n + 7], axis=1)
        half = jnp.array([noise.joint_position] * n + [noise.joint_velocity] * n + [noise.angular_velocity] * 3)
        half = jnp.concatenate([half, jnp.full(3, noise.orientation)])
        draw = jax.random.uniform(key, (len(reading), 2 * n + 6), minval=-1.0) * half
        tilt = draw[:, 2 * n + 3 :] + episode["orientation_bias"]
        quat = multiply(quat / jnp.linalg.norm(quat, axis=1, keepdims=True), small_rotation(tilt))
        return {
            "joint_position": position + draw[:, :n],
            "joint_velocity": velocity + draw[:, n : 2 * n],
            "imu_quaternion": quat,
            "angular_velocity": gyro + draw[:, 2 * n : 2 * n + 3] + episode["angular_velocity_bias"],
            "tracked": None if self._layout.tracked is None else self._seen(jax.random.fold_in(key, 1), tracked),
        }

    def _seen(self, key: jax.Array, pose: jax.Array) -> jax.Array:
        """Poses as a camera tells them, (num_envs, 7)."""
        noise = self._random.noise
        half = jnp.array([noise.tracked_position] * 3 + [noise.tracked_orientation] * 3)
        draw = jax.random.uniform(key, (len(pose), 6), minval=-1.0) * half
        quat = pose[:, 3:] / jnp.maximum(jnp.linalg.norm(pose[:, 3:], axis=1, keepdims=True), 1e-6)
        return jnp.concatenate([pose[:, :3] + draw[:, :3], multiply(quat, small_rotation(draw[:, 3:]))], axis=1)
