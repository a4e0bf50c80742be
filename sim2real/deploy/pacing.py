"""Cycles at a rate, on absolute deadlines, and how well they were kept.

    pacer = Pacer(0.002)
    while ...:
        cycle = pacer.wait(listen)        # 0, 1, 2, ...; a number is left out where its deadline was missed
        ...
        pacer.meet(state.stamp_ns)        # states come at the same rate: be there soon after they do

A robot sends its states by a clock of its own, and none of them exactly on time. Met at random, a state is up to a whole period
old before it is looked at; so the deadlines drift, by a fraction of a microsecond a cycle, to come ever sooner after the
states, and step back whenever one comes too late for its cycle, which one in two hundred then does.

The last moments before a deadline are spent looking at the clock: a core that sleeps is slow to wake, and so is a thread that
has let others have the interpreter.
"""

import time
from collections.abc import Callable

_LEAST_AGE_NS = 200_000  # of a state when its cycle begins: to take it in lasts a while, too
_STEP_BACK_NS = 40_000
_DRIFT_NS = _STEP_BACK_NS // 200
_SLICE_NS = 200_000  # between two times that whoever listens is called
_WATCHED_NS = 300_000
_ALERT_NS = 100_000  # of these, in which nobody listens


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
        self._stamp, self._age = -1, self.period_ns
        self.was_late = False
        """Whether the cycle before the last wait ended after the next deadline."""
        self.error_ns: int | None = None
        """By how much the last period, from cycle to cycle, differed from the nominal one."""

    def wait(self, listen: Callable[[], object] | None = None) -> int:
        """Until the next deadline; those that passed long ago are left out. `listen` is called again and again, but for the
        last moments. Returns the cycle's number."""
        if listen is not None:
            listen()
        now = self.clock()
        self.was_late = self._began is not None and now > self._due
        left_out = max(0, (now - self._due) // self.period_ns)
        self._due += left_out * self.period_ns
        while now < self._due:
            left = self._due - now
            if left > _WATCHED_NS:
                self._sleep(1e-9 * min(left - _WATCHED_NS, _SLICE_NS if listen is not None else left))
            if left > _ALERT_NS and listen is not None:
                listen()
            now = self.clock()
        self.error_ns = None if self._began is None else abs(now - self._began - self.period_ns)
        self._began = now
        self._due += self.period_ns
        self._cycle += 1 + left_out
        return self._cycle

    def meet(self, stamp_ns: int) -> None:
        """Move the deadlines, in view of when the newest state of this cycle came."""
        assert self._began is not None
        half, least = self.period_ns // 2, min(_LEAST_AGE_NS, self.period_ns // 4)
        if stamp_ns == self._stamp:  # none has come in time
            self._due += _STEP_BACK_NS if self._age < half else 0
            return
        self._stamp, self._age = stamp_ns, (self._began - stamp_ns) % self.period_ns
        if self._age > half:
            self._due += _STEP_BACK_NS
        elif self._age < least:
            self._due += min(_STEP_BACK_NS, (least - self._age) // 8)
        else:
            self._due -= _DRIFT_NS
