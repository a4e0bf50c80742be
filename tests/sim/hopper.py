"""A small robot whose environment can be made to diverge, and its record as training would dump it."""

from dataclasses import dataclass

import jax.numpy as jnp
import mujoco
import numpy as np

from assets.scene import compile_for_physics
from sim.crash import CrashRecord
from sim.frozen_model import freeze_model
from sim.native import NativePhysics

# Lengths and inertias that six digits cannot hold. The visual geom is not simulated.
HOPPER = """
<mujoco model="hopper">
  <option timestep="0.005" iterations="4"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 0.05"/>
    <body name="trunk" pos="0 0 0.41234567890123">
      <freejoint name="root"/>
      <geom name="trunk" type="box" size="0.1 0.05 0.0312345678901" mass="3.3333333333"/>
      <geom name="shell" type="sphere" size="0.2" contype="0" conaffinity="0" mass="0"/>
      <body name="leg" pos="0 0 -0.03">
        <joint name="knee" axis="0 1 0" damping="0.1" armature="0.01"/>
        <geom name="leg" type="capsule" fromto="0 0 0 0.1 0 -0.31234567890" size="0.02" mass="0.4"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="knee" joint="knee" kp="20"/></actuator>
</mujoco>
"""
NUM_SUBSTEPS = 4
PUSH_STEP = 3


@dataclass(frozen=True)
class Crash:
    """A run of environment 1 of two on the native engine, until it diverges."""

    record: CrashRecord
    after: np.ndarray
    """The engine's qpos after each control step, (steps, nq)."""


def simulate(damping: float, steps: int = 20) -> Crash:
    """The hopper, landing, with this joint damping (N m s/rad); below zero it explodes."""
    spec = mujoco.MjSpec.from_string(HOPPER)
    model = compile_for_physics(spec)
    physics = NativePhysics(model, num_envs=2, num_threads=1)
    dof_damping = np.tile(model.dof_damping, (2, 1)).astype(np.float32)
    dof_damping[1, 6] = damping
    mass = np.stack([model.body_mass, 1.1 * model.body_mass]).astype(np.float32)
    state = physics.init({"dof_damping": jnp.asarray(dof_damping), "body_mass": jnp.asarray(mass)})
    random = np.random.default_rng(0)
    rows: list[tuple[np.ndarray, ...]] = []
    after = []
    for step in range(steps):
        if step == PUSH_STEP:
            state = state.replace(qvel=state.qvel.at[1, 1].add(0.5))
        ctrl = random.normal(size=(2, NUM_SUBSTEPS, model.nu)).astype(np.float32)
        rows.append(tuple(np.asarray(x)[1] for x in (state.qpos, state.qvel, state.act, ctrl)))
        state = physics.step(state, jnp.asarray(ctrl), NUM_SUBSTEPS)
        after.append(np.asarray(state.qpos)[1])
        if state.diverged[1]:
            break
    qpos, qvel, act, ctrl = (np.stack(column) for column in zip(*rows, strict=True))
    record = CrashRecord(
        task="hopper-land",
        engine="native",
        env=1,
        when="update 7",
        num_substeps=NUM_SUBSTEPS,
        model=freeze_model(spec),
        fields={name: np.asarray(value)[1] for name, value in state.fields.items()},
        qpos=qpos,
        qvel=qvel,
        act=act,
        ctrl=ctrl,
    )
    return Crash(record, np.stack(after))
