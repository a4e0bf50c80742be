"""Commands from a gamepad, by Linux's joystick interface: a device that gives eight bytes for each event, no library needed.

The left stick moves (up: the first entry, left: the second), the right stick turns (left: the third); any button but the first
lets the robot down, and the first takes the command back to the default, a gait's zero, until a stick moves. A stick at rest
is the default, its full way the end of the entry's range, its first tenth nothing. A gamepad that is unplugged lets the robot
down.
"""

import errno
import os
import struct
from pathlib import Path

import numpy as np

from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.sources import SourceError

DEFAULT = Path("/dev/input/js0")
_EVENT = struct.Struct("<IhBB")  # time (ms), value, type, number
_BUTTON, _AXIS, _INITIAL = 0x01, 0x02, 0x80
_AXES = ((1, -1.0), (0, -1.0), (3, -1.0))  # of each entry: the axis, and the sign that makes up and left positive
_FULL = 32767.0
_DEAD = 0.1
_MAX_EVENTS = 64


class Gamepad:
    """A `CommandSource`."""

    def __init__(self, commands: CommandRange, device: Path = DEFAULT):
        self.is_ended = False
        self._device, self._limits, self._default = device, commands.limits, commands.default
        self._command = self._default
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
                for what, name in zip(("left stick up", "left stick left", "right stick left"), commands.names, strict=False)
            )
            + "; first button: as at the start; any other: let the robot down"
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
                self._command = self._default
            else:
                self.is_ended = True
        if kind & ~_INITIAL != _AXIS:
            return
        for entry, (axis, sign) in enumerate(_AXES[: len(self._command)]):
            if axis == number:
                self._command = self._command.copy()
                self._command[entry] = self._scaled(entry, sign * value / _FULL)

    def _scaled(self, entry: int, way: float) -> float:
        (low, high), rest = self._limits[entry], self._default[entry]
        share = max(0.0, min(1.0, abs(way)) - _DEAD) / (1.0 - _DEAD)
        return float(rest + share * ((high if way > 0 else low) - rest))
