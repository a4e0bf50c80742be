"""What a randomisation term is, and how a tuple of them becomes the model fields of a batch of environments.

A term draws new values of some model fields for one environment from the values that the terms before it left. Terms are bound
to a model once, where their names are looked up and anything that does not fit raises; what is bound is a pure function.
"""

import fnmatch
from collections.abc import Callable, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.errors import UserError
from sim.physics import nominal_field

Values = dict[str, jax.Array]
"""Model fields of one environment, by name, in MjModel's shapes."""

Draw = Callable[[jax.Array, Values], Values]
"""From a key and the fields so far to the fields that the term changes."""


class RandomizationError(UserError, ValueError):
    """A term does not fit the model; the message names the term, the pattern and what there is."""


class ModelTerm(Protocol):
    """Randomises model fields, once per episode."""

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        """The names of the fields that the term changes, and its draw. Raises RandomizationError where it does not fit."""
        ...


_NAMED = {
    "body": ("nbody", "body"),
    "geom": ("ngeom", "geom"),
    "joint": ("njnt", "joint"),
    "actuator": ("nu", "actuator"),
    "site": ("nsite", "site"),
}


def match(model: mujoco.MjModel, kind: str, pattern: str, term: object) -> np.ndarray:
    """Ids of the model's elements of a kind ("body", "joint", ...) whose names match a shell-style pattern."""
    count, accessor = _NAMED[kind]
    names = [getattr(model, accessor)(i).name for i in range(getattr(model, count))]
    ids = [i for i, name in enumerate(names) if name and fnmatch.fnmatchcase(name, pattern)]
    if kind == "body":
        ids = [i for i in ids if i != 0]  # the world has no mass to change
    if not ids:
        shown = ", ".join(n for n in names if n and n != "world")
        raise RandomizationError(f"{term}: no {kind} matches {pattern!r}; the model has: {shown}")
    return np.array(ids)


class FieldSampler:
    """The terms of a randomisation bound to a model: `sampler(key)` draws one environment's fields.

    `names` lists the fields; two environments with the same key get the same values.
    """

    def __init__(self, model: mujoco.MjModel, terms: Sequence[ModelTerm]):
        bound = [term.bind(model) for term in terms]
        self.names = tuple(sorted({name for names, _ in bound for name in names}))
        self.nominal = {name: np.asarray(nominal_field(model, name), np.float32) for name in self.names}
        self._draws = [draw for _, draw in bound]

    def __call__(self, key: jax.Array) -> Values:
        values = {name: jnp.asarray(value) for name, value in self.nominal.items()}
        for i, draw in enumerate(self._draws):
            values.update(draw(jax.random.fold_in(key, i), values))
        return values
