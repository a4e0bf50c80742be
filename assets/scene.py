"""A robot in a world, ready to compile: ground, position actuators in policy order, and the sensors that tasks read by name.

Sensors, by the robot's own names:
    imu_quat, imu_gyro, imu_linvel            at `Robot.imu_site`: orientation (w, x, y, z), rad/s, m/s (in its frame)
    {joint}_torque                            actuator torque (N m)
    {foot}_pos, {foot}_linvel, {foot}_touch   of a foot geom: m and m/s in the world, contact force (N)
    {geom}_touch                              of every other collision geom: contact force (N)
    {end_effector}_pos, {end_effector}_quat   of an arm's tool, in the world
"""

from collections.abc import Callable

import mujoco
import numpy as np

from assets.robots.robot import Robot

Ground = Callable[[mujoco.MjSpec], None]
"""Adds the ground to a scene, as an `assets.terrains.Terrain` does. Its geoms have contype 1 and conaffinity 0; the robot's
have contype 0 and conaffinity 1."""

VIEW = "view"
"""The camera of every scene that shows its robot."""

_TOUCH_MARGIN = 0.01  # a touch site is larger than its geom, so that contact points lie well inside


def flat_ground(spec: mujoco.MjSpec) -> None:
    """An endless plane."""
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 0.05],
        contype=1,
        conaffinity=0,
        condim=3,
        friction=[0.8, 0.005, 0.0001],
    )


