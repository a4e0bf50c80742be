"""A serial port as Feetech's SDK wants one: its own waits busily, without an end where the bus is noisy, and for ever where
nobody takes what is written. This one sleeps until bytes come, gives up when an answer is overdue, and has the port to itself.
"""

import errno
import time

import serial
from serial.tools import list_ports

from sim2real.drivers.driver import DriverError

_BITS_PER_BYTE = 10
_WRITE_SECONDS = 0.02  # a peer that takes nothing for so long takes nothing


class Port:
    """What the SDK's packet handler calls a port; the names are the SDK's. Raises DriverError where it cannot be opened."""

    def __init__(self, name: str, baud_rate: int):
        self.is_using = False
        self.patience = 0.0
        """How long to wait for an answer (s), beyond the time that its bytes need."""
        self._deadline = 0.0
        self._seconds_per_byte = _BITS_PER_BYTE / baud_rate
        try:
            self._serial = serial.Serial(name, baud_rate, timeout=0, write_timeout=_WRITE_SECONDS, exclusive=True)
        except (OSError, ValueError) as error:
            raise DriverError(_refusal(name, error)) from error

    def close(self) -> None:
        self._serial.close()

    def clearPort(self) -> None:  # noqa: N802
        """Drop what came too late for the question before."""
        self._serial.reset_input_buffer()

    def writePort(self, packet: list[int]) -> int:  # noqa: N802
        try:
            return self._serial.write(bytes(packet)) or 0
        except serial.SerialTimeoutException:
            return 0

    def readPort(self, length: int) -> bytes:  # noqa: N802
        self._serial.timeout = max(self._deadline - time.monotonic(), 0.0)
        return self._serial.read(length) if self._serial.timeout else b""

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802
        self._deadline = time.monotonic() + packet_length * self._seconds_per_byte + self.patience

    def isPacketTimeout(self) -> bool:  # noqa: N802
        return time.monotonic() >= self._deadline


def _refusal(name: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        there = ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
        return f"there is no serial port {name}; there are: {there}. Plug the arm's board in, or name its port with --address"
    if code in (errno.EACCES, errno.EPERM):
        return f"the port {name} may not be opened by this user: `sudo usermod -aG dialout $USER`, then log in anew"
    if code in (errno.EAGAIN, errno.EBUSY):
        return f"another program has the port {name}: end it first"
    return f"{name} cannot be opened as a serial port: {error}; name the arm's port with --address"
