"""What makes a loop keep its time, as far as the system permits: `realtime()`, and for less than a whole core `Precedence`.

    with realtime() as warnings:
        ...                               # this thread first come, first served, on a core of its own

Linux only: elsewhere everything is a warning. The thread gets the SCHED_FIFO policy, the highest-numbered of the cores that it
may use, memory that is not swapped out, timers without slack, and no garbage collection. The process's other threads, those of
a robot's network for one, are sent to the other cores, as they would not get far on that one, and have the interpreter for a
tenth of a millisecond at most while this thread waits for it. All but locked memory is undone at the end.

    with Precedence() as precedence:
        ...                               # before ordinary threads, after a `realtime()` one, on any core
        if is_behind:
            precedence.yield_to_others()  # else nothing else would run
"""

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

PRIORITY = 50
_PRECEDENCE = 30  # that of `Precedence`
_SWITCH_SECONDS = 1e-4
_TIMER_SLACK = 29  # of prctl
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4


class Precedence:
    """The calling thread is run before all ordinary ones, with timers without slack, where that is permitted; where it is not,
    nothing changes. It must sleep most of the time. Threads that it starts meanwhile are ordinary ones."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if hasattr(os, "sched_setscheduler") and not _schedule(self._undo, _PRECEDENCE):
            _set_timers(self._undo)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.yield_to_others()

    def yield_to_others(self) -> None:
        """From now on as before; may be called twice, by the same thread."""
        self._undo.close()


@contextlib.contextmanager
def realtime(priority: int = PRIORITY) -> Iterator[list[str]]:
    """For the calling thread; threads that it starts meanwhile are ordinary ones. Yields what was not permitted, and the
    remedy."""
    warnings: list[str] = []
    with contextlib.ExitStack() as undo:
        _collect_nothing(undo)
        switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        undo.callback(sys.setswitchinterval, switch)
        if not hasattr(os, "sched_setscheduler"):
            warnings.append(f"no real-time scheduling on {sys.platform}: periods will vary; run on Linux")
        else:
            for step in (_pin, _set_timers, _lock_memory):
                warnings += step(undo)
            warnings += _schedule(undo, priority)
        yield warnings


def _collect_nothing(undo: contextlib.ExitStack) -> None:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    undo.callback(gc.unfreeze)
    if was_enabled:
        undo.callback(gc.enable)


def _schedule(undo: contextlib.ExitStack, priority: int) -> list[str]:
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except (OSError, ValueError) as error:
        return [
            f"no real-time scheduling ({_reason(error)}): periods will vary; permit it with `ulimit -r {priority}` after"
            f" `@{os.environ.get('USER', 'you')} - rtprio {priority}` in /etc/security/limits.conf, or run as root"
        ]
    undo.callback(os.sched_setscheduler, 0, *before)
    return []


def _pin(undo: contextlib.ExitStack) -> list[str]:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        return ["one core only: whatever else runs delays the loop; give it a machine, or a container, with two or more"]
    try:
        os.sched_setaffinity(0, {max(cores)})
    except OSError as error:
        return [f"the loop is not pinned to a core ({_reason(error)}): start it with `taskset -c {max(cores)}`"]
    undo.callback(os.sched_setaffinity, 0, cores)
    for thread in {int(path.name) for path in Path("/proc/self/task").iterdir()} - {threading.get_native_id()}:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            before = os.sched_getaffinity(thread)
            os.sched_setaffinity(thread, cores - {max(cores)})
            undo.callback(_let_run, thread, before)
    return []


def _let_run(thread: int, cores: set[int]) -> None:
    with contextlib.suppress(OSError):
        os.sched_setaffinity(thread, cores)


def _set_timers(undo: contextlib.ExitStack) -> list[str]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_TIMER_SLACK, ctypes.c_ulong(1), 0, 0, 0) != 0:
        return [f"timers keep their slack of 0.05 ms ({os.strerror(ctypes.get_errno())})"]
    undo.callback(prctl, _TIMER_SLACK, ctypes.c_ulong(0), 0, 0, 0)  # 0 is the default
    return []


def _lock_memory(undo: contextlib.ExitStack) -> list[str]:
    """What is touched stays in memory. It stays so: unlocking would be of no use to anyone."""
    if ctypes.CDLL(None, use_errno=True).mlockall(_LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT) == 0:
        return []
    reason = os.strerror(ctypes.get_errno())
    return [f"memory is not locked ({reason}): a swapped-out page delays the loop; permit it with `ulimit -l unlimited`"]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
