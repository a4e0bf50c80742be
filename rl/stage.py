"""Where each robot of a batch is drawn, so that all are seen at once: side by side, each on a plate of its own.

    stage = Stage(task, 4, task.scene().compile())
    scenery = stage.place(qpos, command)         # (4, nq), (4, size) -> where bodies, plates and tiles are

A robot that walks stays on its plate and the floor moves beneath it; a fixed one has all that stands around it on its plate.
Only where robots walk on a ground that is no plane do they share it, each where it really is.
"""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np

from sim.shapes import shown_geoms

# What a task may change to show a command, and a stage can show.
_MOVING = frozenset({"body_pos", "body_quat", "jnt_pos", "jnt_axis", "qpos0"})

# Along a side of a plate; even.
_TILES = 6


@dataclass(frozen=True)
class Scenery:
    """Where things are in the picture: m, and unit quaternions (w, x, y, z)."""

    body_position: np.ndarray
    """(num_bodies, num_envs, 3)"""
    body_quat: np.ndarray
    """(num_bodies, num_envs, 4)"""
    plate_position: np.ndarray
    """Centre of each plate's upper face, (num_plates, 3)."""
    plate_quat: np.ndarray
    """(num_plates, 4)"""
    tile_position: np.ndarray
    """Of the darker squares of the floor, (num_plates * tiles, 3)."""
    tile_quat: np.ndarray
    tile_size: np.ndarray
    """Both sides of each tile, (num_plates * tiles, 2); 0 where it is off its plate."""


class Rooted(Protocol):
    @property
    def base(self) -> str: ...


class Shown(Protocol):
    """Whose robots a stage shows: a `Task`, or whatever else has a scene with one."""

    @property
    def name(self) -> str: ...
    @property
    def robot(self) -> Rooted: ...
    @property
    def show(self) -> Callable[[mujoco.MjModel, np.ndarray], dict[str, np.ndarray]] | None: ...


class Stage:
    """Places `num_envs` robots of a task."""

    def __init__(self, task: Shown, num_envs: int, model: mujoco.MjModel):
        """`model` is the task's scene, with the ground that the robots are on."""
        self.model = model
        self.num_envs = num_envs
        self._task = task
        self._nominal = copy.copy(model)
        self._data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self._data)
        model, base = self.model, self.model.body(task.robot.base).id
        geoms = shown_geoms(model)
        planes = model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_PLANE
        still = model.body_weldid[model.geom_bodyid[geoms]] == 0
        self._base = base
        self._walks = bool(model.body_dofnum[base] == 6)
        self._planes = [int(geom) for geom in geoms[planes]]
        self.shared = self._walks and bool((still & ~planes).any())
        """Whether all robots are on one ground, which is no plane."""
        own = geoms[~planes] if not self._walks else geoms[~planes & ~still]
        center = self._data.xpos[base] if self._walks else self._middle(own)
        reach = np.linalg.norm(self._data.geom_xpos[own] - center, axis=1) + model.geom_rbound[own]
        self._radius = float(np.max(reach, initial=0.1))
        self._center = center
        self.side = (2.8 if self._walks else 2.2) * self._radius  # who walks turns about
        """Of a plate (m)."""
        columns = math.ceil(math.sqrt(num_envs))
        row, column = np.divmod(np.arange(num_envs), columns)
        cells = np.stack([column, -row, 0 * row], axis=1) * 1.12 * self.side
        self.cells = cells - (cells.max(axis=0) + cells.min(axis=0)) / 2
        """Middle of each robot's plate, (num_envs, 3) m."""

    @property
    def camera(self) -> tuple[np.ndarray, np.ndarray]:
        """Where to look from and at, so that all plates are in a picture with an upright field of view of 40 degrees."""
        extent = float(np.linalg.norm(np.ptp(self.cells[:, :2], axis=0) + self.side)) / 2
        away = np.array([0.35, -1.0, 0.62])
        at = np.array([0.0, -0.12 * extent, 0.2 * self._radius])  # what is near is large
        if self.shared:
            at = at + self._center
        return at + away / np.linalg.norm(away) * 0.95 * extent / math.tan(math.radians(20)), at

    def place(self, qpos: np.ndarray, command: np.ndarray) -> Scenery:
        """The scenery of positions (num_envs, nq) and commands (num_envs, size)."""
        model, data = self.model, self._data
        position = np.empty((model.nbody, self.num_envs, 3), np.float32)
        quat = np.empty((model.nbody, self.num_envs, 4), np.float32)
        floors = []
        for env in range(self.num_envs):
            self._show(command[env])
            data.qpos[:] = qpos[env]
            mujoco.mj_kinematics(model, data)
            middle = data.xpos[self._base] if self._walks else self._center
            offset = self._offset(env, middle)
            position[:, env] = data.xpos + offset
            quat[:, env] = data.xquat
            if not self.shared:
                floors += [self._floor(plane, middle, offset) for plane in self._planes]
        empty = (np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 2)))
        parts = zip(*floors, strict=True) if floors else ([part] for part in empty)
        return Scenery(position, quat, *(np.concatenate(part).astype(np.float32) for part in parts))

    def _middle(self, geoms: np.ndarray) -> np.ndarray:
        """Of all that stands around a fixed robot, seen from above."""
        position, bound = self._data.geom_xpos[geoms], self.model.geom_rbound[geoms, None]
        middle = ((position - bound).min(axis=0) + (position + bound).max(axis=0)) / 2
        return np.array([*middle[:2], self._data.xpos[self._base][2]])

    def _offset(self, env: int, middle: np.ndarray) -> np.ndarray:
        return np.zeros(3) if self.shared else self.cells[env] - [middle[0], middle[1], 0.0]

    def _show(self, command: np.ndarray) -> None:
        if self._task.show is None:
            return
        fields = self._task.show(self._nominal, command)
        for name in fields.keys() & _MOVING:
            getattr(self.model, name)[...] = fields[name]
        changed = [n for n in fields.keys() - _MOVING if not np.array_equal(fields[n], getattr(self._nominal, n))]
        if changed:
            told = ", ".join(sorted(changed))
            warnings.warn(
                f"task {self._task.name!r} shows its commands by {told}: the page shows only where bodies are", stacklevel=3
            )

    def _floor(self, plane: int, middle: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, ...]:
        """The square of a plane below a robot: its plate, and those tiles of an endless checker pattern that lie on it."""
        origin, rotation = self._data.geom_xpos[plane], self._data.geom_xmat[plane].reshape(3, 3)
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, rotation.ravel())
        here = ((middle - origin) @ rotation)[:2]
        low, high, tile = here - self.side / 2, here + self.side / 2, self.side / _TILES
        # An even number of rows: as many dark tiles wherever the robot is.
        index = np.floor(low / tile).astype(int) + np.arange(_TILES + 2)[:, None]
        column, row = (part.ravel() for part in np.meshgrid(index[:, 0], index[:, 1], indexing="ij"))
        dark = (column + row) % 2 == 0
        corner = np.stack([column, row], axis=1)[dark] * tile
        start, end = np.maximum(corner, low), np.minimum(corner + tile, high)
        size = np.maximum(end - start, 0.0)
        return (
            (np.append(here, 0.0) @ rotation.T + origin + offset)[None],
            quat[None],
            np.column_stack([(start + end) / 2, np.zeros(len(size))]) @ rotation.T + origin + offset,
            np.tile(quat, (len(size), 1)),
            size,
        )
