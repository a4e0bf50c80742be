"""Commands from a gamepad, by Linux's joystick interface: a device that gives eight bytes for each event, no library needed.

The left stick moves (up: the first entry, left: the second), the right stick turns (left: the third); any button but the first
lets the robot down, and the first zeroes the command until a stick moves. A stick's full way is the end of the entry's range,
its first tenth is nothing. A gamepad that is unplugged lets the robot down.
"""

import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sim2real.deploy.sources import SourceError

DEFAULT = Path("/dev/input/js0")
_EVENT = struct.Struct("<IhBB")  # time (ms), value, type, number
_BUTTON, _AXIS, _INITIAL = 0x01, 0x02, 0x80
_AXES = ((1, -1.0), (0, -1.0), (3, -1.0))  # of each entry: the axis, and the sign that makes up and left positive
_FULL = 32767.0
_DEAD = 0.1
_MAX_EVENTS = 64


class Gamepad:
    """A `CommandSource`. `limits` are the ends of each entry's range, (num_entries, 2)."""

    def __init__(self, names: Sequence[str], limits: np.ndarray, device: Path = DEFAULT):
        self.is_ended = False
        self._device, self._limits = device, limits
        self._command = np.zeros(len(names))
        self._rest = b""
        try:
            self._file = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            near = sorted(str(path) for path in device.parent.glob("js*")) if device.parent.is_dir() else []
            found = f"there are: {', '.join(near)}" if near else "no joystick is there: is it plugged in and switched on?"
            raise SourceError(f"cannot open the gamepad {device}: {error.strerror}; {found}") from error
        self.help = (
            "; ".join(
                f"{what}: {name}"
                for what, name in zip(("left stick up", "left stick left", "right stick left"), names, strict=False)
            )
            + "; first button: zero; any other: let the robot down"
        )

    def read(self, seconds: float) -> np.ndarray:
        try:
            content = self._rest + os.read(self._file, _MAX_EVENTS * _EVENT.size)
        except BlockingIOError:
            return self._command
        except OSError as error:
            raise SourceError(f"the gamepad {self._device} is gone: {error.strerror}") from error
        if content == self._rest:
            raise SourceError(f"the gamepad {self._device} is gone: {os.strerror(errno.ENODEV)}")
        whole = len(content) - len(content) % _EVENT.size
        self._rest = content[whole:]
        for _, value, kind, number in _EVENT.iter_unpack(content[:whole]):
            self._take(kind, number, value)
        return self._command

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take(self, kind: int, number: int, value: int) -> None:
        if kind == _BUTTON and value:  # not those that are told when the device is opened
            if number == 0:
                self._command = np.zeros_like(self._command)
            else:
                self.is_ended = True
        if kind & ~_INITIAL != _AXIS:
            return
        for entry, (axis, sign) in enumerate(_AXES[: len(self._command)]):
            if axis == number:
                self._command = self._command.copy()
                self._command[entry] = self._scaled(entry, sign * value / _FULL)

    def _scaled(self, entry: int, way: float) -> float:
        low, high = self._limits[entry]
        share = np.sign(way) * max(0.0, min(1.0, abs(way)) - _DEAD) / (1.0 - _DEAD)
        return float(np.clip(share * max(abs(low), abs(high)), low, high))
