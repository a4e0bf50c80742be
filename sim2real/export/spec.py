"""`PolicySpec`: all that a policy needs to run anywhere, as one JSON inside the exported file.

    spec = PolicySpec.from_json(text)           # SpecError names the key that is missing, unknown or wrong
    text = spec.to_json()                       # every digit is kept

Joints are in policy order, the order of `joints`; quantities are in SI units. A policy is a function of `inputs`, what the
robot measures and is asked to do, and of `history`, what the policy keeps from step to step. History begins as zeros; each of
its parts comes out of a step as `next_NAME` and goes into the next as NAME. Where not every command is one that training
draws, as four numbers are not always a unit quaternion, `nearest_command` comes out, too: one that is, and is to go in.
"""

import math
from dataclasses import dataclass
from typing import Any

from assets.errors import UserError
from sim2real.export.strict import StrictError, json_text, read_json

SCHEMA = 2
METADATA_KEY = "zerogap"
"""Under which the JSON lies in the ONNX file's metadata."""

JOINT_TARGET = "joint_target"
ACTION = "action"
NEXT = "next_"
NEAREST_COMMAND = "nearest_command"
COMMAND = "command"

TOLERANCE = 1e-5
"""How far an output may be from what the environment gave (rad for targets), relative to it where it is larger than 1."""

_LONGEST_JSON = 16 * 2**20
_MOST_JOINTS = 256
_MOST_ENTRIES = 2**20
_NUMBERS_PER_JOINT = ("stiffness", "damping", "effort_limits", "velocity_limits", "action_scale", "default_pose")


class SpecError(UserError, ValueError):
    """A policy's specification contradicts itself or cannot be read; the message names the key."""


@dataclass(frozen=True)
class Quantity:
    """An input, an output or a part of the history: float32 in the graph."""

    name: str
    shape: tuple[int, ...]
    unit: str

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.shape) or self.size > _MOST_ENTRIES:
            raise SpecError(
                f"quantity {self.name!r} has shape {self.shape}, expected at least 1 and at most {_MOST_ENTRIES} entries"
            )

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Term:
    """Part of what the policy sees: a function of inputs, times a scale."""

    name: str
    scale: float
    size: int
    reads: tuple[str, ...]
    """Inputs and parts of the history that it depends on."""


@dataclass(frozen=True)
class CommandEntry:
    name: str
    """With its unit: "forward velocity (m/s)"."""
    low: float
    """Of what training drew, and the default that its task names, the lowest."""
    high: float


@dataclass(frozen=True)
class TrainedLatency:
    """The delays that training drew (s)."""

    low: float
    high: float


@dataclass(frozen=True)
class Golden:
    """What went into the policy in simulation and what came out, each array flat, in C order."""

    inputs: dict[str, tuple[float, ...]]
    """With the history."""
    outputs: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Check:
    """How exact the exported policy was when it was written."""

    observations: int
    largest_error: float
    """Of a joint target, against what the environment applied (rad)."""


