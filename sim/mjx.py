"""MuJoCo's physics compiled by XLA (MJX-JAX): any accelerator, and differentiable.

A state holds only what the next step needs; everything else that an `mjx.Data` has is recomputed, so that it costs memory while
a step runs and no longer. The model is one, shared by all environments, but for the leaves that `fields` and what MuJoCo
derives from them (`sim.constants`) replace per environment.

`MjxPhysics` is also the base of the warp engine, which differs in how model and data are made and in what is watched.
"""

import copy
import difflib
import functools
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct
from mujoco import mjx

from sim.constants import DerivedConstants
from sim.physics import MAX_POSITION, MAX_VELOCITY, Fields, PhysicsError, PhysicsState, nominal_field
from sim.plasticity import plastic_parts

# Fields that turn a part of the physics on where they are not zero. That part is compiled in, or not, from the model that is
# put on the device; where environments differ in such a field it must be in, whatever the nominal value.
_SWITCHES = (
    "actuator_biasprm",
    "actuator_gainprm",
    "body_gravcomp",
    "dof_frictionloss",
    "geom_adhesion",
    "geom_surfacevel",
    "opt.density",
    "opt.viscosity",
    "opt.wind",
    "pair_adhesion",
    "tendon_damping",
    "tendon_dampingpoly",
    "tendon_frictionloss",
    "tendon_stiffness",
    "tendon_stiffnesspoly",
)

# What MJX-JAX has no code for, though it puts such a model on the device without a word.
_IGNORED = (
    "actuator_armature",
    "actuator_damping",
    "actuator_dampingpoly",
    "dof_dampingpoly",
    "geom_adhesion",
    "geom_fluid",
    "geom_surfacevel",
    "jnt_stiffnesspoly",
    "nhistory",
    "opt.noslip_iterations",
    "pair_adhesion",
    "tendon_dampingpoly",
    "tendon_stiffnesspoly",
)

_MIN_FRICTIONLOSS = 1e-9  # MJX-JAX takes a friction loss of zero, where it has a row for it, as a brake of unlimited strength

MAX_CONTACT_POINTS = "max_contact_points"
"""A number in a model (`MjSpec.add_numeric`), of contacts that MJX-JAX has room for in each environment. Without it there is
room for every pair of geoms at once, and each costs rows in the solver, in touch or not."""

_Arrays = dict[str, jax.Array]


@struct.dataclass
class EngineState:
    """What MJX carries from step to step beyond `PhysicsState`, each with a leading axis of num_envs."""

    carried: _Arrays
    """The remaining integration state, by the names of mjx.Data: time and qacc_warmstart."""
    derived: _Arrays
    """Model fields derived from `PhysicsState.fields`, by their names, in the shapes of MjModel."""
    watched: _Arrays
    """What the engine watches over the whole run: overflows, in the warp engine."""


