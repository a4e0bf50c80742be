"""The datagrams of the twin's own protocol: fixed-size binary packets, each with a version, a sender and a checksum.

Little-endian. Every packet is a header (magic, version, kind, number of joints n, sender, sequence, stamp), a body, and the
CRC-32 (`zlib.crc32`) of all that:

    HELLO     client to robot   nothing: "send me your states"; again each fifth of a second, else the robot forgets
    BYE       client to robot   nothing: "no more states"; what it commanded is void
    WELCOME   robot to client   rate (Hz), robot's name (32 bytes), CRC-32 of the joint names in policy order
    STATE     robot to client   4 n + 10 float64 (see `RobotState`), number of others that command
    COMMAND   client to robot   5 n float64 (see `RobotCommand`)
"""

import enum
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from sim2real.robot_io import RobotCommand, RobotState

MAGIC = b"ZGTW"
VERSION = 1
MAX_JOINTS = 64
_HEADER = struct.Struct("<4sBBHQQQ")
_WELCOME = struct.Struct("<d32sI")
_CHECKSUM = struct.Struct("<I")
_RIVALS = struct.Struct("<H")
MAX_BYTES = _HEADER.size + 8 * (5 * MAX_JOINTS + 10) + _RIVALS.size + _CHECKSUM.size


class Kind(enum.IntEnum):
    HELLO = 1
    BYE = 2
    WELCOME = 3
    STATE = 4
    COMMAND = 5


_KINDS = frozenset(Kind)


class PacketError(ValueError):
    """These bytes are no packet of this protocol; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Packet:
    kind: Kind
    joints: int
    sender: int
    """Drawn at random by each client; 0 is the robot."""
    sequence: int
    stamp_ns: int
    """Of the sender's monotonic clock."""
    body: bytes
    intact: bool
    """Whether the checksum is right. If not, nothing else need be."""


def pack(kind: Kind, joints: int, sender: int, sequence: int, stamp_ns: int, body: bytes = b"", intact: bool = True) -> bytes:
    """A packet as bytes; one that is not `intact` has a wrong checksum."""
    content = _HEADER.pack(MAGIC, VERSION, kind, joints, sender, sequence, stamp_ns) + body
    checksum = zlib.crc32(content)
    return content + _CHECKSUM.pack(checksum if intact else checksum ^ 0xFFFFFFFF)


def unpack(content: bytes) -> Packet:
    """Raises PacketError unless magic, version, kind and size are this protocol's."""
    if len(content) < _HEADER.size + _CHECKSUM.size:
        raise PacketError(f"{len(content)} bytes, expected at least {_HEADER.size + _CHECKSUM.size}")
    magic, version, kind, joints, sender, sequence, stamp_ns = _HEADER.unpack_from(content)
    if magic != MAGIC:
        raise PacketError(f"it begins with {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise PacketError(f"version {version} of the protocol, expected {VERSION}")
    if kind not in _KINDS or joints > MAX_JOINTS:
        raise PacketError(f"kind {kind} with {joints} joints, expected a kind from 1 to {len(Kind)} and at most {MAX_JOINTS}")
    body = content[_HEADER.size : -_CHECKSUM.size]
    if len(body) != _body_size(Kind(kind), joints):
        raise PacketError(f"a {Kind(kind).name} of {len(body)} bytes, expected {_body_size(Kind(kind), joints)}")
    (checksum,) = _CHECKSUM.unpack_from(content, len(content) - _CHECKSUM.size)
    intact = checksum == zlib.crc32(content[: -_CHECKSUM.size])
    return Packet(Kind(kind), joints, sender, sequence, stamp_ns, body, intact)


def state_body(state: RobotState) -> bytes:
    joints = (state.position, state.velocity, state.torque, state.temperature)
    return _floats(*joints, state.quaternion, state.angular_velocity, state.acceleration) + _RIVALS.pack(state.rivals)


def read_state(packet: Packet, stamp_ns: int) -> RobotState:
    """`stamp_ns` is when the packet arrived."""
    n = packet.joints
    values = np.frombuffer(packet.body, "<f8", 4 * n + 10).astype(float)
    position, velocity, torque, temperature = values[: 4 * n].reshape(4, n)
    return RobotState(
        stamp_ns=stamp_ns,
        sequence=packet.sequence,
        position=position,
        velocity=velocity,
        torque=torque,
        temperature=temperature,
        quaternion=values[4 * n : 4 * n + 4],
        angular_velocity=values[4 * n + 4 : 4 * n + 7],
        acceleration=values[4 * n + 7 :],
        intact=packet.intact,
        rivals=_RIVALS.unpack_from(packet.body, 8 * (4 * n + 10))[0],
    )


def command_body(command: RobotCommand) -> bytes:
    return _floats(command.position, command.velocity, command.torque, command.stiffness, command.damping)


def read_command(packet: Packet) -> RobotCommand:
    return RobotCommand(packet.sequence, *np.frombuffer(packet.body, "<f8").astype(float).reshape(5, packet.joints))


def welcome_body(rate: float, name: str, joints: tuple[str, ...]) -> bytes:
    return _WELCOME.pack(rate, name.encode()[:32], joints_checksum(joints))


def read_welcome(packet: Packet) -> tuple[float, str, int]:
    """Rate (Hz), the robot's name, the checksum of its joint names."""
    rate, name, joints = _WELCOME.unpack(packet.body)
    return rate, name.rstrip(b"\0").decode(errors="replace"), joints


def joints_checksum(joints: tuple[str, ...]) -> int:
    return zlib.crc32("\n".join(joints).encode())


def _body_size(kind: Kind, n: int) -> int:
    sizes = {Kind.WELCOME: _WELCOME.size, Kind.STATE: 8 * (4 * n + 10) + _RIVALS.size, Kind.COMMAND: 8 * 5 * n}
    return sizes.get(kind, 0)


def _floats(*arrays: np.ndarray) -> bytes:
    return np.concatenate(arrays).astype("<f8").tobytes()
