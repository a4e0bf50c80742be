"""How a log's numbers and events lie in the messages of an MCAP file: ROS 2 CDR, little-endian.

/position, /velocity, ...   zerogap_msgs/Sample   one a sample of that stream
/rosout                     rcl_interfaces/Log    events

All messages of a stream are of one size, so that NumPy reads and writes them as one array, a record a message: `record_dtype`.
"""

import struct
from typing import Any

import numpy as np
from mcap.opcode import Opcode
from mcap.records import Schema
from mcap_ros2.decoder import DecoderFactory

from sim2real.deploy.messages import LEVELS, LOG
from sim2real.logs.robot_log import Event, RobotLogError, Stream

SAMPLE_NAME, LOG_NAME = "zerogap_msgs/msg/Sample", "rcl_interfaces/msg/Log"
SAMPLE = """builtin_interfaces/Time stamp
float64[] values

================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
EVENT = LOG
EVENT_TOPIC = "/rosout"
MAX_WIDTH = 4096

_CDR = b"\x00\x01\x00\x00"  # little-endian
_SECOND = 1_000_000_000
_MAX_SECONDS = 2**31


def message_dtype(width: int) -> np.dtype:
    """A message of a stream with so many columns."""
    head = [("cdr", "<u4"), ("sec", "<i4"), ("nanosec", "<u4"), ("count", "<u4"), ("padding", "<u4")]
    return np.dtype([*head, ("values", "<f8", (width,))])


def record_dtype(width: int) -> np.dtype:
    """The same as the record of an MCAP chunk."""
    head = [("opcode", "u1"), ("length", "<u8"), ("channel", "<u2"), ("sequence", "<u4")]
    times = [("log_time", "<u8"), ("publish_time", "<u8")]
    return np.dtype([*head, *times, ("message", message_dtype(width))])


def encode(stream: Stream) -> np.ndarray:
    """(samples,) of `message_dtype`. Raises RobotLogError where a stamp is none that ROS has."""
    width = stream.values.shape[1]
    if not 1 <= width <= MAX_WIDTH:
        raise RobotLogError(f"has {width} columns, expected 1 to {MAX_WIDTH}")
    if len(stream) and stream.stamps.max() >= _MAX_SECONDS * _SECOND:
        raise RobotLogError(
            f"has a stamp of {1e-9 * stream.stamps.max():.0f} s, expected one before 2038, {_MAX_SECONDS} s: are its stamps ns?"
        )
    messages = np.zeros(len(stream), message_dtype(width))
    messages["cdr"] = int.from_bytes(_CDR, "little")
    messages["sec"], messages["nanosec"] = np.divmod(stream.stamps, _SECOND)
    messages["count"] = width
    messages["values"] = stream.values
    return messages


def decode(messages: np.ndarray, clock: str) -> Stream:
    """Of an array of `message_dtype`. Raises RobotLogError where the messages are not as they say."""
    width = messages.dtype["values"].shape[0]
    wrong = np.flatnonzero((messages["count"] != width) | (messages["cdr"] != int.from_bytes(_CDR, "little")))
    if len(wrong):
        raise RobotLogError(f"message {wrong[0]} is not of {width} numbers in CDR, as the stream's description says")
    stamps = messages["sec"].astype(np.int64) * _SECOND + messages["nanosec"]
    return Stream(stamps, np.ascontiguousarray(messages["values"]), clock)


def records_of(chunk: bytes, channel: int, width: int) -> np.ndarray:
    """The messages of a stream's chunk, of `message_dtype`. Raises RobotLogError where something else is in it."""
    dtype, start = record_dtype(width), 0
    while len(chunk) - start >= 9 and chunk[start] in (Opcode.SCHEMA, Opcode.CHANNEL):
        start += 9 + struct.unpack_from("<Q", chunk, start + 1)[0]
    if start > len(chunk) or (len(chunk) - start) % dtype.itemsize:
        raise RobotLogError(f"a chunk does not hold messages of {width} numbers, as the stream's description says")
    records = np.frombuffer(chunk, dtype, offset=start)
    expected = (records["opcode"] == Opcode.MESSAGE) & (records["length"] == dtype.itemsize - 9)
    if not (expected & (records["channel"] == channel)).all():
        raise RobotLogError(f"a chunk holds something else than messages of {width} numbers of this stream")
    return records["message"]


def encode_event(event: Event) -> bytes:
    """rcl_interfaces/Log, of the level that says info. Raises RobotLogError where the stamp is none that ROS has."""
    if not 0 <= event.stamp < _MAX_SECONDS * _SECOND:
        raise RobotLogError(f"event {event.text!r:.80} has the stamp {event.stamp} ns, expected one from 0 to 2**31 s")
    seconds, nanoseconds = divmod(event.stamp, _SECOND)
    body = struct.pack("<iIB", seconds, nanoseconds, LEVELS["info"])
    for text in ("zerogap", event.text, "", ""):
        body += bytes(-len(body) % 4)
        encoded = text.encode(errors="replace") + b"\0"
        body += struct.pack("<I", len(encoded)) + encoded
    return _CDR + body + bytes(-len(body) % 4) + struct.pack("<I", 0)


class EventDecoder:
    """Messages of /rosout as events. Raises what the format's reader does where they are damaged.

    They are read as `write_log` writes them: a file's own description of them, which may be damaged too, is not asked.
    """

    def __init__(self) -> None:
        schema = Schema(id=1, name=LOG_NAME, encoding="ros2msg", data=EVENT.encode())
        self._decode: Any = DecoderFactory().decoder_for("cdr", schema)

    def __call__(self, data: bytes) -> Event:
        message = self._decode(data)
        return Event(message.stamp.sec * _SECOND + message.stamp.nanosec, message.msg)
