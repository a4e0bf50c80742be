"""What the runtime tells its log's writer, another process, through a pipe: frames of a kind, a size and so many bytes.

HEADER    JSON, first and once: robot, joints, period, limits, the policy, when the monotonic clock began
CYCLE     fixed-size binary (`cycle_dtype`): the state as it was read, what was wanted, what was sent
DECISION  fixed-size binary (`decision_dtype`): command, raw action and targets of one step of the policy
EVENT     JSON: stamp_ns, level, kind, text
"""

import enum
import struct
from typing import BinaryIO

import numpy as np

HEAD = struct.Struct("<BI")
MAX_BYTES = 1 << 20


class Kind(enum.IntEnum):
    HEADER = 1
    CYCLE = 2
    DECISION = 3
    EVENT = 4


class Sent(enum.IntEnum):
    """What went out in a cycle."""

    NOTHING = 0
    COMMAND = 1
    DAMPING = 2
    """The driver's own command that lets its robot sink, in gains and targets where these tell it."""
    WITHHELD = 3
    """A command that would have gone out, in a dry run."""


def cycle_dtype(joints: int) -> np.dtype:
    """One cycle of input and output. Joint arrays are float64, stamps ns of the monotonic clock."""
    state = [(name, "<f8", joints) for name in ("position", "velocity", "torque", "temperature")]
    imu = [("quaternion", "<f8", 4), ("angular_velocity", "<f8", 3), ("acceleration", "<f8", 3)]
    targets = [
        (f"{who}_{name}", "<f8", joints)
        for who in ("wanted", "sent")
        for name in ("position", "velocity", "torque", "stiffness", "damping")
    ]
    numbers = [("number", "<u8"), ("now_ns", "<i8"), ("sent_ns", "<i8"), ("stamp_ns", "<i8"), ("sequence", "<i8")]
    counts = [("overtaken", "<u4"), ("rivals", "<i4")]
    flags = [("intact", "u1"), ("phase", "u1"), ("what", "u1"), ("restarted", "u1"), ("trips", "<u4")]
    return np.dtype([*numbers, *counts, *flags, *state, *imu, *targets])


def decision_dtype(joints: int, command: int) -> np.dtype:
    """One step of the policy, whose other inputs are the state of the cycle with the same `number`."""
    arrays = [("command", "<f8", command), ("action", "<f8", joints), ("targets", "<f8", joints)]
    return np.dtype([("number", "<u8"), ("now_ns", "<i8"), ("spent_ns", "<i8"), *arrays])


def frame(kind: Kind, content: bytes) -> bytes:
    return HEAD.pack(kind, len(content)) + content


def read_frame(stream: BinaryIO) -> tuple[Kind, bytes] | None:
    """The next frame; None at the end, which may come within a frame that its writer did not live to complete."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, size = HEAD.unpack(head)
    if size > MAX_BYTES:
        raise ValueError(f"a frame of {size} bytes, expected at most {MAX_BYTES}")
    content = stream.read(size)
    return (Kind(kind), content) if len(content) == size else None
