"""The correction: an ensemble of small networks in Flax, bounded, and faded to zero where its logs say nothing.

    model = DeltaModel(...)                                  # sim2real.delta.training makes one, envs.delta.store reads one
    model.correct(history)                                    # (num_joints,) in units of action
    task = dataclasses.replace(task, correction=model)        # the environment's robots now move like the logged one

Support is judged by the Mahalanobis distance of a joint's features from those of the logs, and by the spread of the ensemble;
both are measured against what they are on stretches of the logs that nothing was fitted to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from assets.robots.robot import Robot
from envs.delta.errors import DeltaError
from envs.delta.features import History, features
from envs.view import Layout

Kind = Literal["shared", "whole-body"]
"""One network for all joints, told which joint it is; or one that sees all joints at once."""

USUAL = 0.1
"""Correction for a network's output of 1, in units of action."""

_THRESHOLD = 0.25  # usual one at first, by which joints are told apart; what is 0 stays 0, for symmetry
# Times the edges of the support: up to the first a correction is trusted whole, beyond the second not at all. Motions of
# another kind lie five and more edges away, but what is only faster than all logs lies near: it must fade soon. The networks
# differ by several times the usual where the logs hold little, as at the end of a motor's torque, and are right on average.
_BY_DISTANCE, _BY_SPREAD = (1.25, 2.0), (2.0, 4.0)


class SharedNetwork(nn.Module):
    """(..., num_joints, features) to (..., num_joints, outputs), each joint by itself."""

    hidden: Sequence[int]
    num_joints: int
    outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        always = self.param("always", nn.initializers.zeros, (self.num_joints, self.outputs))
        first, *others = self.hidden
        threshold = self.param("threshold", nn.initializers.normal(_THRESHOLD), (self.num_joints, first))
        sums = _sums(first)(x)
        x = 0.5 * (jnp.tanh(sums + threshold) + jnp.tanh(sums - threshold))
        return _last(self.outputs)(_through(others, x)) + always


class WholeBodyNetwork(nn.Module):
    """(..., num_joints, features) to (..., num_joints, outputs), all joints together."""

    hidden: Sequence[int]
    num_joints: int
    outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        always = self.param("always", nn.initializers.zeros, (self.num_joints, self.outputs))
        said = _last(self.num_joints * self.outputs)(_through(self.hidden, x.reshape(*x.shape[:-2], -1)))
        return said.reshape(*x.shape[:-1], self.outputs) + always


def _through(hidden: Sequence[int], x: jax.Array) -> jax.Array:
    for size in hidden:
        x = jnp.tanh(_sums(size)(x))
    return x


# Without biases a network is odd: what friction, play and motors do to a motion, they do to its mirror image, the other way.
def _sums(size: int) -> nn.Dense:
    return nn.Dense(size, use_bias=False)


def _last(outputs: int) -> nn.Dense:
    # Nothing is corrected until something is learned.
    return nn.Dense(outputs, use_bias=False, kernel_init=nn.initializers.normal(0.01))


def make_network(kind: Kind, hidden: Sequence[int], num_joints: int, outputs: int = 1) -> nn.Module:
    return (SharedNetwork if kind == "shared" else WholeBodyNetwork)(tuple(hidden), num_joints, outputs)


def evaluate(network: nn.Module, params: Any, x: jax.Array) -> jax.Array:
    """(..., num_joints, outputs)"""
    return cast(jax.Array, network.apply(params, x))


class Support(struct.PyTreeNode):
    """Where the logs were, and how far from there is too far."""

    mean: jax.Array
    """(num_joints, features)"""
    precision: jax.Array
    """Inverse covariance, (num_joints, features, features)."""
    edge: jax.Array
    """Distances (`distance`) up to which the logs themselves go, (num_joints,)."""
    spread: jax.Array
    """Likewise of the ensemble's standard deviation, in units of action."""

    def distance(self, x: jax.Array) -> jax.Array:
        """Mahalanobis distances per square root of a feature, (..., num_joints); some 1 for what is like the logs."""
        away = x - self.mean
        square = jnp.einsum("...jf,jfg,...jg->...j", away, self.precision, away)
        return jnp.sqrt(jnp.maximum(square, 0.0) / x.shape[-1])


