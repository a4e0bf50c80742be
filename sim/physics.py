"""The physics interface: a batch of simulations of one model as a pure function, and the three engines behind it.

    physics = make_physics(model, num_envs=1024, engine="native")
    state = physics.init(fields={})                            # every environment at the model's qpos0
    state = physics.reset(state, mask, qpos, qvel, fields)     # where mask: a new start, with new model fields
    state = physics.step(state, ctrl, num_substeps=4)          # ctrl (num_envs, nu) or (num_envs, num_substeps, nu)

`init`, `reset` and `step` may be called inside `jax.jit`. As with `mj_step`, `sensordata` after a step describes the state
before its last substep; after `init` and `reset` it describes the state itself (zero control). Whoever needs a quantity of the
state itself computes it from `qpos` and `qvel`. `state.replace(qvel=...)` is honoured by the next step.

`fields` are the model fields that differ between environments, by their MuJoCo names ("body_mass", "opt.gravity"), each
(num_envs, *shape in MjModel). The set of names is fixed by `init`. After a reset, the constants that MuJoCo derives from the
fields (`mj_setConst`) follow.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import mujoco
import numpy as np
from flax import struct

from assets.errors import UserError

ENGINES = ("native", "mjx", "warp")

Fields = Mapping[str, jax.Array]

# A state beyond these is absurd for any robot: it has exploded, and float32 no longer resolves it.
MAX_POSITION = 1e4
MAX_VELOCITY = 1e4


class PhysicsError(UserError, RuntimeError):
    """The engine cannot simulate this model, or not with these arguments; the message names the part and the remedy."""


class PhysicsState(struct.PyTreeNode):
    """A batch of simulations. All arrays are float32 with a leading axis of num_envs."""

    qpos: jax.Array
    """Generalised positions, (num_envs, nq)."""
    qvel: jax.Array
    """Generalised velocities, (num_envs, nv)."""
    act: jax.Array
    """Actuator activations, (num_envs, na)."""
    sensordata: jax.Array
    """Sensor readings, (num_envs, nsensordata)."""
    fields: dict[str, jax.Array]
    """Model fields that differ between environments, each (num_envs, ...)."""
    diverged: jax.Array
    """Where the state became non-finite or absurd in the last step, (num_envs,) bool. Such an environment must be reset."""
    engine: Any
    """The engine's own part: warm starts, device data."""


class Physics(Protocol):
    """A batch of simulations of one model."""

    @property
    def name(self) -> str:
        """The engine, one of ENGINES."""
        ...

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled nominal model. Not to be changed."""
        ...

    @property
    def num_envs(self) -> int: ...

    def init(self, fields: Fields) -> PhysicsState:
        """Every environment at the model's qpos0, at rest, with the given model fields."""
        ...

    def reset(self, state: PhysicsState, mask: jax.Array, qpos: jax.Array, qvel: jax.Array, fields: Fields) -> PhysicsState:
        """Start anew where mask (num_envs,) holds, from qpos, qvel and fields; every other environment is untouched."""
        ...

    def step(self, state: PhysicsState, ctrl: jax.Array, num_substeps: int) -> PhysicsState:
        """Advance by num_substeps time steps under ctrl, (num_envs, nu), or one per substep, (num_envs, num_substeps, nu)."""
        ...

    def check_overflow(self, state: PhysicsState) -> None:
        """Raise PhysicsError where a buffer was too small since `init`; it says what to set. Waits for the device."""
        ...


def nominal_field(model: mujoco.MjModel, name: str) -> np.ndarray:
    """The model's own value of a field, such as "body_mass" or "opt.gravity"."""
    owner, _, leaf = name.rpartition(".")
    if owner not in ("", "opt"):
        raise PhysicsError(f"unknown model field {name!r}: expected a name of MjModel, or of MjOption after 'opt.'")
    value = getattr(model.opt if owner else model, leaf, None)
    if value is None:
        raise PhysicsError(f"the model has no field {name!r}")
    return np.asarray(value)
