"""Models in which the ground is one tile of a terrain, and what rays find of it."""

import mujoco
import numpy as np

from assets.scene import compile_for_physics, scene_spec
from assets.terrains import Terrain
from sim.bounding import refit_trees


def set_tile(model: mujoco.MjModel, terrain: Terrain, level: int, kind: int) -> mujoco.MjModel:
    """The model with that tile under its robot, ready for MuJoCo's own functions."""
    fields = terrain.fields(model, level, kind)
    for name, value in fields.items():
        getattr(model, name)[...] = value
    model.bvh_aabb[...] = refit_trees(model, {name: value[None] for name, value in fields.items()})[0]
    return model


def robot_on(robot, terrain: Terrain) -> mujoco.MjModel:
    return compile_for_physics(scene_spec(robot, terrain))


def bare(terrain: Terrain) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    terrain(spec)
    return spec.compile()


def ray_height(data: mujoco.MjData, x: float, y: float) -> float:
    """Of what a ray from above meets (m)."""
    start, geom = np.array([x, y, 5.0]), np.zeros(1, np.int32)
    return 5.0 - mujoco.mj_ray(data.model, data, start, np.array([0.0, 0, -1]), None, 1, -1, geom)
