"""Any robot of MuJoCo Menagerie as a `Robot`: `menagerie_robot(name, ...)`.

The model itself tells its joints, ranges, torque limits, home pose, base, IMU, symmetry and, where its actuators hold
positions, gains; what it can't tell is given by joint name. A robot takes about a dozen lines:

    go2 = menagerie_robot(
        "unitree_go2",
        stiffness=35.0,
        damping=0.7,
        velocity_limits={"*_hip_joint": 30.1, "*_thigh_joint": 30.1, "*_calf_joint": 15.7},
        feet=("FL", "FR", "RL", "RR"),
        motors={
            f"{leg}_{part}_joint": Motor(3 * i + j)
            for i, leg in enumerate(("FR", "FL", "RR", "RL"))  # as the hardware counts its legs
            for j, part in enumerate(("hip", "thigh", "calf"))
        },
    )

The `mujoco-menagerie` package downloads a model on first use, or reads the checkout that the variable MENAGERIE_ROOT names.
"""

import fnmatch
from collections.abc import Callable, Mapping
from functools import partial

import mujoco
import mujoco_menagerie
import numpy as np

from assets.robots.robot import Motor, Robot, RobotError, unknown_name
from assets.robots.safety import SafetyLimits
from assets.robots.symmetry import find_foot_mirror, find_mirror, zero_pose

PerJoint = float | Mapping[str, float]
"""One value for all joints, or values by joint name or by pattern ("*_calf_joint"); the last entry that fits a joint counts."""

Edit = Callable[[mujoco.MjSpec], None]
"""Adds to a model what it lacks: the site of a tool or of an IMU."""


def menagerie_robot(
    name: str,
    *,
    velocity_limits: PerJoint,
    stiffness: PerJoint | None = None,
    damping: PerJoint | None = None,
    effort_limits: PerJoint | None = None,
    default_pose: PerJoint | None = None,
    action_scale: PerJoint = 0.25,
    joints: tuple[str, ...] | None = None,
    motors: Mapping[str, Motor] | None = None,
    feet: tuple[str, ...] = (),
    imu_site: str | None = None,
    end_effector: str | None = None,
    entry: str | None = None,
    edit: Edit | None = None,
    safety: SafetyLimits | None = None,
) -> Robot:
    """The Menagerie model `name` as a checked `Robot`.

    Args:
        name: one of `mujoco_menagerie.names()`.
        velocity_limits: largest joint speeds (rad/s); a MuJoCo model holds none.
        stiffness: gains (N m/rad); by default those of the model's position actuators.
        damping: gains (N m s/rad); by default those of the model's position actuators.
        effort_limits: torques (N m); by default the smallest of the joint's limit and its actuator's force and control limits.
        default_pose: joint positions (rad); by default those of the keyframe `home`, or of the only keyframe.
        action_scale: joint target per unit of action (rad).
        joints: actuated joints in policy order; by default every hinge with an actuator, in the order of the model's tree.
        motors: the hardware's motor of every joint, by joint name; without it the robot is simulated only.
        feet: foot geoms of a legged robot; a geom without a name has the one that `menagerie_spec` gives it.
        imu_site: by default the site of the model's gyro or accelerometer, or the site `imu`.
        end_effector: site at the tool centre point of an arm.
        entry: one of the model's files, without ".xml"; by default the robot alone.
        edit: adds to each fresh model what it lacks; a module's function, where the robot is to be pickled.
        safety: where the real robot is let down; by default what suits a robot of which nothing more is known.

    The base is the root body of the joints. With `feet`, the standing height is that at which the lowest foot touches the
    ground in the default pose, and the left-right symmetry is the one found in the model.

    Raises:
        RobotError: the model can't be had, lacks a named element, or doesn't tell what was not given.
    """
    source = _compile(name, _source_spec(name, entry, edit))
    joints = joints or _driven_hinges(name, source)
    known = [source.joint(i).name for i in range(source.njnt)]
    for joint in joints:
        if joint not in known:
            raise unknown_name(name, "joint", joint, known)

    def per_joint(field: str, given: PerJoint | None, told: Callable[[mujoco.MjModel, str], float | None]) -> tuple[float, ...]:
        values = _expand(name, field, given, joints)
        for joint in joints:
            value = values.get(joint, told(source, joint))
            if value is None:
                remedy = f"give {field}={{{joint!r}: ...}}"
                raise RobotError(f"robot {name!r}: its model doesn't tell {field} of joint {joint!r}; {remedy}")
            values[joint] = float(value)
        return tuple(values[joint] for joint in joints)

    pose = per_joint("default_pose", default_pose, _home_position)
    spec = partial(menagerie_spec, name, entry, feet, edit)
    legged = _compile(name, spec()) if feet else None
    base = _root_body(name, source, joints)
    robot = Robot(
        name=name,
        spec=spec,
        joints=joints,
        default_pose=pose,
        stiffness=per_joint("stiffness", stiffness, _actuator_stiffness),
        damping=per_joint("damping", damping, _actuator_damping),
        effort_limits=per_joint("effort_limits", effort_limits, _effort_limit),
        velocity_limits=per_joint("velocity_limits", velocity_limits, lambda model, joint: None),
        action_scale=per_joint("action_scale", action_scale, lambda model, joint: None),
        motors=_in_policy_order(name, motors, joints),
        base=base,
        imu_site=imu_site or _imu_site(source),
        feet=feet,
        end_effector=end_effector,
        standing_height=_standing_height(spec(), base, dict(zip(joints, pose, strict=True)), feet) if legged else 0.0,
        mirror=find_mirror(legged, joints) if legged else None,
        foot_mirror=find_foot_mirror(legged, feet) if legged else (),
        safety=safety or SafetyLimits(),
    )
    robot.check()
    return robot


