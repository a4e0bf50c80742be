"""Every engine against MuJoCo's C engine: the same quadruped, controls and model fields give the same motion and readings.

The oracle is `mj_step` in float64, one model per environment, its fields written and `mj_setConst` run. One physics per engine
varies all fields at once; environment 0 is nominal and every other one changes a single field, so that an engine compiles once.

Contacts amplify rounding errors, so the robot starts on its feet, the horizon is short (0.4 s), and the solver may iterate
until it converges. The tolerances are some five times the errors seen; every field changes the motion by forty times as much.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.engine import make_physics
from sim.physics import ENGINES, Physics, PhysicsState, nominal_field

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


@dataclass(frozen=True)
class Run:
    """One engine through the same motion as the oracle."""

    physics: Physics
    state: PhysicsState
    """At the end."""
    qpos: np.ndarray
    """After each control step, (NUM_STEPS, envs, nq)."""
    sensordata: np.ndarray
    """Likewise, (NUM_STEPS, envs, nsensordata)."""


@pytest.fixture(scope="module", params=ENGINES)
def run(quick_to_compile: None, request: pytest.FixtureRequest) -> Run:
    physics = make_physics(MODEL, len(NAMES), request.param)
    state = restart(physics, physics.init(fields()))
    qpos, readings = [], []
    for ctrl in controls():
        state = physics.step(state, jnp.tile(ctrl, (len(NAMES), 1)), NUM_SUBSTEPS)
        qpos.append(np.asarray(state.qpos))
        readings.append(np.asarray(state.sensordata))
    return Run(physics, state, np.array(qpos), np.array(readings))


def restart(physics: Physics, state: PhysicsState, mask: np.ndarray | None = None, turn: int = 0) -> PhysicsState:
    """On its feet where mask holds, with the fields of the environment `turn` places before."""
    n = len(NAMES)
    mask = np.ones(n, bool) if mask is None else mask
    new_fields = {name: jnp.roll(value, turn, axis=0) for name, value in fields().items()}
    return physics.reset(state, jnp.asarray(mask), jnp.tile(start(), (n, 1)), jnp.zeros((n, MODEL.nv)), new_fields)


def assert_same_qpos(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=0)


def assert_same_readings(found: np.ndarray, expected: np.ndarray) -> None:
    """Forces and accelerations, in N, N m and m/s^2, move more than positions and velocities when a foot strikes."""
    forces = np.isin(np.repeat(MODEL.sensor_type, MODEL.sensor_dim), _FORCES)
    np.testing.assert_allclose(found[..., ~forces], expected[..., ~forces], atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(found[..., forces], expected[..., forces], atol=2e-2, rtol=1e-3)


_FORCES = [mujoco.mjtSensor.mjSENS_ACCELEROMETER, mujoco.mjtSensor.mjSENS_JOINTACTFRC, mujoco.mjtSensor.mjSENS_TOUCH]


def test_motion_and_readings_are_those_of_the_c_engine(run: Run) -> None:
    qpos, readings = oracle()
    assert_same_qpos(run.qpos[:, 0], qpos[:, 0])
    assert_same_readings(run.sensordata[:, 0], readings[:, 0])


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_has_the_effect_it_has_in_the_c_engine(run: Run, name: str) -> None:
    qpos, readings = oracle()
    env = NAMES.index(name)
    moved = np.abs(qpos[:, env] - qpos[:, 0]).max()
    if name == "site_pos":  # moves nothing, but is felt
        assert np.abs(readings[:, env] - readings[:, 0]).max() > 0.5
    else:
        assert moved > 8e-4, "the change is too small for a test to notice"
    assert_same_qpos(run.qpos[:, env], qpos[:, env])
    assert_same_readings(run.sensordata[:, env], readings[:, env])


def test_nothing_diverges_in_a_sound_motion(run: Run) -> None:
    assert not np.asarray(run.state.diverged).any()


def test_a_control_per_substep_is_applied_at_its_substep(run: Run) -> None:
    ctrls = controls()[:NUM_SUBSTEPS]
    state = run.physics.step(restart(run.physics, run.state), jnp.tile(ctrls, (len(NAMES), 1, 1)), NUM_SUBSTEPS)
    for env, model in enumerate(models()):
        data = mujoco.MjData(model)
        data.qpos[:] = start()
        for ctrl in ctrls:
            data.ctrl[:] = ctrl
            mujoco.mj_step(model, data)
        assert_same_qpos(np.asarray(state.qpos)[env], data.qpos)


def test_a_reset_starts_the_masked_environments_anew_and_touches_no_other(run: Run) -> None:
    mask = np.arange(len(NAMES)) % 3 == 0
    state = restart(run.physics, run.state, mask, turn=1)
    for old, new in zip(jax.tree.leaves(run.state), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(np.asarray(new)[~mask], np.asarray(old)[~mask])
    for env in np.flatnonzero(mask):
        model = models()[env - 1]
        data = mujoco.MjData(model)
        data.qpos[:] = start()
        mujoco.mj_forward(model, data)
        np.testing.assert_array_equal(np.asarray(state.qpos)[env], start())
        assert_same_readings(np.asarray(state.sensordata)[env], data.sensordata)


def test_after_a_reset_new_fields_and_what_derives_from_them_count(run: Run) -> None:
    state = restart(run.physics, run.state, turn=1)
    for ctrl in controls()[:5]:
        state = run.physics.step(state, jnp.tile(ctrl, (len(NAMES), 1)), NUM_SUBSTEPS)
    qpos, _ = oracle()
    assert_same_qpos(np.asarray(state.qpos), np.roll(qpos[4], 1, axis=0))


def test_a_written_velocity_is_honoured_by_the_next_step(run: Run) -> None:
    state = restart(run.physics, run.state)
    push = np.zeros(MODEL.nv, np.float32)
    push[:2] = 0.5, -0.3
    state = run.physics.step(state.replace(qvel=state.qvel + push), jnp.tile(controls()[0], (len(NAMES), 1)), NUM_SUBSTEPS)
    data = mujoco.MjData(MODEL)
    data.qpos[:], data.qvel[:], data.ctrl[:] = start(), push, controls()[0]
    mujoco.mj_step(MODEL, data, NUM_SUBSTEPS)
    assert_same_qpos(np.asarray(state.qpos)[0], data.qpos)


def test_one_environment_diverges_alone(run: Run) -> None:
    ctrl = np.tile(controls()[0], (len(NAMES), 1))
    before = restart(run.physics, run.state)
    sound = run.physics.step(before, jnp.asarray(ctrl), NUM_SUBSTEPS)
    ctrl[3] = np.nan
    sick = run.physics.step(before.replace(qvel=before.qvel.at[5].set(jnp.nan)), jnp.asarray(ctrl), NUM_SUBSTEPS)
    assert np.flatnonzero(np.asarray(sick.diverged)).tolist() == [3, 5]
    others = ~np.asarray(sick.diverged)
    for name in ("qpos", "qvel", "act", "sensordata"):
        np.testing.assert_array_equal(np.asarray(getattr(sick, name))[others], np.asarray(getattr(sound, name))[others])
    healed = restart(run.physics, sick, np.asarray(sick.diverged))
    healed = run.physics.step(healed, jnp.tile(controls()[0], (len(NAMES), 1)), NUM_SUBSTEPS)
    assert not np.asarray(healed.diverged).any()
    assert np.isfinite(np.asarray(healed.qpos)).all()


def test_all_states_are_alike_so_that_one_program_serves_an_episode(run: Run) -> None:
    fresh = run.physics.init(fields())
    kinds = [jax.tree.map(lambda leaf: leaf.aval, state) for state in (fresh, restart(run.physics, fresh), run.state)]
    assert kinds[0] == kinds[1] == kinds[2]  # shapes, types and whether a type is weak
