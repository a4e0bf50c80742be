"""Commands from the keyboard: each entry of a command has a key that raises it and one that lowers it.

With three entries, as for walking: w and s forward and back, a and d left and right, q and e turn. Space takes all back to the
default, a gait's zero; x (or Esc) lets the robot down. A held key repeats, so a command grows; it stays when the key is let go.
"""

import contextlib
import os
import re
import sys

import numpy as np

from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.sources import SourceError

KEYS = ("ws", "ad", "qe", "rf", "tg", "yh", "uj", "ik", "ol")
"""A pair for each entry: up, down."""
_STEPS = 10  # from zero to the farther end of a range
_MAX_BYTES = 256
_SEQUENCE = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]")  # of an arrow or another key that is no letter


class Keyboard:
    """A `CommandSource`. It asks for up to a step beyond a range, so that whoever presses on is told where that ends."""

    def __init__(self, commands: CommandRange, terminal: int | None = None):
        """`terminal` is a file descriptor, by default that of standard input. It reads key by key until `close`."""
        import termios
        import tty

        names, limits = commands.names, commands.limits
        if len(names) > len(KEYS):
            raise SourceError(f"the keyboard has keys for {len(KEYS)} entries, and this command has {len(names)}: use a script")
        self._terminal = sys.stdin.fileno() if terminal is None else terminal
        if not os.isatty(self._terminal):
            raise SourceError("--keyboard needs a terminal, and standard input is none: use --script or --command")
        self.is_ended = False
        self._default = commands.default
        self._step = np.maximum(np.abs(limits).max(axis=1), 1e-6) / _STEPS
        ways = (limits - self._default[:, None]) / self._step[:, None]
        self._least, self._most = np.ceil(ways[:, 0] - 1e-6) - 1, np.floor(ways[:, 1] + 1e-6) + 1
        self._counts = np.zeros(len(names), int)
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)
        self._was_blocking = os.get_blocking(self._terminal)
        os.set_blocking(self._terminal, False)
        self.help = (
            "; ".join(f"{up}/{down} {name}" for (up, down), name in zip(KEYS, names, strict=False))
            + "; space: as at the start; x: let the robot down"
        )

    def read(self, seconds: float) -> np.ndarray:
        try:
            keys = os.read(self._terminal, _MAX_BYTES)
        except BlockingIOError:
            return self._command()
        except OSError as error:
            raise SourceError(f"the keyboard is gone: {error.strerror}") from error
        if not keys:
            raise SourceError("the keyboard is gone: its terminal was closed")
        keys = _SEQUENCE.sub(b"", keys)
        if b"\x1b" in keys:
            self.is_ended = True
        for key in keys.decode("ascii", "ignore").lower():
            self._press(key)
        return self._command()

    def close(self) -> None:
        import termios

        with contextlib.suppress(OSError, termios.error):
            os.set_blocking(self._terminal, self._was_blocking)
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def _press(self, key: str) -> None:
        if key == "x":
            self.is_ended = True
        elif key == " ":
            self._counts[:] = 0
        for i, (up, down) in enumerate(KEYS[: len(self._counts)]):
            self._counts[i] = np.clip(self._counts[i] + (key == up) - (key == down), self._least[i], self._most[i])

    def _command(self) -> np.ndarray:
        return self._default + self._counts * self._step
