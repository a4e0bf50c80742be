"""A log through the safety filter again: `replay(log)`, which gives the same commands bit for bit.

What the filter remembers follows from what it saw; so a difference means that the log, the filter or its limits were changed.
With other limits the same function tells what they would have done.
"""

from dataclasses import dataclass

import numpy as np

from envs.safety import Limits, Targets, Verdict
from sim2real.deploy.guarded import Guard
from sim2real.deploy.log_reader import Cycle, Log


@dataclass(frozen=True)
class Replay:
    commands: int
    """How many were let out, or turned into damping, by the filter."""
    same: int
    """Of these, how many came out the same, bit for bit."""
    first_difference: int | None
    """The number of the first cycle that did not."""


def replay(log: Log, limits: Limits | None = None) -> Replay:
    """`limits` are the log's own by default."""
    guard = Guard(limits or log.header.limits, log.header.period)
    commands = same = 0
    first: int | None = None
    for cycle in log.cycles:
        verdict = _pass(guard, cycle)
        if verdict is None:
            continue
        commands += 1
        if _is_same(verdict, cycle):
            same += 1
        elif first is None:
            first = cycle.number
    return Replay(commands, same, first)


def _pass(guard: Guard, cycle: Cycle) -> Verdict | None:
    if cycle.restarted:
        guard.restart()
    readings = guard.see(cycle.state, cycle.now_ns)
    return None if cycle.wanted is None else guard.let_out(readings, cycle.wanted)


def _is_same(verdict: Verdict, cycle: Cycle) -> bool:
    trips = sum(1 << i for i, tripped in enumerate(verdict.trips) if tripped)
    return trips == cycle.trips and (cycle.sent is None or _bits(verdict.targets) == _bits(cycle.sent))


def _bits(targets: Targets) -> bytes:
    return np.stack(targets).tobytes()
