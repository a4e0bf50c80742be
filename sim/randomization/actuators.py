"""Terms for position actuators: controller gains, motor strength and badly zeroed encoders.

A position actuator exerts gain * ctrl + bias_0 + bias_1 * length + bias_2 * velocity, with gain = kp, bias_0 = -kp * offset,
bias_1 = -kp and bias_2 = -kd; what holds kp must change together.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from sim.randomization.distribution import Distribution
from sim.randomization.term import Draw, RandomizationError, Values, match


def _position_actuators(model: mujoco.MjModel, pattern: str, term: object) -> np.ndarray:
    ids = match(model, "actuator", pattern, term)
    for i in ids:
        if model.actuator_biastype[i] != mujoco.mjtBias.mjBIAS_AFFINE or not model.actuator_biasprm[i, 1] < 0:
            raise RandomizationError(f"{term}: actuator {model.actuator(i).name!r} is no position actuator")
    return ids


@dataclass(frozen=True)
class ActuatorGains:
    """Scales the gains of position actuators, one draw per actuator and gain."""

    stiffness: Distribution
    damping: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = _position_actuators(model, self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            key_p, key_d = jax.random.split(key)
            kp, kd = self.stiffness.sample(key_p, ids.shape), self.damping.sample(key_d, ids.shape)
            gain, bias = values["actuator_gainprm"], values["actuator_biasprm"]
            bias = bias.at[ids, :2].multiply(kp[:, None]).at[ids, 2].multiply(kd)
            return {"actuator_gainprm": gain.at[ids, 0].multiply(kp), "actuator_biasprm": bias}

        return ("actuator_gainprm", "actuator_biasprm"), draw


@dataclass(frozen=True)
class MotorStrength:
    """Scales all the torque that a motor gives, limit included: a weak battery, a worn or hot motor. One draw per actuator."""

    distribution: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = _position_actuators(model, self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            scale = self.distribution.sample(key, ids.shape)[:, None]
            names = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")
            return {name: values[name].at[ids].multiply(scale) for name in names}

        return ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange"), draw


@dataclass(frozen=True)
class JointOffset:
    """Adds a constant to what position actuators take for their joint's position (rad): encoders that were zeroed badly.

    The controller drives length + offset to its target. What the policy measures must carry the same offset; the environment
    adds it from `joint_offset`.
    """

    distribution: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = _position_actuators(model, self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            offset = self.distribution.sample(key, ids.shape)
            bias = values["actuator_biasprm"]
            return {"actuator_biasprm": bias.at[ids, 0].add(bias[ids, 1] * offset)}

        return ("actuator_biasprm",), draw


def joint_offset(biasprm: jax.Array) -> jax.Array:
    """The offset that `JointOffset` put into the parameters of position actuators, (..., nu) rad; zero where there is none."""
    stiffness = biasprm[..., 1]
    return jnp.where(stiffness != 0, biasprm[..., 0] / jnp.where(stiffness != 0, stiffness, 1.0), 0.0)
