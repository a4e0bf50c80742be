"""Rewards, terminations, memories and metrics of walking. Commands are (forward m/s, sideways m/s, yaw rate rad/s)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from envs.view import Layout, View

# A command slower than this asks to stand (m/s and rad/s together).
STANDING = 0.1


def is_walking(view: View) -> jax.Array:
    """Whether the command asks to move, as 0 or 1."""
    return (jnp.linalg.norm(view.command) > STANDING).astype(jnp.float32)


def planar_velocity_error(view: View) -> jax.Array:
    """m/s"""
    return jnp.linalg.norm(view.command[:2] - view.base_linear_velocity[:2])


def yaw_rate_error(view: View) -> jax.Array:
    """rad/s"""
    return jnp.abs(view.command[2] - view.base_angular_velocity[2])


def planar_velocity_error_at_rest(view: View) -> jax.Array:
    """The error of a robot that does not move (m/s): what tracking is measured against."""
    return jnp.linalg.norm(view.command[:2])


def yaw_rate_error_at_rest(view: View) -> jax.Array:
    """rad/s"""
    return jnp.abs(view.command[2])


def speed_along_command(view: View) -> jax.Array:
    """How fast the base goes in the direction commanded (m/s); 0 where none is."""
    direction = view.command[:2] / jnp.maximum(jnp.linalg.norm(view.command[:2]), 1e-6)
    return jnp.dot(view.base_linear_velocity[:2], direction)


def track_planar_velocity(view: View) -> jax.Array:
    """exp(-e^2 / 0.25), 1 at the commanded velocity (Rudin et al. 2022, table 3)."""
    return jnp.exp(-jnp.square(planar_velocity_error(view)) / 0.25)


def track_yaw_rate(view: View) -> jax.Array:
    return jnp.exp(-jnp.square(yaw_rate_error(view)) / 0.25)


def alive(view: View) -> jax.Array:
    return jnp.float32(1.0)


def vertical_velocity(view: View) -> jax.Array:
    return jnp.square(view.base_linear_velocity[2])


def roll_pitch_rate(view: View) -> jax.Array:
    return jnp.sum(jnp.square(view.base_angular_velocity[:2]))


def tilt(view: View) -> jax.Array:
    """sin^2 of the angle between the base's vertical and the world's."""
    return jnp.sum(jnp.square(view.projected_gravity[:2]))


def joint_power(view: View) -> jax.Array:
    """Mechanical power of all joints, braking counted as well (W)."""
    return jnp.sum(jnp.abs(view.joint_torque * view.joint_velocity))


def joint_effort(view: View) -> jax.Array:
    return jnp.sum(jnp.square(view.joint_torque))


def action_rate(view: View) -> jax.Array:
    return jnp.sum(jnp.square(view.action - view.last_action))


def near_default_pose(view: View) -> jax.Array:
    """1 in the default pose, falling off with the squared deviation (rad^2)."""
    deviation = view.joint_position - jnp.asarray(view.layout.robot.default_pose, jnp.float32)
    return jnp.exp(-jnp.sum(jnp.square(deviation)))


def pose_while_standing(view: View) -> jax.Array:
    """Deviation from the default pose where the command asks to stand (rad)."""
    deviation = view.joint_position - jnp.asarray(view.layout.robot.default_pose, jnp.float32)
    return jnp.sum(jnp.abs(deviation)) * (1 - is_walking(view))


def joint_limits(view: View) -> jax.Array:
    """How far joints are within the last 5 % of their range (rad)."""
    limited = np.isfinite(view.layout.joint_range).all(axis=1)
    low, high = jnp.asarray(view.layout.joint_range[limited], jnp.float32).T
    margin = 0.05 * (high - low)
    q = view.joint_position[limited]
    return jnp.sum(jnp.maximum(low + margin - q, 0.0) + jnp.maximum(q - high + margin, 0.0))


def limb_contact(view: View) -> jax.Array:
    """How many collision geoms of the limbs, other than feet, touch something."""
    return jnp.sum(view.limb_contact_force > 1.0).astype(jnp.float32)


def air_time(view: View) -> jax.Array:
    """For each foot that lands: how long it was in the air beyond 0.1 s, counted up to 0.4 s in all."""
    landed = view.foot_contact & (view.memory["air_time"] > 0)
    return jnp.sum((jnp.clip(view.memory["air_time"], 0.05, 0.4) - 0.1) * landed) * is_walking(view)


def trot(view: View) -> jax.Array:
    """1 while the diagonal pairs of feet take turns on the ground; feet in the order front left, front right, rear left, rear
    right."""
    front_left, front_right, rear_left, rear_right = view.foot_contact
    paired = (front_left == rear_right) & (front_right == rear_left) & (front_left != front_right)
    return paired * is_walking(view)


def long_stance_or_swing(view: View) -> jax.Array:
    """How many feet have been on the ground, or off it, for more than half a second while walking."""
    return jnp.sum((view.memory["air_time"] > 0.5) | (view.memory["stance_time"] > 0.5)) * is_walking(view)


def foot_slip(view: View) -> jax.Array:
    """Squared speed of feet on the ground (m^2/s^2)."""
    return jnp.sum(jnp.sum(jnp.square(view.foot_velocity[:, :2]), axis=1) * view.foot_contact)


def foot_clearance(height: float) -> Callable[[View], jax.Array]:
    """How far moving feet are from a height of their centres above the ground around them (m), weighted by the root of their
    speed."""

    def cost(view: View) -> jax.Array:
        speed = jnp.sqrt(jnp.linalg.norm(view.foot_velocity[:, :2], axis=1) + 1e-6)
        return jnp.sum(jnp.abs(view.foot_clearance - height) * speed)

    return cost


def base_height(view: View) -> jax.Array:
    """Squared deviation from the standing height above the ground (m^2)."""
    return jnp.square(view.height_above_ground - view.layout.robot.standing_height)


# Terminations


def toppled(view: View) -> jax.Array:
    """The base is tilted by more than 70 degrees."""
    return view.projected_gravity[2] > -0.342


def base_contact(view: View) -> jax.Array:
    """The base touches something."""
    return (view.base_contact_force > 1.0).any()


# Memory


def zero_per_foot(layout: Layout) -> jax.Array:
    return jnp.zeros(len(layout.robot.feet))


def update_air_time(view: View) -> jax.Array:
    """Time since each foot's last contact (s)."""
    return jnp.where(view.foot_contact, 0.0, view.memory["air_time"] + view.dt)


def update_stance_time(view: View) -> jax.Array:
    """Time for which each foot has been on the ground (s)."""
    return jnp.where(view.foot_contact, view.memory["stance_time"] + view.dt, 0.0)


# Commands


def uniform_velocity(
    forward: tuple[float, float], sideways: tuple[float, float], yaw: tuple[float, float], standing: float
) -> Callable[[jax.Array], jax.Array]:
    """Uniform within ranges (m/s, m/s, rad/s); with probability `standing` zero."""
    low, high = jnp.array([forward, sideways, yaw]).T

    def sample(key: jax.Array) -> jax.Array:
        key_value, key_stand = jax.random.split(key)
        value = jax.random.uniform(key_value, (3,), minval=low, maxval=high)
        return jnp.where(jax.random.bernoulli(key_stand, standing), 0.0, value)

    return sample
