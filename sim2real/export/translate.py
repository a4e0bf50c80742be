"""JAX functions as ONNX graphs: the function is traced, and each primitive of its jaxpr becomes operators of the graph.

    graph = Graph()
    x = graph.input("x", (3,))
    y = apply(graph, "term 'length'", jnp.linalg.norm, x)

What depends on no input is computed here and now, what only moves data becomes addresses (`sim2real.export.graph`), loops of
known length are written out. What is left is arithmetic, for which `sim2real.export.arithmetic` has the rules. A primitive
without a rule is refused, naming the place and the primitive.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from assets.errors import UserError
from sim2real.export.arithmetic import RULES, Arithmetic
from sim2real.export.graph import Graph, Operand, Value

_LONGEST_LOOP = 256


class TranslationError(UserError, ValueError):
    """A JAX function cannot be written in ONNX; the message names the place and the primitive."""


def apply(graph: Graph, place: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives for arguments that are trees of values of the graph and arrays: a tree of such.

    `place` says in errors what is translated: "policy observation term 'gravity'".
    """
    leaves, tree = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves]
    traced, out = jax.make_jaxpr(lambda *x: function(*tree.unflatten(x)), return_shape=True)(*shapes)
    with jax.default_device(jax.devices("cpu")[0]):
        results = _Translator(graph, place).run(traced.jaxpr, traced.consts, leaves)
    return jax.tree.unflatten(jax.tree.structure(out), results)


