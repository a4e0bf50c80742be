"""What makes a loop keep its time, as far as the system permits: `realtime()`.

    with realtime() as warnings:
        ...                               # this thread first come, first served, on a core of its own

Linux only: elsewhere everything is a warning. The thread gets the SCHED_FIFO policy, the highest-numbered of the cores that it
may use, memory that is not swapped out, timers without slack, and no garbage collection; the process lets other threads have
the interpreter for a tenth of a millisecond at most while this one waits for it, and the machine's cores doze rather than sleep
between cycles. All but locked memory is undone at the end.
"""

import contextlib
import ctypes
import gc
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

PRIORITY = 50
_SWITCH_SECONDS = 1e-4
_TIMER_SLACK = 29  # of prctl
_WAKE_LATENCY = Path("/dev/cpu_dma_latency")
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4


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
            for step in (_pin, _set_timers, _lock_memory, _keep_awake):
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
    return []


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


def _keep_awake(undo: contextlib.ExitStack) -> list[str]:
    """No idle state that takes time to wake from, for as long as the file is open (the kernel's PM QoS interface)."""
    if not _WAKE_LATENCY.exists():
        return []
    try:
        file = undo.enter_context(_WAKE_LATENCY.open("wb", buffering=0))
        file.write(struct.pack("=i", 0))  # microseconds
    except OSError as error:
        return [f"cores may sleep deeply between cycles ({_reason(error)}): make {_WAKE_LATENCY} writable, or run as root"]
    return []


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
