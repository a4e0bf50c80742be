"""An ONNX graph in the making, in which moving data costs nothing until someone computes with it.

    graph = Graph()
    x = graph.input("x", (3,))
    y = graph.emit("Sin", [graph.move(lambda a: a[::-1], [x])], (3,))       # the sines of x, last first
    model = graph.model({"y": y}, {"zerogap": "..."})

Every entry of every tensor has an address. A `Value` says for each of its entries at which address it is found, so that slices,
transposes, concatenations, gathers and scatters of known indices are computations with addresses, made here and now. Only an
operator that computes needs the entries side by side: then they are gathered, once. What depends on no input is a NumPy array.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 13
"""Of 2020: what runs on robots is seldom new."""
IR_VERSION = 8

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """What depends on the graph's inputs: where each entry is found, in the shape of the value, and of which type it is."""

    addresses: np.ndarray
    dtype: np.dtype

    @property
    def shape(self) -> Shape:
        return self.addresses.shape


Operand = np.ndarray | Value


@dataclass(frozen=True)
class _Tensor:
    name: str
    start: int
    """The address of its first entry."""
    shape: Shape
    dtype: np.dtype

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class _Elementwise:
    """How a tensor is computed entry by entry."""

    operator: str
    operands: tuple[Value, ...]
    """Flat, of the tensor's size each."""
    attributes: tuple[tuple[str, Any], ...]

    def is_like(self, other: "_Elementwise") -> bool:
        mine, others = ([x.dtype for x in one.operands] for one in (self, other))
        return (self.operator, self.attributes, mine) == (other.operator, other.attributes, others)


