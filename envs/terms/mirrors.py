"""Mirror images of the critic's terms in the robot's plane of symmetry, the x-z plane, for `CriticTerm.mirror`.

    CriticTerm("base_linear_velocity", lambda view: view.base_linear_velocity, mirror=mirrors.polar)

Each takes a term's value, (size,), and the robot, and gives what the term would be of the robot's mirror image in the mirrored
world. Several vectors may stand side by side, (vectors * 3,).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from assets.robots.robot import Mirror, Robot

TermMirror = Callable[[jax.Array, Robot], jax.Array]


def same(value: jax.Array, robot: Robot) -> jax.Array:
    """Of what knows no left and right: a height, a mass."""
    return value


def signs(*sign: float) -> TermMirror:
    """Each entry times its sign."""
    return lambda value, robot: value * jnp.array(sign)


def polar(value: jax.Array, robot: Robot) -> jax.Array:
    """Of positions, velocities and forces."""
    return (value.reshape(-1, 3) * jnp.array([1.0, -1.0, 1.0])).ravel()


def axial(value: jax.Array, robot: Robot) -> jax.Array:
    """Of angular velocities and torques."""
    return (value.reshape(-1, 3) * jnp.array([-1.0, 1.0, -1.0])).ravel()


def joints(value: jax.Array, robot: Robot) -> jax.Array:
    """Of the joints' positions, velocities and torques, and of actions."""
    return _of_joints(value, robot) * jnp.array(_mirror(robot).sign, value.dtype)


def joint_properties(value: jax.Array, robot: Robot) -> jax.Array:
    """Of what each joint has and no direction turns: gains, strengths."""
    return _of_joints(value, robot)


def feet(value: jax.Array, robot: Robot) -> jax.Array:
    """Of what each foot has and no direction turns: contacts, friction, times."""
    return value[jnp.array(_feet(robot))]


def feet_polar(value: jax.Array, robot: Robot) -> jax.Array:
    """Of each foot's position, velocity or force, (feet * 3,)."""
    return polar(value.reshape(-1, 3)[jnp.array(_feet(robot))].ravel(), robot)


def _of_joints(value: jax.Array, robot: Robot) -> jax.Array:
    index = _mirror(robot).index
    if value.shape != (len(index),):
        raise ValueError(f"expected one entry for each of {len(index)} joints")
    return value[jnp.array(index)]


def _mirror(robot: Robot) -> Mirror:
    if robot.mirror is None:
        raise ValueError(f"robot {robot.name!r} declares no mirror")
    return robot.mirror


def _feet(robot: Robot) -> tuple[int, ...]:
    if not robot.foot_mirror:
        raise ValueError(f"robot {robot.name!r} declares no foot_mirror")
    return robot.foot_mirror
