"""A log as a file: `write_log(log, path)`, `open_log(path)`, and `Stored`, what a file says of itself.

    write_log(log, Path("chirp.mcap"))
    log = open_log(Path("chirp.mcap"))          # reads what is in the file, and its events
    log["position"]                             # reads this stream, and none of the others

The file is MCAP, which Foxglove, PlotJuggler and the `mcap` tools show. It begins with all that is known of the recording, then
has one stream after another (`sim2real.logs.wire`), each in chunks of its own. Every chunk has a checksum.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zstandard
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Message
from mcap.stream_reader import StreamReader, breakup_chunk, get_chunk_data_stream
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from assets.whole_file import new_file
from sim2real.logs import wire
from sim2real.logs.info import info_from_json
from sim2real.logs.robot_log import KINDS, Event, LogInfo, RobotLog, RobotLogError, Stream

METADATA = "zerogap_log"
FORMAT = 1
MAX_RECORD = 64 * 2**20
_CHUNK = 256 * 2**10  # a file that breaks off loses no more of the stream it broke off in
_MAX_SAMPLES = 2**31
_MAX_EVENTS = 100_000

Advance = Callable[[float], None]


@dataclass(frozen=True)
class StoredStream:
    """A stream of a file that is not read yet."""

    name: str
    clock: str
    width: int
    samples: int
    first: int
    """The earliest stamp (ns); 0 without samples."""
    last: int
    channel: int
    chunks: tuple[ChunkIndex, ...]

    @property
    def rate(self) -> float:
        """Samples a second; 0 where there are fewer than two."""
        seconds = 1e-9 * (self.last - self.first)
        return (self.samples - 1) / seconds if seconds > 0 else 0.0


@dataclass(frozen=True)
class Stored:
    """What a file says of itself, without its numbers."""

    path: Path
    info: LogInfo
    content_hash: str
    streams: Mapping[str, StoredStream]
    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """From the first to the last stamp of joint positions, or of what there is (s)."""
        position = self.streams.get("position")
        some = self.streams.values() if position is None else (position,)
        return max((1e-9 * (stream.last - stream.first) for stream in some), default=0.0)


def write_log(log: RobotLog, path: Path, advance: Advance = lambda _: None) -> None:
    """Write a log to a file that must not exist, whole or not at all; `advance` is told the share done.

    Raises RobotLogError where the file is there already, cannot be written, or the log cannot be stored.
    """
    with new_file(path, RobotLogError, "choose another file with --out") as partial, partial.open("xb") as file:
        _write(log, file, advance)
        file.flush()
        os.fsync(file.fileno())


def open_log(path: Path) -> RobotLog:
    """The log in a file that `write_log` wrote; a stream is read when it is asked for.

    Raises RobotLogError where the file is none, breaks off or is damaged; for a stream, when that is asked for.
    """
    stored = read_stored(path)
    return RobotLog(stored.info, _Streams(stored), stored.events, str(path))


def read_stored(path: Path) -> Stored:
    """What a file says of itself. Raises RobotLogError as `open_log` does."""
    try:
        with path.open("rb") as file:
            check_magic(path, file)
            try:
                reader = SeekingReader(file, record_size_limit=MAX_RECORD)
                summary = reader.get_summary()
                metadata = next((record for record in reader.iter_metadata() if record.name == METADATA), None)
                if summary is None or metadata is None:
                    raise RobotLogError(
                        f"{path} is an MCAP file, but no stored log: another programme wrote it. {_import_hint(path)} makes one"
                    )
                info, content_hash = read_metadata(metadata.metadata)
                return Stored(path, info, content_hash, _streams(summary, info), _events(summary, file))
            except (OSError, RobotLogError):
                raise
            except Exception as error:  # of the format's readers, which share no base
                raise _damaged(path, error) from error
    except OSError as error:
        raise RobotLogError(f"cannot read the log {path}: {error.strerror or error}") from error
    except RobotLogError as error:
        raise error if str(path) in str(error) else RobotLogError(f"{path}: {error}") from error


def check_magic(path: Path, file: BinaryIO) -> None:
    """Raise RobotLogError where the file is no MCAP file, or one that breaks off."""
    first, size = file.read(len(MCAP0_MAGIC)), file.seek(0, os.SEEK_END)
    if not size:
        raise RobotLogError(f"{path} is empty, expected a log; was its recording or copying cut short?")
    if first != MCAP0_MAGIC:
        raise RobotLogError(
            f"{path} is no MCAP file: it begins with {first!r}. `zerogap logs import {path} --out NEW.mcap` reads other formats"
        )
    file.seek(-min(len(MCAP0_MAGIC), size), os.SEEK_END)
    if size < 2 * len(MCAP0_MAGIC) or file.read() != MCAP0_MAGIC:
        raise RobotLogError(
            f"{path} breaks off: its end is missing. Copy it anew, or save what is whole in it with {_import_hint(path)}"
        )
    file.seek(0)


def read_metadata(told: Mapping[str, str]) -> tuple[LogInfo, str]:
    """What is known of a recording and its content hash, from the file's first record. Raises RobotLogError."""
    if told.get("format") != str(FORMAT):
        raise RobotLogError(f"its format is {told.get('format')!r}, expected {FORMAT}: another version of zerogap wrote it")
    return info_from_json(told.get("info", "")), told.get("content_hash", "")


