"""MuJoCo Warp inside JAX (MJX-Warp): the engine for NVIDIA GPUs. It also runs on a CPU, slowly, which is how it is tested.

Its buffers have a fixed size. The contacts of all environments share one, of `num_envs * contacts_per_env`; each environment
has its own for `constraints_per_env` constraint rows. What does not fit is dropped, and the simulation is wrong from then on.
Call `check_overflow` now and then (it waits for the device), and always before a result is believed.

Warp allocates beside JAX: JAX takes three quarters of the GPU's memory at its start, and Warp lives in the rest. Where that
runs out, set the environment variable XLA_PYTHON_CLIENT_MEM_FRACTION, to 0.5 say, before the process starts.
"""

import copy
import functools
import math
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import mujoco.mjx.warp as mjx_warp
import numpy as np
from mujoco import mjx

from sim.mjx import MjxPhysics
from sim.physics import PhysicsError, PhysicsState

# By default it tells of every kernel that it loads, in thousands of lines.
if mjx_warp.WARP_INSTALLED:
    _config = mjx_warp.warp.config
    _config.log_level = max(_config.log_level, mjx_warp.warp.LOG_WARNING)

# What MJX-Warp has no code for, though it puts such a model on the device without a word.
_IGNORED = ("actuator_armature", "nhistory")

# Most contacts of one geom with flat ground.
_CONTACTS = {mujoco.mjtGeom.mjGEOM_SPHERE: 1, mujoco.mjtGeom.mjGEOM_ELLIPSOID: 1, mujoco.mjtGeom.mjGEOM_CAPSULE: 2}
_MAX_CONTACTS = 32  # per environment, unless asked for: seldom are more in touch at once, however many geoms there are


