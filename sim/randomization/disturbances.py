"""What differs between a robot and its simulation outside the model: late commands, late and noisy sensors, and pushes.

These are plain descriptions; the environment draws from them at each episode and applies them at each control step.
"""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from sim.randomization.distribution import Distribution, Uniform


@dataclass(frozen=True)
class Latency:
    """A delay in seconds: a part that is constant over an episode, and jitter drawn at each control step.

    Delays need not be whole control steps. The sum is kept within [0, longest].
    """

    seconds: Distribution = Uniform(0.0, 0.0)
    jitter: Distribution = Uniform(0.0, 0.0)
    longest: float = 0.04

    def __post_init__(self) -> None:
        if not 0 <= self.longest < math.inf:
            raise ValueError(f"Latency.longest must be finite and not negative (s), found {self.longest}")


@dataclass(frozen=True)
class SensorNoise:
    """Half widths of uniform noise, drawn at each control step."""

    joint_position: float = 0.0
    """rad"""
    joint_velocity: float = 0.0
    """rad/s"""
    angular_velocity: float = 0.0
    """rad/s"""
    orientation: float = 0.0
    """rad, about each axis"""
    tracked_position: float = 0.0
    """Of what a camera tracks, m along each axis."""
    tracked_orientation: float = 0.0
    """rad, about each axis"""


@dataclass(frozen=True)
class SensorBias:
    """Half widths of uniform offsets, constant over an episode. Offsets of joint encoders are `JointOffset`'s, as the
    controller suffers from them too."""

    angular_velocity: float = 0.0
    """rad/s"""
    orientation: float = 0.0
    """rad, about each axis: an IMU that is mounted askew"""


@dataclass(frozen=True)
class Push:
    """Kicks the floating base now and then: an instant change of velocity."""

    interval: Distribution = field(default_factory=lambda: Uniform(5.0, 10.0))
    """Time between kicks (s)."""
    linear: float = 0.0
    """Half width of the horizontal kick along x and y (m/s)."""
    angular: float = 0.0
    """Half width of the kick about the vertical axis (rad/s)."""


def interpolate_delay(history: jax.Array, delay: jax.Array) -> jax.Array:
    """The signal `delay` samples ago, linear between samples.

    history: (length, ...), newest first; delay: (), in samples, at most length - 1.
    """
    delay = jnp.clip(delay, 0.0, history.shape[0] - 1)
    whole = jnp.clip(jnp.floor(delay).astype(jnp.int32), 0, max(history.shape[0] - 2, 0))
    fraction = delay - whole
    later = history[jnp.minimum(whole + 1, history.shape[0] - 1)]
    return history[whole] * (1 - fraction) + later * fraction


def delayed_commands(history: jax.Array, delay: jax.Array, num_substeps: int) -> jax.Array:
    """Commands that reach the motors in each substep of a control step, when each arrives `delay` control steps late.

    A held command changes `delay` after it was sent; within the substep in which it changes, the two are averaged by time.
    history: (length, ...), newest first, length > ceil(delay); delay: (). Returns (num_substeps, ...).
    """
    start = jnp.arange(num_substeps) / num_substeps
    return jax.vmap(lambda s: _held_mean(history, s - delay, 1.0 / num_substeps))(start)


def _held_mean(history: jax.Array, start: jax.Array, length: float) -> jax.Array:
    """Mean over [start, start + length) control steps of the command held then, 0 being when the newest was sent."""
    age = jnp.arange(history.shape[0])  # command i was sent at -i and held until -i + 1, the oldest since ever
    begin = jnp.where(age == history.shape[0] - 1, -jnp.inf, -age.astype(jnp.float32))
    end = jnp.where(age == 0, jnp.inf, 1.0 - age)
    weight = jnp.clip(jnp.minimum(end, start + length) - jnp.maximum(begin, start), 0.0, length) / length
    return jnp.tensordot(weight, history, axes=1)