def check_channel(channel: Channel, info: LogInfo) -> tuple[str, int, str]:
    """Name, width and clock of the stream on a channel. Raises RobotLogError where they are not as `KINDS` has them."""
    name, told = channel.topic.removeprefix("/"), channel.metadata
    if name not in KINDS:
        raise RobotLogError(f"unknown stream {name!r}; there may be: {', '.join(KINDS)}")
    if told.get("unit") != KINDS[name].unit:
        raise RobotLogError(f"stream {name!r} is in {told.get('unit')!r}, expected {KINDS[name].unit!r}")
    width = told.get("width", "")
    if not (width.isascii() and width.isdigit() and len(width) < 5 and 1 <= int(width) <= wire.MAX_WIDTH):
        raise RobotLogError(f"stream {name!r} has a width of {width!r}, expected 1 to {wire.MAX_WIDTH}")
    expected = len(info.joints) if KINDS[name].width == "joints" else KINDS[name].width
    if expected not in (None, int(width)):
        raise RobotLogError(f"stream {name!r} has {width} columns, expected {expected}")
    return name, int(width), told.get("clock", "")


def unpack(chunk: Chunk) -> bytes:
    """What is in a chunk, no larger than a record may be. Raises RobotLogError, and what decompression does."""
    size = chunk.uncompressed_size
    if chunk.compression == "zstd":
        size = max(size, zstandard.get_frame_parameters(chunk.data).content_size)
    elif chunk.compression:
        raise RobotLogError(f"a chunk is compressed with {chunk.compression!r}, expected zstd")
    if size > MAX_RECORD:
        raise RobotLogError(f"a chunk holds {size} bytes, expected at most {MAX_RECORD}")
    stream, length = get_chunk_data_stream(chunk, validate_crc=True)
    return stream.read(length)


class _Streams(Mapping[str, Stream]):
    """Streams that are read when they are asked for, once."""

    def __init__(self, stored: Stored):
        self._stored = stored
        self._read: dict[str, Stream] = {}

    def __getitem__(self, name: str) -> Stream:
        if name not in self._read:
            self._read[name] = _read_stream(self._stored.path, self._stored.streams[name])
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._stored.streams

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored.streams)

    def __len__(self) -> int:
        return len(self._stored.streams)


def _write(log: RobotLog, file: BinaryIO, advance: Advance) -> None:
    writer = Writer(file, chunk_size=_CHUNK, compression=CompressionType.ZSTD)
    writer.start(profile="ros2", library="zerogap")
    info = json.dumps(asdict(log.info))
    info_from_json(info)  # what could not be read back is not written
    writer.add_metadata(METADATA, {"format": str(FORMAT), "info": info, "content_hash": log.content_hash})
    sample = writer.register_schema(wire.SAMPLE_NAME, "ros2msg", wire.SAMPLE.encode())
    if log.events:
        schema = writer.register_schema(wire.LOG_NAME, "ros2msg", wire.EVENT.encode())
        channel = writer.register_channel(wire.EVENT_TOPIC, "cdr", schema)
        for number, event in enumerate(log.events):
            writer.add_message(channel, event.stamp, wire.encode_event(event), event.stamp, number)
        writer.flush()
    for done, (name, stream) in enumerate(log.items()):
        told = {"clock": stream.clock, "unit": KINDS[name].unit, "width": str(stream.values.shape[1])}
        channel = writer.register_channel(f"/{name}", "cdr", sample, told)
        try:
            _write_stream(writer, channel, stream, lambda share, done=done: advance((done + share) / len(log)))
        except RobotLogError as error:
            raise RobotLogError(f"{log.name}: stream {name!r} {error}") from error
        writer.flush()  # the next stream begins a chunk of its own
    writer.finish()