class WarpPhysics(MjxPhysics):
    """`num_envs` simulations of `model` in MJX-Warp. See `sim.physics.Physics`.

    `contacts_per_env` is the average over all environments, `constraints_per_env` a limit for each; None estimates them from
    the model. `graph_mode` is one of `warp.JaxCallableGraphMode`, on a GPU by default WARP_STAGED: the buffers of a training
    program move, and MJX's default would capture its CUDA graph anew each time they do.

    Raises PhysicsError where Warp is not installed or lacks a feature of the model.
    """

    name = "warp"
    _ignored: Collection[str] = _IGNORED

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        contacts_per_env: int | None = None,
        constraints_per_env: int | None = None,
        graph_mode: Any = None,
    ):
        if not mjx_warp.WARP_INSTALLED:
            raise PhysicsError("the warp engine needs warp-lang: pip install 'zerogap[warp]'")
        if model.opt.enableflags & mujoco.mjtEnableBit.mjENBL_SLEEP:
            raise PhysicsError("the warp engine keeps no body asleep: disable the model's option sleep")
        if graph_mode is None and jax.default_backend() == "gpu":
            graph_mode = mjx_warp.warp.JaxCallableGraphMode.WARP_STAGED
        self.contacts_per_env = _estimate_contacts(model) if contacts_per_env is None else contacts_per_env
        self._constraints_per_env = constraints_per_env
        self._graph_mode = graph_mode
        super().__init__(model, num_envs)

    def constraints_per_env(self, fields: Collection[str] = ()) -> int:
        """The room for constraint rows in each environment, where environments differ in `fields`."""
        if self._constraints_per_env is not None:
            return self._constraints_per_env
        return _estimate_constraints(self._structure(frozenset(fields)), self.contacts_per_env)

    def check_overflow(self, state: PhysicsState) -> None:
        """Raise PhysicsError where a buffer has overflowed since `init`; it names the argument and the number to set."""
        kinds = mjx_warp.mjwp_types.OverflowType
        watched = {name: np.asarray(value) for name, value in state.engine.watched.items()}
        overflow = watched["overflow"] & ~int(kinds.ITERATIONS | kinds.LS_ITERATIONS)  # solving is cut short by intent
        if not overflow.any():
            return
        found = int(np.bitwise_or.reduce(overflow))
        problems = [f"in {np.count_nonzero(overflow)} of {overflow.size} environments the warp engine dropped what did not fit"]
        if found & (kinds.NEFC | kinds.NJMAX_NNZ):
            room, needed = self.constraints_per_env(state.fields), int(watched["constraints"].max())
            problems.append(f"{needed} constraint rows, room for {room}: set constraints_per_env={math.ceil(1.25 * needed)}")
        if found & (kinds.BROADPHASE | kinds.NARROWPHASE | kinds.CCD):
            needed = int(watched["contacts"].max())
            enough = max(math.ceil(1.25 * needed / self.num_envs), self.contacts_per_env + 1)
            room = self.num_envs * self.contacts_per_env
            problems.append(f"{needed} contacts at once, room for {room}: set contacts_per_env={enough}")
        if others := found & ~int(kinds.NEFC | kinds.NJMAX_NNZ | kinds.BROADPHASE | kinds.NARROWPHASE | kinds.CCD):
            problems.append(f"{kinds(others)!r}: see 'Overflow detection' in MuJoCo Warp's manual")
        raise PhysicsError("; ".join(problems))

    # What differs from MJX-JAX

    def _put_model(self, model: mujoco.MjModel) -> mjx.Model:
        model = copy.copy(model)
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)  # how the C engine searches: Warp has none
        device_model = mjx.put_model(model, impl="warp", graph_mode=self._graph_mode)
        return device_model.tree_replace({"opt._impl.warn_overflow": 0})  # check_overflow tells, and kernels print slowly

    def _may_vary(self, path: str) -> bool:
        name = path.replace("_impl.", "").replace(".", "__")
        return path not in self._ignored and mjx_warp.types._BATCH_DIM["Model"].get(name, False)

    def _leaf(self, name: str, value: jax.Array) -> jax.Array:
        if name in ("dof_damping", "tendon_damping") and self.model.actuator_damping.any():
            # Warp adds the damping of the actuators to that of what they move
            return value + (getattr(self._device_model(frozenset()), name) - getattr(self.model, name).astype(np.float32))
        return value

    def _make_data(self, model: mujoco.MjModel, num_rows: int) -> mjx.Data:
        constraints = self._constraints_per_env or _estimate_constraints(model, self.contacts_per_env)
        return mjx.make_data(model, impl="warp", naconmax=num_rows * self.contacts_per_env, njmax=constraints)

    def _placed(self, data: mjx.Data, leaves: dict[str, jax.Array]) -> mjx.Data:
        """Warp places geoms that are fixed to the world as data are made, and never again."""
        ids, turn, origin = self._still_geoms
        if not ids.size or not leaves.keys() & {"geom_pos", "geom_quat"}:
            return data
        position, quat = (jnp.asarray(leaves.get(name, getattr(self.model, name)))[ids] for name in ("geom_pos", "geom_quat"))
        place = origin + jnp.einsum("gij,gj->gi", turn, position)
        xmat = turn @ _rotation(quat)
        return data.replace(geom_xpos=data.geom_xpos.at[ids].set(place), geom_xmat=data.geom_xmat.at[ids].set(xmat))

    @functools.cached_property
    def _still_geoms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Geoms of bodies that nothing moves, and rotation (3, 3) and origin (3,) of the body of each."""
        model, data = self.model, mujoco.MjData(self.model)
        mujoco.mj_kinematics(model, data)
        body = model.geom_bodyid
        still = (model.body_weldid[body] == 0) & (model.body_mocapid[model.body_rootid[body]] == -1)
        ids = np.flatnonzero(still)
        turn = data.xmat[body[ids]].reshape(-1, 3, 3).astype(np.float32)
        return ids, turn, data.xpos[body[ids]].astype(np.float32)

    def _watch(self, data: mjx.Data) -> dict[str, jax.Array]:
        found = data._impl
        contacts = jnp.maximum(found.nacon[0], found.ncollision[0])  # the candidates must fit, too
        return {"overflow": found.overflow, "contacts": contacts, "constraints": found.nefc}

    def _merge_watched(self, old: dict[str, jax.Array], new: dict[str, jax.Array]) -> dict[str, jax.Array]:
        most = {name: jnp.maximum(old[name], new[name]) for name in ("contacts", "constraints")}
        return {"overflow": old["overflow"] | new["overflow"], **most}

    def _watched_at_start(self) -> dict[str, jax.Array]:
        return {name: jnp.zeros(self.num_envs, jnp.int32) for name in ("overflow", "contacts", "constraints")}


def _rotation(quat: jax.Array) -> jax.Array:
    """Matrices (geoms, 3, 3) of quaternions (geoms, 4)."""
    w, x, y, z = jnp.moveaxis(quat / jnp.linalg.norm(quat, axis=1, keepdims=True), 1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return jnp.moveaxis(jnp.array(rows), 2, 0)


def _estimate_contacts(model: mujoco.MjModel) -> int:
    moves = model.body_weldid[model.geom_bodyid] != 0
    collides = (model.geom_contype | model.geom_conaffinity) != 0
    most = sum(_CONTACTS.get(kind, 4) for kind in model.geom_type[moves & collides])
    return int(np.clip(most + 2 * model.npair, 8, _MAX_CONTACTS))


def _estimate_constraints(model: mujoco.MjModel, contacts: int) -> int:
    """Rows for all limits, friction losses and equalities at once, and for `contacts`."""
    dims = np.concatenate([model.geom_condim, model.pair_dim, [1]])
    elliptic = model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    per_contact = int(dims.max() if elliptic else max(1, 2 * (dims.max() - 1)))
    friction = np.count_nonzero(model.dof_frictionloss) + np.count_nonzero(model.tendon_frictionloss)
    limits = np.count_nonzero(model.jnt_limited) + np.count_nonzero(model.tendon_limited)
    return int(6 * model.neq + friction + limits + per_contact * contacts)
