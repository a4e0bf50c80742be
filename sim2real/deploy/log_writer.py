"""The process that writes a log: `python -m sim2real.deploy.log_writer FILE`, frames (`sim2real.deploy.records`) on its input.

It is a process of its own so that encoding and disk never hold up the loop that a robot hangs on, and so that the log is
completed whatever becomes of that loop: a runtime that is killed loses nothing. Should this process or the machine die, what
came more than `_FLUSH_SECONDS` and a chunk, a quarter of a second, before is in the file.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from mcap.records import Schema
from mcap.writer import CompressionType
from mcap_ros2.writer import Writer

from sim2real.deploy import messages
from sim2real.deploy.records import Kind, Sent, cycle_dtype, decision_dtype, read_frame

_FLUSH_SECONDS = 0.25
_CHUNK_SECONDS = 0.25
METADATA = "zerogap"
_OUT = {Sent.COMMAND: "/joint_commands", Sent.DAMPING: "/damping", Sent.WITHHELD: "/withheld"}


class LogWriter:
    """Frames in, an MCAP file out."""

    def __init__(self, header: dict[str, Any], file: BinaryIO):
        self._names: list[str] = header["joints"]
        self._has_imu: bool = header["has_imu"]
        self._epoch_ns: int = header["epoch_ns"]
        joints = len(self._names)
        self._cycle = cycle_dtype(joints)
        self._decision = decision_dtype(joints, header["command_size"])
        self._file = file
        self._flushed = time.monotonic()
        # A chunk is complete, and in the file, when it has so many bytes: about those of a quarter of a second.
        size = int(_CHUNK_SECONDS / header["period"] * (self._cycle.itemsize + sum(len(name) for name in self._names)))
        self._writer = Writer(file, chunk_size=max(size, 1024), compression=CompressionType.ZSTD)
        self._schemas: dict[str, Schema] = {}
        known: dict[str, Schema] = {}
        for topic, (name, definition) in messages.SCHEMAS.items():
            if name not in known:
                known[name] = self._writer.register_msgdef(name, definition)
            self._schemas[topic] = known[name]
        self._writer.add_metadata(METADATA, {"header": json.dumps(header)})

    def take(self, kind: Kind, content: bytes) -> None:
        if kind is Kind.CYCLE:
            self._take_cycle(np.frombuffer(content, self._cycle)[0])
        elif kind is Kind.DECISION:
            record = np.frombuffer(content, self._decision)[0]
            self._write("/decision", int(record["now_ns"]), messages.decision(record), int(record["number"]))
        elif kind is Kind.EVENT:
            told = json.loads(content)
            stamp = told.pop("stamp_ns")
            self._write("/rosout", stamp, messages.event(stamp + self._epoch_ns, **told))

    def flush(self) -> None:
        """What is complete goes to the disk, now and then."""
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._flushed = time.monotonic()

    def finish(self) -> None:
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _take_cycle(self, record: np.void) -> None:
        now, number = int(record["now_ns"]), int(record["number"])
        stamp = int(record["stamp_ns"]) + self._epoch_ns
        state = (record["position"], record["velocity"], record["torque"])
        self._write("/joint_states", now, messages.joint_state(self._names, stamp, *state), number)
        if self._has_imu:
            sensed = (record["quaternion"], record["angular_velocity"], record["acceleration"])
            self._write("/imu", now, messages.imu(stamp, *sensed), number)
        topic = _OUT.get(record["what"])
        if topic is not None and not np.isnan(record["sent_damping"]).all():  # not every driver can tell its damping
            sent = (record["sent_position"], record["sent_velocity"], record["sent_torque"])
            at = int(record["sent_ns"]) + self._epoch_ns
            self._write(topic, now, messages.joint_state(self._names, at, *sent), number)
        self._write("/cycle", now, messages.cycle(record), number)

    def _write(self, topic: str, monotonic_ns: int, message: dict[str, Any], sequence: int = 0) -> None:
        when = monotonic_ns + self._epoch_ns
        self._writer.write_message(topic, self._schemas[topic], message, when, when, sequence & 0xFFFFFFFF)


def main() -> int:
    # The terminal's Ctrl-C is for the runtime; this process ends when its input does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stream = sys.stdin.buffer
    first = read_frame(stream)
    if first is None or first[0] is not Kind.HEADER:
        return 1
    try:
        with Path(sys.argv[1]).open("xb") as file:
            writer = LogWriter(json.loads(first[1]), file)
            print("ready", flush=True)
            while (got := read_frame(stream)) is not None:
                writer.take(*got)
                writer.flush()
            writer.finish()
    except OSError as error:
        print(error.strerror or error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
