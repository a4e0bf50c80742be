"""What built-in robots are made of: bodies of a published inertia, and primitive shapes that collide or are only to be seen.

    arm = add_body(spec.worldbody, "arm", (0, 0, 0.1), Inertial(0.5, (0, 0, 0.2), (4e-3, 4e-3, 1e-4, 0, 0, 0)))
    add_collision(arm, "arm", Shape(CAPSULE, (0.02,), at=(0, 0, 0), to=(0, 0, 0.4)))
    add_look(arm, (Shape(BOX, (0.02, 0.02, 0.2), at=(0, 0, 0.2), material="metal"),))

No shape has any mass: it is the inertial's alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import mujoco
import numpy as np

BOX = mujoco.mjtGeom.mjGEOM_BOX
CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE
CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
ELLIPSOID = mujoco.mjtGeom.mjGEOM_ELLIPSOID
SPHERE = mujoco.mjtGeom.mjGEOM_SPHERE

Vector = tuple[float, float, float]
Material = tuple[tuple[float, float, float, float], float, float]
"""rgba, specular, shininess"""


@dataclass(frozen=True)
class Inertial:
    mass: float
    com: Vector
    inertia: tuple[float, float, float, float, float, float]
    """xx, yy, zz, xy, xz, yz about the centre of mass, along the body's axes."""

    def mirrored(self, front: int, side: int) -> "Inertial":
        """The same link with its x axis turned where `front` is -1 and its y axis where `side` is -1."""
        x, y, z = self.com
        xx, yy, zz, xy, xz, yz = self.inertia
        return Inertial(self.mass, (front * x, side * y, z), (xx, yy, zz, front * side * xy, front * xz, side * yz))


@dataclass(frozen=True)
class Shape:
    """A primitive in the frame of its body (m)."""

    kind: mujoco.mjtGeom
    size: tuple[float, ...]
    """Radius of a sphere, a capsule or a cylinder; half axes of a box or an ellipsoid."""
    at: Vector
    """Centre; of a capsule or a cylinder, the start of its axis."""
    to: Vector | None = None
    """End of the axis of a capsule or a cylinder."""
    pitch: float = 0.0
    """Turn of a box or an ellipsoid about its y axis (rad), after `yaw`."""
    yaw: float = 0.0
    """Turn about z (rad)."""
    material: str = ""

    def mirrored(self, front: int, side: int) -> "Shape":
        """The same shape with its x axis turned where `front` is -1 and its y axis where `side` is -1."""

        def image(point: Vector) -> Vector:
            return (front * point[0], side * point[1], point[2])

        to = None if self.to is None else image(self.to)
        return replace(self, at=image(self.at), to=to, pitch=front * self.pitch, yaw=front * side * self.yaw)


def add_materials(spec: mujoco.MjSpec, materials: Mapping[str, Material]) -> None:
    for name, (rgba, specular, shininess) in materials.items():
        spec.add_material(name=name, rgba=rgba, specular=specular, shininess=shininess)


def add_body(
    parent: mujoco.MjsBody, name: str, pos: Vector, inertial: Inertial, quat: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
) -> mujoco.MjsBody:
    return parent.add_body(
        name=name,
        pos=pos,
        quat=quat,
        mass=inertial.mass,
        ipos=inertial.com,
        fullinertia=inertial.inertia,
        explicitinertial=True,
    )


def add_collision(body: mujoco.MjsBody, name: str, shape: Shape) -> mujoco.MjsGeom:
    """A shape that meets what has contype 1 (a floor, an object) and no other part of the robot."""
    geom = _add_shape(body, name, shape)
    geom.group, geom.contype, geom.conaffinity, geom.condim = 3, 0, 1, 3
    geom.friction = (0.8, 0.02, 0.01)
    return geom


def add_look(body: mujoco.MjsBody, shapes: tuple[Shape, ...]) -> None:
    """Shapes to be seen, which touch nothing."""
    for i, shape in enumerate(shapes):
        geom = _add_shape(body, f"{body.name}_look_{i}", shape)
        geom.group, geom.contype, geom.conaffinity = 2, 0, 0
        geom.material = shape.material


def _add_shape(body: mujoco.MjsBody, name: str, shape: Shape) -> mujoco.MjsGeom:
    pos, size = np.array(shape.at, float), list(shape.size)
    quat = np.zeros(4)
    yaw = np.array([math.cos(shape.yaw / 2), 0.0, 0.0, math.sin(shape.yaw / 2)])
    pitch = np.array([math.cos(shape.pitch / 2), 0.0, math.sin(shape.pitch / 2), 0.0])
    mujoco.mju_mulQuat(quat, yaw, pitch)
    if shape.to is not None:
        axis = np.array(shape.to, float) - pos
        pos += axis / 2
        size.append(float(np.linalg.norm(axis)) / 2)
        mujoco.mju_quatZ2Vec(quat, axis)
    return body.add_geom(name=name, type=shape.kind, size=size + [0.0] * (3 - len(size)), pos=pos, quat=quat, mass=0)