def menagerie_spec(name: str, entry: str | None = None, feet: tuple[str, ...] = (), edit: Edit | None = None) -> mujoco.MjSpec:
    """A fresh model of a Menagerie robot, made ready for a scene.

    Left out are its actuators, sensors, keyframes, lights and explicit contact pairs: a scene adds its own. Tendons and
    equalities stay; a gripper that the source moved by a tendon is passive. Every geom that collides gets

    - contype 0 and conaffinity 1: it meets what has contype 1 (a floor, an object) and no other part of the robot;
    - condim 3, no margin and no gap, which every engine computes alike;
    - where it has no name, the name `{body}_collision_{i}`, i counting the body's geoms that collide.

    The geoms `feet` have priority 1: their own friction, not the floor's, is the contact's. Friction itself, masses, inertias,
    damping, armature and meshes stay the model's.

    Raises:
        RobotError: no such robot, entry or foot, or no download.
    """
    spec = _source_spec(name, entry, edit)
    for element in (*spec.sensors, *spec.actuators, *spec.keys, *spec.pairs, *spec.lights):
        spec.delete(element)
    for body in spec.bodies:
        colliding = [geom for geom in body.geoms if geom.contype or geom.conaffinity]
        for i, geom in enumerate(colliding):
            geom.name = geom.name or f"{body.name}_collision_{i}"
            geom.contype, geom.conaffinity = 0, 1
            geom.condim = 3
            geom.margin = geom.gap = 0.0
            geom.priority = int(geom.name in feet)
    geoms = [geom.name for geom in spec.geoms if geom.conaffinity]
    for foot in feet:
        if foot not in geoms:
            raise unknown_name(name, "colliding geom", foot, geoms)
    return spec


def _source_spec(name: str, entry: str | None, edit: Edit | None) -> mujoco.MjSpec:
    try:
        robot = mujoco_menagerie.get(name)
        entry = entry or robot.default_model
        if robot.entry(entry).kind == "scene":
            robots = ", ".join(point.name for point in robot.entry_points if point.kind == "robot")
            raise RobotError(f"robot {name!r}: entry {entry!r} is a scene, expected a robot alone: {robots}")
        file = robot.xml(entry)
    except mujoco_menagerie.UnknownRobotError as error:
        near = " or ".join(map(repr, error.suggestions))
        hint = f"did you mean {near}?" if near else "`mujoco-menagerie names` lists them all"
        raise RobotError(f"robot {name!r}: MuJoCo Menagerie has no robot of that name; {hint}") from error
    except mujoco_menagerie.UnknownEntryPointError as error:
        raise RobotError(f"robot {name!r}: {error}") from error
    except (mujoco_menagerie.MenagerieError, OSError) as error:
        raise RobotError(
            f"robot {name!r}: its model can't be had ({error}); run `mujoco-menagerie prefetch {name}` where there is a "
            "network, or set MENAGERIE_ROOT to a checkout of MuJoCo Menagerie"
        ) from error
    try:
        spec = mujoco.MjSpec.from_file(str(file))
    except ValueError as error:
        raise RobotError(f"robot {name!r}: {file} can't be read: {error}") from error
    if edit is not None:
        edit(spec)
    return spec


def _compile(name: str, spec: mujoco.MjSpec) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        raise RobotError(f"robot {name!r}: its model doesn't compile: {error}") from error


def _expand(name: str, field: str, given: PerJoint | None, joints: tuple[str, ...]) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(joints, float(given))
    values = {}
    for pattern, value in given.items():
        fitting = fnmatch.filter(joints, pattern)
        if not fitting:
            raise RobotError(f"{unknown_name(name, 'joint', pattern, joints)} (in {field})")
        values.update(dict.fromkeys(fitting, float(value)))
    return values