class MjxPhysics:
    """`num_envs` simulations of `model` in MJX-JAX. See `sim.physics.Physics`.

    Raises PhysicsError where MJX-JAX lacks a feature of the model.
    """

    name = "mjx"
    _ignored: Collection[str] = _IGNORED

    def __init__(self, model: mujoco.MjModel, num_envs: int):
        self.model = model
        self.num_envs = num_envs
        # A reset simulates in chunks: seldom does more than a fraction of the environments start anew at once.
        self._chunk = min(num_envs, max(64, num_envs // 8))
        self._check_model()
        self._device_model(frozenset())  # what the engine lacks shall be told here
        self._step = jax.jit(self._step_fn)
        self._reset = jax.jit(self._reset_fn)

    # The interface

    def init(self, fields: Fields) -> PhysicsState:
        n, m = self.num_envs, self.model
        fields = {name: self._checked(name, value) for name, value in fields.items()}
        qpos = jnp.broadcast_to(jnp.asarray(m.qpos0, jnp.float32), (n, m.nq))
        qvel = jnp.zeros((n, m.nv), jnp.float32)
        outputs = self._constants(frozenset(fields)).outputs
        empty = PhysicsState(
            qpos=qpos,
            qvel=qvel,
            act=jnp.zeros((n, m.na), jnp.float32),
            sensordata=jnp.zeros((n, m.nsensordata), jnp.float32),
            fields=fields,
            diverged=jnp.zeros(n, bool),
            engine=EngineState(
                carried={k: jnp.broadcast_to(v, (n, *v.shape)) for k, v in self._carried_at_start.items()},
                derived={k: jnp.zeros((n, *nominal_field(m, k).shape), jnp.float32) for k in outputs},
                watched=self._watched_at_start(),
            ),
        )
        return self._reset(empty, jnp.ones(n, bool), qpos, qvel, fields)

    def reset(self, state: PhysicsState, mask: jax.Array, qpos: jax.Array, qvel: jax.Array, fields: Fields) -> PhysicsState:
        if set(fields) != set(state.fields):
            raise PhysicsError(f"reset got the model fields {sorted(fields)}, expected those of init: {sorted(state.fields)}")
        fields = {name: self._checked(name, fields[name]) for name in state.fields}
        return self._reset(state, mask, qpos, qvel, fields)

    def step(self, state: PhysicsState, ctrl: jax.Array, num_substeps: int) -> PhysicsState:
        n, nu = self.num_envs, self.model.nu
        expected = ((n, nu), (n, num_substeps, nu))
        if ctrl.shape not in expected:
            raise PhysicsError(f"ctrl has shape {ctrl.shape}, expected {expected[0]}, or {expected[1]} for one per substep")
        if ctrl.ndim == 2:
            ctrl = jnp.broadcast_to(ctrl[:, None], expected[1])
        return self._step(state, ctrl.astype(jnp.float32))

    def check_overflow(self, state: PhysicsState) -> None:
        """Raise PhysicsError where more contacts than the model has room for were at work at once since `init`. Without the
        number `max_contact_points` in the model nothing overflows: each pair of geoms has its own room."""
        if self._room_for_contacts is not None:
            most = int(np.max(state.engine.watched["contacts"]))
            if most >= self._room_for_contacts:
                raise PhysicsError(
                    f"up to {most} contacts at once, all that the {self.name} engine has room for, and it may have dropped"
                    f" others: raise the model's number max_contact_points, {self._room_for_contacts}, or take it out"
                )

    # Compiled

    def _step_fn(self, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
        """One substep for each control of ctrl, (num_envs, num_substeps, nu)."""
        names = frozenset(state.fields)
        leaves = self._leaves(state.fields, state.engine.derived)

        def one(leaves: _Arrays, moving: _Arrays, ctrl: jax.Array) -> tuple[_Arrays, jax.Array, _Arrays]:
            model = self._device_model(names).tree_replace(leaves)
            data = self._placed(self._data(names, self.num_envs), leaves)
            data = mjx.step(model, data.replace(ctrl=ctrl, **moving))
            return {name: getattr(data, name) for name in moving}, data.sensordata, self._watch(data)

        def substep(carry: tuple[_Arrays, jax.Array, _Arrays], ctrl: jax.Array) -> tuple[Any, None]:
            moving, _, watched = carry
            moving, sensordata, seen = jax.vmap(one)(leaves, moving, ctrl)
            return (moving, sensordata, self._merge_watched(watched, seen)), None

        moving = {"qpos": state.qpos, "qvel": state.qvel, "act": state.act, **state.engine.carried}
        start = (moving, state.sensordata, state.engine.watched)
        (moving, sensordata, watched), _ = jax.lax.scan(substep, start, jnp.moveaxis(ctrl, 1, 0))
        return state.replace(
            qpos=moving["qpos"],
            qvel=moving["qvel"],
            act=moving["act"],
            sensordata=sensordata,
            diverged=_absurd(moving["qpos"], moving["qvel"], moving["act"]) | ~jnp.isfinite(ctrl).all(axis=(1, 2)),
            engine=state.engine.replace(carried={name: moving[name] for name in state.engine.carried}, watched=watched),
        )

    def _reset_fn(
        self, state: PhysicsState, mask: jax.Array, qpos: jax.Array, qvel: jax.Array, fields: _Arrays
    ) -> PhysicsState:
        names = frozenset(state.fields)
        n, chunk, constants = self.num_envs, self._chunk, self._constants(names)
        carried = {name: jnp.asarray(value) for name, value in self._carried_at_start.items()}

        def one(leaves: _Arrays, qpos: jax.Array, qvel: jax.Array) -> jax.Array:
            model = self._device_model(names).tree_replace(leaves)
            data = self._placed(self._data(names, chunk), leaves)
            return mjx.forward(model, data.replace(qpos=qpos, qvel=qvel, **carried)).sensordata

        def start_some(loop: tuple[PhysicsState, jax.Array]) -> tuple[PhysicsState, jax.Array]:
            state, left = loop
            ids = jnp.nonzero(left, size=chunk, fill_value=n)[0]

            def put(old: jax.Array, rows: jax.Array) -> jax.Array:
                return old.at[ids].set(rows.astype(old.dtype), mode="drop")

            rows = {"qpos": qpos.astype(jnp.float32), "qvel": qvel.astype(jnp.float32), **fields}
            rows = {name: value.at[ids].get(mode="clip") for name, value in rows.items()}
            some_fields = {name: rows[name] for name in fields}
            derived = constants(some_fields, jnp.minimum(left.sum(), chunk))
            sensordata = jax.vmap(one)(self._leaves(some_fields, derived), rows["qpos"], rows["qvel"])
            engine = state.engine.replace(
                carried={
                    k: put(v, jnp.broadcast_to(carried[k], (chunk, *v.shape[1:]))) for k, v in state.engine.carried.items()
                },
                derived={name: put(old, derived[name]) for name, old in state.engine.derived.items()},
            )
            state = state.replace(
                qpos=put(state.qpos, rows["qpos"]),
                qvel=put(state.qvel, rows["qvel"]),
                act=put(state.act, jnp.zeros((chunk, self.model.na))),
                sensordata=put(state.sensordata, sensordata),
                fields={name: put(old, rows[name]) for name, old in state.fields.items()},
                diverged=put(state.diverged, jnp.zeros(chunk, bool)),
                engine=engine,
            )
            return state, left.at[ids].set(False, mode="drop")

        return jax.lax.while_loop(lambda loop: loop[1].any(), start_some, (state, mask))[0]

    # The model

    def _check_model(self) -> None:
        for name in self._ignored:
            if np.any(nominal_field(self.model, name)):
                raise PhysicsError(
                    f"the {self.name} engine has no code for {name}, which the model uses: set it to 0, or use another engine"
                )
        if parts := plastic_parts(self.model):
            more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
            raise PhysicsError(
                f"the {self.name} engine lets spring back what is to yield: {', '.join(parts[:3])}{more}. Use the native"
                " engine, or make them elastic: springyield or yield of 0"
            )

    def _put_model(self, model: mujoco.MjModel) -> mjx.Model:
        return mjx.put_model(model, impl="jax")

    def _may_vary(self, path: str) -> bool:
        """Whether the engine reads the leaf at `path`, such as "opt._impl.o_margin", for each environment."""
        if path == "geom_size" and self.model.nhfield:
            return False  # how much of a height field a geom can touch is compiled in
        return path not in self._ignored

    @functools.cache  # noqa: B019 - one physics lives as long as its process
    def _structure(self, names: frozenset[str]) -> mujoco.MjModel:
        """The model with every part in use that the fields `names` may turn on. Their values in it have no meaning."""
        model = self.model
        switches = names & set(_SWITCHES)
        if switches:
            model = copy.copy(model)
            for name in switches:
                _turn_on(model, name)
            mujoco.mj_setConst(model, mujoco.MjData(model))
        return model

    @functools.cache  # noqa: B019
    def _device_model(self, names: frozenset[str]) -> mjx.Model:
        """The model on the device, for environments that differ in the fields `names`."""
        try:
            with jax.ensure_compile_time_eval():  # made once, outside of whatever is being traced
                return self._put_model(self._structure(names))
        except (NotImplementedError, ValueError) as error:
            what = str(error).rstrip(".")
            raise PhysicsError(
                f"the {self.name} engine cannot simulate this model: {what}. Leave that part out, or use another engine."
            ) from error

    @functools.cached_property
    def _paths(self) -> dict[str, str]:
        """The leaves of mjx.Model that may differ between environments, MuJoCo's name -> path."""
        model = self._device_model(frozenset())
        parts: dict[str, Any] = {"": model, "_impl.": model._impl, "opt.": model.opt, "opt._impl.": model.opt._impl}
        paths = {}
        for prefix, part in parts.items():
            for field in part.fields():
                leaf, path = getattr(part, field.name), prefix + field.name
                if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating) and self._may_vary(path):
                    paths[path.replace("_impl.", "")] = path
        return paths

    @functools.cache  # noqa: B019
    def _constants(self, names: frozenset[str]) -> DerivedConstants:
        # Where lights and cameras point matters to rendering only, which is not done here.
        outputs = [name for name in self._paths if not name.startswith(("light_", "cam_"))]
        return DerivedConstants(self.model, names, outputs, self._chunk)

    def _leaves(self, fields: Mapping[str, jax.Array], derived: Mapping[str, jax.Array]) -> _Arrays:
        """The leaves to replace, path -> (rows, *shape in mjx.Model)."""
        model = self._device_model(frozenset(fields))
        leaves = {}
        for name, value in {**fields, **derived}.items():
            path = self._paths[name]
            nominal = functools.reduce(getattr, path.split("."), model)
            leaves[path] = self._leaf(name, value).reshape(value.shape[0], *nominal.shape)
        return leaves

    def _leaf(self, name: str, value: jax.Array) -> jax.Array:
        """The value of a field as the engine wants it."""
        return jnp.maximum(value, _MIN_FRICTIONLOSS) if name.endswith("_frictionloss") else value

    def _checked(self, name: str, value: jax.Array) -> jax.Array:
        if name not in self._paths:
            close = difflib.get_close_matches(name, self._paths, n=3)
            hint = f"; near to it are {', '.join(close)}" if close else ""
            raise PhysicsError(
                f"the {self.name} engine cannot vary the model field {name!r} between environments: "
                f"it compiles the value in, or does not read it{hint}"
            )
        expected = (self.num_envs, *nominal_field(self.model, name).shape)
        if value.shape != expected:
            raise PhysicsError(f"model field {name!r} has shape {value.shape}, expected {expected}")
        return jnp.asarray(value, jnp.float32)

    # The data

    def _make_data(self, model: mujoco.MjModel, num_rows: int) -> mjx.Data:
        """Data of one environment, one of num_rows that are simulated at once."""
        return mjx.make_data(model, impl="jax")

    @functools.cache  # noqa: B019
    def _data_on_host(self, names: frozenset[str], num_rows: int) -> mjx.Data:
        with jax.ensure_compile_time_eval():
            return jax.tree.map(np.asarray, self._make_data(self._structure(names), num_rows))

    def _data(self, names: frozenset[str], num_rows: int) -> mjx.Data:
        def fill(leaf: np.ndarray) -> jax.Array:
            # Most of it is zeros: made where it is needed, not compiled in as constants.
            uniform = leaf.size > 0 and (leaf == leaf.flat[0]).all()
            return jnp.full(leaf.shape, leaf.flat[0], leaf.dtype) if uniform else jnp.asarray(leaf)

        return jax.tree.map(fill, self._data_on_host(names, num_rows))

    def _placed(self, data: mjx.Data, leaves: _Arrays) -> mjx.Data:
        """The data with what its engine computes only as they are made, of one environment with these leaves of the model."""
        return data

    @functools.cached_property
    def _carried_at_start(self) -> dict[str, np.ndarray]:
        """What one environment carries beyond its PhysicsState, at the start of an episode."""
        return {"time": np.zeros((), np.float32), "qacc_warmstart": np.zeros(self.model.nv, np.float32)}

    # What is watched: how many contacts are at work, where a number in the model limits them

    @functools.cached_property
    def _room_for_contacts(self) -> int | None:
        index = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_NUMERIC, MAX_CONTACT_POINTS)
        return int(self.model.numeric_data[self.model.numeric_adr[index]]) if index >= 0 else None

    def _watch(self, data: mjx.Data) -> _Arrays:
        """What to watch of one environment's last substep."""
        if self._room_for_contacts is None:
            return {}
        contact = data._impl.contact
        return {"contacts": jnp.sum(contact.dist < contact.includemargin)}

    def _merge_watched(self, old: _Arrays, new: _Arrays) -> _Arrays:
        return {name: jnp.maximum(old[name], new[name]) for name in old}

    def _watched_at_start(self) -> _Arrays:
        return {} if self._room_for_contacts is None else {"contacts": jnp.zeros(self.num_envs, jnp.int32)}


def _turn_on(model: mujoco.MjModel, name: str) -> None:
    owner, _, leaf = name.rpartition(".")
    holder = model.opt if owner else model
    value = getattr(holder, leaf)
    if isinstance(value, np.ndarray):
        value[value == 0] = 1.0
    elif value == 0:
        setattr(holder, leaf, 1.0)


def _absurd(qpos: jax.Array, qvel: jax.Array, act: jax.Array) -> jax.Array:
    sane = (jnp.abs(qpos) < MAX_POSITION).all(axis=1) & (jnp.abs(qvel) < MAX_VELOCITY).all(axis=1)
    return ~(sane & jnp.isfinite(act).all(axis=1))