def _write_stream(writer: Writer, channel: int, stream: Stream, advance: Advance) -> None:
    messages = wire.encode(stream)
    content, size = memoryview(messages.tobytes()), messages.dtype.itemsize
    for number, stamp in enumerate(stream.stamps.tolist()):
        data = bytes(content[number * size : (number + 1) * size])
        writer.add_message(channel, stamp, data, stamp, number & 0xFFFFFFFF)
        if number % 10_000 == 0:
            advance(number / len(stream))


def _streams(summary: Summary, info: LogInfo) -> dict[str, StoredStream]:
    counts = summary.statistics.channel_message_counts if summary.statistics is not None else {}
    streams: dict[str, StoredStream] = {}
    for channel in summary.channels.values():
        if channel.topic == wire.EVENT_TOPIC:
            continue
        name, width, clock = check_channel(channel, info)
        chunks = tuple(chunk for chunk in summary.chunk_indexes if channel.id in chunk.message_index_offsets)
        samples = counts.get(channel.id, 0)
        if name in streams or samples > _MAX_SAMPLES or any(len(chunk.message_index_offsets) > 1 for chunk in chunks):
            raise RobotLogError(
                f"stream {name!r} does not lie alone in its chunks: another programme has rewritten the file."
                " `zerogap logs import` reads it nevertheless"
            )
        first = min((chunk.message_start_time for chunk in chunks), default=0)
        last = max((chunk.message_end_time for chunk in chunks), default=0)
        streams[name] = StoredStream(name, clock, width, samples, first, last, channel.id, chunks)
    return streams


def _events(summary: Summary, file: BinaryIO) -> tuple[Event, ...]:
    channel = next((channel for channel in summary.channels.values() if channel.topic == wire.EVENT_TOPIC), None)
    if channel is None:
        return ()
    decode, events = wire.EventDecoder(), []
    for index in summary.chunk_indexes:
        if channel.id in index.message_index_offsets:
            chunk = _chunk(file, index)
            unpack(chunk)
            events += [r for r in breakup_chunk(chunk) if isinstance(r, Message) and r.channel_id == channel.id]
        if len(events) > _MAX_EVENTS:
            raise RobotLogError(f"there are more than {_MAX_EVENTS} events")
    return tuple(decode(message.data) for message in events)


def _read_stream(path: Path, stored: StoredStream) -> Stream:
    try:
        with path.open("rb") as file:
            chunks = (unpack(_chunk(file, index)) for index in stored.chunks)
            found = [wire.records_of(chunk, stored.channel, stored.width) for chunk in chunks]
        messages = np.concatenate(found) if found else np.zeros(0, wire.message_dtype(stored.width))
        if len(messages) != stored.samples:
            raise RobotLogError(f"it has {len(messages)} samples, expected {stored.samples} by the file's own account")
        return wire.decode(messages, stored.clock)
    except OSError as error:
        raise RobotLogError(f"cannot read {path}: {error.strerror or error}") from error
    except RobotLogError as error:
        raise RobotLogError(f"{path}: stream {stored.name!r}: {error}") from error
    except Exception as error:  # of the format's readers and decompressors, which share no base
        raise _damaged(path, error) from error


def _chunk(file: BinaryIO, index: ChunkIndex) -> Chunk:
    file.seek(index.chunk_start_offset)
    records = StreamReader(file, skip_magic=True, emit_chunks=True, record_size_limit=MAX_RECORD).records
    chunk: Any = next(records)
    if not isinstance(chunk, Chunk):
        raise RobotLogError(f"there is a {type(chunk).__name__} where the file's index has a chunk")
    return chunk


def _damaged(path: Path, error: Exception) -> RobotLogError:
    return RobotLogError(
        f"{path} is damaged ({type(error).__name__}: {error}). Copy it anew, or save what is whole in it with"
        f" {_import_hint(path)}"
    )


def _import_hint(path: Path) -> str:
    return f"`zerogap logs import {path} --out NEW.mcap`"
