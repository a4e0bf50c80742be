"""The robot's side of the twin's own protocol (`sim2real.twin.packets`), on a UDP socket.

    server = LocalServer(robot, rate=500.0, address="127.0.0.1:5470")
    server.publish(simulated.step(server.command()))

As on a robot's bus, whoever is heard commands: the newest command counts, whoever sent it, and each client is told how many
others send some. A command is refused whose checksum, size or number of joints is wrong, that is not finite, or that is older
than its sender's last one. Motors go limp `COMMAND_SECONDS` after the last.
"""

import contextlib
import math
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assets.robots.robot import Robot
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.packets import MAX_BYTES, Kind, Packet, PacketError, pack, read_command, state_body, unpack, welcome_body
from sim2real.twin.server import TwinError

DEFAULT_ADDRESS = "127.0.0.1:5470"
COMMAND_SECONDS = 0.2
"""How long a command holds."""
_HELLO_SECONDS = 2.0  # without a word, a client is forgotten
_RIVAL_SECONDS = 0.5  # how long a client that commanded counts as one that does
_MAX_CLIENTS = 16
_MAX_PACKETS = 256  # read at once: a flood must not stop the robot


@dataclass
class _Client:
    address: tuple
    heard: float
    commanded: float = -math.inf
    sequence: int = -1


class LocalServer:
    """A `TwinServer`. Port 0 is one that is free. Raises TwinError where it cannot listen."""

    def __init__(self, robot: Robot, rate: float, address: str = DEFAULT_ADDRESS, clock: Callable[[], float] = time.monotonic):
        self._robot, self._rate, self._clock = robot, rate, clock
        self._clients: dict[int, _Client] = {}
        self._command: RobotCommand | None = None
        self._commander = 0
        self._due = -math.inf
        self._refused: Counter[str] = Counter()
        host, port = parse_address(address)
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise TwinError(
                f"cannot listen at {address}: {error.strerror or error}; if another twin has it, choose one with --address,"
                " such as 127.0.0.1:0 for any that is free"
            ) from error
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def command(self) -> RobotCommand | None:
        for _ in range(_MAX_PACKETS):
            try:
                content, address = self._socket.recvfrom(MAX_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:  # a client that is gone, as some systems tell
                continue
            try:
                self._take(unpack(content), address)
            except PacketError as error:
                self._refused[f"a packet from {address[0]}:{address[1]}: {error}"] += 1
        return self._command if self._clock() < self._due else None

    def publish(self, state: RobotState) -> None:
        now, stamp = self._clock(), time.monotonic_ns()
        for sender in [s for s, client in self._clients.items() if now > client.heard + _HELLO_SECONDS]:
            del self._clients[sender]
        body = state_body(state)
        commanding = [s for s, client in self._clients.items() if now < client.commanded + _RIVAL_SECONDS]
        for sender, client in self._clients.items():
            rivals = state.rivals + sum(s != sender for s in commanding)
            own = body[:-2] + rivals.to_bytes(2, "little")
            self._send(pack(Kind.STATE, self._robot.num_joints, 0, state.sequence, stamp, own, state.intact), client.address)

    def events(self) -> list[str]:
        told = [f"{text} ({count} times)" if count > 1 else text for text, count in self._refused.items()]
        self._refused.clear()
        return [f"refused {text}" for text in told]

    def close(self) -> None:
        self._socket.close()

    def _take(self, packet: Packet, address: tuple) -> None:
        where = f"{address[0]}:{address[1]}"
        if not packet.intact:
            raise PacketError(f"a {packet.kind.name} with a wrong checksum")
        if packet.sender == 0 or packet.kind in (Kind.WELCOME, Kind.STATE):
            raise PacketError(f"a {packet.kind.name} of sender {packet.sender}, expected a client's")
        if packet.kind == Kind.BYE:
            self._clients.pop(packet.sender, None)
            if packet.sender == self._commander:
                self._command = None
            return
        if packet.sender not in self._clients and len(self._clients) >= _MAX_CLIENTS:
            raise PacketError(f"{_MAX_CLIENTS} clients have come already")
        now = self._clock()
        client = self._clients.setdefault(packet.sender, _Client(address, now))
        client.heard, client.address = now, address
        if packet.kind == Kind.HELLO:
            body = welcome_body(self._rate, self._robot.name, self._robot.joints)
            self._send(pack(Kind.WELCOME, self._robot.num_joints, 0, 0, time.monotonic_ns(), body), address)
            return
        if packet.joints != self._robot.num_joints:
            raise PacketError(f"a command for {packet.joints} joints, expected {self._robot.num_joints}")
        command = read_command(packet)
        if not _is_sound(command):
            raise PacketError("a command with a value that is not finite, or a gain below zero")
        if packet.sequence <= client.sequence:
            self._refused[f"a command from {where}: one as old as, or older than, its last"] += 1
            return
        client.sequence, client.commanded = packet.sequence, now
        self._command, self._commander, self._due = command, packet.sender, now + COMMAND_SECONDS

    def _send(self, content: bytes, address: tuple) -> None:
        with contextlib.suppress(OSError):  # nobody there, or no room: a datagram may be lost
            self._socket.sendto(content, address)


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT". Raises TwinError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise TwinError(f"address {address!r}: expected HOST:PORT, such as {DEFAULT_ADDRESS}")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return str(socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][4][0]), int(port)
    except OSError as error:
        raise TwinError(f"address {address!r}: {host!r} is no address: {error}") from error


def _is_sound(command: RobotCommand) -> bool:
    arrays = (command.position, command.velocity, command.torque, command.stiffness, command.damping)
    return bool(np.isfinite(arrays).all() and (command.stiffness >= 0).all() and (command.damping >= 0).all())
