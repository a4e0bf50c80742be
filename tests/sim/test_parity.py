"""Every engine against MuJoCo's C engine: the same quadruped, controls and model fields give the same motion and readings.

The oracle is `mj_step` in float64, one model per environment, its fields written and `mj_setConst` run. One physics per engine
varies all fields at once; environment 0 is nominal and every other one changes a single field, so that each engine compiles once.
Contacts amplify rounding errors, so the robot starts standing and the horizon is short; the tolerances are some five times what is
seen, and every field changes the motion by far more.
"""

import copy
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.native import nominal_field

_LEG = """
<body name="{name}" pos="{x} {y} 0">
  <joint name="{name}_hip" axis="0 1 0" range="-1 2" damping="0.1" armature="0.01"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".02" mass=".6" contype="0"/>
  <body name="{name}_shank" pos="0 0 -.2">
    <joint name="{name}_knee" axis="0 1 0" range="-2.5 -.2" damping="0.1" armature="0.01"/>
    <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".015" mass=".2" contype="0"/>
    <geom name="{name}_foot" type="sphere" pos="0 0 -.2" size=".025" mass=".05" friction=".8"/>
    <site name="{name}_touch" type="sphere" pos="0 0 -.2" size=".035"/>
  </body>
</body>
"""
_LEGS = {"FL": (0.2, 0.1), "FR": (0.2, -0.1), "RL": (-0.2, 0.1), "RR": (-0.2, -0.1)}
_JOINTS = [f"{leg}_{joint}" for leg in _LEGS for joint in ("hip", "knee")]
_XML = f"""
<mujoco>
  <option timestep="0.005" integrator="Euler" iterations="30" ls_iterations="30">
    <flag eulerdamp="disable" island="disable"/>
  </option>
  <default><geom conaffinity="0"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="0" conaffinity="1" friction=".1"/>
    <body name="trunk" pos="0 0 .4">
      <freejoint/>
      <geom type="box" size=".25 .1 .05" mass="8" contype="0"/>
      <site name="imu" pos=".1 0 0"/>
      {"".join(_LEG.format(name=name, x=x, y=y) for name, (x, y) in _LEGS.items())}
    </body>
  </worldbody>
  <actuator>
    {"".join(f'<position name="{j}" joint="{j}" kp="40" kv="1" forcerange="-30 30"/>' for j in _JOINTS)}
  </actuator>
  <sensor>
    <framequat objtype="site" objname="imu"/><gyro site="imu"/><accelerometer site="imu"/><velocimeter site="imu"/>
    {"".join(f'<jointactuatorfrc joint="{j}"/>' for j in _JOINTS)}
    {"".join(f'<touch site="{n}_touch"/>' for n in _LEGS)}
    {"".join(f'<framepos objtype="geom" objname="{n}_foot"/>' for n in _LEGS)}
    {"".join(f'<framelinvel objtype="geom" objname="{n}_foot"/>' for n in _LEGS)}
  </sensor>
</mujoco>
"""
MODEL = mujoco.MjModel.from_xml_string(_XML)
STANCE = np.tile([0.6, -1.2], 4)
NUM_STEPS, NUM_SUBSTEPS = 20, 4


def _scaled(low: float, high: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda value, random: value * random.uniform(low, high, value.shape)


def _added(size: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda value, random: value + random.uniform(-size, size, value.shape)


def _turned(value: np.ndarray, random: np.random.Generator) -> np.ndarray:
    quat = value + random.uniform(-0.2, 0.2, value.shape)
    return quat / np.linalg.norm(quat, axis=-1, keepdims=True)


# How one environment differs from the nominal model, per field.
CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "actuator_biasprm": _scaled(0.7, 1.3),
    "actuator_forcerange": _scaled(0.1, 0.2),
    "actuator_gainprm": _scaled(0.7, 1.3),
    "actuator_gear": _scaled(0.7, 1.3),
    "body_gravcomp": _added(0.5),
    "body_inertia": _scaled(0.7, 1.3),
    "body_ipos": _added(0.02),
    "body_iquat": _turned,
    "body_mass": _scaled(0.7, 1.3),
    "body_pos": lambda value, random: value + np.r_[np.zeros((1, 3)), random.uniform(-0.01, 0.01, (len(value) - 1, 3))],
    "dof_armature": lambda value, random: value + 0.05 * (value > 0),
    "dof_damping": lambda value, random: value + 0.5 * (value > 0),
    "dof_frictionloss": lambda value, random: value + np.r_[np.zeros(6), random.uniform(0.3, 0.6, 8)],
    "geom_friction": _scaled(0.1, 0.3),
    "geom_size": _scaled(1.2, 1.5),
    "geom_solref": _scaled(1.5, 2.0),
    "jnt_range": lambda value, random: value * np.array([1, 0.3]),
    "jnt_stiffness": lambda value, random: value + np.r_[0, random.uniform(5, 10, 8)],
    "opt.gravity": _added(1.0),
    "qpos0": lambda value, random: value + np.r_[np.zeros(7), random.uniform(-0.1, 0.1, 8)],
    "site_pos": _added(0.01),
}
NAMES = ["nominal", *CHANGES]


@functools.cache
def models() -> list[mujoco.MjModel]:
    """The model of each environment, in the order of NAMES."""
    random = np.random.default_rng(0)
    made = [copy.copy(MODEL) for _ in NAMES]
    for model, name in zip(made, NAMES, strict=True):
        if name != "nominal":
            owner = model.opt if name.startswith("opt.") else model
            value = CHANGES[name](nominal_field(model, name), random).astype(np.float32)
            getattr(owner, name.removeprefix("opt."))[...] = value
            mujoco.mj_setConst(model, mujoco.MjData(model))
    return made


def fields() -> dict[str, jax.Array]:
    return {name: jnp.asarray([nominal_field(model, name) for model in models()], jnp.float32) for name in CHANGES}


def start() -> np.ndarray:
    """Standing, (nq,)."""
    qpos = MODEL.qpos0.copy()
    qpos[2], qpos[7:] = 0.355, STANCE
    return qpos.astype(np.float32)


def controls() -> np.ndarray:
    """Random joint targets around the stance, (NUM_STEPS, nu), rad."""
    return (STANCE + np.random.default_rng(1).uniform(-0.25, 0.25, (NUM_STEPS, MODEL.nu))).astype(np.float32)


@functools.cache
def oracle() -> tuple[np.ndarray, np.ndarray]:
    """qpos and sensordata of the C engine after each control step, (NUM_STEPS, envs, ...)."""
    qpos, readings = [], []
    for model in models():
        data = mujoco.MjData(model)
        data.qpos[:] = start()
        run = []
        for ctrl in controls():
            data.ctrl[:] = ctrl
            mujoco.mj_step(model, data, NUM_SUBSTEPS)
            run.append((data.qpos.copy(), data.sensordata.copy()))
        qpos.append([q for q, _ in run])
        readings.append([s for _, s in run])
    return np.swapaxes(qpos, 0, 1), np.swapaxes(readings, 0, 1)
