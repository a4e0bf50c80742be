"""A recording of a robot: `RobotLog`, named streams of numbers, each with stamps and a clock of its own.

    log = RobotLog(LogInfo(robot="go2", joints=GO2.joints), {"position": Stream(stamps, position, "host"), ...})
    log["position"].values                       # (samples, joints) rad
    log["target"].held_at(log["position"].stamps)

What a stream may be called, its unit and its width are in `KINDS`. Joints are in policy order, the order of `LogInfo.joints`.
A log is data: it is never changed, and `content_hash` names what is in it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from assets.errors import UserError


class RobotLogError(UserError, ValueError):
    """A log, or what is asked of it, is ill-formed; the message names the file, the stream, what was expected and what was
    found."""


@dataclass(frozen=True)
class Kind:
    """What a stream of a name is."""

    unit: str
    width: Literal["joints"] | int | None
    """Columns; None for any number of them."""
    held: bool = False
    """Whether a value holds until the next one comes, as a command does; else it is a sample of something that goes on."""


KINDS = {
    "position": Kind("rad", "joints"),
    "velocity": Kind("rad/s", "joints"),
    "torque": Kind("N m", "joints"),
    "current": Kind("A", "joints"),
    "temperature": Kind("°C", "joints"),
    "target": Kind("rad", "joints", held=True),
    "target_velocity": Kind("rad/s", "joints", held=True),
    "feedforward": Kind("N m", "joints", held=True),
    "stiffness": Kind("N m/rad", "joints", held=True),
    "damping": Kind("N m s/rad", "joints", held=True),
    "quaternion": Kind("w, x, y, z", 4),
    "angular_velocity": Kind("rad/s", 3),
    "acceleration": Kind("m/s²", 3),
    "base_position": Kind("m", 3),
    "base_quaternion": Kind("w, x, y, z", 4),
    "contact": Kind("0 or 1", None),
    "observation": Kind("", None),
    "command": Kind("", None, held=True),
    "action": Kind("", "joints", held=True),
}
"""By name. The controller of a joint exerts feedforward + stiffness (target - position) + damping (target_velocity - velocity).
`quaternion`, `angular_velocity` and `acceleration` are the IMU's, in its frame; `base_*` are the root body's in the world."""

TimeBase = Literal["measured", "nominal"]


@dataclass(frozen=True, eq=False)
class Stream:
    """One quantity over time. Raises RobotLogError where its arrays do not fit together."""

    stamps: np.ndarray
    """(samples,) int64, ns of the clock, never negative."""
    values: np.ndarray
    """(samples, width) float64. What was not measured is NaN."""
    clock: str = "host"
    """Whose time the stamps are: streams of one clock can be compared as they are."""

    def __post_init__(self) -> None:
        stamps, values = np.asarray(self.stamps), np.asarray(self.values, np.float64)
        if stamps.ndim != 1 or not np.issubdtype(stamps.dtype, np.integer):
            raise RobotLogError(f"stamps are {stamps.dtype} of shape {stamps.shape}, expected integers of shape (samples,)")
        if values.ndim != 2 or len(values) != len(stamps):
            raise RobotLogError(f"values have shape {values.shape}, expected ({len(stamps)}, width): as many as stamps")
        if len(stamps) and stamps.min() < 0:
            raise RobotLogError(f"the earliest stamp is {stamps.min()} ns, expected none below zero")
        object.__setattr__(self, "stamps", stamps.astype(np.int64))
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def seconds(self) -> np.ndarray:
        """The stamps in s, (samples,)."""
        return 1e-9 * self.stamps

    def held_at(self, stamps: np.ndarray) -> np.ndarray:
        """The newest value that came at or before each stamp, (len(stamps), width); before the first one, the first."""
        index = np.searchsorted(self.stamps, stamps, side="right") - 1
        return self.values[np.clip(index, 0, None)]

    def at(self, stamps: np.ndarray) -> np.ndarray:
        """Linear between samples, (len(stamps), width); beyond the ends, the end's value."""
        seconds = 1e-9 * (np.asarray(stamps) - self.stamps[0])
        own = 1e-9 * (self.stamps - self.stamps[0])
        return np.stack([np.interp(seconds, own, column) for column in self.values.T], axis=1)


