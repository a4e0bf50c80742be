"""Cycles at a rate, on absolute deadlines, and how well they were kept.

    pacer = Pacer(0.002)
    while ...:
        cycle = pacer.wait(listen)        # 0, 1, 2, ...; a number is left out where its deadline was missed
        ...
        pacer.meet(state.stamp_ns)        # states come at the same rate: be there soon after they do

A robot sends its states by a clock of its own. Met at random, a state is up to a whole period old before it is looked at; so
the deadlines drift, by a few microseconds a cycle, to where a state is `_AGE_NS` old when the cycle begins.

The last moments before a deadline are spent looking at the clock: a core that sleeps is slow to wake, and so is a thread that
has let others have the interpreter. They are when states come, and whoever takes them in then knows when that was.
"""

import time
from collections.abc import Callable

_AGE_NS = 250_000
_DRIFT_NS = 4_000
_WATCHED_NS = 400_000
_ALERT_NS = 100_000  # of these: to listen takes a while, too


class Pacer:
    """`period` in seconds. The clock is monotonic, in nanoseconds."""

    def __init__(
        self,
        period: float,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.period_ns = round(1e9 * period)
        self.clock, self._sleep = clock, sleep
        self.restart()

    def restart(self) -> None:
        """From now on, with the next cycle at once."""
        self._due = self.clock()
        self._cycle = -1
        self._began: int | None = None
        self._stamp = -1
        self.was_late = False
        """Whether the cycle before the last wait ended after the next deadline."""
        self.error_ns: int | None = None
        """By how much the last period, from cycle to cycle, differed from the nominal one."""

    def wait(self, listen: Callable[[], object] = lambda: None) -> int:
        """Until the next deadline; those that passed long ago are left out. `listen` is called at once, and again and again
        shortly before. Returns the cycle's number."""
        listen()
        now = self.clock()
        self.was_late = self._began is not None and now > self._due
        left_out = max(0, (now - self._due) // self.period_ns)
        self._due += left_out * self.period_ns
        while now < self._due:
            left = self._due - now
            if left > _WATCHED_NS:
                self._sleep(1e-9 * (left - _WATCHED_NS))
            elif left > _ALERT_NS:
                listen()
            now = self.clock()
        self.error_ns = None if self._began is None else abs(now - self._began - self.period_ns)
        self._began = now
        self._due += self.period_ns
        self._cycle += 1 + left_out
        return self._cycle

    def meet(self, stamp_ns: int) -> None:
        """Drift towards where a state with this stamp is a little old at the beginning of a cycle."""
        if stamp_ns == self._stamp or self._began is None:
            return
        self._stamp = stamp_ns
        half = self.period_ns // 2
        late = (self._began - stamp_ns - min(_AGE_NS, half) + half) % self.period_ns - half
        self._due -= max(-_DRIFT_NS, min(_DRIFT_NS, late // 8))
