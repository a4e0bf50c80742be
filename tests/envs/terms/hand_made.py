"""A view of the Go2 in which everything is as a test says: standing still in its default pose, but for what is told."""

import jax.numpy as jnp
import numpy as np

from assets.robots import GO2
from assets.scene import compile_for_physics, scene_spec
from envs.view import Layout, View

LAYOUT = Layout.of(GO2, compile_for_physics(scene_spec(GO2)))
NUM_JOINTS = GO2.num_joints
POSE = np.array(GO2.default_pose)


def view(
    joints: np.ndarray = POSE,
    joint_velocity: np.ndarray | float = 0.0,
    quaternion: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
    height: float = GO2.standing_height,
    linear_velocity: tuple[float, ...] = (0.0, 0.0, 0.0),
    angular_velocity: tuple[float, ...] = (0.0, 0.0, 0.0),
    command: tuple[float, ...] = (0.0, 0.0, 0.0),
    sensors: dict[str, object] | None = None,
    **told: object,
) -> View:
    """`linear_velocity` is in the world; `sensors` are readings by name, the others zero; `told` any other field of a View."""
    qpos, qvel = LAYOUT.start_qpos(), np.zeros(LAYOUT.model.nv)
    qpos[2], qpos[3:7], qpos[LAYOUT.qpos_index] = height, quaternion, joints
    qvel[:3], qvel[3:6], qvel[LAYOUT.qvel_index] = linear_velocity, angular_velocity, joint_velocity
    readings = np.zeros(LAYOUT.model.nsensordata)
    for name, value in (sensors or {}).items():
        readings[LAYOUT.sensors[name]] = value
    fields = {
        "fields": {},
        "action": jnp.zeros(NUM_JOINTS),
        "last_action": jnp.zeros(NUM_JOINTS),
        "memory": {},
        "time": jnp.zeros(()),
        "command_time": jnp.zeros(()),
        "layout": LAYOUT,
        "dt": 0.02,
    }
    return View(
        qpos=jnp.asarray(qpos, jnp.float32),
        qvel=jnp.asarray(qvel, jnp.float32),
        sensordata=jnp.asarray(readings, jnp.float32),
        command=jnp.array(command),
        **(fields | told),
    )


def standing_on(*feet: str) -> dict[str, float]:
    """Readings of these feet's contact forces (N)."""
    return {f"{foot}_touch": 40.0 for foot in feet}
