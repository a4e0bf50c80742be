"""A bus of Feetech servos, by Feetech's own SDK (`feetech-servo-sdk`): one servo's registers, or those of all at once.

bus = FeetechBus("/dev/ttyACM0", ids=(1, 2, 3))
bus.open()
bus.write(GOAL_VELOCITY, 1, 0)                                 # acknowledged by the servo
reply = bus.sync_read(PRESENT_POSITION, PRESENT_CURRENT)       # one request, an answer of each
bus.sync_write(GOAL_POSITION, {1: 2047, 2: 1100})              # no answer
"""

import termios
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import scservo_sdk as sdk

from sim2real.drivers.driver import DriverError
from sim2real.drivers.feetech.port import Port
from sim2real.drivers.feetech.registers import BAUD_RATES, MODEL_NUMBER, Register

BAUD_RATE = 1_000_000
_TRIES = 3
_PATIENCE = 0.1  # s, for what is asked or acknowledged once; what goes round in a loop has the caller's own


@dataclass(frozen=True)
class Reply:
    """What the servos answered to one request for the same block of registers."""

    start: int
    blocks: dict[int, bytes]
    """By servo, of those whose answer was right."""
    corrupt: bool
    """Whether an answer came with a wrong checksum, or only half of it; those after it are lost too."""


class FeetechBus:
    """One serial port, which this process has to itself while it is open. All raise DriverError where the port vanishes."""

    def __init__(self, port: str, ids: Iterable[int], patience: float = _PATIENCE):
        """`patience`: how long `sync_read` waits for the servos (s), beyond the time that the bytes need."""
        self.port, self.ids = port, tuple(ids)
        self._patience = patience
        self._port: Port | None = None
        self._packets = sdk.PacketHandler(0)

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def open(self, baud_rate: int = BAUD_RATE) -> None:
        """Raises DriverError where there is no such port, or it cannot or may not be opened."""
        self.close()
        self._port = Port(self.port, baud_rate)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    def read(self, register: Register, servo: int) -> int | None:
        """None where the servo does not answer."""
        for _ in range(_TRIES):
            value = self._read_once(register, servo)
            if value is not None:
                return value
        return None

    def write(self, register: Register, servo: int, value: int) -> None:
        """Raises DriverError where the servo does not acknowledge it."""
        data = list(register.encode(value))
        for _ in range(_TRIES):
            with self._using(_PATIENCE) as port:
                result, _flags = self._packets.writeTxRx(port, servo, register.address, len(data), data)
            if result == sdk.COMM_SUCCESS:
                return
        raise DriverError(
            f"servo {servo} on {self.port} does not acknowledge a write to its register {register.address}:"
            " check its cable and the power supply"
        )

    def sync_read(self, first: Register, last: Register) -> Reply:
        """All registers from the first to the last, of all servos."""
        size = last.address + last.size - first.address
        with self._using(self._patience) as port:
            group = sdk.GroupSyncRead(port, self._packets, first.address, size)
            for servo in self.ids:
                group.addParam(servo)
            result = group.txRxPacket()
        answers = {servo: bytes(data) for servo, data in group.data_dict.items() if data}
        blocks = {servo: data for servo, data in answers.items() if len(data) == size}
        return Reply(first.address, blocks, result == sdk.COMM_RX_CORRUPT or len(blocks) < len(answers))

    def sync_write(self, register: Register, values: dict[int, int]) -> None:
        """Of as many servos as there are values; none of them acknowledges it."""
        with self._using(_PATIENCE) as port:
            group = sdk.GroupSyncWrite(port, self._packets, register.address, register.size)
            for servo, value in values.items():
                group.addParam(servo, list(register.encode(value)))
            group.txPacket()

    def answering_rate(self) -> int | None:
        """The baud rate at which one of the servos answers; None where none does at any. Leaves the port closed."""
        try:
            for baud_rate in BAUD_RATES:
                self.open(baud_rate)
                if any(self._read_once(MODEL_NUMBER, servo) is not None for servo in self.ids):
                    return baud_rate
        finally:
            self.close()
        return None

    def _read_once(self, register: Register, servo: int) -> int | None:
        with self._using(_PATIENCE) as port:
            data, result, _flags = self._packets.readTxRx(port, servo, register.address, register.size)
        return register.decode(bytes(data)) if result == sdk.COMM_SUCCESS and len(data) == register.size else None

    @contextmanager
    def _using(self, patience: float) -> Iterator[Port]:
        port = self._port
        if port is None:
            raise DriverError(f"the port {self.port} is not open: call connect first")
        # The SDK leaves a port marked as in use after some of its failures.
        port.patience, port.is_using = patience, False
        try:
            yield port
        except (OSError, termios.error) as error:
            self.close()
            raise DriverError(f"the port {self.port} is gone ({error}): check the cable, then start anew") from error