def compile_for_physics(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The model without what is only there to be seen: the same motion for a fifth less time.

    No body takes MuJoCo's shortcut for simple bodies, with which a free body could not have its centre of mass randomised.
    """
    return spec_for_physics(spec).compile()


def spec_for_physics(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """A copy of the spec that `compile_for_physics` compiles."""
    spec = spec.copy()
    spec.compiler.discardvisual = True
    for body in spec.bodies:
        body.simple = False
    return spec


def scene_spec(robot: Robot, terrain: Ground = flat_ground, timestep: float = 0.005) -> mujoco.MjSpec:
    """The robot on a terrain, with actuators and sensors; `timestep` in seconds.

    The solver options are those with which every engine computes the same: explicit damping, no islands, pyramidal cones. The
    tolerance, and not the number of iterations, ends a Newton solve: most take three or four, and a bound of four saves no time
    but leaves one contact problem in a hundred unsolved, with joint velocities off by 1 rad/s.
    """
    spec = robot.spec()
    spec.modelname = robot.name
    option = spec.option
    option.timestep = timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    option.impratio = 1.0
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.tolerance = 1e-5
    option.iterations = 20
    option.ls_iterations = 20
    disable = mujoco.mjtDisableBit
    option.disableflags |= int(disable.mjDSBL_EULERDAMP | disable.mjDSBL_ISLAND)
    terrain(spec)
    add_backdrop(spec)
    _add_view(spec, robot)
    _add_actuators(spec, robot)
    _add_sensors(spec, robot)
    return spec


def _add_view(spec: mujoco.MjSpec, robot: Robot) -> None:
    """The camera `VIEW` and a sun. A robot that walks takes sun and camera along."""
    model = spec.copy().compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    base = model.body(robot.base).id
    own = np.flatnonzero(model.body_rootid[model.geom_bodyid] == model.body_rootid[base])
    center = data.subtree_com[base]
    reach = np.linalg.norm(data.geom_xpos[own] - center, axis=1) + model.geom_rbound[own]
    into_base = data.xmat[base].reshape(3, 3).T

    def seat(offset: np.ndarray) -> np.ndarray:
        return into_base @ (center + offset - data.xpos[base])

    away = np.array([1.0, -1.0, 0.5]) / 1.5
    right = np.cross([0.0, 0.0, 1.0], away)
    up = np.cross(away, right)
    for same in [camera for camera in spec.cameras if camera.name == VIEW]:
        spec.delete(same)
    walks = model.body_dofnum[base] == 6
    mode = mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM if walks else mujoco.mjtCamLight.mjCAMLIGHT_FIXED
    body = spec.body(robot.base)
    body.add_camera(
        name=VIEW,
        mode=mode,
        pos=seat(3.4 * np.max(reach, initial=0.1) * away),
        xyaxes=[*(into_base @ right), *(into_base @ up)],
        fovy=40,
    )
    # MuJoCo casts shadows only near a light, be it a directional one.
    body.add_light(
        name="sun",
        mode=mode,
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=seat(np.array([0.6, -0.2, 2.0])),
        dir=into_base @ np.array([-0.3, 0.1, -1.0]),
        diffuse=[0.55] * 3,
    )
    spec.visual.map.shadowclip = 2.0
    spec.visual.quality.shadowsize = 2048
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.3, 0.3, 0.3]
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1920, 1080


def add_backdrop(spec: mujoco.MjSpec) -> None:
    """A sky, and a checker pattern on planes without a material: what `compile_for_physics` takes off and a picture wants."""
    spec.visual.rgba.haze = [0.62, 0.70, 0.80, 1.0]  # far ground fades into the sky
    if not any(texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX for texture in spec.textures):
        spec.add_texture(
            name="sky",
            type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
            rgb1=[0.75, 0.83, 0.92],
            rgb2=[0.35, 0.45, 0.58],
            width=256,
            height=256,
        )
    bare = [geom for geom in spec.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE and not geom.material]
    if not bare:
        return
    spec.add_texture(
        name="ground",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.36, 0.40, 0.45],
        rgb2=[0.28, 0.32, 0.37],
        width=256,
        height=256,
    )
    material = spec.add_material(name="ground", texrepeat=[1, 1], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "ground"
    for plane in bare:
        plane.material = "ground"


def _add_actuators(spec: mujoco.MjSpec, robot: Robot) -> None:
    for joint, kp, kd, effort in zip(robot.joints, robot.stiffness, robot.damping, robot.effort_limits, strict=True):
        spec.add_actuator(
            name=joint,
            target=joint,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            gaintype=mujoco.mjtGain.mjGAIN_FIXED,
            biastype=mujoco.mjtBias.mjBIAS_AFFINE,
            gainprm=[kp, *[0] * 9],
            biasprm=[0, -kp, -kd, *[0] * 7],
            forcelimited=True,
            forcerange=[-effort, effort],
            ctrllimited=False,
        )


def _add_sensors(spec: mujoco.MjSpec, robot: Robot) -> None:
    sensor, kind = mujoco.mjtSensor, mujoco.mjtObj

    def add(name: str, type: mujoco.mjtSensor, objtype: mujoco.mjtObj, objname: str) -> None:
        spec.add_sensor(name=name, type=type, objtype=objtype, objname=objname)

    if robot.imu_site is not None:
        add("imu_quat", sensor.mjSENS_FRAMEQUAT, kind.mjOBJ_SITE, robot.imu_site)
        add("imu_gyro", sensor.mjSENS_GYRO, kind.mjOBJ_SITE, robot.imu_site)
        add("imu_linvel", sensor.mjSENS_VELOCIMETER, kind.mjOBJ_SITE, robot.imu_site)
    for joint in robot.joints:
        add(f"{joint}_torque", sensor.mjSENS_JOINTACTFRC, kind.mjOBJ_JOINT, joint)
    for foot in robot.feet:
        add(f"{foot}_pos", sensor.mjSENS_FRAMEPOS, kind.mjOBJ_GEOM, foot)
        add(f"{foot}_linvel", sensor.mjSENS_FRAMELINVEL, kind.mjOBJ_GEOM, foot)
    if robot.end_effector is not None:
        add(f"{robot.end_effector}_pos", sensor.mjSENS_FRAMEPOS, kind.mjOBJ_SITE, robot.end_effector)
        add(f"{robot.end_effector}_quat", sensor.mjSENS_FRAMEQUAT, kind.mjOBJ_SITE, robot.end_effector)
    _add_touch_sensors(spec, add)


def _add_touch_sensors(spec: mujoco.MjSpec, add: Callable[..., None]) -> None:
    """One for each named collision geom of a body: a box around the geom, as a site of the same body."""
    model = spec.copy().compile()  # a spec's own frames may be given in other terms than pos and quat
    for geom in list(spec.geoms):
        if geom.parent.name == "world" or not geom.conaffinity or not geom.name:
            continue
        compiled = model.geom(geom.name)
        center, half = model.geom_aabb[compiled.id].reshape(2, 3)
        offset = np.zeros(3)
        mujoco.mju_rotVecQuat(offset, center, compiled.quat)
        site = geom.parent.add_site(
            name=f"{geom.name}_touch",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=compiled.pos + offset,
            quat=compiled.quat,
            size=half + _TOUCH_MARGIN,
            group=5,
        )
        add(site.name, mujoco.mjtSensor.mjSENS_TOUCH, mujoco.mjtObj.mjOBJ_SITE, site.name)