class _Translator:
    def __init__(self, graph: Graph, place: str):
        self._graph = graph
        self._place = place
        self._arithmetic = Arithmetic(graph)

    def run(self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Operand]) -> list[Operand]:
        found: dict[Any, Operand] = dict(zip(jaxpr.invars, arguments, strict=True))
        found |= {var: np.asarray(x) for var, x in zip(jaxpr.constvars, constants, strict=True)}

        def read(atom: Any) -> Operand:
            return np.asarray(atom.val, _type(atom).dtype) if isinstance(atom, Literal) else found[atom]

        for eqn in jaxpr.eqns:
            results = self._translate(eqn, [read(atom) for atom in eqn.invars])
            found |= dict(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _translate(self, eqn: JaxprEqn, operands: list[Operand]) -> list[Operand]:
        name, params = eqn.primitive.name.replace("-", "_"), eqn.params
        if eqn.effects or name.startswith("random_"):
            raise self._refusal(eqn, "it is no pure function of its inputs")
        if name in _CALLS and (operator := _whole(eqn)) is not None and isinstance(operands[0], Value):
            return [self._arithmetic(operator, operands[0])]
        if name in _CALLS:
            inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
            return self._call(inner, operands)
        if all(isinstance(x, np.ndarray) for x in operands):
            return _computed(eqn, operands)
        given = [_type(var) for var in eqn.outvars]
        if all(np.prod(x.shape) == 0 for x in given):
            return [np.zeros(x.shape, x.dtype) for x in given]
        if name in ("optimization_barrier", "device_put"):
            return operands
        if name == "cond":
            return self._cond(params["branches"], *operands)
        if name == "scan":
            return self._scan(eqn, operands)
        if name in _MOVES and all(isinstance(operands[i], np.ndarray) for i in _indices(name, operands)):
            return self._move(eqn, name, operands)
        if name not in RULES:
            steers = "an index that depends on the inputs" if name in _MOVES else "ONNX has no operator for it here"
            raise self._refusal(eqn, steers)
        try:
            return [RULES[name](self._arithmetic, *operands, **params)]
        except NotImplementedError as error:
            raise self._refusal(eqn, str(error)) from None

    def _refusal(self, eqn: JaxprEqn, why: str) -> TranslationError:
        return TranslationError(
            f"{self._place}: JAX's primitive {eqn.primitive.name!r} cannot be exported ({why}); write the function without it"
        )

    def _call(self, inner: Jaxpr | ClosedJaxpr, operands: Sequence[Operand]) -> list[Operand]:
        if isinstance(inner, ClosedJaxpr):
            return self.run(inner.jaxpr, inner.consts, operands)
        return self.run(inner, (), operands)

    def _move(self, eqn: JaxprEqn, name: str, operands: list[Operand]) -> list[Operand]:
        steering = _indices(name, operands)
        moved = [x for i, x in enumerate(operands) if i not in steering]

        def function(*addresses: np.ndarray) -> Any:
            left = iter(addresses)
            return _MOVES[name](eqn, *(x if i in steering else next(left) for i, x in enumerate(operands)))

        if name == "split":
            parts = np.cumsum(eqn.params["sizes"])[:-1]
            axis = eqn.params["axis"]
            return [self._graph.move(lambda a, i=i: np.split(a, parts, axis)[i], moved) for i in range(len(parts) + 1)]
        value = self._graph.move(function, moved)
        if np.any(value.addresses < 0):
            raise self._refusal(eqn, "an index out of bounds")
        return [value]

    def _cond(self, branches: Sequence[ClosedJaxpr], index: Operand, *operands: Operand) -> list[Operand]:
        """All branches are computed, as their functions are pure, and one is chosen."""
        if isinstance(index, np.ndarray):
            return self._call(branches[int(np.clip(index, 0, len(branches) - 1))], operands)
        results = [self._call(branch, operands) for branch in branches]
        return [self._arithmetic.select(index, *cases) for cases in zip(*results, strict=True)]

    def _scan(self, eqn: JaxprEqn, operands: list[Operand]) -> list[Operand]:
        length, constants = eqn.params["length"], eqn.params["num_consts"]
        first = constants + eqn.params["num_carry"]
        if length > _LONGEST_LOOP:
            raise self._refusal(eqn, f"a loop of {length} steps, and at most {_LONGEST_LOOP} are written out")
        carry, rows = operands[constants:first], []
        steps = range(length)[::-1] if eqn.params["reverse"] else range(length)
        for i in steps:
            now = [self._row(x, i) for x in operands[first:]]
            results = self._call(eqn.params["jaxpr"], [*operands[:constants], *carry, *now])
            carry = results[: len(carry)]
            rows.append(results[len(carry) :])
        if eqn.params["reverse"]:
            rows.reverse()
        return [*carry, *(self._stack(column) for column in zip(*rows, strict=True))]

    def _row(self, operand: Operand, i: int) -> Operand:
        return np.asarray(operand[i]) if isinstance(operand, np.ndarray) else Value(operand.addresses[i], operand.dtype)

    def _stack(self, column: Sequence[Operand]) -> Operand:
        arrays = [x for x in column if isinstance(x, np.ndarray)]
        if len(arrays) == len(column):
            return np.stack(arrays)
        return self._graph.move(lambda *addresses: np.stack(addresses), column)


def _type(atom: Any) -> Any:
    """Shape and dtype of a variable or literal."""
    return atom.aval


def _computed(eqn: JaxprEqn, operands: list[Any]) -> list[Operand]:
    results = eqn.primitive.bind(*operands, **eqn.params)
    return [np.asarray(x) for x in (results if eqn.primitive.multiple_results else [results])]


_CALLS = {
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "checkpoint",
    "remat",
    "remat2",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
}


# What JAX writes as several primitives and ONNX as one operator: functions of one array.
_WHOLE: dict[str, tuple[Callable[[jax.Array], jax.Array], str]] = {"elu": (jax.nn.elu, "Elu")}


def _whole(eqn: JaxprEqn) -> str | None:
    """The operator for a call of a function that has one: of the function itself, not of one that has its name."""
    function, operator = _WHOLE.get(str(eqn.params.get("name")), (None, None))
    if function is None or len(eqn.invars) != 1:
        return None
    given = _type(eqn.invars[0])
    (own,) = jax.make_jaxpr(function)(jax.ShapeDtypeStruct(given.shape, given.dtype)).eqns
    return operator if str(own.params["jaxpr"]) == str(eqn.params["jaxpr"]) else None


def _indices(name: str, operands: Sequence[Operand]) -> set[int]:
    """Which operands say where the data go, and are no data themselves."""
    count = len(operands)
    steering = {"gather": {1}, "scatter": {1}, "select_n": {0}, "dynamic_slice": range(1, count)}
    return set(steering.get(name, range(2, count) if name == "dynamic_update_slice" else ()))


def _bound(eqn: JaxprEqn, *operands: Any) -> Any:
    return eqn.primitive.bind(*operands, **eqn.params)


def _gather(eqn: JaxprEqn, data: Any, indices: Any) -> Any:
    return lax.gather_p.bind(data, indices, **(eqn.params | {"fill_value": -1}))


def _scatter(eqn: JaxprEqn, data: Any, indices: Any, updates: Any) -> Any:
    kept = ("dimension_numbers", "indices_are_sorted", "unique_indices", "mode")
    return lax.scatter(data, indices, updates, **{name: eqn.params[name] for name in kept})


def _broadcast(eqn: JaxprEqn, data: np.ndarray) -> np.ndarray:
    shape = np.ones(len(eqn.params["shape"]), int)
    shape[list(eqn.params["broadcast_dimensions"])] = data.shape
    return np.broadcast_to(data.reshape(shape), eqn.params["shape"])


# What only moves data, as functions of arrays. NumPy's where it has one: JAX compiles each for each shape.
_MOVES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda eqn, *data: np.concatenate(data, eqn.params["dimension"]),
    "copy": lambda eqn, data: data,
    "copy_p": lambda eqn, data: data,
    "dynamic_slice": _bound,
    "dynamic_update_slice": _bound,
    "expand_dims": lambda eqn, data: data.reshape(_type(eqn.outvars[0]).shape),
    "gather": _gather,
    "pad": _bound,
    "reshape": lambda eqn, data: data.reshape(_type(eqn.outvars[0]).shape),
    "rev": lambda eqn, data: np.flip(data, eqn.params["dimensions"]),
    "scatter": _scatter,
    "select_n": _bound,
    "slice": _bound,
    "split": _bound,
    "squeeze": lambda eqn, data: data.reshape(_type(eqn.outvars[0]).shape),
    "stack": _bound,
    "stop_gradient": lambda eqn, data: data,
    "tile": _bound,
    "transpose": lambda eqn, data: np.transpose(data, eqn.params["permutation"]),
}
