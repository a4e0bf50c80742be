"""An exported policy, ready to act: ONNX Runtime on one core.

    policy = Policy.load(Path("policy.onnx"))                       # checks the file and its golden pairs
    history = policy.begin()
    step = policy.step(readings(state, command), history)          # state a RobotState, command an array
    step.target, step.action, step.history                          # rad, raw network output, for the next step

It needs no JAX and none of the task's code: all of that is in the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime

from assets.errors import UserError
from sim2real.export.spec import (
    ACTION,
    COMMAND,
    JOINT_TARGET,
    METADATA_KEY,
    NEAREST_COMMAND,
    NEXT,
    TOLERANCE,
    Golden,
    PolicySpec,
    Quantity,
    SpecError,
)
from sim2real.robot_io import RobotState

NEWEST_OPSET = 17
_LARGEST_FILE = 256 * 2**20
_MOST_NODES = 100_000


class PolicyError(UserError, RuntimeError):
    """A policy cannot be loaded or asked; the message names the file or the input, what was expected and what was found."""


class Step(NamedTuple):
    target: np.ndarray
    """(num_joints,) rad, within the joints' ranges; NaN where the action is no finite number."""
    action: np.ndarray
    """(num_joints,) the network's output."""
    history: dict[str, np.ndarray]
    """What the next step is to be given."""


def readings(state: RobotState, command: np.ndarray) -> dict[str, np.ndarray]:
    """All that a driver can supply, by the names of a policy's inputs."""
    return {
        "joint_position": state.position,
        "joint_velocity": state.velocity,
        "imu_quaternion": state.quaternion,
        "angular_velocity": state.angular_velocity,
        "command": command,
    }


