"""Terms that set, scale or add to single model fields: friction, joint and actuator properties, gravity.

`Field` is the general term, by MuJoCo's own names; the functions below it are the ones in common use, with units. A quantity
that several fields describe together (a body's mass and inertia, a geom's size and bounds) has its own term in `bodies` and
`geoms`.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import batch

from sim.physics import nominal_field
from sim.randomization.distribution import Distribution
from sim.randomization.term import Draw, RandomizationError, Values, match

Combine = Literal["set", "scale", "add"]

# The leading axis of a field is one of these kinds, by its prefix.
_KINDS = {"body": "body", "geom": "geom", "jnt": "joint", "dof": "joint", "actuator": "actuator", "site": "site"}
# Fields that others describe together with them; changed alone they would leave an impossible or inconsistent model.
_OWN_TERM = {
    "body_mass": "Mass",
    "body_inertia": "Inertia",
    "body_iquat": "Inertia",
    "geom_size": "GeomSize",
    "geom_rbound": "GeomSize",
    "geom_aabb": "GeomSize",
}


@dataclass(frozen=True)
class Field:
    """Draws the rows of one model field whose names match a pattern.

    A joint field of one row per degree of freedom ("dof_damping") is matched by its joint's name.
    """

    field: str
    distribution: Distribution
    combine: Combine = "scale"
    pattern: str = "*"
    columns: tuple[int, ...] | None = None
    """Which columns of each row, from 0; None for all."""
    shared: bool = False
    """One draw for all rows and columns, rather than one for each."""
    minimum: float = -np.inf
    """Results are kept at or above this."""

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        if self.field not in batch.MODEL_FIELDS:
            raise RandomizationError(f"{self}: MjModel has no field {self.field!r} that may differ between environments")
        if self.field in _OWN_TERM:
            raise RandomizationError(f"{self}: use the term {_OWN_TERM[self.field]}, which keeps {self.field} physical")
        nominal = nominal_field(model, self.field)
        if nominal.dtype.kind != "f":
            raise RandomizationError(f"{self}: {self.field} holds {nominal.dtype}, expected a field of real numbers")
        index = self._index(model, nominal)
        shape = () if self.shared else nominal[index].shape

        def draw(key: jax.Array, values: Values) -> Values:
            sample = self.distribution.sample(key, shape)
            old = values[self.field]
            part = old[index]
            new = {"set": jnp.broadcast_to(sample, part.shape), "scale": part * sample, "add": part + sample}[self.combine]
            return {self.field: old.at[index].set(jnp.maximum(new, self.minimum))}

        return (self.field,), draw

    def _index(self, model: mujoco.MjModel, nominal: np.ndarray) -> tuple[np.ndarray, ...]:
        """Of the entries that are drawn: rows and columns of a table, entries of a vector."""
        kind = _KINDS.get(self.field.split("_")[0])
        if kind is not None:
            rows = match(model, kind, self.pattern, self)
        elif self.pattern != "*":
            raise RandomizationError(f"{self}: {self.field} has no rows with names; leave its pattern out")
        else:  # a field of the whole model, such as opt.gravity
            rows = np.arange(len(nominal)) if nominal.ndim else None
        if rows is not None and self.field.startswith("dof_"):
            rows = np.flatnonzero(np.isin(model.dof_jntid, rows))
        columns = np.arange(nominal.shape[1] if nominal.ndim == 2 else 0)
        if self.columns is not None:
            if not set(self.columns) <= set(columns):
                raise RandomizationError(f"{self}: {self.field} has {len(columns) or 'no'} columns, found {self.columns}")
            columns = np.array(self.columns)
        if rows is None:
            return ()
        return np.ix_(rows, columns) if nominal.ndim == 2 else (rows,)


def friction(distribution: Distribution, pattern: str = "*", combine: Combine = "set") -> Field:
    """Sliding friction coefficient of geoms, one draw for all. At equal priority the greater of the two geoms' counts."""
    return Field("geom_friction", distribution, combine, pattern, columns=(0,), shared=True, minimum=0.0)


def armature(distribution: Distribution, pattern: str = "*", combine: Combine = "scale") -> Field:
    """Rotor inertia seen at the joint (kg m^2)."""
    return Field("dof_armature", distribution, combine, pattern, minimum=0.0)


def joint_damping(distribution: Distribution, pattern: str = "*", combine: Combine = "scale") -> Field:
    """Viscous friction of joints (N m s/rad)."""
    return Field("dof_damping", distribution, combine, pattern, minimum=0.0)


def friction_loss(distribution: Distribution, pattern: str = "*", combine: Combine = "scale") -> Field:
    """Dry friction of joints (N m)."""
    return Field("dof_frictionloss", distribution, combine, pattern, minimum=0.0)


def gravity(distribution: Distribution) -> Field:
    """Adds to each component of gravity (m/s^2): a tilted ground, an accelerating platform."""
    return Field("opt.gravity", distribution, "add")


def joint_range(distribution: Distribution, pattern: str = "*", combine: Combine = "add") -> Field:
    """Position limits of joints (rad)."""
    return Field("jnt_range", distribution, combine, pattern)


def effort_limits(distribution: Distribution, pattern: str = "*") -> Field:
    """Scales both torque limits of actuators, one draw for all."""
    return Field("actuator_forcerange", distribution, "scale", pattern, shared=True)
