"""Freed memory is kept: `keep_freed()`, once in a process that computes on a CPU for long.

XLA takes and frees the arrays of a step anew each time. glibc gives those of some hundred kB and more back to the system, which
clears each page when it is asked for again: half of the time of a training step here (92,000 page faults in one).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of mallopt(3)
_NEVER = 2**31 - 1


def keep_freed() -> bool:
    """Whether it could be told to; with another allocator than glibc's nothing is changed."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    told = [mallopt(name, value) for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_ARENA_MAX, 1))]
    return all(told)
