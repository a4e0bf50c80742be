"""MuJoCo's C engine as a pure function of JAX arrays, through `mujoco.batch.Batch`: the engine for a CPU.

The batch of simulations is only a place to compute: every call loads the whole state, steps and copies it out, so that the
result depends on the arguments alone and an elided, repeated or reordered call does no harm. Loading costs little, as the model
fields of a simulation are compared with what its slot already holds and written (and `mj_setConst` run) only where they differ.

Results are bit-identical for any number of threads. States are rounded to float32 between control steps; within a step the
engine computes in float64.
"""

import contextlib
import copy
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import batch

from sim.bounding import REFITTED_BY, refit_trees
from sim.host_call import HostCall
from sim.physics import Fields, PhysicsError, PhysicsState

# Whatever else the integration state of a model holds, carried along unseen.
_REST = ("time", "history", "eq_active", "mocap_pos", "mocap_quat", "userdata", "plugin_state", "plastic")

# A state beyond these is absurd for any robot: it has exploded, and float32 no longer resolves it.
MAX_POSITION = 1e4
MAX_VELOCITY = 1e4

# Bodies of a few primitives are searched faster without a tree over them; the contacts are the same.
_FEW_GEOMS = 16

# Warnings that mean that the engine gave the state up, and those that mean that it had no room for all contacts.
_WARNING = mujoco.mjtWarning
_GIVEN_UP = [
    int(w)
    for w in (
        _WARNING.mjWARN_INERTIA,
        _WARNING.mjWARN_BADQPOS,
        _WARNING.mjWARN_BADQVEL,
        _WARNING.mjWARN_BADQACC,
        _WARNING.mjWARN_BADCTRL,
    )
]
_FULL = [int(_WARNING.mjWARN_CONTACTFULL), int(_WARNING.mjWARN_CNSTRFULL)]

# What mj_setConst makes constants of, and what it writes; some it both reads and writes.
_READ = frozenset(mujoco.MjModel._setconst_inputs) & batch.MODEL_FIELDS
_WRITTEN = frozenset(mujoco.MjModel._setconst_outputs) & batch.MODEL_FIELDS

_LOCK = threading.Lock()

Rows = slice | np.ndarray
"""Some of the environments, as an index."""


