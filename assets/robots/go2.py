"""The Unitree Go2 quadruped, built from primitives: `GO2`, the robot's description, and `go2_spec()`, its model.

Masses (kg), centres of mass (m), inertias (kg m²), joint frames, ranges (rad) and torque limits (N m) are those of Unitree's
own description (unitree_mujoco, unitree_robots/go2, BSD-3), speed limits (rad/s) those of its URDF (unitree_ros, BSD-3).
Shapes are ours: few and cheap ones to collide with (group 3), better looking ones to see (group 2), neither with any mass.

Frames: x forward, y left, z up. Legs are FL, FR, RL, RR; a leg's joints are hip (abduction, about x), thigh and calf (about y).
"""

import math
from dataclasses import dataclass

import mujoco

from assets.robots.primitives import (
    BOX,
    CAPSULE,
    CYLINDER,
    ELLIPSOID,
    SPHERE,
    Inertial,
    Material,
    Shape,
    add_body,
    add_collision,
    add_look,
    add_materials,
)
from assets.robots.robot import Mirror, Motor, Robot
from assets.robots.safety import SafetyLimits


@dataclass(frozen=True)
class _Leg:
    name: str
    front: int
    """+1 for a front leg, -1 for a rear leg."""
    side: int
    """+1 for a left leg, -1 for a right leg."""


_LEGS = (_Leg("FL", 1, 1), _Leg("FR", 1, -1), _Leg("RL", -1, 1), _Leg("RR", -1, -1))

# Front left leg; the others mirror it. The calf includes the foot.
_BASE = Inertial(6.921, (0.021112, 0.0, -0.005366), (0.02448, 0.098077, 0.107, 1.2166e-4, 1.4849e-3, -3.12e-5))
_HIP = Inertial(0.678, (-0.0054, 0.00194, -1.05e-4), (4.8e-4, 8.84e-4, 5.96e-4, -3.01e-6, 1.11e-6, -1.42e-6))
_THIGH = Inertial(1.152, (-0.00374, -0.0223, -0.0327), (5.84e-3, 5.8e-3, 1.03e-3, 8.72e-5, -2.89e-4, 8.08e-4))
_CALF = Inertial(
    0.241352,
    (0.00629595, -0.000622121, -0.141417),
    (1.463537e-3, 1.489993e-3, 5.326933e-5, 2.17545e-7, 5.966814e-6, 1.224787e-5),
)

_HIP_X, _HIP_Y = 0.1934, 0.0465  # hip joint from the trunk's origin
_THIGH_Y = 0.0955  # thigh joint from the hip joint
_LINK = 0.213  # length of thigh and of calf
_FOOT_X, _FOOT_RADIUS = -0.002, 0.022

_HIP_RANGE = (-1.0472, 1.0472)
_THIGH_RANGE = {1: (-1.5708, 3.4907), -1: (-0.5236, 4.5379)}  # by `_Leg.front`
_CALF_RANGE = (-2.7227, -0.83776)

_THIGH_POSE, _CALF_POSE = 0.8, -1.6
# The shank leans by thigh + calf; the foot's centre lies a little behind the shank's axis.
_LEAN = _THIGH_POSE + _CALF_POSE
_STANDING_HEIGHT = _LINK * math.cos(_THIGH_POSE) + _LINK * math.cos(_LEAN) + _FOOT_X * math.sin(_LEAN) + _FOOT_RADIUS

# What collides. A leg has the vendor's sizes, its cylinders and boxes made capsules and spheres: every engine knows those.
_TRUNK_COLLISION = {
    "trunk": Shape(BOX, (0.1881, 0.04675, 0.057), (0, 0, 0)),
    "head": Shape(CAPSULE, (0.05,), (0.285, 0, 0.005), (0.293, 0, -0.057)),
}
_HIP_COLLISION = Shape(SPHERE, (0.046,), (0, 0.08, 0))
_THIGH_COLLISION = Shape(CAPSULE, (0.017,), (0, 0, 0), (0, 0, -_LINK))
_CALF_COLLISION = Shape(CAPSULE, (0.013,), (0.002, 0, 0), (0.018, 0, -0.175))
_FOOT_COLLISION = Shape(SPHERE, (_FOOT_RADIUS,), (_FOOT_X, 0, -_LINK))

