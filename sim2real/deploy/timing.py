"""Durations counted as they come: `Durations`, from which percentiles and a histogram are read at the end.

    latency = Durations()
    latency.add(sent_ns - stamp_ns)
    latency.percentile(99)                # ms

What a loop measures of itself is a `Timing`. Memory does not grow with the run: to the microsecond up to a twentieth of a
second, and the largest one whatever it is.
"""

from dataclasses import dataclass, field

import numpy as np

_BIN_NS = 1_000
_BINS = 50_000
_EDGES_MS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


class Durations:
    """What `add` was given, in nanoseconds; told in milliseconds."""

    def __init__(self) -> None:
        self._counts = [0] * (_BINS + 1)  # a list counts faster than an array
        self.count = 0
        self.largest = 0.0
        """ms"""

    def add(self, nanoseconds: int) -> None:
        self._counts[min(max(nanoseconds, 0) // _BIN_NS, _BINS)] += 1
        self.count += 1
        self.largest = max(self.largest, 1e-6 * nanoseconds)

    def percentile(self, share: float) -> float | None:
        """The least duration (ms) that `share` per cent do not exceed, to the microsecond above; None where there are none."""
        if not self.count:
            return None
        bin_ = int(np.searchsorted(np.cumsum(self._counts), share / 100 * self.count))
        return self.largest if bin_ >= _BINS else min(1e-6 * _BIN_NS * (bin_ + 1), self.largest)

    def to_json(self) -> dict[str, object]:
        """Percentiles, and a histogram: how many from each of `edges_ms` up to the next, the last one open."""
        edges = [round(1e6 * edge) // _BIN_NS for edge in _EDGES_MS]
        counts = np.add.reduceat(np.array(self._counts), edges) if self.count else np.zeros(len(edges), int)
        told = {f"p{share:g}_ms": self.percentile(share) for share in (50, 99, 99.9)}
        return {
            "count": self.count,
            **{name: None if value is None else round(value, 4) for name, value in told.items()},
            "max_ms": round(self.largest, 4),
            "histogram": {"edges_ms": list(_EDGES_MS), "counts": counts.tolist()},
        }


@dataclass
class Timing:
    """What was measured of the loop, in STAND and POLICY."""

    period_error: Durations = field(default_factory=Durations)
    """How far each period was from the nominal one."""
    latency: Durations = field(default_factory=Durations)
    """From a state's arrival to the sending of the first command that knows of it."""
    inference: Durations = field(default_factory=Durations)
    """Of the policy's decisions."""
    overruns: int = 0
    """Cycles that ended after the next one should have begun."""