class Policy:
    """A policy of an ONNX file, and its specification, `spec`. One thread at a time may ask it."""

    def __init__(self, model: bytes, name: str = "the policy"):
        """`name` is what errors call it. Raises PolicyError where the model is none of ours or its golden pairs do not hold."""
        if len(model) > _LARGEST_FILE:
            raise PolicyError(f"{name} has {len(model)} bytes, expected at most {_LARGEST_FILE}")
        self._name = name
        parsed = _parse(model, name)
        self.spec = _read_spec(parsed, name)
        _check_graph(parsed, self.spec, name)
        self._session = _session(model, name)
        # Fixed places in memory, of which ONNX Runtime is told once: that spares a step a third of its time.
        self._read, self._given = _places((*self.spec.inputs, *self.spec.history))
        _, self._found = _places(self.spec.outputs)
        self._binding = self._bind()
        for i, pair in enumerate(self.spec.golden):
            self._check_golden(i, pair)

    @classmethod
    def load(cls, path: Path) -> "Policy":
        try:
            with path.open("rb") as file:
                model = file.read(_LARGEST_FILE + 1)
        except OSError as error:
            raise PolicyError(f"cannot read the policy {path}: {error.strerror}; `zerogap export RUN` writes one") from error
        return cls(model, str(path))

    def begin(self) -> dict[str, np.ndarray]:
        """The history of a policy that has not acted yet, as at the start of an episode."""
        return {quantity.name: np.zeros(quantity.shape, np.float32) for quantity in self.spec.history}

    def step(self, inputs: Mapping[str, np.ndarray], history: Mapping[str, np.ndarray]) -> Step:
        """One control step. Inputs that the policy does not read may be there or not.

        Raises PolicyError where one that it reads is absent, of another shape or not finite.
        """
        for quantity in self.spec.inputs:
            self._feed(quantity, inputs)
        for quantity in self.spec.history:
            self._feed(quantity, history)
        self._check_finite()
        self._run()
        target, action = self._found[JOINT_TARGET].copy(), self._found[ACTION].copy()
        if not np.isfinite(action).all():
            target.fill(np.nan)
        return Step(target, action, {q.name: self._found[NEXT + q.name].copy() for q in self.spec.history})

    def nearest_command(self, command: np.ndarray) -> np.ndarray:
        """The nearest command of the kind that training drew, a pose with a unit quaternion for one: what `step` is to be
        given. The command itself, where any will do.

        Raises PolicyError where it is of another shape or not finite.
        """
        if NEAREST_COMMAND not in self._found:
            return command
        self._read.fill(0.0)
        self._feed(next(quantity for quantity in self.spec.inputs if quantity.name == COMMAND), {COMMAND: command})
        self._check_finite()
        self._run()
        return self._found[NEAREST_COMMAND].astype(float)

    def _feed(self, quantity: Quantity, given: Mapping[str, np.ndarray]) -> None:
        try:
            value = given[quantity.name]
        except KeyError:
            known = ", ".join(given) or "nothing"
            raise PolicyError(f"{self._name}: it reads {quantity.name!r} ({quantity.unit}), and was given {known}") from None
        if np.shape(value) != quantity.shape:
            raise PolicyError(f"{self._name}: {quantity.name!r} has shape {np.shape(value)}, expected {quantity.shape}")
        self._given[quantity.name][...] = value

    def _check_finite(self) -> None:
        # A policy's own limits would turn what is no number into one.
        if np.isfinite(self._read).all():
            return
        quantity = next(q for q in (*self.spec.inputs, *self.spec.history) if not np.isfinite(self._given[q.name]).all())
        value = self._given[quantity.name]
        raise PolicyError(f"{self._name}: {quantity.name!r} is {value}, expected finite numbers ({quantity.unit})")

    def _bind(self) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for name, place in self._given.items():
            binding.bind_input(name, "cpu", 0, np.float32, place.shape, place.ctypes.data)
        for name, place in self._found.items():
            binding.bind_output(name, "cpu", 0, np.float32, place.shape, place.ctypes.data)
        return binding

    def _run(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # ONNX Runtime's own types share no base
            raise PolicyError(f"{self._name}: ONNX Runtime fails: {str(error)[:300]}") from error

    def _check_golden(self, i: int, pair: Golden) -> None:
        for name, value in pair.inputs.items():
            self._given[name][...] = np.reshape(value, self._given[name].shape)
        self._run()
        for name, value in pair.outputs.items():
            error = relative_error(self._found[name].ravel(), np.array(value))
            if not error <= TOLERANCE:
                raise PolicyError(
                    f"{self._name}: golden pair {i} does not hold: {name} is {error:.3g} off what the simulation gave, expected"
                    f" at most {TOLERANCE:g}. The file was changed, or ONNX Runtime {onnxruntime.__version__} computes wrongly"
                    " here: export the run anew"
                )


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to what was expected where that is larger than 1; NaN where one is no number."""
    return float(np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected)), initial=0.0))


def _places(quantities: Sequence[Quantity]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Room for all of these in one array, and where in it each is."""
    whole = np.zeros(sum(quantity.size for quantity in quantities), np.float32)
    places, start = {}, 0
    for quantity in quantities:
        places[quantity.name] = whole[start : start + quantity.size].reshape(quantity.shape)
        start += quantity.size
    return whole, places


def _parse(model: bytes, name: str) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(model)
    except Exception as error:  # protobuf's, of whichever implementation
        raise PolicyError(f"{name} is no ONNX file: {str(error)[:200]}") from error


def _read_spec(model: onnx.ModelProto, name: str) -> PolicySpec:
    told = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    if len(told) != 1:
        raise PolicyError(
            f"{name} has no {METADATA_KEY!r} in its metadata: it is no policy that `zerogap export` wrote, or it was stripped"
        )
    try:
        return PolicySpec.from_json(told[0])
    except SpecError as error:
        raise PolicyError(f"{name}: its specification cannot be used: {error}") from error


def _check_graph(model: onnx.ModelProto, spec: PolicySpec, name: str) -> None:
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    if set(opsets) - {"", "ai.onnx"} or not all(version <= NEWEST_OPSET for version in opsets.values()) or model.functions:
        raise PolicyError(f"{name}: expected ONNX's own operators of opset {NEWEST_OPSET} or lower, found {opsets}")
    graph = model.graph
    if len(graph.node) > _MOST_NODES:
        raise PolicyError(f"{name} has {len(graph.node)} operators, expected at most {_MOST_NODES}")
    for node in graph.node:
        if any(attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for attribute in node.attribute):
            raise PolicyError(
                f"{name}: expected straight arithmetic, found the operator {node.op_type} with a graph of its own"
            )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise PolicyError(f"{name}: expected all numbers in the file, found some that lie elsewhere")
    for what, infos, quantities in (
        ("input", graph.input, (*spec.inputs, *spec.history)),
        ("output", graph.output, spec.outputs),
    ):
        found = {info.name: _signature(info) for info in infos}
        expected = {quantity.name: (onnx.TensorProto.FLOAT, quantity.shape) for quantity in quantities}
        for key in found.keys() | expected.keys():
            if found.get(key) != expected.get(key):
                have, want = (_told(x.get(key)) for x in (found, expected))
                raise PolicyError(f"{name}: its {what} {key!r} is {have}, and its specification says {want}")


def _signature(info: onnx.ValueInfoProto) -> tuple[int, tuple[int, ...]]:
    tensor = info.type.tensor_type
    return tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim)


def _told(signature: tuple[int, tuple[int, ...]] | None) -> str:
    if signature is None:
        return "absent"
    return f"{onnx.TensorProto.DataType.Name(signature[0]).lower()} of shape {signature[1]}"


def _session(model: bytes, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own types share no base
        raise PolicyError(f"{name} cannot be loaded by ONNX Runtime: {str(error)[:300]}") from error
