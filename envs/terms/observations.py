"""Observation terms: for the policy from `Proprioception`, for the critic from `View`. Names and units as there."""

import jax
import jax.numpy as jnp

from assets.robots.robot import Robot
from envs.proprioception import Proprioception, rotate_inverse
from envs.view import View

# The policy's


def angular_velocity(sensed: Proprioception, robot: Robot) -> jax.Array:
    return sensed.angular_velocity


def projected_gravity(sensed: Proprioception, robot: Robot) -> jax.Array:
    """Unit vector downwards in the IMU's frame."""
    return rotate_inverse(sensed.imu_quaternion, jnp.array([0.0, 0.0, -1.0]))


def joint_position(sensed: Proprioception, robot: Robot) -> jax.Array:
    """Relative to the default pose (rad)."""
    return sensed.joint_position - jnp.asarray(robot.default_pose, jnp.float32)


def joint_velocity(sensed: Proprioception, robot: Robot) -> jax.Array:
    return sensed.joint_velocity


def last_action(sensed: Proprioception, robot: Robot) -> jax.Array:
    return sensed.last_action


def command(sensed: Proprioception, robot: Robot) -> jax.Array:
    return sensed.command


# The critic's


def true_joint_position(view: View) -> jax.Array:
    """Relative to the default pose (rad)."""
    return view.joint_position - jnp.asarray(view.layout.robot.default_pose, jnp.float32)


def feet_from_base(view: View) -> jax.Array:
    """Positions of the feet seen from the base, in its frame (feet * 3, m)."""
    return jax.vmap(lambda p: rotate_inverse(view.base_quaternion, p - view.qpos[:3]))(view.foot_position).ravel()


def foot_contact(view: View) -> jax.Array:
    return view.foot_contact.astype(jnp.float32)


def foot_friction(view: View) -> jax.Array:
    """Sliding friction coefficient of the feet; the model's where it is not randomised."""
    ids = [view.layout.model.geom(foot).id for foot in view.layout.robot.feet]
    friction = view.fields.get("geom_friction", jnp.asarray(view.layout.model.geom_friction, jnp.float32))
    return friction[jnp.array(ids), 0]


def base_mass(view: View) -> jax.Array:
    """Mass of the base relative to the nominal, less one, and its centre of mass relative to the nominal (dm)."""
    body, model = view.layout.base_body, view.layout.model
    mass = view.fields.get("body_mass", jnp.asarray(model.body_mass, jnp.float32))[body]
    center = view.fields.get("body_ipos", jnp.asarray(model.body_ipos, jnp.float32))[body]
    nominal = jnp.asarray(model.body_ipos[body], jnp.float32)
    return jnp.concatenate([jnp.atleast_1d(mass / model.body_mass[body] - 1), 10.0 * (center - nominal)])


def motor_gains(view: View) -> jax.Array:
    """Proportional gains relative to the nominal, less one."""
    nominal = jnp.asarray(view.layout.model.actuator_gainprm[:, 0], jnp.float32)
    gains = view.fields.get("actuator_gainprm")
    return gains[:, 0] / nominal - 1 if gains is not None else jnp.zeros_like(nominal)
