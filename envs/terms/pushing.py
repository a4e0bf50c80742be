"""Rewards, metrics, observations and commands of pushing. A command is where the object is to lie: x and y in the base's frame
(m). What is pushed is what the task tracks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from assets.robots.robot import Robot
from envs.kinematics import Kinematics
from envs.proprioception import Proprioception
from envs.view import View

if TYPE_CHECKING:
    from assets.objects.shelf import Shelf

# An object is some way off its goal: what counts as settled starts this long after it was set (s).
SETTLING = 4.0

# Farther than that from its goal the object has not arrived (m).
ARRIVED = 0.03

# What an object gains on its goal by faster motion than that counts for nothing more (m/s): it slides on by itself.
FLICKED = 0.2


def goal_distance(view: View) -> jax.Array:
    """m"""
    return jnp.linalg.norm(view.command - view.tracked_position[:2])


def near_goal(scale: float) -> Callable[[View], jax.Array]:
    """1 at the goal, a quarter at `scale` (m) from it."""
    return lambda view: 1 - jnp.tanh(goal_distance(view) / scale)


def has_arrived(view: View) -> jax.Array:
    """Whether the object lies within ARRIVED of its goal, as 0 or 1."""
    return (goal_distance(view) < ARRIVED).astype(jnp.float32)


def is_settled(view: View) -> jax.Array:
    """Whether there was time to push the object to its goal."""
    return view.command_time >= SETTLING


def progress(view: View) -> jax.Array:
    """How fast the object nears its goal (m/s), below zero where it goes away. It is the rate of a potential, the distance, so
    that it changes what is learned first and not what is best (Ng, Harada and Russell 1999); but for flicks, which count as
    FLICKED at most."""
    rate = view.tracked_velocity[:2] @ _direction(view.command - view.tracked_position[:2])
    return jnp.clip(rate, -FLICKED, FLICKED)


def behind_object(scale: float) -> Callable[[View], jax.Array]:
    """How near the tool is to the object's middle, a quarter at `scale` (m) from it, times from which side: 1 behind the object
    as seen from its goal, a quarter beside it, nothing before it. 1 where the object has arrived.

    It grows till the tool touches and stays the same while it pushes, so that nobody is paid for keeping off.
    """

    def term(view: View) -> jax.Array:
        place = view.tracked_position[:2]
        way = place - view.end_effector_position[:2]
        behind = (1 + _direction(way) @ _direction(view.command - place)) / 2
        near = 1 - jnp.tanh(jnp.linalg.norm(way) / scale)
        return jnp.maximum(near * jnp.square(behind), has_arrived(view))

    return term


def object_speed(view: View) -> jax.Array:
    """m/s, along the table."""
    return jnp.linalg.norm(view.tracked_velocity[:2])


def action_rate(view: View) -> jax.Array:
    """Of what an action moves the tool by."""
    return jnp.sum(jnp.square(jnp.clip(view.action, -1, 1) - jnp.clip(view.last_action, -1, 1)))


def friction(shelf: "Shelf") -> Callable[[View], jax.Array]:
    """Of the object, the mean of its parts."""
    return lambda view: view.fields["geom_friction"][shelf.geom_ids(view.layout.model), 0].mean()


def mass(shelf: "Shelf") -> Callable[[View], jax.Array]:
    """Of the object, the logarithm of kg."""
    return lambda view: jnp.log(view.fields["body_mass"][view.layout.model.body(shelf.name).id])


def is_lost(low: tuple[float, float], high: tuple[float, float]) -> Callable[[View], jax.Array]:
    """Whether the object left this rectangle, in the base's frame (m)."""

    def term(view: View) -> jax.Array:
        place = view.tracked_position[:2]
        return jnp.any((place < jnp.array(low)) | (place > jnp.array(high)))

    return term


# The policy's observations


def object_and_goal(arm: Kinematics) -> Callable[[Proprioception, Robot], jax.Array]:
    """From the tool to the object and from the object to its goal, in x and y; where the object is, in x, y and z; where its
    own x axis points, in x and y: (9,), m but the last two."""

    def term(sensed: Proprioception, robot: Robot) -> jax.Array:
        tool, _ = arm.end_effector(arm.poses(sensed.joint_position))
        position, (w, x, y, z) = _tracked(sensed)[:3], _tracked(sensed)[3:]
        heading = jnp.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)])
        return jnp.concatenate([position[:2] - tool[:2], sensed.command - position[:2], position, heading])

    return term


def _tracked(sensed: Proprioception) -> jax.Array:
    if sensed.tracked is None:
        raise ValueError("nothing is tracked: name the object's body in Task.tracked")
    return sensed.tracked


def _direction(way: jax.Array) -> jax.Array:
    return way / jnp.maximum(jnp.linalg.norm(way), 1e-3)


# Commands


def anywhere(low: tuple[float, float], high: tuple[float, float]) -> Callable[[jax.Array], jax.Array]:
    """Goals in a rectangle, in the base's frame (m)."""
    return lambda key: jax.random.uniform(key, (2,), minval=jnp.array(low), maxval=jnp.array(high))