@dataclass(frozen=True, eq=False)
class DeltaModel:
    """A correction of the actions of one robot. It is an `envs.correction.Correction`."""

    robot: str
    joints: tuple[str, ...]
    kind: Kind
    hidden: tuple[int, ...]
    steps: int
    """Control steps of history."""
    period: float
    """Control period (s)."""
    bound: float
    """Largest correction, in units of action."""
    action_scale: np.ndarray
    """rad per unit of action, (num_joints,)."""
    params: Any
    """Of the networks, each leaf with a leading axis of members."""
    center: np.ndarray
    """Features are standardised by these, (num_joints, features)."""
    width: np.ndarray
    shrink: np.ndarray
    """How much of the ensemble's mean held-out stretches bear out, (num_joints,) in [0, 1]."""
    support: Support

    def replace(self, **changes: Any) -> "DeltaModel":
        return replace(self, **changes)

    def standardise(self, x: jax.Array) -> jax.Array:
        return (x - jnp.asarray(self.center, jnp.float32)) / jnp.asarray(self.width, jnp.float32)

    def members(self, x: jax.Array) -> jax.Array:
        """What each network says of standardised features (..., num_joints, features): (members, ..., num_joints)."""
        network = make_network(self.kind, self.hidden, len(self.joints))
        out = jax.vmap(lambda params: evaluate(network, params, x))(self.params)[..., 0]
        return bounded(out, self.bound)

    def judge(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The correction of standardised features in units of action, and how far it is trusted, each (..., num_joints)."""
        said = self.members(x)
        distance, spread = self.support.distance(x) / self.support.edge, said.std(axis=0) / self.support.spread
        trust = jnp.minimum(_faded(distance, *_BY_DISTANCE), _faded(spread, *_BY_SPREAD))
        if self.kind == "whole-body":  # what one joint does strangely concerns all
            trust = jnp.broadcast_to(trust.min(axis=-1, keepdims=True), trust.shape)
        return jnp.asarray(self.shrink, jnp.float32) * trust * said.mean(axis=0), trust

    def correct(self, history: History, gain: jax.Array | np.ndarray | float = 1.0) -> jax.Array:
        """In units of action, (..., num_joints). Where a joint's stiffness is `gain` times the robot's own, it is that of the
        same torque."""
        seen = self.standardise(features(history, jnp.asarray(self.action_scale, jnp.float32), self.period, gain))
        gain = jnp.asarray(gain, jnp.float32)
        return jnp.where(gain > 0, self.judge(seen)[0] / jnp.where(gain > 0, gain, 1.0), 0.0)

    def mean(self, history: History, gain: jax.Array | np.ndarray | float = 1.0) -> jax.Array:
        """`correct` wherever it is, trusted or not."""
        scale = jnp.asarray(self.action_scale, jnp.float32)
        said = self.members(self.standardise(features(history, scale, self.period, gain))).mean(axis=0)
        return said / jnp.maximum(jnp.asarray(gain, jnp.float32), 1e-6)

    # As a correction of an environment

    def initial(self, layout: Layout) -> History:
        self.check(layout.robot)
        return History.empty(self.steps, len(self.joints))

    def apply(
        self, memory: History, target: jax.Array, position: jax.Array, velocity: jax.Array, scale: jax.Array
    ) -> tuple[jax.Array, History]:
        memory = memory.push(position, velocity, target)
        return target + scale * jnp.asarray(self.action_scale, jnp.float32) * self.correct(memory), memory

    def check(self, robot: Robot) -> None:
        """Raise DeltaError where the robot is not that of the logs."""
        if robot.name != self.robot or robot.joints != self.joints:
            what = f"{robot.name!r} with joints {', '.join(robot.joints)}"
            raise DeltaError(
                f"the correction was learned from logs of {self.robot!r} with joints {', '.join(self.joints)}, and is to be"
                f" applied to {what}: learn one from logs of that robot"
            )


def _faded(edges: jax.Array, trusted: float, not_at_all: float) -> jax.Array:
    return jnp.clip((not_at_all - edges) / (not_at_all - trusted), 0.0, 1.0)


def bounded(raw: jax.Array, bound: float) -> jax.Array:
    """In units of action."""
    return bound * jnp.tanh(USUAL * raw / bound)
