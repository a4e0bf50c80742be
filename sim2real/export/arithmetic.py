"""The rules by which `sim2real.export.translate` writes JAX's arithmetic in ONNX operators of opset 13.

A rule is a function of an `Arithmetic`, the operands and the primitive's parameters. It raises NotImplementedError, saying what
stands in the way, where ONNX has no equal.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax
from onnx import helper

from sim2real.export.graph import Graph, Operand, Shape, Value


class Arithmetic:
    """Operators of a graph, with the shapes that NumPy would give."""

    def __init__(self, graph: Graph):
        self._graph = graph

    def __call__(self, operator: str, *operands: Any, dtype: Any = None, **attributes: Any) -> Value:
        """An elementwise operator; plain numbers are constants of the type of the first operand that has one."""
        kind = next(x.dtype for x in operands if not isinstance(x, (int, float)))
        typed = [np.asarray(x, kind) if isinstance(x, (int, float)) else x for x in operands]
        shape = np.broadcast_shapes(*(x.shape for x in typed))
        return self._graph.emit_elementwise(operator, typed, shape, kind if dtype is None else dtype, **attributes)

    def with_shape(
        self, operator: str, operands: Sequence[Operand], shape: Shape, dtype: Any = None, **attributes: Any
    ) -> Value:
        """An operator that gives another shape than its operands'."""
        return self._graph.emit(operator, operands, shape, operands[0].dtype if dtype is None else dtype, **attributes)

    def reshape(self, operand: Operand, axes: Sequence[int], shape: Sequence[int]) -> Operand:
        """Transposed, then reshaped."""
        if isinstance(operand, np.ndarray):
            return np.ascontiguousarray(operand.transpose(axes)).reshape(shape)
        return Value(operand.addresses.transpose(axes).reshape(shape), operand.dtype)

    def cast(self, operand: Operand, dtype: Any) -> Operand:
        dtype = np.dtype(dtype)
        if operand.dtype == dtype:
            return operand
        return self("Cast", operand, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(dtype))

    def select(self, which: Operand, *cases: Operand) -> Operand:
        """`cases[which]`, entry by entry; `which` is bool or int32."""
        chosen = cases[0]
        for i, case in enumerate(cases[1:], start=1):
            mask = which if which.dtype == bool else self("Equal", which, i, dtype=bool)
            chosen = self("Where", mask, case, chosen, dtype=case.dtype)
        return chosen


Rule = Callable[..., Operand]


def _operator(name: str, dtype: Any = None, **attributes: Any) -> Rule:
    return lambda do, *operands, **_: do(name, *operands, dtype=dtype, **attributes)


def _unless_idle(name: str, idle: float, either: bool = True) -> Rule:
    """An operator that leaves one operand as it is where the other is the constant `idle`: scales of 1, offsets of 0."""

    def rule(do: Arithmetic, a: Operand, b: Operand, **_: Any) -> Operand:
        for kept, other in ((a, b), (b, a))[: 1 + either]:
            idles = isinstance(other, np.ndarray) and np.all(other == idle)
            if idles and np.broadcast_shapes(kept.shape, other.shape) == kept.shape:
                return kept
        return do(name, a, b)

    return rule


def _logical(name: str) -> Rule:
    def rule(do: Arithmetic, *operands: Operand, **_: Any) -> Operand:
        if operands[0].dtype != bool:
            raise NotImplementedError("bits of integers")
        return do(name, *operands)

    return rule


def _compared(name: str, negated: bool = False) -> Rule:
    def rule(do: Arithmetic, a: Operand, b: Operand, **_: Any) -> Operand:
        if a.dtype == bool and name != "Equal":
            raise NotImplementedError("an order of truth values")
        found = do(name, a, b, dtype=bool)
        return do("Not", found) if negated else found

    return rule


