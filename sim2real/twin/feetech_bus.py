"""The servos' side of Feetech's protocol: bytes of the bus in, bytes of the servos out.

    bus = ServoBus([Servo(...), Servo(...)])
    answer = bus.receive(request, now=time.monotonic(), baud_rate=1_000_000)

A packet is FF FF, id, length, instruction (or, in an answer, bits of trouble), parameters, and the inverted sum of all after
the FF FF. As real servos do, these keep silent where a packet's checksum is wrong or its instruction unknown, answer nothing to
a broadcast but a ping and a synchronous read, and find their way back after noise or half a packet.
"""

from collections.abc import Callable, Iterable

from sim2real.drivers.feetech.registers import STATUS_LEVEL
from sim2real.twin.feetech_servo import Servo

PING, READ, WRITE, REG_WRITE, ACTION = 1, 2, 3, 4, 5
SYNC_READ, SYNC_WRITE = 0x82, 0x83
BROADCAST = 0xFE
_HEADER = b"\xff\xff"
_LONGEST = 250
_PAUSE = 0.1  # s without a byte, after which the rest of a packet is not waited for


def packet(id: int, code: int, parameters: bytes = b"") -> bytes:
    """`code`: the instruction, or in an answer the bits of trouble."""
    body = bytes([id, len(parameters) + 2, code]) + parameters
    return _HEADER + body + bytes([checksum(body)])


def checksum(body: bytes) -> int:
    return ~sum(body) & 0xFF


class ServoBus:
    """Servos that share a bus."""

    def __init__(self, servos: Iterable[Servo]):
        self.servos = list(servos)
        self.refused: list[str] = []
        """What was ignored and why, since whoever reads this last emptied it."""
        self._pending = b""
        self._heard = 0.0
        self._listening: list[Servo] = []

    def receive(self, data: bytes, now: float, baud_rate: int | None) -> bytes:
        """What the servos answer to what comes at the time `now` (s); `baud_rate` is None where it is none of theirs."""
        self._listening = [servo for servo in self.servos if baud_rate == servo.baud_rate]
        if not self._listening:
            self._refuse(f"{len(data)} bytes at {baud_rate or 'an unknown'} baud, expected {self.servos[0].baud_rate}")
            self._pending = b""
            return b""
        if self._pending and now - self._heard > _PAUSE:
            self._refuse("half a packet")
            self._pending = b""
        self._heard = now
        self._pending += data
        answers = b""
        while (found := self._next()) is not None:
            answers += self._answer(*found)
        return answers

    def _next(self) -> tuple[int, int, bytes] | None:
        """Id, instruction and parameters of the next sound packet; None where there is none yet."""
        while True:
            start = self._pending.find(_HEADER)
            if start != 0:
                kept = self._pending[start:] if start > 0 else self._pending[-1:] if self._pending.endswith(b"\xff") else b""
                if len(kept) < len(self._pending):
                    self._refuse(f"{len(self._pending) - len(kept)} bytes that begin no packet")
                self._pending = kept
                if start < 0:
                    return None
            if len(self._pending) < 4:
                return None
            id, length = self._pending[2], self._pending[3]
            if id == 0xFF or not 2 <= length <= _LONGEST:
                self._pending = self._pending[1:]
                continue
            if len(self._pending) < length + 4:
                return None
            body, last = self._pending[2 : length + 3], self._pending[length + 3]
            if checksum(body) != last:
                self._refuse(f"a packet with checksum {last:#04x}, expected {checksum(body):#04x}")
                self._pending = self._pending[2:]
                continue
            self._pending = self._pending[length + 4 :]
            return id, body[2], body[3:]

    def _answer(self, id: int, instruction: int, parameters: bytes) -> bytes:
        if instruction == SYNC_READ:
            return self._sync_read(parameters)
        if instruction == SYNC_WRITE:
            self._sync_write(parameters)
            return b""
        single: dict[int, Callable[[Servo, bytes], bytes | None]] = {
            PING: lambda servo, _: b"",
            READ: _read,
            WRITE: lambda servo, told: servo.write(told[0], told[1:]),
            REG_WRITE: lambda servo, told: servo.register(told[0], told[1:]),
            ACTION: lambda servo, _: servo.act(),
        }
        least = {PING: 0, ACTION: 0, READ: 2, WRITE: 2, REG_WRITE: 2}
        if instruction not in single or len(parameters) < least[instruction]:
            self._refuse(f"instruction {instruction} with {len(parameters)} parameters")
            return b""
        answers = b""
        for servo in self._listening:
            if id in (servo.id, BROADCAST):
                address = servo.id  # what it answers as, though a write may change it
                told = single[instruction](servo, parameters)
                heard = instruction in (PING, READ) or servo[STATUS_LEVEL] != 0
                if heard and (id != BROADCAST or instruction == PING):
                    answers += packet(address, servo.status, told or b"")
        return answers

    def _sync_read(self, parameters: bytes) -> bytes:
        if len(parameters) < 2:
            self._refuse("a synchronous read that does not say of what")
            return b""
        address, size = parameters[0], parameters[1]
        servos = {servo.id: servo for servo in self._listening}
        asked = (servos[id] for id in parameters[2:] if id in servos)
        return b"".join(packet(servo.id, servo.status, servo.read(address, size)) for servo in asked if size <= _LONGEST - 2)

    def _sync_write(self, parameters: bytes) -> None:
        size = parameters[1] if len(parameters) > 1 else 0
        if size == 0 or (len(parameters) - 2) % (size + 1):
            self._refuse("a synchronous write whose length does not fit its data")
            return
        for i in range(2, len(parameters), size + 1):
            for servo in self._listening:
                if servo.id == parameters[i]:
                    servo.write(parameters[0], parameters[i + 1 : i + 1 + size])

    def _refuse(self, what: str) -> None:
        if len(self.refused) < 100:
            self.refused.append(what)


def _read(servo: Servo, parameters: bytes) -> bytes:
    address, size = parameters[0], parameters[1]
    return servo.read(address, min(size, _LONGEST - 2))
