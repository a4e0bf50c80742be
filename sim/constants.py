"""Constants that MuJoCo derives from model fields, for the engines that have no `mj_setConst` of their own.

A heavier body changes the inverse weights with which contacts and limits are softened, a larger geom its bounding sphere,
another joint axis the reference length of a tendon. Where such a field differs between environments, so must what MuJoCo
derives from it. The C engine computes it, in float64 and only for the environments under reset, through a host callback:

    constants = DerivedConstants(model, inputs=("body_mass",), outputs=("body_invweight0", "geom_rbound"), num_rows=64)
    constants.outputs                                  # ("body_invweight0",): a mass changes no bounding sphere
    constants({"body_mass": masses}, count)            # {"body_invweight0": (64, nbody, 2)}; the first `count` rows are valid
"""

import copy
import functools
import threading
from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import batch

from sim.physics import PhysicsError

# What mj_setConst reads and writes, of the fields that may differ between environments.
_READ = frozenset(mujoco.MjModel._setconst_inputs) & batch.MODEL_FIELDS
_WRITTEN = frozenset(mujoco.MjModel._setconst_outputs) & batch.MODEL_FIELDS


class DerivedConstants:
    """Those of `outputs` that depend on the model fields `inputs`, for `num_rows` environments at a time.

    `inputs` may hold any fields that differ between environments: those that `mj_setConst` does not read are left out, and
    where none remains `outputs` is empty and nothing is ever called. Calling is a pure function, inside `jax.jit` too.
    """

    def __init__(self, model: mujoco.MjModel, inputs: Collection[str], outputs: Collection[str], num_rows: int):
        self.model = model
        self.num_rows = num_rows
        self.inputs = tuple(sorted(_READ & set(inputs)))
        """The fields, of those given, that `mj_setConst` reads."""
        self.outputs = _dependent(model, self.inputs, sorted(_WRITTEN & set(outputs))) if self.inputs else ()
        """The fields that are computed."""
        self._lock = threading.Lock()  # the runtime may run two callbacks at once

    def __call__(self, fields: Mapping[str, jax.Array], count: jax.Array) -> dict[str, jax.Array]:
        """The derived constants, name -> (num_rows, *shape in MjModel); rows from `count` on have no meaning.

        `fields` holds at least `inputs`, each (num_rows, *shape in MjModel).

        Raises PhysicsError where a value contradicts how the model was compiled; the error of JAX's runtime quotes it.
        """
        if not self.inputs:
            return {}
        shapes = {name: jax.ShapeDtypeStruct((self.num_rows, *self._nominal(name).shape), jnp.float32) for name in self.outputs}
        return jax.pure_callback(self._compute, shapes, {name: fields[name] for name in self.inputs}, count)

    def _compute(self, fields: Mapping[str, jax.Array], count: jax.Array) -> dict[str, np.ndarray]:
        rows = np.arange(int(count))
        with self._lock:
            for name, values in fields.items():
                self._batch.expand(name)[rows] = np.asarray(values)[rows]
            for name in _WRITTEN & _READ - set(fields):
                if self._batch.expanded(name) is not None:  # written by an earlier call, and read by this one
                    self._batch.expand(name)[rows] = self._nominal(name)
            try:
                self._batch.set_const(rows)
            except batch.SimulationError as error:
                raise PhysicsError(
                    f"MuJoCo cannot derive its constants from the fields {', '.join(fields)}: {error}. Where a body was"
                    " compiled as simple, compile it with simple = False (MjSpec) or simple='false' (MJCF)."
                ) from error
            return {name: self._result(name) for name in self.outputs}

    def _result(self, name: str) -> np.ndarray:
        values = self._batch.expanded(name)
        if values is None:
            values = np.broadcast_to(self._nominal(name), (self.num_rows, *self._nominal(name).shape))
        return values.astype(np.float32)

    def _nominal(self, name: str) -> np.ndarray:
        return np.asarray(getattr(self.model, name))

    @functools.cached_property
    def _batch(self) -> batch.Batch:
        return batch.Batch(self.model, nsim=self.num_rows)


def _dependent(model: mujoco.MjModel, inputs: Collection[str], outputs: Collection[str]) -> tuple[str, ...]:
    """Those of `outputs` that change where `inputs` do, found by changing all of them a little."""
    model = copy.copy(model)
    model.body_simple[:] = 0  # asked is what depends on what, so a simple body may lose its alignment here
    model.dof_simplenum[:] = 0
    probe = batch.Batch(model, nsim=1, nthread=1)
    random = np.random.default_rng(0)
    before = {name: np.array(getattr(model, name), float) for name in outputs}
    for name in inputs:
        rows = probe.expand(name)
        rows[...] = rows * random.uniform(1.05, 1.1, rows.shape) + random.uniform(0.01, 0.02, rows.shape)
        before[name] = rows[0].copy()
    probe.set_const()
    after = {name: probe.expanded(name) for name in outputs}
    return tuple(name for name, value in after.items() if value is not None and not np.allclose(value[0], before[name]))
