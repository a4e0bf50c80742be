"""MuJoCo's C engine as a pure function of JAX arrays, through `mujoco.batch.Batch`: the engine for a CPU.

Programs call the host (`sim.host_call`), where `sim.simulations` computes. Where several devices of one process share the
environments, each has simulations of its own there, on its share of the threads.

Results are bit-identical for any number of threads. States are rounded to float32 between control steps; within a step the
engine computes in float64.
"""

import copy
import hashlib
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import batch

from sim.devices import Devices
from sim.host_call import HostCall
from sim.physics import Fields, PhysicsError, PhysicsState, nominal_field
from sim.simulations import Simulations

# Bodies of a few primitives are searched faster without a tree over them; the contacts are the same.
_FEW_GEOMS = 16


class NativePhysics:
    """`num_envs` simulations of `model` on `num_threads` threads, or 0: one per CPU that this process may use. See
    `sim.physics.Physics`.

    With `devices` it is the part that each of them has: `Devices.each` must be calling.
    """

    name = "native"

    def __init__(self, model: mujoco.MjModel, num_envs: int, num_threads: int = 0, devices: Devices | None = None):
        model = copy.copy(model)
        if model.body_geomnum.max() <= _FEW_GEOMS:
            model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
        self.model = model
        self.num_envs = num_envs
        self._devices = devices or Devices()
        here = self._devices.count_here
        num_threads = max(1, (num_threads or _usable_cpus()) // here)
        self._simulations = [Simulations(model, num_envs, num_threads) for _ in range(here)]
        self._rest_at_start = self._simulations[0].rest_at_start
        self._digest = f"{_digest(model, num_envs)} {here}"

    # The interface

    def init(self, fields: Fields) -> PhysicsState:
        fields = {name: self._checked(name, value) for name, value in fields.items()}
        n, m = self.num_envs, self.model
        empty = PhysicsState(
            qpos=jnp.broadcast_to(jnp.asarray(m.qpos0, jnp.float32), (n, m.nq)),
            qvel=jnp.zeros((n, m.nv)),
            act=jnp.zeros((n, m.na)),
            sensordata=jnp.zeros((n, m.nsensordata)),
            fields=fields,
            diverged=jnp.zeros(n, bool),
            engine=(jnp.zeros((n, m.nv)), jnp.asarray(self._rest_at_start)),
        )
        return self.reset(empty, jnp.ones(n, bool), empty.qpos, empty.qvel, fields)

    def reset(self, state: PhysicsState, mask: jax.Array, qpos: jax.Array, qvel: jax.Array, fields: Fields) -> PhysicsState:
        if set(fields) != set(state.fields):
            raise PhysicsError(f"reset got the model fields {sorted(fields)}, expected those of init: {sorted(state.fields)}")

        fields = {name: self._checked(name, fields[name]) for name in state.fields}

        def choose(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new.astype(old.dtype), old)

        warmstart, rest = state.engine
        state = state.replace(
            qpos=choose(qpos, state.qpos),
            qvel=choose(qvel, state.qvel),
            act=choose(jnp.zeros_like(state.act), state.act),
            fields={name: choose(fields[name], old) for name, old in state.fields.items()},
            engine=(choose(jnp.zeros_like(warmstart), warmstart), choose(jnp.asarray(self._rest_at_start), rest)),
            diverged=state.diverged & ~mask,
        )
        names = tuple(state.fields)
        forward = self._call(f"forward {names}", lambda simulations, *arrays: simulations.forward(names, *arrays))
        shape = jax.ShapeDtypeStruct(state.sensordata.shape, jnp.float32)
        values = state.fields.values()
        sensordata = forward(shape, mask, state.qpos, state.qvel, state.act, state.sensordata, *values)
        return state.replace(sensordata=sensordata)

    def step(self, state: PhysicsState, ctrl: jax.Array, num_substeps: int) -> PhysicsState:
        n, m = self.num_envs, self.model
        expected = ((n, m.nu), (n, num_substeps, m.nu))
        if ctrl.shape not in expected:
            raise PhysicsError(f"ctrl has shape {ctrl.shape}, expected {expected[0]}, or {expected[1]} for one per substep")
        warmstart, rest = state.engine
        floats = (state.qpos, state.qvel, state.act, state.sensordata, warmstart, rest)
        shapes = (*(jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in floats), jax.ShapeDtypeStruct((n,), bool))
        names = tuple(state.fields)
        advance = self._call(
            f"step {num_substeps} {names}", lambda simulations, *arrays: simulations.advance(num_substeps, names, *arrays)
        )
        qpos, qvel, act, sensordata, warmstart, rest, diverged = advance(
            shapes, state.qpos, state.qvel, state.act, warmstart, rest, ctrl, *state.fields.values()
        )
        return state.replace(qpos=qpos, qvel=qvel, act=act, sensordata=sensordata, diverged=diverged, engine=(warmstart, rest))

    def check_overflow(self, state: PhysicsState) -> None:
        """Nothing is of a fixed size here."""

    def _call(self, key: str, compute: Callable[..., None]) -> Callable[..., Any]:
        """A call of `compute(simulations, *arrays)` with the simulations of the device that makes it."""

        def on_its_own(place: np.ndarray, *arrays: np.ndarray) -> None:
            compute(self._simulations[int(place)], *arrays)

        call = HostCall(f"native {key} {self._digest}", on_its_own)
        return lambda results, *arguments: call(results, self._devices.index_here(), *arguments)

    def _checked(self, name: str, value: jax.Array) -> jax.Array:
        if name not in batch.MODEL_FIELDS:
            raise PhysicsError(f"the native engine has no model field {name!r} that may differ between environments")
        expected = (self.num_envs, *nominal_field(self.model, name).shape)
        if value.shape != expected:
            raise PhysicsError(f"model field {name!r} has shape {value.shape}, expected {expected}")
        return jnp.asarray(value, jnp.float32)


def _usable_cpus() -> int:
    """Those that this process is bound to, as several on one machine are: more threads would take turns."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _digest(model: mujoco.MjModel, num_envs: int) -> str:
    """Of everything that a step depends on besides its arguments: programs that call it are kept by this."""
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    return hashlib.sha256(content.tobytes()).hexdigest()[:32] + f" {num_envs} {mujoco.__version__}"
