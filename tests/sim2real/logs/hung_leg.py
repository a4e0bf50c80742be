"""`HUNG_LEG`: a leg of three joints that is bolted down with its foot in the air, quick to simulate."""

import mujoco

from assets.robots.robot import Robot

_CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE


def _spec() -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    body = spec.worldbody.add_body(name="base", pos=[0.0, 0.0, 1.0])
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.05, 0.05, 0.05], mass=1.0, contype=0, conaffinity=0)
    links = (
        ("hip", [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.08, 0.0], 0.7),
        ("thigh", [0.0, 1.0, 0.0], [0.0, 0.09, 0.0], [0.0, 0.0, -0.21], 1.1),
        ("calf", [0.0, 1.0, 0.0], [0.0, 0.0, -0.21], [0.0, 0.0, -0.21], 0.3),
    )
    for name, axis, pos, to, mass in links:
        body = body.add_body(name=name, pos=pos)
        body.add_geom(type=_CAPSULE, fromto=[0.0, 0.0, 0.0, *to], size=[0.02, 0.0, 0.0], mass=mass, contype=0, conaffinity=0)
        joint = body.add_joint(name=f"{name}_joint", axis=axis, range=[-2.0, 2.0], limited=mujoco.mjtLimited.mjLIMITED_TRUE)
        joint.armature, joint.frictionloss = 0.01, 0.2
        joint.damping[0] = 0.1
    return spec


HUNG_LEG = Robot(
    name="hung-leg",
    spec=_spec,
    joints=("hip_joint", "thigh_joint", "calf_joint"),
    default_pose=(0.0, 0.5, -0.9),
    stiffness=(35.0,) * 3,
    damping=(0.7,) * 3,
    effort_limits=(40.0,) * 3,
    velocity_limits=(30.0,) * 3,
    action_scale=(0.5,) * 3,
    motors=(),
    base="base",
)
