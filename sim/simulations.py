"""A batch of simulations of one model as a place to compute: the host's side of the native engine.

Every call loads the whole state, computes and copies it out, so that its results depend on its arguments alone and an elided,
repeated or reordered call does no harm. Loading costs little, as the model fields of a simulation are compared with what its
slot already holds and written (and `mj_setConst` run) only where they differ.
"""

import functools
import threading
from collections.abc import Callable, Sequence

import mujoco
import numpy as np
from mujoco import batch

from sim.bounding import REFITTED_BY, refit_trees
from sim.physics import MAX_POSITION, MAX_VELOCITY, PhysicsError, nominal_field

# Whatever else the integration state of a model holds, carried along unseen.
_REST = ("time", "history", "eq_active", "mocap_pos", "mocap_quat", "userdata", "plugin_state", "plastic")

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

Rows = slice | np.ndarray
"""Some of the environments, as an index."""


class Simulations:
    """`count` simulations of `model` on `num_threads` threads (0: one per CPU). One call computes at a time; others wait."""

    def __init__(self, model: mujoco.MjModel, count: int, num_threads: int = 0):
        self._model = model
        self._count = count
        self._has_trees = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_MIDPHASE
        self._lock = threading.Lock()
        self._batch = batch.Batch(model, nsim=count, nthread=num_threads)
        self._state = {name: self._batch.bind(name) for name in ("qpos", "qvel", "act", "ctrl", "qacc_warmstart")}
        self._rest = [view for name in _REST if (view := self._batch.bind(name).reshape(count, -1)).shape[1]]
        self._sensordata = self._batch.bind("sensordata")
        self._batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        self.rest_at_start = self._pack_rest()
        """Of every simulation, (count, size)."""
        self._slots: dict[str, np.ndarray] = {}  # the fields that the batch holds, as they were given; NaN where unknown

    def advance(self, num_substeps: int, names: Sequence[str], qpos, qvel, act, warmstart, rest, ctrl, *values) -> None:
        """A host call's function: after the arguments come the arrays to fill."""
        *values, new_qpos, new_qvel, new_act, sensordata, new_warmstart, new_rest, diverged = values
        with self._lock, _quiet:
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

    def forward(self, names: Sequence[str], mask, qpos, qvel, act, sensordata, *values) -> None:
        """Likewise; the sensor readings with those of the masked environments computed anew."""
        *values, new_sensordata = values
        new_sensordata[...] = sensordata
        rows = np.flatnonzero(mask)
        if not rows.size:
            return
        with self._lock, _quiet:
            self._load(rows, names, values, qpos, qvel, act)
            for name in ("qacc_warmstart", "ctrl"):
                self._state[name][rows] = 0
            self._unpack_rest(self.rest_at_start, rows)
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
                f"in {count} of {self._count} environments the contacts of the model do not fit into MuJoCo's memory of"
                f" {self._model.narena} bytes: raise MjSpec.memory, or <size memory=...> in MJCF. {message}".strip()
            )
        return failed

    def _load(self, rows: Rows, names: Sequence[str], values: Sequence[np.ndarray], qpos, qvel, act) -> None:
        """Make these simulations hold the state and the fields, and otherwise the nominal model, to the last bit."""
        self._load_fields(rows, dict(zip(names, values, strict=True)))
        for name, value in (("qpos", qpos), ("qvel", qvel), ("act", act)):
            self._state[name][rows] = value[rows]

    def _load_fields(self, rows: Rows, fields: dict[str, np.ndarray]) -> None:
        changed, moved = np.zeros(self._count, bool), np.zeros(self._count, bool)

        def write(name: str, differs: np.ndarray, values: np.ndarray) -> None:
            self._batch.expand(name)[differs] = values[differs]
            if name in REFITTED_BY and self._has_trees:
                moved[differs] = True
            if name in _READ | _WRITTEN or name.startswith("opt."):
                changed[differs] = True

        for name in self._slots.keys() - fields.keys():
            del self._slots[name]
            write(name, np.ones(self._count, bool), self._nominal(name))
        for name, values in fields.items():
            slots = self._slots.setdefault(name, np.full(values.shape, np.nan, np.float32))
            differs = np.zeros(self._count, bool)
            differs[rows] = (values[rows] != slots[rows]).reshape(len(slots[rows]), -1).any(axis=1)
            if differs.any():
                slots[differs] = values[differs]
                write(name, differs, values)
        if moved.any():
            geometry = {k: v[moved] for k in REFITTED_BY if (v := self._batch.expanded(k)) is not None}
            self._batch.expand("bvh_aabb")[moved] = refit_trees(self._model, geometry)
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

    @functools.cache  # noqa: B019 - it lives as long as its process
    def _nominal(self, name: str) -> np.ndarray:
        value = nominal_field(self._model, name)
        return np.broadcast_to(value, (self._count, *value.shape))

    def _pack_rest(self) -> np.ndarray:
        return np.concatenate(self._rest, axis=1, dtype=np.float32)

    def _unpack_rest(self, rest: np.ndarray, rows: Rows = slice(None)) -> None:
        start = 0
        for view in self._rest:
            view[rows] = rest[rows, start : start + view.shape[1]]
            start += view.shape[1]


class _Quiet:
    """Meanwhile MuJoCo writes its warnings neither to the console nor to a file in the working directory: they are counted for
    each environment, and reported as `diverged`. Its log is one for the process, which may compute in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = mujoco.MjLogConfig.get()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
                quiet.logto_console = quiet.logto_file = False
                quiet.set()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.set()


_quiet = _Quiet()
