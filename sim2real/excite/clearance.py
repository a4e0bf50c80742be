"""Where a way would make a robot touch itself, or the floor that it is bolted to: `Clearance`.

    Clearance(SO101).contacts(positions)                    # [Contact(step=120, parts=("gripper", "floor"), joints=(1, 2, 3))]

In training the robots meet objects and not themselves, which saves time. Here all their collision geoms meet, but for those of
neighbouring bodies, and those that are that close in the default pose already.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import compile_for_physics, flat_ground
from sim2real.excite.mechanics import TIMESTEP, held_spec

_CLEARANCE = 0.008  # m
_TRAVEL = 0.02  # rad: how far a joint goes between two looks


@dataclass(frozen=True)
class Contact:
    step: int
    parts: tuple[str, str]
    """Names of the geoms, or of their bodies."""
    joints: tuple[int, ...]
    """Those that move one part against the other, by index."""


class Clearance:
    """Of one robot with its base held: above a floor if it is bolted down, in the air if it floats."""

    def __init__(self, robot: Robot):
        spec = held_spec(robot, TIMESTEP)
        for geom in spec.geoms:
            if geom.contype or geom.conaffinity:
                geom.contype = geom.conaffinity = 1
                geom.margin = _CLEARANCE
        if not robot.is_floating:
            flat_ground(spec)
        for body in spec.bodies:
            if body.name and body.parent is not None and body.parent.name not in ("", "world"):
                spec.add_exclude(bodyname1=body.parent.name, bodyname2=body.name)
        self._model = model = compile_for_physics(spec)
        self._data = mujoco.MjData(model)
        joints = [model.joint(name) for name in robot.joints]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._moving = {int(joint.bodyid[0]): i for i, joint in enumerate(joints)}
        self._usual: set[tuple[int, int]] = set()
        self._usual = set(self._near(np.array(robot.default_pose)))

    def contacts(self, positions: np.ndarray) -> list[Contact]:
        """Of a way (steps, joints) rad: looked at so often that no joint goes far between two looks."""
        travel = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(positions, axis=0)).max(axis=1))])
        steps = np.searchsorted(travel, np.arange(0.0, travel[-1] + _TRAVEL, _TRAVEL))
        return self.contacts_at(positions, np.unique(np.minimum(steps, len(positions) - 1)).tolist())

    def contacts_at(self, positions: np.ndarray, steps: Iterable[int]) -> list[Contact]:
        """In some steps only."""
        found = []
        for step in steps:
            for pair in self._near(positions[step]):
                joints = self._between(pair)
                if joints:  # else no motion brings them nearer
                    found.append(Contact(step, (self._name(pair[0]), self._name(pair[1])), joints))
        return found

    def _near(self, pose: np.ndarray) -> list[tuple[int, int]]:
        """Pairs of geoms that are too near each other, the usual ones aside."""
        data = self._data
        data.qpos[self._qpos] = pose
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_collision(self._model, data)
        pairs = {tuple(sorted(map(int, pair))) for pair in data.contact.geom} if data.ncon else set()
        return sorted(pairs - self._usual)  # type: ignore[operator]

    def _between(self, pair: tuple[int, int]) -> tuple[int, ...]:
        one, other = (self._joints_above(int(self._model.geom_bodyid[geom])) for geom in pair)
        return tuple(sorted(one ^ other))

    def _joints_above(self, body: int) -> set[int]:
        joints = set()
        while body:
            if body in self._moving:
                joints.add(self._moving[body])
            body = int(self._model.body_parentid[body])
        return joints

    def _name(self, geom: int) -> str:
        return self._model.geom(geom).name or self._model.body(int(self._model.geom_bodyid[geom])).name
