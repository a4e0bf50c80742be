"""Franka Emika's Panda with its hand, an arm of seven joints, built from primitives: `PANDA`, the robot's description, and
`panda_spec()`, its model.

Joint frames (m), ranges (rad), speed limits (rad/s) and torque limits (N m) are those of Franka's documentation (FCI, "Robot
and interface specifications"). Masses (kg), centres of mass (m) and inertias (kg m²) of the arm's links are the feasible
parameters that Gaz et al. identified (2019, "Dynamic identification of the Franka Emika Panda robot with retrieval of feasible
parameters using penalty-based optimization"); those of hand and fingers are Franka's own (franka_description). Rotor inertias
and joint damping, of which neither tells, are those of MuJoCo Menagerie's model. Stiffnesses (N m/rad) are those that Franka's
example of joint impedance control sets (libfranka). Gravity is compensated, as that controller does. Dampings (N m s/rad) are
ours: the example's are too much for a scene's explicit time steps. The hand is closed and holds: a gripper has an interface of
its own.
Shapes are ours: few and cheap ones to collide with (group 3), better looking ones to see (group 2), neither with any mass.

Frames: the base has x forward, y left, z up; each other link has its joint at its origin, along its z axis. The site `tool`
lies between the finger tips, with z out of the hand.
"""

import math

import mujoco

from assets.robots.primitives import (
    BOX,
    CAPSULE,
    CYLINDER,
    ELLIPSOID,
    Inertial,
    Material,
    Shape,
    Vector,
    add_body,
    add_collision,
    add_look,
    add_materials,
)
from assets.robots.robot import Motor, Robot
from assets.robots.safety import SafetyLimits

Quat = tuple[float, float, float, float]

_HALF = math.sqrt(0.5)
_UNTURNED: Quat = (1.0, 0.0, 0.0, 0.0)
_FORWARD: Quat = (_HALF, _HALF, 0.0, 0.0)  # a quarter turn about x
_BACK: Quat = (_HALF, -_HALF, 0.0, 0.0)

_BASE = Inertial(0.629769, (-0.041018, -0.00014, 0.049974), (0.00315, 0.00388, 0.004285, 8.2904e-7, 0.00015, 8.2299e-6))

# Link by link from the base: where its frame is in that of the link before it, and its inertia.
_LINKS: tuple[tuple[Vector, Quat, Inertial], ...] = (
    (
        (0.0, 0.0, 0.333),
        _UNTURNED,
        Inertial(4.970684, (0.003875, 0.002081, -0.04762), (0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169)),
    ),
    (
        (0.0, 0.0, 0.0),
        _BACK,
        Inertial(0.646926, (-0.003141, -0.02872, 0.003495), (0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704)),
    ),
    (
        (0.0, -0.316, 0.0),
        _FORWARD,
        Inertial(3.228604, (0.027518, 0.039252, -0.066502), (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805)),
    ),
    (
        (0.0825, 0.0, 0.0),
        _FORWARD,
        Inertial(3.587895, (-0.05317, 0.104419, 0.027454), (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641)),
    ),
    (
        (-0.0825, 0.384, 0.0),
        _BACK,
        Inertial(1.225946, (-0.011953, 0.041065, -0.038437), (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229)),
    ),
    (
        (0.0, 0.0, 0.0),
        _FORWARD,
        Inertial(1.666555, (0.060149, -0.014117, -0.010517), (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341)),
    ),
    (
        (0.088, 0.0, 0.0),
        _FORWARD,
        Inertial(0.735522, (0.010517, -0.004252, 0.061597), (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741)),
    ),
)
_HAND = Inertial(0.73, (-0.01, 0.0, 0.03), (0.001, 0.0025, 0.0017, 0.0, 0.0, 0.0))
_FINGER = Inertial(0.015, (0.0, 0.0, 0.0), (2.375e-6, 2.375e-6, 7.5e-7, 0.0, 0.0, 0.0))
_FLANGE = (0.0, 0.0, 0.107)
_HAND_QUAT: Quat = (math.cos(math.pi / 8), 0.0, 0.0, -math.sin(math.pi / 8))
_FINGERS = {"left_finger": _UNTURNED, "right_finger": (0.0, 0.0, 0.0, 1.0)}
_FINGER_POS = (0.0, 0.0, 0.0584)
_TOOL = (0.0, 0.0, 0.1034)

_RANGES = {
    "joint1": (-2.8973, 2.8973),
    "joint2": (-1.7628, 1.7628),
    "joint3": (-2.8973, 2.8973),
    "joint4": (-3.0718, -0.0698),
    "joint5": (-2.8973, 2.8973),
    "joint6": (-0.0175, 3.7525),
    "joint7": (-2.8973, 2.8973),
}
_ARMATURE, _DAMPING = 0.1, 1.0

