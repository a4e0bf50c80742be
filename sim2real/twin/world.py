"""The world of a twin, as a model: the robot in the training's scene, with motors that exert what they are told and a gap's
masses, frictions and backlash.

    spec = twin_spec(GO2, Gap(), flat_ground, physics_step=0.0005)

Backlash is modelled in the mechanism: the joint, with all its friction and the rotor's inertia, is the motor's side; a second
hinge on the same axis, without any, is the play between it and the link, and its limits are the flanks of the gear's teeth.
"""

import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import Ground, scene_spec
from sim2real.twin.gap import Gap, GapError, check_pattern

ACCELEROMETER = "imu_acceleration"

_BACKLASH = "backlash"


def twin_spec(robot: Robot, gap: Gap, terrain: Ground, physics_step: float) -> mujoco.MjSpec:
    """The spec; `physics_step` in seconds. Raises GapError where the gap names what the robot does not have."""
    spec = scene_spec(robot, terrain, physics_step)
    _set_motors(spec, robot)
    own = _bodies_of(spec, robot)
    _check_names(robot, gap, own)
    _set_links(spec, gap, own)
    _add_payload(spec, robot, gap)
    _set_joints(spec, robot, gap)
    _set_contact(spec, robot, gap, own)
    if robot.imu_site is not None:
        kind = mujoco.mjtObj.mjOBJ_SITE
        spec.add_sensor(name=ACCELEROMETER, type=mujoco.mjtSensor.mjSENS_ACCELEROMETER, objtype=kind, objname=robot.imu_site)
    return spec


def _set_motors(spec: mujoco.MjSpec, robot: Robot) -> None:
    """In place of the scene's position actuators, motors whose torque is their control, for whoever bounds it."""
    for joint in robot.joints:
        motor = spec.actuator(joint)
        motor.gainprm = [1.0, *[0.0] * 9]
        motor.biastype = mujoco.mjtBias.mjBIAS_NONE
        motor.biasprm = [0.0] * 10
        motor.forcelimited = False


def _bodies_of(spec: mujoco.MjSpec, robot: Robot) -> list[str]:
    """Names of the robot's bodies."""
    model = spec.copy().compile()
    root = model.body_rootid[model.body(robot.base).id]
    return [model.body(i).name for i in range(1, model.nbody) if model.body_rootid[i] == root]


def _check_names(robot: Robot, gap: Gap, bodies: list[str]) -> None:
    names = {"joint": robot.joints, "body": tuple(bodies)}
    for section in ("links", "joints", "motor", "encoder"):
        part = getattr(gap, section)
        for name, declared in type(part).__dataclass_fields__.items():
            getattr(part, name).check(f"[{section}] {name}", names[declared.metadata["names"]])
    if gap.payload.body:
        check_pattern("[payload] body", gap.payload.body, bodies)
    for fault in gap.fault:
        if fault.joint:
            check_pattern("[[fault]] joint", fault.joint, robot.joints)


def _set_links(spec: mujoco.MjSpec, gap: Gap, names: list[str]) -> None:
    links = gap.links
    scale = links.mass_scale.over(names, 1.0)
    shift = np.stack([getattr(links, f"center_shift_{axis}").over(names, 0.0) for axis in "xyz"], axis=1)
    model = spec.copy().compile()  # masses that the spec leaves to the compiler
    for i, name in enumerate(names):
        if scale[i] != 1.0 or shift[i].any():
            body, compiled = spec.body(name), model.body(name)
            body.explicitinertial = True
            body.mass = compiled.mass[0] * scale[i]
            body.ipos = compiled.ipos + shift[i]
            body.iquat = compiled.iquat
            body.fullinertia = [np.nan] * 6
            body.inertia = compiled.inertia * scale[i]


def _add_payload(spec: mujoco.MjSpec, robot: Robot, gap: Gap) -> None:
    """A box of a body of its own, welded on, which collides with nothing."""
    payload = gap.payload
    if not payload.mass:
        return
    size = np.array(payload.size)
    box = spec.body(payload.body or robot.base).add_body(name="payload", pos=payload.position)
    box.explicitinertial = True
    box.ipos = [0.0, 0.0, 0.0]  # else MuJoCo takes the body's own place in its parent, once more
    box.mass, box.inertia = payload.mass, payload.mass / 12 * (size @ size - size**2)
    box.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=size / 2, contype=0, conaffinity=0, group=2, rgba=[0.7, 0.3, 0.1, 1])


def _set_joints(spec: mujoco.MjSpec, robot: Robot, gap: Gap) -> None:
    joints, names = gap.joints, robot.joints
    model = spec.copy().compile()
    dof = [model.joint(name).dofadr[0] for name in names]
    armature = joints.armature.over(names, model.dof_armature[dof])
    damping = joints.damping.over(names, model.dof_damping[dof]) + joints.viscous.over(names, 0.0)
    friction = joints.frictionloss.over(names, model.dof_frictionloss[dof])
    breakaway = joints.breakaway.over(names, friction)
    for name, at_rest, coulomb in zip(names, breakaway, friction, strict=True):
        if at_rest < coulomb:
            raise GapError(
                f"[joints] breakaway of {name!r} is {at_rest:g} N m, expected no less than its frictionloss, {coulomb:g} N m"
            )
    backlash = joints.backlash.over(names, 0.0)
    for i, name in enumerate(names):
        joint = spec.joint(name)
        joint.armature, joint.frictionloss = armature[i], friction[i]
        joint.damping[0] = damping[i]
        if breakaway[i] > friction[i]:  # what sticks must not creep, as MuJoCo's dry friction does by default
            joint.solref_friction, joint.solimp_friction = _hard(spec)
        if backlash[i] > 0:
            _add_play(spec, joint, backlash[i])
            if armature[i] <= 0:
                raise GapError(f"[joints] backlash of {name!r} needs a rotor: give it an armature above 0")


def _add_play(spec: mujoco.MjSpec, joint: mujoco.MjsJoint, half: float) -> None:
    play = joint.parent.add_joint(
        name=f"{joint.name}_{_BACKLASH}",
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=joint.axis,
        pos=joint.pos,
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        range=[-half, half],
    )
    play.solref_limit, play.solimp_limit = _hard(spec)  # teeth do not give way, nor bounce


def _hard(spec: mujoco.MjSpec) -> tuple[list[float], list[float]]:
    """solref and solimp of a constraint as stiff as the step allows, critically damped."""
    return [2.0 * spec.option.timestep, 1.0], [0.99, 0.999, 1e-4, 0.5, 2]


def _set_contact(spec: mujoco.MjSpec, robot: Robot, gap: Gap, own: list[str]) -> None:
    contact = gap.contact
    if contact.foot_friction is not None:
        if not robot.feet:
            raise GapError(f"[contact] foot_friction: {robot.name!r} names no feet")
        for name in robot.feet:
            foot = spec.geom(name)
            foot.friction[0], foot.priority = contact.foot_friction, max(1, foot.priority)
    if contact.ground_friction is not None:
        for geom in spec.geoms:
            if geom.parent.name not in own:
                geom.friction[0] = contact.ground_friction
