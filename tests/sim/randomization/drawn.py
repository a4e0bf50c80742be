"""A term's draw as a MuJoCo model: what the tests of terms look at."""

import copy

import jax
import mujoco
import numpy as np

from sim.physics import nominal_field
from sim.randomization import FieldSampler, ModelTerm


def drawn(model: mujoco.MjModel, *terms: ModelTerm, seed: int = 0) -> mujoco.MjModel:
    """A copy of the model with one draw of the terms, made whole by MuJoCo's own `mj_setConst`."""
    values = FieldSampler(model, terms)(jax.random.key(seed))
    model = copy.copy(model)
    for name, value in values.items():
        nominal_field(model, name)[...] = value
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def inertia_tensor(model: mujoco.MjModel, body: str) -> np.ndarray:
    """About the centre of mass, along the body's axes, (3, 3), kg m^2."""
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, model.body(body).iquat)
    axes = axes.reshape(3, 3)
    return axes @ np.diag(model.body(body).inertia) @ axes.T