def _in_policy_order(name: str, motors: Mapping[str, Motor] | None, joints: tuple[str, ...]) -> tuple[Motor, ...]:
    if motors is None:
        return ()
    for joint in motors:
        if joint not in joints:
            raise RobotError(f"{unknown_name(name, 'joint', joint, joints)} (in motors)")
    missing = [joint for joint in joints if joint not in motors]
    if missing:
        raise RobotError(f"robot {name!r}: motors has no entry for joint {missing[0]!r}; give all joints a motor, or none")
    return tuple(motors[joint] for joint in joints)


def _actuators(model: mujoco.MjModel, joint: int) -> np.ndarray:
    drives_joint = np.isin(model.actuator_trntype, (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT))
    return np.flatnonzero(drives_joint & (model.actuator_trnid[:, 0] == joint))


def _driven_hinges(name: str, model: mujoco.MjModel) -> tuple[str, ...]:
    hinges = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE)
    driven = tuple(model.joint(i).name for i in map(int, hinges) if len(_actuators(model, i)))
    if not driven:
        raise RobotError(f"robot {name!r}: no actuator of its model drives a hinge; give joints=(...)")
    return driven


def _only_actuator(model: mujoco.MjModel, joint: str) -> int | None:
    found = _actuators(model, model.joint(joint).id)
    return int(found[0]) if len(found) == 1 else None


def _is_position_actuator(model: mujoco.MjModel, actuator: int) -> bool:
    return (
        model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
        and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
        and model.actuator_gainprm[actuator, 0] == -model.actuator_biasprm[actuator, 1] > 0
    )


def _actuator_stiffness(model: mujoco.MjModel, joint: str) -> float | None:
    actuator = _only_actuator(model, joint)
    if actuator is None or not _is_position_actuator(model, actuator):
        return None
    # A gear multiplies the length that the actuator sees and the force that it gives.
    return model.actuator_gainprm[actuator, 0] * model.actuator_gear[actuator, 0] ** 2


def _actuator_damping(model: mujoco.MjModel, joint: str) -> float | None:
    actuator = _only_actuator(model, joint)
    if actuator is None or not _is_position_actuator(model, actuator):
        return None
    return -model.actuator_biasprm[actuator, 2] * model.actuator_gear[actuator, 0] ** 2


def _effort_limit(model: mujoco.MjModel, joint: str) -> float | None:
    limits = []
    index = model.joint(joint).id
    if model.jnt_actfrclimited[index]:
        limits.append(_reach(model.jnt_actfrcrange[index]))
    actuator = _only_actuator(model, joint)
    if actuator is not None:
        gear = abs(model.actuator_gear[actuator, 0])
        if model.actuator_forcelimited[actuator]:
            limits.append(_reach(model.actuator_forcerange[actuator]) * gear)
        is_motor = (
            model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
            and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE
        )
        if is_motor and model.actuator_ctrllimited[actuator]:
            limits.append(_reach(model.actuator_ctrlrange[actuator]) * abs(model.actuator_gainprm[actuator, 0]) * gear)
    return min(limits, default=None)


def _reach(limits: np.ndarray) -> float:
    """What an interval allows in both directions."""
    return float(min(-limits[0], limits[1]))


def _home_position(model: mujoco.MjModel, joint: str) -> float | None:
    keys = [model.key(i).name for i in range(model.nkey)]
    key = keys.index("home") if "home" in keys else 0
    if model.nkey == 1 or "home" in keys:
        return float(model.key_qpos[key, model.joint(joint).qposadr[0]])
    return None


def _root_body(name: str, model: mujoco.MjModel, joints: tuple[str, ...]) -> str:
    roots = {int(model.body_rootid[model.joint(joint).bodyid[0]]) for joint in joints}
    if len(roots) != 1:
        shown = ", ".join(repr(model.body(root).name) for root in sorted(roots))
        raise RobotError(f"robot {name!r}: its joints hang from several root bodies: {shown}; expected one")
    return model.body(roots.pop()).name


def _imu_site(model: mujoco.MjModel) -> str | None:
    for sensor in (mujoco.mjtSensor.mjSENS_GYRO, mujoco.mjtSensor.mjSENS_ACCELEROMETER):
        for i in np.flatnonzero(model.sensor_type == sensor):
            return model.site(model.sensor_objid[i]).name
    return "imu" if "imu" in [model.site(i).name for i in range(model.nsite)] else None


def _standing_height(spec: mujoco.MjSpec, base: str, pose: dict[str, float], feet: tuple[str, ...]) -> float:
    ground = spec.worldbody.add_geom(name="standing_height_ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1])
    model = spec.compile()
    data = zero_pose(model)
    for joint, position in pose.items():
        data.qpos[model.joint(joint).qposadr[0]] = position
    mujoco.mj_kinematics(model, data)
    plane = model.geom(ground.name).id
    reach = 10.0  # m; feet lie below the base, thus below ground, where distances are negative
    lowest = min(mujoco.mj_geomDistance(model, data, plane, model.geom(foot).id, reach, None) for foot in feet)
    return float(data.body(base).xpos[2] - lowest)