# What collides: about the outlines of the vendor's parts.
_TUBE = 0.055  # radius of the arm
_FINGER_BOX = Shape(BOX, (0.0105, 0.0125, 0.027), (0, 0.0128, 0.027))
_COLLISION = {
    "link0": (
        Shape(BOX, (0.113, 0.085, 0.035), (-0.041, 0, 0.035)),
        Shape(BOX, (0.072, 0.09, 0.035), (0, 0, 0.105)),
    ),
    "link1": (
        Shape(CAPSULE, (_TUBE,), (0, 0, -0.137), (0, 0, 0)),
        Shape(CAPSULE, (_TUBE,), (0, 0, 0), (0, -0.074, 0)),
    ),
    "link2": (
        Shape(CAPSULE, (_TUBE,), (0, 0, 0), (0, 0, 0.074)),
        Shape(CAPSULE, (_TUBE,), (0, 0, 0), (0, -0.139, 0)),
    ),
    "link3": (
        Shape(CAPSULE, (_TUBE,), (0, 0, -0.066), (0.075, 0.02, 0)),
        Shape(CAPSULE, (_TUBE,), (0.0825, 0, 0), (0.0825, 0.056, 0)),
    ),
    "link4": (Shape(CAPSULE, (_TUBE,), (0, 0, 0.056), (-0.0825, 0.069, 0)),),
    "link5": (
        Shape(CAPSULE, (_TUBE,), (0, 0, -0.204), (0, 0.045, -0.16)),
        Shape(CAPSULE, (0.045,), (0, 0.06, -0.15), (0, 0.085, 0.005)),
    ),
    "link6": (Shape(CAPSULE, (0.048,), (0, 0, 0.006), (0.084, 0.032, 0)),),
    "link7": (Shape(CAPSULE, (0.03,), (0, 0, 0.079), (0.05, 0.05, 0.079)),),
    "hand": (Shape(BOX, (0.03, 0.102, 0.037), (0, 0, 0.029)),),
    "left_finger": (_FINGER_BOX,),
    "right_finger": (_FINGER_BOX,),
}

_MATERIALS: dict[str, Material] = {
    "shell": ((0.93, 0.94, 0.95, 1), 0.4, 0.4),
    "grey": ((0.55, 0.57, 0.6, 1), 0.4, 0.4),
    "dark": ((0.16, 0.16, 0.17, 1), 0.3, 0.3),
}

_FINGER_LOOK = (
    Shape(BOX, (0.0105, 0.0075, 0.0095), (0, 0.018, 0.0095), material="grey"),
    Shape(BOX, (0.0088, 0.006, 0.014), (0, 0.0185, 0.024), material="grey"),
    Shape(BOX, (0.0088, 0.0077, 0.0135), (0, 0.0078, 0.0402), material="dark"),
)
_LOOK = {
    "link0": (
        Shape(BOX, (0.065, 0.062, 0.03), (-0.087, 0, 0.032), material="shell"),
        Shape(BOX, (0.012, 0.05, 0.025), (-0.142, 0, 0.033), material="dark"),
        Shape(CYLINDER, (0.071,), (0, 0, 0.0), (0, 0, 0.075), material="shell"),
        Shape(ELLIPSOID, (0.062, 0.094, 0.05), (-0.01, 0, 0.06), material="shell"),
        Shape(CYLINDER, (0.06,), (0, 0, 0.07), (0, 0, 0.139), material="shell"),
    ),
    "link1": (
        Shape(CYLINDER, (_TUBE,), (0, 0, -0.192), (0, 0, -0.02), material="shell"),
        Shape(CAPSULE, (_TUBE,), (0, 0, 0), (0, -0.035, -0.02), material="shell"),
        Shape(CYLINDER, (_TUBE,), (0, -0.128, 0), (0, 0, 0), material="shell"),
    ),
    "link2": (
        Shape(CYLINDER, (_TUBE,), (0, 0, 0), (0, 0, 0.128), material="shell"),
        Shape(CYLINDER, (_TUBE,), (0, -0.193, 0), (0, 0, 0), material="shell"),
        Shape(CYLINDER, (0.0558,), (0, -0.194, 0), (0, -0.186, 0), material="dark"),
        Shape(CAPSULE, (_TUBE,), (0, -0.04, 0.02), (0, 0, 0), material="shell"),
    ),
    "link3": (
        Shape(CYLINDER, (_TUBE,), (0, 0, -0.12), (0, 0, -0.045), material="shell"),
        Shape(CAPSULE, (0.052,), (0.005, 0.0, -0.05), (0.06, 0.04, -0.005), material="shell"),
        Shape(CYLINDER, (_TUBE,), (0.0825, 0.0, 0), (0.0825, 0.111, 0), material="shell"),
        Shape(CYLINDER, (0.0558,), (0.0825, 0.0, 0), (0.0825, 0.008, 0), material="dark"),
    ),
    "link4": (
        Shape(CYLINDER, (_TUBE,), (0, 0, 0), (0, 0, 0.11), material="shell"),
        Shape(CAPSULE, (0.052,), (-0.01, 0.01, 0.05), (-0.06, 0.05, 0.0), material="shell"),
        Shape(CYLINDER, (_TUBE,), (-0.0825, 0.02, 0), (-0.0825, 0.124, 0), material="shell"),
        Shape(CYLINDER, (0.0558,), (-0.0825, 0.116, 0), (-0.0825, 0.1245, 0), material="dark"),
    ),
    "link5": (
        Shape(CYLINDER, (_TUBE,), (0, 0, -0.259), (0, 0, -0.2), material="shell"),
        Shape(CAPSULE, (0.05,), (0, 0.002, -0.2), (0, 0.035, -0.165), material="shell"),
        Shape(CAPSULE, (0.036,), (0, 0.055, -0.165), (0, 0.075, -0.03), material="shell"),
        Shape(CYLINDER, (0.05,), (0, 0.04, 0), (0, 0.128, 0), material="shell"),
        Shape(CYLINDER, (0.0508,), (0, 0.016, 0), (0, 0.04, 0), material="dark"),
    ),
    "link6": (
        Shape(CYLINDER, (0.047,), (0, 0, -0.014), (0, 0, 0.054), material="shell"),
        Shape(CAPSULE, (0.04,), (0.01, 0.005, 0.012), (0.08, 0.012, 0.0), material="shell"),
        Shape(CYLINDER, (0.044,), (0.088, -0.051, 0), (0.088, 0.06, 0), material="shell"),
        Shape(ELLIPSOID, (0.04, 0.03, 0.04), (0.088, 0.053, 0), material="shell"),
    ),
    "link7": (
        Shape(CYLINDER, (0.044,), (0, 0, 0.052), (0, 0, 0.09), material="grey"),
        Shape(CYLINDER, (0.032,), (0, 0, 0.09), (0, 0, 0.107), material="grey"),
        Shape(CAPSULE, (0.02,), (0.02, 0.02, 0.082), (0.06, 0.06, 0.082), material="shell"),
    ),
    "hand": (
        Shape(CYLINDER, (0.032,), (0, 0, -0.006), (0, 0, 0.01), material="grey"),
        Shape(BOX, (0.025, 0.07, 0.026), (0, 0, 0.03), material="shell"),
        Shape(CAPSULE, (0.025,), (0, -0.077, 0.03), (0, 0.077, 0.03), material="shell"),
        Shape(BOX, (0.018, 0.1, 0.007), (0, 0, 0.059), material="dark"),
        Shape(BOX, (0.012, 0.016, 0.017), (0, -0.088, -0.009), material="shell"),
    ),
    "left_finger": _FINGER_LOOK,
    "right_finger": _FINGER_LOOK,
}


