import mujoco
import numpy as np


def inertia_tensor(model: mujoco.MjModel, body: str) -> np.ndarray:
    """About the centre of mass, along the body's axes, (3, 3), kg m²."""
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, model.body(body).iquat)
    axes = axes.reshape(3, 3)
    return axes @ np.diag(model.body(body).inertia) @ axes.T