@dataclass(frozen=True)
class Event:
    stamp: int
    """ns of the log's first clock."""
    text: str


@dataclass(frozen=True)
class LogInfo:
    """What is known of a recording beside its numbers."""

    robot: str
    """As `zerogap list` names it."""
    joints: tuple[str, ...]
    """In the order of all columns that are joints'."""
    serial: str = ""
    """Of the very robot; empty where it is not known."""
    payload: float = 0.0
    """What the robot carried besides itself, where it is known (kg): at its tool, or on its base where that can fly."""
    excitation: str = ""
    """What moved it: "chirp", "multisine", "policy". Logs of one kind are held out together."""
    is_suspended: bool = True
    """Whether the base was held: bolted down or hung up. Else a legged robot stood on its own feet."""
    time_base: TimeBase = "measured"
    """"nominal" where the stamps were not recorded but follow from a rate that somebody wrote down."""
    licence: str = ""
    source: str = ""
    """Which file this was read from, or which programme recorded it."""


@dataclass(frozen=True, eq=False)
class RobotLog(Mapping[str, Stream]):
    """A recording: streams by name. Raises RobotLogError where a stream is not as `KINDS` has it."""

    info: LogInfo
    streams: Mapping[str, Stream]
    """A mapping that may read a stream only when it is asked for."""
    events: tuple[Event, ...] = ()
    file: str = ""
    """Where it is stored; empty for one in memory only."""
    notes: tuple[str, ...] = ()
    """What was done to it since it was read, in sentences, for whoever claims something of it."""

    def __getitem__(self, name: str) -> Stream:
        return self._checked(name, self.streams[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.streams)

    def __len__(self) -> int:
        return len(self.streams)

    def with_note(self, text: str) -> "RobotLog":
        """The same, with one more of `notes` unless it is there already."""
        return self if text in self.notes else replace(self, notes=(*self.notes, text))

    def require(self, *names: str) -> None:
        """Raise RobotLogError where the log lacks one of these streams, with what to record."""
        missing = [name for name in names if name not in self.streams]
        if missing:
            raise RobotLogError(
                f"{self.name}: there is no stream {missing[0]!r} ({KINDS[missing[0]].unit}); there are:"
                f" {', '.join(self.streams) or 'none'}. Record it beside the others, or name its columns when importing"
            )

    @property
    def name(self) -> str:
        """For messages and tables."""
        return self.file or self.info.source or f"a log of {self.info.robot}"

    @property
    def seconds(self) -> float:
        """From the first to the last stamp of joint positions; 0 without them (s)."""
        stamps = self["position"].stamps if "position" in self.streams else np.zeros(1, np.int64)
        return float(1e-9 * (stamps[-1] - stamps[0])) if len(stamps) else 0.0

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that the log holds, whatever file it lies in."""
        digest = hashlib.sha256(json.dumps(asdict(self.info) | {"source": ""}, sort_keys=True).encode())
        for name in sorted(self.streams):
            stream = self[name]
            digest.update(f"{name} {stream.clock} {stream.values.shape}".encode())
            digest.update(np.ascontiguousarray(stream.stamps, "<i8").data)
            digest.update(np.ascontiguousarray(stream.values, "<f8").data)
        digest.update(json.dumps([asdict(event) for event in self.events]).encode())
        return digest.hexdigest()

    def _checked(self, name: str, stream: Stream) -> Stream:
        if name not in KINDS:
            raise RobotLogError(f"{self.name}: unknown stream {name!r}; there may be: {', '.join(KINDS)}")
        width = KINDS[name].width
        expected = len(self.info.joints) if width == "joints" else width
        if expected is not None and stream.values.shape[1] != expected:
            raise RobotLogError(f"{self.name}: stream {name!r} has {stream.values.shape[1]} columns, expected {expected}")
        return stream