_MATERIALS: dict[str, Material] = {
    "shell": ((0.80, 0.82, 0.84, 1), 0.5, 0.6),
    "metal": ((0.56, 0.58, 0.62, 1), 0.6, 0.7),
    "carbon": ((0.09, 0.09, 0.10, 1), 0.4, 0.5),
    "rubber": ((0.04, 0.04, 0.04, 1), 0.1, 0.1),
    "lens": ((0.25, 0.55, 0.75, 1), 0.9, 0.9),
}

_TRUNK_LOOK = (
    # core between the hips, and the wider belly between the legs
    Shape(BOX, (0.19, 0.042, 0.048), (0, 0, -0.002), material="carbon"),
    Shape(BOX, (0.108, 0.086, 0.034), (0, 0, -0.012), material="carbon"),
    Shape(CAPSULE, (0.02,), (-0.095, 0.07, -0.037), (0.095, 0.07, -0.037), material="carbon"),
    Shape(CAPSULE, (0.02,), (-0.095, -0.07, -0.037), (0.095, -0.07, -0.037), material="carbon"),
    # shell: two flanks, and a back that runs on to the head and the tail
    Shape(ELLIPSOID, (0.15, 0.028, 0.034), (0, 0.074, 0.022), material="shell"),
    Shape(ELLIPSOID, (0.15, 0.028, 0.034), (0, -0.074, 0.022), material="shell"),
    Shape(ELLIPSOID, (0.27, 0.085, 0.022), (-0.005, 0, 0.04), material="shell"),
    Shape(CAPSULE, (0.008,), (-0.08, 0, 0.057), (0.08, 0, 0.057), material="carbon"),
    # head: neck, skull, face with its lamp, and the lidar under the chin
    Shape(BOX, (0.035, 0.034, 0.036), (0.225, 0, 0.006), material="carbon"),
    Shape(ELLIPSOID, (0.062, 0.043, 0.042), (0.262, 0, 0.016), pitch=0.15, material="shell"),
    Shape(CAPSULE, (0.013,), (0.315, 0, -0.024), (0.312, 0, 0.044), material="carbon"),
    Shape(CYLINDER, (0.008,), (0.320, 0, 0.03), (0.327, 0, 0.03), material="lens"),
    Shape(CYLINDER, (0.034,), (0.285, 0, -0.02), (0.289, 0, -0.05), material="carbon"),
    Shape(SPHERE, (0.036,), (0.29, 0, -0.062), material="rubber"),
)
_HIP_LOOK = (
    Shape(CYLINDER, (0.044,), (-0.069, 0, 0), (0.02, 0, 0), material="metal"),
    Shape(CYLINDER, (0.046,), (0, -0.03, 0), (0, 0.04, 0), material="shell"),
    Shape(CYLINDER, (0.049,), (0, -0.008, 0), (0, 0.016, 0), material="metal"),
)
_THIGH_LOOK = (
    Shape(CYLINDER, (0.048,), (0, -0.056, 0), (0, -0.042, 0), material="metal"),
    Shape(CYLINDER, (0.046,), (0, -0.042, 0), (0, -0.02, 0), material="shell"),
    Shape(ELLIPSOID, (0.049, 0.036, 0.049), (0, -0.018, 0), material="metal"),
    Shape(ELLIPSOID, (0.034, 0.019, 0.105), (-0.008, -0.003, -0.075), pitch=0.05, material="shell"),
    Shape(CAPSULE, (0.0175,), (-0.014, 0, -0.1), (0, 0, -0.205), material="shell"),
    Shape(CYLINDER, (0.02,), (0, -0.0185, -_LINK), (0, 0.0185, -_LINK), material="metal"),
)
_CALF_LOOK = (
    Shape(CAPSULE, (0.0135,), (-0.004, 0, 0), (0.017, 0, -0.085), material="metal"),
    Shape(CAPSULE, (0.012,), (0.017, 0, -0.085), (0.016, 0, -0.15), material="metal"),
    Shape(CAPSULE, (0.0145,), (0.016, 0, -0.15), (0, 0, -0.2), material="metal"),
    Shape(ELLIPSOID, (0.0225, 0.0205, _FOOT_RADIUS), (_FOOT_X, 0, -_LINK), material="rubber"),
)


