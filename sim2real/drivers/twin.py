"""The driver of a twin: `zerogap twin ROBOT` in another process, or on another machine, by the twin's own protocol.

driver = TwinDriver("127.0.0.1:5470")
driver.connect()
driver.acquire()
driver.write(command)
state = driver.read()
"""

import contextlib
import math
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot, RobotError
from sim2real.drivers.driver import DriverError
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.local import DEFAULT_ADDRESS, parse_address
from sim2real.twin.packets import (
    MAX_BYTES,
    Kind,
    Packet,
    PacketError,
    command_body,
    joints_checksum,
    pack,
    read_state,
    read_welcome,
    unpack,
)

_CONNECT_SECONDS = 10.0
_HELLO_SECONDS = 0.2
_RIVAL_SECONDS = 0.3  # watched before taking command
_MAX_PACKETS = 256


class TwinDriver:
    """A `Driver`. `robot` is who is expected; by default whoever answers, of those that zerogap has built in."""

    robot: Robot
    rate: float

    def __init__(self, address: str = DEFAULT_ADDRESS, robot: Robot | None = None):
        self._address, self._expected = address, robot
        if robot is not None:
            self.robot = robot
        self._socket: socket.socket | None = None
        self._sender = random.SystemRandom().randrange(1, 2**64)
        self._sequence = 0
        self._arrived: deque[tuple[int, bytes]] = deque()
        self._hello_due = -math.inf
        self._welcome: tuple[float, str, int] | None = None
        self._state: RobotState | None = None
        self._good: RobotState | None = None
        self._fault: RobotState | None = None

    def connect(self) -> None:
        self.close()
        host, port = parse_address(self._address)
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((host, port))
        self._wait(lambda: self._welcome is not None and self._has_state(), _CONNECT_SECONDS)
        if self._welcome is None or not self._has_state():
            self.close()
            raise DriverError(
                f"no twin answers at {self._address}: none came in {_CONNECT_SECONDS:g} s;"
                " start one with `zerogap twin ROBOT`, and give its address with --address"
            )
        self._meet(*self._welcome)

    def acquire(self) -> None:
        self._wait(lambda: False, _RIVAL_SECONDS)
        state = self.read()
        if state.rivals:
            raise DriverError(f"another program commands the twin at {self._address} already: end it first")

    def listen(self) -> None:
        if self._socket is None:
            return
        for _ in range(_MAX_PACKETS):
            try:
                content = self._socket.recv(MAX_BYTES + 1)
            except OSError:  # nothing has come, or nobody listens there
                return
            self._arrived.append((time.monotonic_ns(), content))

    def read(self) -> RobotState:
        self._receive()
        if self._state is None:
            raise DriverError(f"the twin at {self._address} is not connected: call connect first")
        return self._state

    def write(self, command: RobotCommand) -> None:
        # Counted here, as `damp` sends some too and the twin refuses what is no newer than the last.
        self._sequence += 1
        self._send(Kind.COMMAND, self._sequence, command_body(command))

    def damp(self) -> RobotCommand | None:
        if self._socket is None:
            return None
        robot, zero = self.robot, np.zeros(self.robot.num_joints)
        command = RobotCommand(0, zero, zero, zero, zero, np.asarray(robot.damping, float))
        self.write(command)
        return command

    def close(self) -> None:
        if self._socket is not None:
            self._send(Kind.BYE, 0)
            self._socket.close()
        self._socket = self._welcome = self._state = self._good = self._fault = None
        self._arrived.clear()
        self._hello_due = -math.inf

    def _has_state(self) -> bool:
        return self._state is not None and self._state.intact

    def _meet(self, rate: float, name: str, joints: int) -> None:
        """Know the robot that answered."""
        if self._expected is None:
            if name not in ROBOTS:
                self.close()
                raise DriverError(f"the twin at {self._address} is a {name!r}, expected one of {', '.join(ROBOTS)}")
            try:
                self.robot = ROBOTS[name]()
            except RobotError as error:
                self.close()
                raise DriverError(f"the twin at {self._address} is a {name!r}: {error}") from error
        if joints_checksum(self.robot.joints) != joints:
            self.close()
            raise DriverError(
                f"the twin at {self._address} is a {name!r} whose joints are not those of {self.robot.name!r}:"
                " start it with the same robot and version of zerogap"
            )
        self.rate = rate

    def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        """Receive until `done()`, at most so long."""
        assert self._socket is not None
        end = time.monotonic() + seconds
        while not done() and (left := end - time.monotonic()) > 0:
            self._receive()
            if not done():
                select.select([self._socket], [], [], min(left, _HELLO_SECONDS))

    def _receive(self) -> None:
        """Take what has arrived, up to the newest state or the first at fault. What is amiss must not be passed over, nor must
        the good one before it, without which nobody could tell."""
        if self._socket is None:
            return
        if self._fault is not None:
            self._state, self._fault = self._fault, None
            return
        now = time.monotonic()
        if now >= self._hello_due:
            self._hello_due = now + _HELLO_SECONDS
            self._send(Kind.HELLO, 0)
        taken = 0
        self.listen()
        while self._arrived:
            stamp_ns, content = self._arrived.popleft()
            before = self._state
            try:
                self._take(unpack(content), stamp_ns)
            except PacketError:  # not of this protocol, or so damaged that it does not tell what it was
                if before is not None:
                    self._state = replace(before, stamp_ns=stamp_ns, intact=False)
            if self._state is before or self._state is None:
                continue
            if not self._is_at_fault(self._state):
                self._good = self._state = replace(self._state, overtaken=taken)
                taken += 1
            elif taken:
                self._state, self._fault = before, self._state
                return
            else:
                return

    def _take(self, packet: Packet, stamp_ns: int) -> None:
        if packet.kind == Kind.WELCOME and packet.intact:
            self._welcome = read_welcome(packet)
        elif packet.kind == Kind.STATE:
            if self._state is not None and packet.joints != len(self._state.position):
                raise PacketError(f"a state of {packet.joints} joints, expected {len(self._state.position)}")
            self._state = read_state(packet, stamp_ns)

    def _is_at_fault(self, state: RobotState) -> bool:
        """Whether it is corrupt, or no newer than the good one before."""
        return not state.intact or (self._good is not None and state.sequence <= self._good.sequence)

    def _send(self, kind: Kind, sequence: int, body: bytes = b"") -> None:
        if self._socket is None:
            raise DriverError(f"the twin at {self._address} is not connected: call connect first")
        joints = len(body) // 40
        with contextlib.suppress(OSError):  # nobody listens there now: the states that stop coming tell
            self._socket.send(pack(kind, joints, self._sender, sequence, time.monotonic_ns(), body))