@dataclass(frozen=True)
class PolicySpec:
    schema: int
    task: str
    description: str
    robot: str
    joints: tuple[str, ...]
    joint_ranges: tuple[tuple[float, float] | None, ...]
    """Lowest and highest position (rad), None where a joint has no limits. Targets are kept within."""
    stiffness: tuple[float, ...]
    """N m/rad"""
    damping: tuple[float, ...]
    """N m s/rad"""
    effort_limits: tuple[float, ...]
    """N m"""
    velocity_limits: tuple[float, ...]
    """rad/s"""
    action_scale: tuple[float, ...]
    """Joint target per unit of action (rad)."""
    default_pose: tuple[float, ...]
    """Joint positions that the robot stands in before the policy acts (rad)."""
    action: str
    """How joint targets follow from an action, in words: the graph does it."""
    rate: float
    """Steps of the policy a second (Hz)."""
    action_limit: float
    """Actions are kept within +- this before they are scaled."""
    frames: int
    """How many of its latest observations the policy sees."""
    terms: tuple[Term, ...]
    """Of an observation, in order."""
    command: tuple[CommandEntry, ...]
    default_command: tuple[float, ...]
    """What is asked where nobody asks."""
    action_latency: TrainedLatency
    """From a target's sending to the motors."""
    observation_latency: TrainedLatency
    """From the sensors to the policy."""
    inputs: tuple[Quantity, ...]
    history: tuple[Quantity, ...]
    outputs: tuple[Quantity, ...]
    run_hash: str
    """Of the training run."""
    update: int
    """Of the run's policy."""
    versions: dict[str, str]
    """Of what trained and exported."""
    golden: tuple[Golden, ...]
    check: Check

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise _other_schema(self.schema)
        n = len(self.joints)
        if not 1 <= n <= _MOST_JOINTS or len(set(self.joints)) < n:
            raise SpecError(f"joints: expected 1 to {_MOST_JOINTS} different names, found {n}")
        for field in ("joint_ranges", *_NUMBERS_PER_JOINT):
            if len(getattr(self, field)) != n:
                raise SpecError(f"{field}: expected {n} entries, one per joint, found {len(getattr(self, field))}")
        for field in ("effort_limits", "velocity_limits", "rate", "action_limit"):
            values = getattr(self, field)
            if not all(value > 0 for value in (values if isinstance(values, tuple) else (values,))):
                raise SpecError(f"{field}: expected positive numbers, found {values}")
        for i, limits in enumerate(self.joint_ranges):
            if limits is not None and limits[0] > limits[1]:
                raise SpecError(f"joint_ranges[{i}]: expected lowest before highest, found {limits}")
        if len(self.default_command) != len(self.command):
            raise SpecError(
                f"default_command: expected {len(self.command)} numbers, one per entry of the command, found"
                f" {len(self.default_command)}"
            )
        self._check_quantities()
        if not self.golden:
            raise SpecError("golden: expected at least one pair, found none")
        for i, pair in enumerate(self.golden):
            _check_arrays(f"golden[{i}].inputs", pair.inputs, (*self.inputs, *self.history))
            _check_arrays(f"golden[{i}].outputs", pair.outputs, self.outputs)

    def _check_quantities(self) -> None:
        told = tuple(quantity.name for quantity in self.outputs)
        expected = (JOINT_TARGET, ACTION, *(NEXT + quantity.name for quantity in self.history))
        if told not in (expected, (*expected, NEAREST_COMMAND)):
            raise SpecError(f"outputs: expected {', '.join(expected)}, found {', '.join(told)}")
        shapes = {quantity.name: quantity.shape for quantity in self.outputs}
        for quantity in self.history:
            if shapes[NEXT + quantity.name] != quantity.shape:
                raise SpecError(f"outputs: expected {NEXT}{quantity.name} of the shape of {quantity.name}, {quantity.shape}")
        if {shapes[JOINT_TARGET], shapes[ACTION]} != {(len(self.joints),)}:
            raise SpecError(f"outputs: expected {JOINT_TARGET} and {ACTION} of one entry per joint")
        asked = {quantity.name: quantity.shape for quantity in self.inputs}.get(COMMAND)
        if asked not in (None, (len(self.command),)):
            raise SpecError(f"inputs: expected {COMMAND} of {len(self.command)} entries, found the shape {asked}")
        if NEAREST_COMMAND in shapes and shapes[NEAREST_COMMAND] != asked:
            raise SpecError(f"outputs: expected {NEAREST_COMMAND} of the shape of the input {COMMAND}, {asked}")
        names = [quantity.name for quantity in (*self.inputs, *self.history)]
        if len(set(names)) < len(names):
            raise SpecError(f"inputs and history: expected different names, found {', '.join(names)}")

    def to_json(self) -> str:
        return json_text(self)

    @classmethod
    def from_json(cls, text: str) -> "PolicySpec":
        if len(text) > _LONGEST_JSON:
            raise SpecError(f"expected at most {_LONGEST_JSON} characters of JSON, found {len(text)}")
        try:
            return read_json(cls, text, _updated)
        except StrictError as error:
            raise SpecError(str(error)) from error


def _updated(told: Any) -> Any:
    """What schema 1 told, as this version would have: it had no default of the command."""
    if not isinstance(told, dict):
        return told
    schema, command = told.get("schema"), told.get("command")
    if isinstance(schema, int) and schema not in (1, SCHEMA):
        raise _other_schema(schema)
    if schema == 1 and isinstance(command, list):
        return told | {"schema": SCHEMA, "default_command": [0.0] * len(command)}
    return told


def _other_schema(found: int) -> SpecError:
    return SpecError(
        f"schema is {found}, expected {SCHEMA} or lower: the policy was exported by another version of zerogap. Export its run"
        " anew with this one"
    )


def _check_arrays(place: str, arrays: dict[str, tuple[float, ...]], quantities: tuple[Quantity, ...]) -> None:
    if set(arrays) != {quantity.name for quantity in quantities}:
        raise SpecError(f"{place}: expected {', '.join(q.name for q in quantities)}, found {', '.join(arrays) or 'nothing'}")
    for quantity in quantities:
        if len(arrays[quantity.name]) != quantity.size:
            raise SpecError(f"{place}.{quantity.name}: expected {quantity.size} numbers, found {len(arrays[quantity.name])}")