def go2_spec() -> mujoco.MjSpec:
    """A fresh model of the Go2: bodies, joints, geoms and the site `imu`; no actuators, sensors or floor.

    Every collision geom has contype 0 and conaffinity 1: it meets what has contype 1 (a floor, an object) and no other part
    of the robot. The feet have priority 1: their own friction, not the floor's, is the contact's.
    """
    spec = mujoco.MjSpec()
    spec.modelname = "go2"
    spec.compiler.degree = False
    add_materials(spec, _MATERIALS)
    base = add_body(spec.worldbody, "base_link", (0.0, 0.0, 0.445), _BASE)
    base.add_freejoint(name="base_joint")
    base.add_site(name="imu", pos=(-0.02557, 0.0, 0.04232), size=(0.005,) * 3, group=4)
    for name, shape in _TRUNK_COLLISION.items():
        add_collision(base, name, shape)
    add_look(base, _TRUNK_LOOK)
    for leg in _LEGS:
        _add_leg(base, leg)
    return spec


def _add_leg(base: mujoco.MjsBody, leg: _Leg) -> None:
    name, side = leg.name, leg.side
    hip = add_body(base, f"{name}_hip", (leg.front * _HIP_X, side * _HIP_Y, 0.0), _HIP.mirrored(leg.front, side))
    _add_joint(hip, f"{name}_hip_joint", (1, 0, 0), _HIP_RANGE)
    add_collision(hip, f"{name}_hip", _HIP_COLLISION.mirrored(1, side))
    add_look(hip, tuple(shape.mirrored(leg.front, side) for shape in _HIP_LOOK))

    thigh = add_body(hip, f"{name}_thigh", (0.0, side * _THIGH_Y, 0.0), _THIGH.mirrored(1, side))
    _add_joint(thigh, f"{name}_thigh_joint", (0, 1, 0), _THIGH_RANGE[leg.front])
    add_collision(thigh, f"{name}_thigh", _THIGH_COLLISION.mirrored(1, side))
    add_look(thigh, tuple(shape.mirrored(1, side) for shape in _THIGH_LOOK))

    calf = add_body(thigh, f"{name}_calf", (0.0, 0.0, -_LINK), _CALF.mirrored(1, side))
    _add_joint(calf, f"{name}_calf_joint", (0, 1, 0), _CALF_RANGE)
    add_collision(calf, f"{name}_calf", _CALF_COLLISION.mirrored(1, side))
    foot = add_collision(calf, name, _FOOT_COLLISION.mirrored(1, side))
    foot.priority = 1
    add_look(calf, tuple(shape.mirrored(1, side) for shape in _CALF_LOOK))


def _add_joint(body: mujoco.MjsBody, name: str, axis: tuple[int, int, int], limits: tuple[float, float]) -> None:
    joint = body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=axis, range=limits)
    joint.damping[0] = 0.1
    joint.armature = 0.01
    joint.frictionloss = 0.2


def _each_leg(hip: float, thigh: float, calf: float) -> tuple[float, ...]:
    return (hip, thigh, calf) * len(_LEGS)


_PARTS = ("hip", "thigh", "calf")
_HARDWARE_LEGS = ("FR", "FL", "RR", "RL")  # the order of the motors in Unitree's LowCmd and LowState messages
_MIRROR_LEGS = (1, 0, 3, 2)

GO2 = Robot(
    name="go2",
    spec=go2_spec,
    joints=tuple(f"{leg.name}_{part}_joint" for leg in _LEGS for part in _PARTS),
    default_pose=_each_leg(0.0, _THIGH_POSE, _CALF_POSE),
    stiffness=_each_leg(35.0, 35.0, 35.0),
    damping=_each_leg(0.7, 0.7, 0.7),
    effort_limits=_each_leg(23.7, 23.7, 45.43),
    velocity_limits=_each_leg(30.1, 30.1, 15.7),
    action_scale=_each_leg(0.5, 0.5, 0.5),
    motors=tuple(Motor(3 * _HARDWARE_LEGS.index(leg.name) + i) for leg in _LEGS for i in range(3)),
    base="base_link",
    imu_site="imu",
    feet=tuple(leg.name for leg in _LEGS),
    standing_height=_STANDING_HEIGHT,
    mirror=Mirror(
        index=tuple(3 * leg + i for leg in _MIRROR_LEGS for i in range(3)),
        sign=(-1, 1, 1) * len(_LEGS),
    ),
    foot_mirror=_MIRROR_LEGS,
    # Unitree publishes none of these. They lie beyond what a walking policy did on randomised, pushed robots in simulation,
    # where calves reached 25 rad/s (1.6 times their limit) and targets moved by up to 0.95 rad at once.
    safety=SafetyLimits(tilt=1.0, velocity=2.0, target_speed=15.0, temperature=80.0, stale_seconds=0.05),
)
