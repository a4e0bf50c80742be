"""What a deployment shows while it runs: one line, a few times a second, from a thread of its own.

The loop only leaves a snapshot: a terminal that does not take what it is given holds up this thread and no robot.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim2real.deploy.machine import Phase

_SECONDS = 0.25


@dataclass(frozen=True)
class Snapshot:
    """What is to be seen of the loop."""

    phase: Phase
    seconds: float
    """In POLICY."""
    tilt: float
    """rad; NaN without an IMU"""
    command: np.ndarray
    sent: int
    received: int
    decisions: int
    overruns: int
    cause: str | None
    warnings: tuple[str, ...]
    """All that there were so far."""


class Screen:
    """Shows what `look` gives by `show`; phases that begin, and warnings, by `say`."""

    def __init__(self, look: Callable[[], Snapshot | None], show: Callable[[str], None], say: Callable[[str], None]):
        self._look, self._show, self._say = look, show, say
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._phase: Phase | None = None
        self._warned = 0
        self._before: tuple[float, Snapshot] | None = None

    def __enter__(self) -> "Screen":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._end.wait(_SECONDS)  # and once more after the end: the last is to be seen, too
            snapshot = self._look()
            if snapshot is None:
                continue
            if snapshot.phase is not self._phase:
                self._phase = snapshot.phase
                self._say(f"{snapshot.phase.name}{f': {snapshot.cause}' if snapshot.cause else ''}")
            for text in snapshot.warnings[self._warned :]:
                self._say(f"warning: {text}")
            self._warned = len(snapshot.warnings)
            self._show(self._line(snapshot))

    def _line(self, snapshot: Snapshot) -> str:
        now = time.monotonic()
        parts = [f"{snapshot.phase.name:7} {snapshot.seconds:6.1f} s"]
        if not math.isnan(snapshot.tilt):
            parts.append(f"tilt {math.degrees(snapshot.tilt):4.1f}°")
        if snapshot.command.size:
            parts.append(f"command {np.array2string(snapshot.command, precision=2, suppress_small=True)}")
        if self._before is not None:
            at, before = self._before
            seconds = now - at
            rates = [(getattr(snapshot, name) - getattr(before, name)) / seconds for name in ("received", "sent", "decisions")]
            parts.append("{:.0f} states/s, {:.0f} commands/s, {:.0f} decisions/s".format(*rates))
        self._before = now, snapshot
        return "   ".join([*parts, f"{snapshot.overruns} overruns"])