class Graph:
    def __init__(self) -> None:
        self._tensors: dict[str, _Tensor] = {}
        self._by_address: list[_Tensor] = []
        self._starts: list[int] = []
        self._end = 0
        self._inputs: list[str] = []
        self._constants: dict[tuple[str, Shape, bytes], str] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._nodes: dict[str, onnx.NodeProto] = {}
        """By the tensor that each gives, in an order in which they can run."""
        self._emitted: dict[tuple, str] = {}
        self._elementwise: dict[str, _Elementwise] = {}
        self._packed: dict[tuple[str, ...], str] = {}

    def input(self, name: str, shape: Shape) -> Value:
        """A further input of the graph, float32."""
        self._inputs.append(name)
        return self._value(self._add(name, shape, np.dtype(np.float32)))

    def emit(
        self, operator: str, operands: Sequence[Operand], shape: Shape, dtype: Any = np.float32, **attributes: Any
    ) -> Value:
        """The tensor that an ONNX operator gives; the same one where it is asked for again."""
        return self._value(self._emit(operator, [self._side_by_side(x) for x in operands], shape, np.dtype(dtype), attributes))

    def emit_elementwise(
        self, operator: str, operands: Sequence[Operand], shape: Shape, dtype: Any, **attributes: Any
    ) -> Value:
        """`emit` for an operator that computes each entry of its tensor from the same entry of its operands, which have the
        tensor's shape or broadcast to it."""
        name = self._emit(operator, [self._side_by_side(x) for x in operands], shape, np.dtype(dtype), attributes)
        entries = tuple(Value(np.broadcast_to(self._addresses(x), shape).ravel(), x.dtype) for x in operands)
        self._elementwise.setdefault(name, _Elementwise(operator, entries, tuple(sorted(attributes.items()))))
        return self._value(name)

    def move(self, function: Callable[..., Any], operands: Sequence[Operand]) -> Value:
        """What a function gives that only moves entries of its operands: it is called with their addresses (int32)."""
        found = np.asarray(function(*(self._addresses(x) for x in operands)))
        return Value(found, operands[0].dtype)

    def inputs_of(self, value: Operand) -> list[str]:
        """The graph's inputs that a value depends on."""
        if isinstance(value, np.ndarray):
            return []
        needed = self._needed([tensor.name for tensor, _ in self._sources(value)])
        return [name for name in self._inputs if name in needed]

    def model(self, outputs: Mapping[str, Operand], metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The model of these outputs, without what they do not need: inputs that they do not depend on are left out, too."""
        for name, value in outputs.items():
            self._emit("Identity", [self._side_by_side(value)], value.shape, value.dtype, {}, name)
        needed = self._needed(list(outputs))
        graph = helper.make_graph(
            [node for name, node in self._nodes.items() if name in needed],
            "policy",
            [self._info(name) for name in self._inputs if name in needed],
            [self._info(name) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self._arrays.items() if name in needed],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="zerogap"
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model

    # Tensors and their addresses

    def _add(self, name: str, shape: Shape, dtype: np.dtype) -> str:
        tensor = _Tensor(name, self._end, shape, dtype)
        self._tensors[name] = tensor
        if tensor.size:
            self._by_address.append(tensor)
            self._starts.append(tensor.start)
        self._end += tensor.size
        return name

    def _value(self, name: str) -> Value:
        tensor = self._tensors[name]
        addresses = np.arange(tensor.start, tensor.start + tensor.size, dtype=np.int32)
        return Value(addresses.reshape(tensor.shape), tensor.dtype)

    def _constant(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._add(f"constant_{len(self._constants)}", array.shape, array.dtype)
            self._constants[key], self._arrays[name] = name, np.ascontiguousarray(array).reshape(array.shape)
        return self._constants[key]

    def _addresses(self, operand: Operand) -> np.ndarray:
        return (self._value(self._constant(operand)) if isinstance(operand, np.ndarray) else operand).addresses

    def _sources(self, value: Value) -> list[tuple[_Tensor, np.ndarray]]:
        """The tensors that a value's entries are in, each with a mask of the entries, in order of their first."""
        which = np.searchsorted(self._starts, value.addresses.ravel(), side="right") - 1
        order = which[np.sort(np.unique(which, return_index=True)[1])]
        return [(self._by_address[i], which == i) for i in order]

    # Nodes

    def _emit(
        self, operator: str, inputs: list[str], shape: Shape, dtype: np.dtype, attributes: dict[str, Any], name: str = ""
    ) -> str:
        key = (operator, *inputs, *sorted(attributes.items()))
        if name or key not in self._emitted:
            name = name or f"{operator.lower()}_{len(self._nodes)}"
            self._nodes[name] = helper.make_node(operator, inputs, [name], **attributes)
            self._emitted[key] = self._add(name, shape, dtype)
        return self._emitted[key]

    def _side_by_side(self, operand: Operand) -> str:
        """The name of a tensor of the operand's shape that holds its entries."""
        if isinstance(operand, np.ndarray):
            return self._constant(operand)
        sources = self._sources(operand)
        if not sources:
            return self._constant(np.zeros(operand.shape, operand.dtype))
        if all(tensor.name in self._arrays for tensor, _ in sources):
            return self._constant(self._known(operand, sources))
        if len(sources) > 1 and (packed := self._pack(operand, sources)) is not None:
            return self._side_by_side(packed)
        places = operand.addresses.ravel().astype(np.int64)
        before = 0
        for tensor, mask in sources:
            places[mask] += before - tensor.start
            before += tensor.size
        first = sources[0][0]
        in_order = len(places) == before and np.array_equal(places, np.arange(before))
        if len(sources) == 1 and in_order:
            return first.name if first.shape == operand.shape else self._reshaped(first.name, operand.shape)
        flat = [self._reshaped(tensor.name, (tensor.size,)) for tensor, _ in sources]
        joined = flat[0] if len(flat) == 1 else self._emit("Concat", flat, (before,), operand.dtype, {"axis": 0})
        if in_order:
            return self._reshaped(joined, operand.shape)
        indices = self._constant(places.reshape(operand.shape))
        return self._emit("Gather", [joined, indices], operand.shape, operand.dtype, {"axis": 0})

    def _known(self, value: Value, sources: list[tuple[_Tensor, np.ndarray]]) -> np.ndarray:
        """The entries of a value that depends on no input."""
        found, addresses = np.zeros(value.addresses.size, value.dtype), value.addresses.ravel()
        for tensor, mask in sources:
            found[mask] = self._arrays[tensor.name].ravel()[addresses[mask] - tensor.start]
        return found.reshape(value.shape)

    def _pack(self, value: Value, sources: list[tuple[_Tensor, np.ndarray]]) -> Value | None:
        """The value in terms of one tensor, where the same elementwise operator gives all that its entries are in: what was
        written entry by entry, as cross products are, is computed at once."""
        tensors = sorted((tensor for tensor, _ in sources), key=lambda tensor: tensor.start)
        made = [self._elementwise.get(tensor.name) for tensor in tensors]
        first = made[0]
        if first is None or any(one is None or not one.is_like(first) for one in made):
            return None
        key = tuple(tensor.name for tensor in tensors)
        if key not in self._packed:
            columns = zip(*(one.operands for one in made if one is not None), strict=True)
            operands = [Value(np.concatenate([x.addresses for x in column]), column[0].dtype) for column in columns]
            size = sum(tensor.size for tensor in tensors)
            self._packed[key] = self._emit(
                first.operator, [self._side_by_side(x) for x in operands], (size,), value.dtype, dict(first.attributes)
            )
        places, before = value.addresses.copy(), self._tensors[self._packed[key]].start
        for tensor in tensors:
            inside = (value.addresses >= tensor.start) & (value.addresses < tensor.start + tensor.size)
            places[inside] += before - tensor.start
            before += tensor.size
        return Value(places, value.dtype)

    def _reshaped(self, name: str, shape: Shape) -> str:
        tensor = self._tensors[name]
        if tensor.shape == shape:
            return name
        return self._emit("Reshape", [name, self._constant(np.array(shape, np.int64))], shape, tensor.dtype, {})

    def _needed(self, names: list[str]) -> set[str]:
        """All tensors that these depend on, and they themselves."""
        needed, left = set(), list(names)
        while left:
            name = left.pop()
            if name not in needed:
                needed.add(name)
                left += self._nodes[name].input if name in self._nodes else []
        return needed

    def _info(self, name: str) -> onnx.ValueInfoProto:
        tensor = self._tensors[name]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)
