"""Cycles at a rate, on absolute deadlines, and how well they were kept.

    pacer = Pacer(0.002)
    while ...:
        cycle = pacer.wait(listen)        # 0, 1, 2, ...; a number is left out where its deadline was missed
        ...
        pacer.meet(state.stamp_ns)        # states come at the same rate: be there soon after they do

A robot sends its states by a clock of its own, and none of them exactly on time. Met at random, a state is up to a whole period
old before it is looked at; so the deadlines follow the states. When these are to be expected is known from their median; the
deadlines come as much later as it takes for all but one state in fifty to be there in time, and no more than a third of a
period: a state that is later than that is overtaken by the next, and waiting for it would make all others old.

The last moments before a deadline are spent looking at the clock: a core that sleeps is slow to wake, and so is a thread that
has let others have the interpreter.
"""

import time
from collections.abc import Callable

_LEAST_MARGIN_NS = 200_000  # from an expected state to the deadline: to take it in lasts a while, too
_MOST_MARGIN = 0.3  # of a period
_FIRST_MARGIN = 0.25
_STEP_NS = 20_000  # the margin grows by this with each state that is late, and shrinks so that one in LATE is
_LATE = 50
_EARLY = 0.4  # of a period: what comes sooner before an expected state is a late one of the period before
_FOLLOW = 1 / 16  # of how far off a state is, up to OFF, goes into when the next is expected
_OFF_NS = 100_000
_SHIFT_NS = 40_000  # deadlines move by so much in a cycle, at most
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
        self._cycle = -1
        self.restart()

    def restart(self) -> None:
        """From now on, with the next cycle at once; cycles are counted on."""
        self._due = self.clock()
        self._began: int | None = None
        self._stamp, self._expected = -1, -1
        self._margin = _FIRST_MARGIN * self.period_ns
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
        """Move the deadlines, in view of when the newest state came, by the cycle that has begun."""
        period = self.period_ns
        if stamp_ns == self._stamp:  # none has come in time
            self._margin = min(self._margin + _STEP_NS, _MOST_MARGIN * period)
        else:
            if self._stamp < 0:
                self._expected = stamp_ns
            self._stamp = stamp_ns
            early = round(_EARLY * period)
            off = (stamp_ns - self._expected + early) % period - early
            self._expected += round(_FOLLOW * max(-_OFF_NS, min(off, _OFF_NS)))
            self._margin = max(self._margin - _STEP_NS / _LATE, min(_LEAST_MARGIN_NS, period // 4))
        too_late = (self._due - self._expected - round(self._margin) + period // 2) % period - period // 2
        self._due -= max(-_SHIFT_NS, min(too_late, _SHIFT_NS))
