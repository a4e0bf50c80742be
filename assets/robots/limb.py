"""One limb of a robot with its base bolted down, as a robot of its own: `limb(GO2, "FL_hip")`.

    leg = limb(GO2, "FL_hip")
    leg.joints                                   # ("FL_hip_joint", "FL_thigh_joint", "FL_calf_joint")

What the limb is made of comes from the robot's own description: its other limbs are taken off, and nothing is written anew.
"""

from dataclasses import replace

import mujoco

from assets.robots.robot import Robot, RobotError, unknown_name


def limb(robot: Robot, root: str) -> Robot:
    """The limb that begins with the body `root`, a child of the robot's base.

    A robot that stands on its feet is held twice as high as it stands. Raises RobotError where there is no such limb.
    """
    spec = _limb_spec(robot, root)
    model = spec.compile()
    index = [i for i, name in enumerate(robot.joints) if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) >= 0]
    if not index:
        raise RobotError(f"robot {robot.name!r}: no joint of its `joints` is in the limb that begins with {root!r}")
    geoms, sites = ({element.name for element in elements} for elements in (spec.geoms, spec.sites))
    per_joint = ("joints", "default_pose", "stiffness", "damping", "effort_limits", "velocity_limits", "action_scale")
    return replace(
        robot,
        name=f"{robot.name}-{root}",
        spec=lambda: _limb_spec(robot, root),
        **{field: tuple(getattr(robot, field)[i] for i in index) for field in per_joint},
        motors=tuple(robot.motors[i] for i in index) if robot.motors else (),
        imu_site=None,
        feet=tuple(foot for foot in robot.feet if foot in geoms),
        end_effector=robot.end_effector if robot.end_effector in sites else None,
        mirror=None,
        foot_mirror=(),
    )


def _limb_spec(robot: Robot, root: str) -> mujoco.MjSpec:
    spec = robot.spec()
    base = spec.body(robot.base)
    children = [body.name for body in base.bodies]
    if root not in children:
        raise unknown_name(robot.name, "limb at its base", root, children)
    for body in [body for body in base.bodies if body.name != root]:
        spec.delete(body)
    for joint in [joint for joint in base.joints if joint.type == mujoco.mjtJoint.mjJNT_FREE]:
        spec.delete(joint)
        base.pos = [0.0, 0.0, 2.0 * robot.standing_height]
    return spec
