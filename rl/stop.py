"""An orderly end of what runs until someone ends it.

with Stop() as stop:
    while not stop.requested:
        ...
"""

import signal
import threading
from types import FrameType
from typing import ClassVar


class Stop:
    """Set by Ctrl-C or SIGTERM; a second one ends at once."""

    signals: ClassVar[tuple[str, ...]] = ("SIGINT", "SIGTERM")

    def __init__(self) -> None:
        self.requested = False
        self._old: dict[int, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            for name in self.signals:
                if (number := getattr(signal, name, None)) is not None:  # Windows has few
                    self._old[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class PatientStop(Stop):
    """For what must come to its own end, whoever wishes otherwise: set as well by a terminal that closes, by Ctrl-\\ and by
    Ctrl-Z, and further signals change nothing."""

    signals = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP")

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