class NativePhysics:
    """`num_envs` simulations of `model` on `num_threads` threads (0: one per CPU). See `sim.physics.Physics`."""

    name = "native"

    def __init__(self, model: mujoco.MjModel, num_envs: int, num_threads: int = 0):
        model = copy.copy(model)
        self._has_trees = model.body_geomnum.max() > _FEW_GEOMS
        if not self._has_trees:
            model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
        self.model = model
        self.num_envs = num_envs
        self._batch = batch.Batch(model, nsim=num_envs, nthread=num_threads)
        self._state = {name: self._batch.bind(name) for name in ("qpos", "qvel", "act", "ctrl", "qacc_warmstart")}
        self._rest = [view for name in _REST if (view := self._batch.bind(name).reshape(num_envs, -1)).shape[1]]
        self._sensordata = self._batch.bind("sensordata")
        self._batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._rest_at_start = self._pack_rest()
        self._slots: dict[str, np.ndarray] = {}  # the fields that the batch holds, as they were given; NaN where unknown
        self._digest = _digest(model, num_envs)

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
        forward = HostCall(f"native forward {names} {self._digest}", functools.partial(self._forward, names))
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
        advance = HostCall(
            f"native step {num_substeps} {names} {self._digest}", functools.partial(self._advance, num_substeps, names)
        )
        qpos, qvel, act, sensordata, warmstart, rest, diverged = advance(
            shapes, state.qpos, state.qvel, state.act, warmstart, rest, ctrl, *state.fields.values()
        )
        return state.replace(qpos=qpos, qvel=qvel, act=act, sensordata=sensordata, diverged=diverged, engine=(warmstart, rest))

    def check_overflow(self, state: PhysicsState) -> None:
        """Nothing is of a fixed size here."""

    # On the host

    def _advance(self, num_substeps: int, names: Sequence[str], qpos, qvel, act, warmstart, rest, ctrl, *values) -> None:
        *values, new_qpos, new_qvel, new_act, sensordata, new_warmstart, new_rest, diverged = values
        with _alone_and_quiet():
            self._load(slice(None), names, values, qpos, qvel, act)
            self._state["qacc_warmstart"][...] = warmstart
            self._unpack_rest(rest)
            if ctrl.ndim == 2:
                self._state["ctrl"][...] = ctrl
                failed = self._run(lambda: self._batch.step(nstep=num_substeps))
            else:
                failed = self._run(lambda: self._batch.rollout(num_substeps, control=ctrl, record=()))
            new_qpos[...], new_qvel[...], new_act[...] = (self._state[name] for name in ("qpos", "qvel", "act"))
            new_warmstart[...] = self._state["qacc_warmstart"]
            new_rest[...] = self._pack_rest()
            sensordata[...] = self._sensordata
            diverged[...] = self._batch.warning[:, _GIVEN_UP, 1].any(axis=1)
        diverged |= ~(np.abs(new_qpos) < MAX_POSITION).all(axis=1) | ~(np.abs(new_qvel) < MAX_VELOCITY).all(axis=1)
        diverged[failed], sensordata[failed] = True, 0

    def _forward(self, names: Sequence[str], mask, qpos, qvel, act, sensordata, *values) -> None:
        """The sensor readings with those of the masked environments computed anew."""
        *values, new_sensordata = values
        new_sensordata[...] = sensordata
        rows = np.flatnonzero(mask)
        if not rows.size:
            return
        with _alone_and_quiet():
            self._load(rows, names, values, qpos, qvel, act)
            for name in ("qacc_warmstart", "ctrl"):
                self._state[name][rows] = 0
            self._unpack_rest(self._rest_at_start, rows)
            failed = self._run(lambda: self._batch.forward(rows))
            new_sensordata[rows] = self._sensordata[rows]
        new_sensordata[failed] = 0

    def _run(self, compute: Callable[[], object]) -> list[int]:
        """The environments in which the engine raised. Raises PhysicsError where it lacked memory and dropped contacts."""
        self._batch.warning[...] = 0
        failed, message = [], ""
        try:
            compute()
        except batch.SimulationError as error:
            failed, message = list(error.ids), str(error)
        full = self._batch.warning[:, _FULL, 1].any(axis=1)
        if full.any() or "memory" in message:
            count = max(int(full.sum()), len(failed))
            raise PhysicsError(
                f"in {count} of {self.num_envs} environments the contacts of the model do not fit into MuJoCo's memory of"
                f" {self.model.narena} bytes: raise MjSpec.memory, or <size memory=...> in MJCF. {message}".strip()
            )
        return failed

    def _load(self, rows: Rows, names: Sequence[str], values: Sequence[np.ndarray], qpos, qvel, act) -> None:
        """Make these simulations hold the state and the fields, and otherwise the nominal model, to the last bit."""
        self._load_fields(rows, dict(zip(names, values, strict=True)))
        for name, value in (("qpos", qpos), ("qvel", qvel), ("act", act)):
            self._state[name][rows] = value[rows]

    def _load_fields(self, rows: Rows, fields: dict[str, np.ndarray]) -> None:
        changed, moved = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)

        def write(name: str, differs: np.ndarray, values: np.ndarray) -> None:
            self._batch.expand(name)[differs] = values[differs]
            if name in REFITTED_BY and self._has_trees:
                moved[differs] = True
            if name in _READ | _WRITTEN or name.startswith("opt."):
                changed[differs] = True

        for name in self._slots.keys() - fields.keys():
            del self._slots[name]
            write(name, np.ones(self.num_envs, bool), self._nominal(name))
        for name, values in fields.items():
            slots = self._slots.setdefault(name, np.full(values.shape, np.nan, np.float32))
            differs = np.zeros(self.num_envs, bool)
            differs[rows] = (values[rows] != slots[rows]).reshape(len(slots[rows]), -1).any(axis=1)
            if differs.any():
                slots[differs] = values[differs]
                write(name, differs, values)
        if moved.any():
            geometry = {k: v[moved] for k in REFITTED_BY if (v := self._batch.expanded(k)) is not None}
            self._batch.expand("bvh_aabb")[moved] = refit_trees(self.model, geometry)
        if changed.any():
            self._derive(changed, fields)

    def _derive(self, changed: np.ndarray, fields: dict[str, np.ndarray]) -> None:
        """Run mj_setConst where the model changed."""
        for name in (_READ & _WRITTEN) - fields.keys():
            if self._batch.expanded(name) is not None:  # by an earlier run, which this one must not see
                self._batch.expand(name)[changed] = self._nominal(name)[changed]
        try:
            self._batch.set_const(changed)
        except batch.SimulationError as error:
            for slots in self._slots.values():
                slots[...] = np.nan
            raise PhysicsError(
                f"MuJoCo cannot derive its constants from the fields {', '.join(fields)}: {error}. Where a body was compiled as"
                " simple, compile it with simple = False (MjSpec) or simple='false' (MJCF)."
            ) from error

    @functools.cache  # noqa: B019 - one physics lives as long as its process
    def _nominal(self, name: str) -> np.ndarray:
        value = nominal_field(self.model, name)
        return np.broadcast_to(value, (self.num_envs, *value.shape))

    def _checked(self, name: str, value: jax.Array) -> jax.Array:
        if name not in batch.MODEL_FIELDS:
            raise PhysicsError(f"the native engine has no model field {name!r} that may differ between environments")
        expected = (self.num_envs, *nominal_field(self.model, name).shape)
        if value.shape != expected:
            raise PhysicsError(f"model field {name!r} has shape {value.shape}, expected {expected}")
        return jnp.asarray(value, jnp.float32)

    def _pack_rest(self) -> np.ndarray:
        return np.concatenate(self._rest, axis=1, dtype=np.float32)

    def _unpack_rest(self, rest: np.ndarray, rows: Rows = slice(None)) -> None:
        start = 0
        for view in self._rest:
            view[rows] = rest[rows, start : start + view.shape[1]]
            start += view.shape[1]


def _digest(model: mujoco.MjModel, num_envs: int) -> str:
    """Of everything that a step depends on besides its arguments: programs that call it are kept by this."""
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    return hashlib.sha256(content.tobytes()).hexdigest()[:32] + f" {num_envs} {mujoco.__version__}"


@contextlib.contextmanager
def _alone_and_quiet() -> Iterator[None]:
    """One batch computes at a time, as the runtime may run two callbacks at once. Meanwhile MuJoCo writes its warnings neither
    to the console nor to a file in the working directory: they are counted for each environment, and reported as `diverged`."""
    with _LOCK:
        before, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
        quiet.logto_console = quiet.logto_file = False
        quiet.set()
        try:
            yield
        finally:
            before.set()


def nominal_field(model: mujoco.MjModel, name: str) -> np.ndarray:
    """The model's own value of a field, such as "body_mass" or "opt.gravity"."""
    owner, _, leaf = name.rpartition(".")
    if owner not in ("", "opt"):
        raise PhysicsError(f"unknown model field {name!r}: expected a name of MjModel, or of MjOption after 'opt.'")
    value = getattr(model.opt if owner else model, leaf, None)
    if value is None:
        raise PhysicsError(f"the model has no field {name!r}")
    return np.asarray(value)
