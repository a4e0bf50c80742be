"""Messages under way: late, unevenly so, or lost, as a gap's `Messages` say.

under_way = UnderWay(messages, rng)
under_way.send(0.010, command)
newest = under_way.receive(0.014)       # the newest that has arrived by then; None where none has
"""

from collections import deque
from typing import Generic, TypeVar

import numpy as np

from sim2real.twin.gap import Messages

T = TypeVar("T")

_ROUNDING = 1e-9  # s; times are sums of steps


class UnderWay(Generic[T]):
    """One direction of a link. Messages keep their order: one that was to overtake another arrives together with it."""

    def __init__(self, messages: Messages, rng: np.random.Generator):
        self._messages, self._rng = messages, rng
        self._queue: deque[tuple[float, T]] = deque()
        self._last = -np.inf
        self._newest: T | None = None

    def send(self, now: float, message: T) -> None:
        """Times in seconds."""
        late, jitter, drop = self._messages.latency, self._messages.jitter, self._messages.drop
        if drop and self._rng.random() < drop:
            return
        if jitter:
            late = max(0.0, late + self._rng.uniform(-jitter, jitter))
        self._last = max(self._last, now + late)
        self._queue.append((self._last, message))

    def receive(self, now: float) -> T | None:
        while self._queue and self._queue[0][0] <= now + _ROUNDING:
            self._newest = self._queue.popleft()[1]
        return self._newest

    def clear(self) -> None:
        """Nothing is under way, and nothing has come."""
        self._queue.clear()
        self._newest = None
