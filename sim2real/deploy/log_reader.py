"""A deployment's log, read back: `read_log`, and `Log`'s cycles, decisions and events.

    log = read_log(Path("walk.mcap"))
    for cycle in log.cycles:
        cycle.state.position, cycle.sent

The file is read from its beginning, so that one whose writer died is read as far as it goes; `is_complete` tells.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mcap.records import Channel, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory

from envs.safety import Targets
from sim2real.deploy.header import Header, LogError
from sim2real.deploy.log_writer import METADATA
from sim2real.deploy.machine import Phase
from sim2real.deploy.messages import LEVELS
from sim2real.deploy.records import Sent
from sim2real.robot_io import RobotState

_LARGEST_RECORD = 64 * 2**20
_TOLD_EVERY = 1000


@dataclass(frozen=True)
class Cycle:
    number: int
    phase: Phase
    now_ns: int
    """When the state was judged, by the monotonic clock."""
    sent_ns: int
    state: RobotState
    what: Sent
    wanted: Targets | None
    """Before the filter; None where nothing was to be commanded."""
    sent: Targets | None
    """Or withheld, as `what` says; None where there was no command."""
    damping: Targets | None
    """That the driver sent; None where it sent none, or does not tell."""
    trips: int
    """Bit by bit the entries of `envs.safety.CAUSES`."""
    restarted: bool
    """Whether the filter had forgotten what was before."""


@dataclass(frozen=True)
class Event:
    time_ns: int
    """Since the epoch."""
    level: str
    kind: str
    text: str


@dataclass
class Log:
    header: Header
    epoch_ns: int = 0
    """When the monotonic clock began, since the epoch."""
    cycles: list[Cycle] = field(default_factory=list)
    decisions: list[Any] = field(default_factory=list)
    """zerogap_msgs/Decision"""
    events: list[Event] = field(default_factory=list)
    is_complete: bool = False


def read_log(path: Path, advance: Callable[[float], None] = lambda _: None) -> Log:
    """Raises LogError where the file is no log of a deployment; `advance` is told the share done."""
    reader = _Reader()
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for number, record in enumerate(StreamReader(file, record_size_limit=_LARGEST_RECORD).records):
                reader.take(record)
                if number % _TOLD_EVERY == 0:
                    advance(file.tell() / size)
        complete = True
    except OSError as error:
        raise LogError(f"cannot read the log {path}: {error.strerror}") from error
    except LogError as error:
        raise LogError(f"{path}: {error}") from error
    except Exception:  # of the format's readers and decompressors, which share no base: the file breaks off, or is none
        complete = False
    if reader.log is None:
        raise LogError(f"{path} is no log of `zerogap deploy`: it has no header that one writes")
    reader.log.is_complete = complete
    return reader.log


class _Reader:
    def __init__(self) -> None:
        self.log: Log | None = None
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._decoders: dict[int, Any] = {}
        self._factory = DecoderFactory()
        self._latest: dict[str, Any] = {}

    def take(self, record: Any) -> None:
        if isinstance(record, Metadata) and record.name == METADATA:
            told = record.metadata.get("header", "")
            self.log = Log(Header.from_json(told), _whole(json.loads(told).get("epoch_ns")))
        elif isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._channels[record.id] = record
        elif isinstance(record, Message) and self.log is not None:
            self._take_message(self.log, self._channels[record.channel_id].topic, record)

    def _take_message(self, log: Log, topic: str, record: Message) -> None:
        message = self._decode(record)
        if topic == "/cycle":
            log.cycles.append(_cycle(message, self._latest))
            self._latest = {}
        elif topic == "/decision":
            log.decisions.append(message)
        elif topic == "/rosout":
            level = next(name for name, number in LEVELS.items() if number == message.level)
            log.events.append(Event(record.log_time, level, message.name, message.msg))
        else:
            self._latest[topic] = message

    def _decode(self, record: Message) -> Any:
        channel = self._channels[record.channel_id]
        if channel.id not in self._decoders:
            decoder = self._factory.decoder_for(channel.message_encoding, self._schemas[channel.schema_id])
            if decoder is None:
                raise LogError(f"{channel.topic} is encoded as {channel.message_encoding!r}, expected cdr")
            self._decoders[channel.id] = decoder
        return self._decoders[channel.id](record.data)


def _cycle(message: Any, latest: dict[str, Any]) -> Cycle:
    joints, imu = latest["/joint_states"], latest.get("/imu")
    nan = np.full(4, np.nan)
    state = RobotState(
        stamp_ns=message.stamp_ns,
        sequence=message.sequence,
        position=np.array(joints.position),
        velocity=np.array(joints.velocity),
        torque=np.array(joints.effort),
        temperature=np.array(message.temperature),
        quaternion=nan if imu is None else np.array([getattr(imu.orientation, axis) for axis in "wxyz"]),
        angular_velocity=nan[:3] if imu is None else _vector(imu.angular_velocity),
        acceleration=nan[:3] if imu is None else _vector(imu.linear_acceleration),
        intact=message.intact,
        overtaken=getattr(message, "overtaken", 0),  # older logs do not tell
        rivals=message.rivals,
    )
    wanted = Targets(*(np.array(getattr(message, f"wanted_{name}")) for name in Targets._fields))
    return Cycle(
        number=message.number,
        phase=Phase(message.phase),
        now_ns=message.now_ns,
        sent_ns=message.sent_ns,
        state=state,
        what=Sent(message.what),
        wanted=None if np.isnan(wanted.stiffness).all() else wanted,
        sent=_targets(message, latest.get("/joint_commands", latest.get("/withheld"))),
        damping=_targets(message, latest.get("/damping")),
        trips=message.trips,
        restarted=message.restarted,
    )


def _targets(message: Any, joints: Any) -> Targets | None:
    if joints is None:
        return None
    told = (joints.position, joints.velocity, joints.effort, message.sent_stiffness, message.sent_damping)
    return Targets(*(np.array(values) for values in told))


def _whole(told: Any) -> int:
    return told if isinstance(told, int) else 0


def _vector(message: Any) -> np.ndarray:
    return np.array([getattr(message, axis) for axis in "xyz"])
