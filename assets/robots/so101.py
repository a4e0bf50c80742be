"""The SO-101, a desktop arm of five joints and a gripper, built from primitives: `SO101`, the robot's description, and
`so101_spec()`, its model.

Masses (kg), centres of mass (m), inertias (kg m²), joint frames, ranges (rad), torque limits (N m), gains and the servo's
armature, damping and friction are those of The Robot Studio's own description (SO-ARM100, Simulation/SO101, Apache-2.0), whose
gains stand for a servo gain of 16. Speed limits (rad/s) are the no-load speed of its servos, Feetech's STS3215 at 12 V.
Shapes are ours: few and cheap ones to collide with (group 3), better looking ones to see (group 2), neither with any mass.

Frames: the base has x forward, y left, z up; each other link has its joint at its origin, along its z axis. At zero the upper
arm points up and the forearm and the gripper forward. The site `gripperframe`, between the tips of the jaws, has x forward out
of the gripper.
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
    add_body,
    add_collision,
    add_look,
    add_materials,
)
from assets.robots.robot import Motor, Robot
from assets.robots.safety import SafetyLimits

_HALF = math.sqrt(0.5)

# Link by link from the base: inertia, then the link's frame in the link before it.
_BASE = Inertial(
    0.147,
    (0.0137179, -5.19711e-5, 0.0334843),
    (1.14686e-4, 1.36117e-4, 1.30364e-4, -4.59787e-7, 4.97151e-6, 9.75275e-8),
)
_SHOULDER = Inertial(
    0.100006,
    (-0.0307604, -1.66727e-5, -0.0252713),
    (8.3759e-5, 8.10403e-5, 2.39783e-5, 7.55525e-8, -1.16342e-6, 1.54663e-7),
)
_UPPER_ARM = Inertial(
    0.103,
    (-0.0898471, -0.00838224, 0.0184089),
    (4.08002e-5, 1.47318e-4, 1.42487e-4, -1.97819e-5, -4.03016e-8, 8.97326e-9),
)
_LOWER_ARM = Inertial(
    0.104,
    (-0.0980701, 0.00324376, 0.0182831),
    (2.87438e-5, 1.59844e-4, 1.4529e-4, 7.41152e-6, 1.26409e-6, -4.90188e-8),
)
_WRIST = Inertial(
    0.079,
    (-1.03312e-4, -0.0386143, 0.0281156),
    (3.68263e-5, 2.5391e-5, 2.1e-5, 1.7893e-8, -5.28128e-8, 3.6412e-6),
)
_GRIPPER = Inertial(
    0.087,
    (2.13627e-4, 2.45138e-4, -0.025187),
    (2.75087e-5, 4.33657e-5, 3.45059e-5, -3.35241e-7, -5.7352e-6, -5.17847e-8),
)
_JAW = Inertial(
    0.012,
    (-0.00157495, -0.0300244, 0.0192755),
    (6.61427e-6, 1.89032e-6, 5.28738e-6, -3.19807e-7, -5.90717e-9, -1.09945e-7),
)

_TOOL_POS, _TOOL_QUAT = (-0.0079, -0.000218121, -0.0981274), (_HALF, 0.0, _HALF, 0.0)

_RANGES = {
    "shoulder_pan": (-1.91986218, 1.91986218),
    "shoulder_lift": (-1.74532925, 1.74532925),
    "elbow_flex": (-1.69, 1.69),
    "wrist_flex": (-1.65806285, 1.65806273),
    "wrist_roll": (-2.7438473, 2.84120631),
    "gripper": (-0.17453298, 1.7453292),
}

# What collides: about the outlines of the vendor's parts.
_COLLISION = {
    "base": (Shape(BOX, (0.046, 0.052, 0.036), (0.02, 0, 0.0336)),),
    "shoulder": (Shape(BOX, (0.02, 0.024, 0.05), (-0.031, 0, -0.01)),),
    "upper_arm": (Shape(CAPSULE, (0.026,), (-0.008, -0.004, 0.0187), (-0.105, -0.008, 0.0187)),),
    "lower_arm": (Shape(CAPSULE, (0.024,), (0.0, 0.003, 0.0187), (-0.12, 0.003, 0.0187)),),
    "wrist": (Shape(BOX, (0.017, 0.037, 0.028), (-0.001, -0.027, 0.0225)),),
    "gripper": (
        Shape(BOX, (0.03, 0.024, 0.0235), (0, -0.001, -0.023)),
        Shape(CAPSULE, (0.009,), (-0.022, 0, -0.05), (-0.013, 0, -0.094)),
    ),
    "moving_jaw": (Shape(CAPSULE, (0.009,), (0, 0, 0.0189), (-0.004, -0.073, 0.0189)),),
}

_MATERIALS: dict[str, Material] = {
    "printed": ((1.0, 0.82, 0.12, 1), 0.3, 0.3),
    "servo": ((0.1, 0.1, 0.1, 1), 0.4, 0.4),
    "horn": ((0.75, 0.75, 0.77, 1), 0.6, 0.6),
}


def _fork(x: float, y: float) -> tuple[Shape, ...]:
    """Two cheeks around a servo, whose arms run together towards the point (x, y)."""
    return (
        Shape(CYLINDER, (0.012,), (0, 0, -0.011), (0, 0, -0.003), material="printed"),
        Shape(CYLINDER, (0.012,), (0, 0, 0.0405), (0, 0, 0.048), material="printed"),
        Shape(CYLINDER, (0.008,), (0, 0, -0.0125), (0, 0, 0.0495), material="horn"),
        Shape(CAPSULE, (0.0075,), (0.4 * x, 0.4 * y, -0.006), (x, y, 0.006), material="printed"),
        Shape(CAPSULE, (0.0075,), (0.4 * x, 0.4 * y, 0.043), (x, y, 0.031), material="printed"),
        Shape(CAPSULE, (0.0065,), (0, 0, -0.0065), (0.5 * x, 0.5 * y, -0.0055), material="printed"),
        Shape(CAPSULE, (0.0065,), (0, 0, 0.0435), (0.5 * x, 0.5 * y, 0.0425), material="printed"),
    )


_SERVO = (0.0227, 0.0124, 0.0198)  # half its edges: along the body, its width, along the shaft

_LOOK = {
    "base": (
        # foot: a plate and its two wings, then the tower with the pan servo and the board at its back
        Shape(BOX, (0.038, 0.03, 0.008), (0.016, 0, 0.0056), material="printed"),
        Shape(BOX, (0.034, 0.014, 0.008), (0.022, 0.036, 0.0056), yaw=0.35, material="printed"),
        Shape(BOX, (0.034, 0.014, 0.008), (0.022, -0.036, 0.0056), yaw=-0.35, material="printed"),
        Shape(BOX, (0.018, 0.02, 0.016), (-0.006, 0, 0.028), material="printed"),
        Shape(BOX, (0.032, 0.0225, 0.014), (0.005, 0, 0.0535), material="printed"),
        Shape(BOX, _SERVO, (0.0263, 0, 0.0441), material="servo"),
        Shape(CYLINDER, (0.012,), (0.0388, 0, 0.022), (0.0388, 0, 0.067), material="servo"),
        Shape(BOX, (0.0038, 0.0255, 0.021), (-0.0272, 0, 0.0474), material="printed"),
    ),
    "shoulder": (
        Shape(BOX, (0.0125, 0.0195, 0.03), (-0.035, 0, 0.006), material="printed"),
        Shape(BOX, (0.019, 0.024, 0.014), (-0.0315, 0.001, -0.024), material="printed"),
        Shape(CYLINDER, (0.012,), (0, 0, 0.041), (0, 0, 0.0462), material="printed"),
        Shape(BOX, (0.018, 0.012, 0.003), (-0.018, 0, 0.0432), material="printed"),
        Shape(CYLINDER, (0.012,), (0, 0, -0.007), (0, 0, -0.012), material="printed"),
        Shape(BOX, (0.018, 0.012, 0.003), (-0.018, 0, -0.0095), material="printed"),
        Shape(BOX, (0.0124, 0.0198, 0.0227), (-0.0304, 0, -0.0417), material="servo"),
    ),
    "upper_arm": (
        *_fork(-0.066, 0.0),
        Shape(BOX, (0.031, 0.0105, 0.021), (-0.093, 0, 0.0187), material="printed"),
        Shape(BOX, (0.0124, 0.0227, 0.0198), (-0.1126, -0.0155, 0.0183), material="servo"),
        Shape(BOX, (0.008, 0.0115, 0.026), (-0.12, 0, 0.0187), material="printed"),
    ),
    "lower_arm": (
        *_fork(-0.05, 0.0),
        Shape(BOX, (0.031, 0.0105, 0.017), (-0.073, 0, 0.0187), material="printed"),
        Shape(BOX, (0.014, 0.018, 0.028), (-0.1047, 0.0035, 0.02), material="printed"),
        Shape(BOX, _SERVO, (-0.1224, 0.0052, 0.0183), material="servo"),
    ),
    "wrist": (
        *_fork(0.0, -0.032),
        Shape(BOX, (0.0165, 0.019, 0.011), (-0.001, -0.045, 0.008), material="printed"),
        Shape(BOX, (0.0145, 0.003, 0.02), (-0.001, -0.0235, 0.019), material="printed"),
        Shape(BOX, (0.0124, 0.0198, 0.0227), (0, -0.0428, 0.0306), material="servo"),
    ),
    "gripper": (
        Shape(CYLINDER, (0.019,), (0, 0, -0.001), (0, 0, -0.011), material="printed"),
        Shape(BOX, (0.006, 0.0225, 0.0225), (-0.02, -0.002, -0.0245), material="printed"),
        Shape(BOX, (0.0265, 0.0035, 0.012), (-0.002, -0.0235, -0.02), material="printed"),
        Shape(BOX, (0.0227, 0.0198, 0.0124), (0.0077, 0.0004, -0.0234), material="servo"),
        # the fixed jaw: a bracket that narrows to its tip
        Shape(BOX, (0.004, 0.021, 0.012), (-0.0215, -0.001, -0.05), pitch=-0.15, material="printed"),
        Shape(BOX, (0.0045, 0.0135, 0.012), (-0.018, 0, -0.069), pitch=-0.2, material="printed"),
        Shape(BOX, (0.004, 0.008, 0.0125), (-0.0135, 0, -0.089), pitch=-0.2, material="printed"),
        Shape(ELLIPSOID, (0.004, 0.007, 0.006), (-0.0115, 0, -0.0985), material="printed"),
    ),
    "moving_jaw": (
        Shape(CYLINDER, (0.0095,), (0, 0, -0.0045), (0, 0, 0.0025), material="printed"),
        Shape(CYLINDER, (0.0095,), (0, 0, 0.036), (0, 0, 0.0425), material="printed"),
        Shape(CYLINDER, (0.006,), (0, 0, -0.0055), (0, 0, 0.0435), material="horn"),
        Shape(CAPSULE, (0.0055,), (0, 0, 0.0), (-0.0015, -0.026, 0.012), material="printed"),
        Shape(CAPSULE, (0.0055,), (0, 0, 0.038), (-0.0015, -0.026, 0.026), material="printed"),
        Shape(BOX, (0.0055, 0.015, 0.012), (-0.002, -0.034, 0.0189), yaw=-0.05, material="printed"),
        Shape(BOX, (0.0045, 0.015, 0.008), (-0.004, -0.059, 0.0189), yaw=-0.08, material="printed"),
        Shape(ELLIPSOID, (0.004, 0.008, 0.0065), (-0.005, -0.074, 0.0189), material="printed"),
    ),
}


def so101_spec() -> mujoco.MjSpec:
    """A fresh model of the SO-101: bodies, joints, geoms and the site `gripperframe`; no actuators, sensors or table.

    It is fixed to the world by its base. Every collision geom has contype 0 and conaffinity 1: it meets what has contype 1 (a
    floor, an object) and no other part of the robot.
    """
    spec = mujoco.MjSpec()
    spec.modelname = "so101"
    spec.compiler.degree = False
    add_materials(spec, _MATERIALS)
    base = add_body(spec.worldbody, "base", (0.0, 0.0, 0.0), _BASE)
    shoulder = _add_link(base, "shoulder", "shoulder_pan", _SHOULDER, (0.0388353, 0.0, 0.0624), (0.0, 0.0, -1.0, 0.0))
    upper_arm = _add_link(
        shoulder, "upper_arm", "shoulder_lift", _UPPER_ARM, (-0.0303992, -0.0182778, -0.0542), (0.5, -0.5, -0.5, -0.5)
    )
    lower_arm = _add_link(upper_arm, "lower_arm", "elbow_flex", _LOWER_ARM, (-0.11257, -0.028, 0.0), (_HALF, 0.0, 0.0, _HALF))
    wrist = _add_link(lower_arm, "wrist", "wrist_flex", _WRIST, (-0.1349, 0.0052, 0.0), (_HALF, 0.0, 0.0, -_HALF))
    gripper = _add_link(
        wrist, "gripper", "wrist_roll", _GRIPPER, (0.0, -0.0611, 0.0181), (0.0172091, -0.0172091, 0.706897, 0.706897)
    )
    gripper.add_site(name="gripperframe", pos=_TOOL_POS, quat=_TOOL_QUAT, size=(0.005,) * 3, group=4)
    _add_link(gripper, "moving_jaw", "gripper", _JAW, (0.0202, 0.0188, -0.0234), (_HALF, _HALF, 0.0, 0.0))
    for body in spec.bodies:
        shapes = _COLLISION.get(body.name, ())
        for i, shape in enumerate(shapes):
            add_collision(body, body.name if i == 0 else f"{body.name}_{i}", shape)
        add_look(body, _LOOK.get(body.name, ()))
    return spec


def _add_link(
    parent: mujoco.MjsBody,
    name: str,
    joint: str,
    inertial: Inertial,
    pos: tuple[float, float, float],
    quat: tuple[float, float, float, float],
) -> mujoco.MjsBody:
    body = add_body(parent, name, pos, inertial, quat)
    hinge = body.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 0, 1), range=_RANGES[joint])
    hinge.damping[0] = 0.6
    hinge.armature = 0.028
    hinge.frictionloss = 0.052
    return body


SO101 = Robot(
    name="so101",
    spec=so101_spec,
    joints=tuple(_RANGES),
    default_pose=(0.0,) * 6,
    stiffness=(998.22,) * 6,
    damping=(2.731,) * 6,
    effort_limits=(3.35,) * 6,
    velocity_limits=(4.71,) * 6,
    action_scale=(0.5,) * 6,
    motors=tuple(Motor(i) for i in range(6)),  # the servos' bus numbers count from 1 at the base
    base="base",
    end_effector="gripperframe",
    servos=True,
    # The servo holds its own torque limit, which its stiffness reaches within 0.2 degrees, and switches itself off at 80 °C by
    # its register 13. A serial bus has noise: two states in a row may be lost to it.
    safety=SafetyLimits(torque=math.inf, temperature=70.0, target_speed=2.0, stale_seconds=0.2, faulty_states=2),
)