def _integer_pow(do: Arithmetic, x: Operand, *, y: int, **_: Any) -> Operand:
    if y < 0:
        return do("Reciprocal", _integer_pow(do, x, y=-y))
    if y < 2:
        return x if y == 1 else np.ones(x.shape, x.dtype)
    half = _integer_pow(do, x, y=y // 2)
    square = do("Mul", half, half)
    return do("Mul", square, x) if y % 2 else square


def _atan2(do: Arithmetic, y: Operand, x: Operand, **_: Any) -> Operand:
    """The angle within the first quadrant, then turned into its own; 0 / 0 is no number, and atan2(0, 0) is 0."""
    rise, run = do("Abs", y), do("Abs", x)
    none = do("And", do("Equal", rise, 0.0, dtype=bool), do("Equal", run, 0.0, dtype=bool))
    angle = do("Atan", do("Div", rise, do.select(none, run, np.ones(run.shape, run.dtype))))
    angle = do.select(do("Less", x, 0.0, dtype=bool), angle, do("Sub", math.pi, angle))
    return do.select(do("Less", y, 0.0, dtype=bool), angle, do("Neg", angle))


def _round(do: Arithmetic, x: Operand, *, rounding_method: Any, **_: Any) -> Operand:
    if rounding_method == lax.RoundingMethod.TO_NEAREST_EVEN:
        return do("Round", x)
    return do("Mul", do("Sign", x), do("Floor", do("Add", do("Abs", x), 0.5)))


def _clamp(do: Arithmetic, low: Operand, x: Operand, high: Operand, **_: Any) -> Operand:
    return do("Min", do("Max", x, low), high)


def _reduced(name: str, axes_are_input: bool = False) -> Rule:
    def rule(do: Arithmetic, x: Operand, *, axes: Sequence[int], **_: Any) -> Operand:
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        if not axes:
            return x
        if axes_are_input:
            return do.with_shape(name, [x, np.array(axes, np.int64)], shape, keepdims=0)
        return do.with_shape(name, [x], shape, axes=tuple(axes), keepdims=0)

    return rule


def _all_or_any(name: str) -> Rule:
    reduced = _reduced(name)
    return lambda do, x, *, axes, **_: do.cast(reduced(do, do.cast(x, np.int32), axes=axes), bool)


def _arg(name: str) -> Rule:
    def rule(do: Arithmetic, x: Operand, *, axes: Sequence[int], index_dtype: Any, **_: Any) -> Operand:
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return do.cast(do.with_shape(name, [x], shape, np.int64, axis=axes[0], keepdims=0), index_dtype)

    return rule


def _cumsum(do: Arithmetic, x: Operand, *, axis: int, reverse: bool, **_: Any) -> Operand:
    return do.with_shape("CumSum", [x, np.array(axis, np.int64)], x.shape, reverse=int(reverse))


def _dot_general(do: Arithmetic, a: Operand, b: Operand, *, dimension_numbers: Any, **_: Any) -> Operand:
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    if a.dtype != b.dtype:
        raise NotImplementedError(f"a product of {a.dtype} and {b.dtype}")
    free_a = [i for i in range(len(a.shape)) if i not in (*contract_a, *batch_a)]
    free_b = [i for i in range(len(b.shape)) if i not in (*contract_b, *batch_b)]
    batch = [a.shape[i] for i in batch_a]
    rows, columns = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    inner = math.prod(a.shape[i] for i in contract_a)
    # Without a batch, a vector is one to ONNX as well, which spares it a shape or two.
    m = [math.prod(rows)] if rows or batch else []
    n = [math.prod(columns)] if columns or batch else []
    depth = [math.prod(batch)] if batch else []
    left = do.reshape(a, [*batch_a, *free_a, *contract_a], [*depth, *m, inner])
    right = do.reshape(b, [*batch_b, *contract_b, *free_b], [*depth, inner, *n])
    product = do.with_shape("MatMul", [left, right], (*depth, *m, *n))
    return do.reshape(product, range(len(product.shape)), [*batch, *rows, *columns])


def _scatter_add(do: Arithmetic, data: Operand, indices: Operand, updates: Operand, **params: Any) -> Operand:
    """With known indices, a product with the matrix of zeros and ones that says which update goes where."""
    if isinstance(indices, Value):
        raise NotImplementedError("an index that depends on the inputs")
    kept = {name: params[name] for name in ("dimension_numbers", "indices_are_sorted", "unique_indices", "mode")}
    count, size = math.prod(updates.shape), math.prod(data.shape)
    zeros = np.zeros(data.shape, data.dtype)
    ones = np.eye(count, dtype=data.dtype).reshape(count, *updates.shape)
    matrix = np.stack([np.asarray(lax.scatter_add(zeros, indices, one, **kept)).reshape(size) for one in ones])
    flat = do.reshape(updates, range(len(updates.shape)), [count])
    added = do.with_shape("MatMul", [flat, matrix], (size,))
    return do("Add", data, do.reshape(added, [0], data.shape))


def _is_finite(do: Arithmetic, x: Operand, **_: Any) -> Operand:
    return do("Less", do("Abs", x), math.inf, dtype=bool)


RULES: dict[str, Rule] = {
    "abs": _operator("Abs"),
    "acos": _operator("Acos"),
    "acosh": _operator("Acosh"),
    "add": _unless_idle("Add", 0.0),
    "add_any": _unless_idle("Add", 0.0),
    "and": _logical("And"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "asin": _operator("Asin"),
    "asinh": _operator("Asinh"),
    "atan": _operator("Atan"),
    "atan2": _atan2,
    "atanh": _operator("Atanh"),
    "cbrt": lambda do, x, **_: do("Mul", do("Sign", x), do("Pow", do("Abs", x), 1 / 3)),
    "ceil": _operator("Ceil"),
    "clamp": _clamp,
    "convert_element_type": lambda do, x, *, new_dtype, **_: do.cast(x, new_dtype),
    "cos": _operator("Cos"),
    "cosh": _operator("Cosh"),
    "cumsum": _cumsum,
    "div": _unless_idle("Div", 1.0, either=False),
    "dot_general": _dot_general,
    "eq": _compared("Equal"),
    "erf": _operator("Erf"),
    "erfc": lambda do, x, **_: do("Sub", 1.0, do("Erf", x)),
    "exp": _operator("Exp"),
    "exp2": lambda do, x, **_: do("Pow", 2.0, x),
    # Near zero these lose digits to the 1, 1e-7 of it.
    "expm1": lambda do, x, **_: do("Sub", do("Exp", x), 1.0),
    "log1p": lambda do, x, **_: do("Log", do("Add", x, 1.0)),
    "floor": _operator("Floor"),
    "ge": _compared("GreaterOrEqual"),
    "gt": _compared("Greater"),
    "integer_pow": _integer_pow,
    "is_finite": _is_finite,
    "le": _compared("LessOrEqual"),
    "log": _operator("Log"),
    "logistic": _operator("Sigmoid"),
    "lt": _compared("Less"),
    "max": _operator("Max"),
    "min": _operator("Min"),
    "mul": _unless_idle("Mul", 1.0),
    "ne": _compared("Equal", negated=True),
    "neg": _operator("Neg"),
    "not": _logical("Not"),
    "or": _logical("Or"),
    "pow": lambda do, x, y, **_: do("Pow", x, do.cast(y, x.dtype)),
    "reduce_and": _all_or_any("ReduceMin"),
    "reduce_max": _reduced("ReduceMax"),
    "reduce_min": _reduced("ReduceMin"),
    "reduce_or": _all_or_any("ReduceMax"),
    "reduce_prod": _reduced("ReduceProd"),
    "reduce_sum": _reduced("ReduceSum", axes_are_input=True),
    "rem": _operator("Mod", fmod=1),
    "round": _round,
    "rsqrt": lambda do, x, **_: do("Reciprocal", do("Sqrt", x)),
    "scatter_add": _scatter_add,
    "select_n": lambda do, which, *cases, **_: do.select(which, *cases),
    "sign": _operator("Sign"),
    "sin": _operator("Sin"),
    "sinh": _operator("Sinh"),
    "sqrt": _operator("Sqrt"),
    "square": lambda do, x, **_: do("Mul", x, x),
    "sub": _unless_idle("Sub", 0.0, either=False),
    "tan": _operator("Tan"),
    "tanh": _operator("Tanh"),
    "xor": _logical("Xor"),
}