def panda_spec() -> mujoco.MjSpec:
    """A fresh model of the Panda: bodies, joints, geoms and the site `tool`; no actuators, sensors or table.

    It is fixed to the world by its base. Every collision geom has contype 0 and conaffinity 1: it meets what has contype 1 (a
    floor, an object) and no other part of the robot.
    """
    spec = mujoco.MjSpec()
    spec.modelname = "panda"
    spec.compiler.degree = False
    add_materials(spec, _MATERIALS)
    body = add_body(spec.worldbody, "link0", (0.0, 0.0, 0.0), _BASE)
    for i, (pos, quat, inertial) in enumerate(_LINKS, 1):
        body = add_body(body, f"link{i}", pos, inertial, quat)
        name = f"joint{i}"
        hinge = body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 0, 1), range=_RANGES[name])
        hinge.damping[0] = _DAMPING
        hinge.armature = _ARMATURE
    hand = add_body(body, "hand", _FLANGE, _HAND, _HAND_QUAT)
    hand.add_site(name="tool", pos=_TOOL, size=(0.005,) * 3, group=4)
    for name, quat in _FINGERS.items():
        add_body(hand, name, _FINGER_POS, _FINGER, quat)
    for body in spec.bodies:
        body.gravcomp = 1.0
        for i, shape in enumerate(_COLLISION.get(body.name, ())):
            add_collision(body, body.name if i == 0 else f"{body.name}_{i}", shape)
        add_look(body, _LOOK.get(body.name, ()))
    return spec


PANDA = Robot(
    name="panda",
    spec=panda_spec,
    joints=tuple(_RANGES),
    default_pose=(0.0, 0.0, 0.0, -1.57079, 0.0, 1.57079, -0.7853),
    stiffness=(600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0),
    damping=(20.0, 20.0, 20.0, 20.0, 10.0, 8.0, 4.0),
    effort_limits=(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0),
    velocity_limits=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
    action_scale=(0.5,) * 7,
    motors=tuple(Motor(i) for i in range(7)),
    base="link0",
    end_effector="tool",
    # Franka's controller stops by itself at the data sheet's speeds; it tells no temperatures. At 1 kHz it gives up after 20
    # states that it gets no answer to.
    safety=SafetyLimits(velocity=1.0, target_speed=1.0, range_margin=0.05, jump=0.05, stale_seconds=0.02),
)
