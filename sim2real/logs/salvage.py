"""What is whole in a stored log that breaks off or was rewritten by another programme: `salvage(path)`.

    log, problem = salvage(Path("torn.mcap"))       # problem: "breaks off: 3 of its streams ..."

The file is read from its beginning to its end, or to the first record that is damaged. Streams lie one after another in it, so
that those after the damage are lost altogether.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from mcap.records import Channel, Chunk, Message, Metadata, Statistics
from mcap.stream_reader import StreamReader, breakup_chunk

from sim2real.logs import wire
from sim2real.logs.robot_log import Event, LogInfo, RobotLog, RobotLogError, Stream
from sim2real.logs.store import MAX_RECORD, METADATA, check_channel, read_metadata, unpack

_MAX_BYTES = 2**32


@dataclass
class _Found:
    info: LogInfo | None = None
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, list[bytes]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    """As the file's own account has them; empty where that is lost."""
    size: int = 0


def salvage(path: Path) -> tuple[RobotLog, str | None]:
    """What is whole in the log, and what is not. Raises RobotLogError where nothing is."""
    found, problem = _Found(), None
    try:
        with path.open("rb") as file:
            problem = _read(file, found)
    except OSError as error:
        raise RobotLogError(f"cannot read the log {path}: {error.strerror or error}") from error
    if found.info is None:
        raise RobotLogError(
            f"{path} is no stored log, or breaks off before it says what it is: {problem or 'it has no header'}"
        )
    try:
        streams, events = _streams(found), _events(found)
    except RobotLogError as error:
        raise RobotLogError(f"{path}: {error}") from error
    if not streams:
        raise RobotLogError(f"{path} breaks off before its first stream is whole: nothing in it can be saved")
    kept = ", ".join(f"{name} {len(stream)}" for name, stream in streams.items())
    told = None if problem is None else f"{path} breaks off ({problem}); whole are, with their samples: {kept}"
    return RobotLog(found.info, streams, events), told


def _read(file: BinaryIO, found: _Found) -> str | None:
    """Take all there is; why it ended too soon."""
    try:
        for record in StreamReader(file, emit_chunks=True, record_size_limit=MAX_RECORD).records:
            if isinstance(record, Chunk):
                found.size += len(unpack(record))
                if found.size > _MAX_BYTES:
                    raise RobotLogError(f"it holds more than {_MAX_BYTES / 2**30:.0f} GiB")
                for inner in breakup_chunk(record, validate_crc=True):
                    _take(inner, found)
            else:
                _take(record, found)
    except OSError:
        raise
    except Exception as error:  # of the format's readers and decompressors, which share no base
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    return None


def _take(record: Any, found: _Found) -> None:
    if isinstance(record, Metadata) and record.name == METADATA:
        found.info, _ = read_metadata(record.metadata)
    elif isinstance(record, Channel):
        found.channels[record.id] = record
    elif isinstance(record, Message):
        found.messages.setdefault(record.channel_id, []).append(record.data)
    elif isinstance(record, Statistics):
        found.counts = dict(record.channel_message_counts)


def _streams(found: _Found) -> dict[str, Stream]:
    assert found.info is not None
    streams = {}
    for number, channel in found.channels.items():
        if channel.topic == wire.EVENT_TOPIC or (number not in found.messages and number not in found.counts and found.counts):
            continue
        name, width, clock = check_channel(channel, found.info)
        messages, dtype = found.messages.get(number, []), wire.message_dtype(width)
        if any(len(message) != dtype.itemsize for message in messages):
            raise RobotLogError(f"stream {name!r}: a message is not of {width} numbers, as the stream's description says")
        streams[name] = wire.decode(np.frombuffer(b"".join(messages), dtype), clock)
    return streams


def _events(found: _Found) -> tuple[Event, ...]:
    channel = next((c for c in found.channels.values() if c.topic == wire.EVENT_TOPIC), None)
    if channel is None:
        return ()
    decode = wire.EventDecoder()
    try:
        return tuple(decode(message) for message in found.messages.get(channel.id, []))
    except Exception as error:  # of the decoder
        raise RobotLogError(f"its events are damaged: {type(error).__name__}: {error}") from error
