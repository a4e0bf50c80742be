"""What a loop is given to keep its time, and that all of it is given back."""

import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sim2real.realtime import PRIORITY, Precedence, realtime

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="real-time scheduling is Linux's")


def settings() -> dict[str, Any]:
    return {
        "policy": os.sched_getscheduler(0),
        "priority": os.sched_getparam(0).sched_priority,
        "cores": os.sched_getaffinity(0),
        "switch": sys.getswitchinterval(),
        "collects": gc.isenabled(),
    }


def test_each_thing_is_given_or_its_lack_is_told_and_all_is_given_back():
    before = settings()
    with realtime() as warnings:
        within = settings()
    assert settings() == before
    assert not within["collects"]
    assert within["switch"] < before["switch"]
    told = " ".join(warnings)
    fifo = within["policy"] & os.SCHED_FIFO and within["priority"] == PRIORITY
    assert fifo or "no real-time scheduling" in told
    assert within["cores"] == {max(before["cores"])} or "not pinned" in told or "one core only" in told


def test_a_loop_that_fails_gives_all_back_too():
    before = settings()
    with pytest.raises(ZeroDivisionError), realtime():
        raise ZeroDivisionError
    assert settings() == before


def test_other_threads_keep_off_the_loop_s_core_meanwhile():
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core only: there is no other for them")
    ready, end, told = threading.Event(), threading.Event(), []

    def live() -> None:
        told.append(threading.get_native_id())
        ready.set()
        end.wait()

    thread = threading.Thread(target=live)
    thread.start()
    ready.wait()
    try:
        with realtime():
            assert os.sched_getaffinity(told[0]) == cores - {max(cores)}
        assert os.sched_getaffinity(told[0]) == cores
    finally:
        end.set()
        thread.join()


def test_threads_that_start_meanwhile_are_ordinary():
    """They may not keep other programs, or the loop, from its core."""
    program = "import os; print(os.sched_getscheduler(0))"
    with realtime():
        child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(child.stdout) == os.SCHED_OTHER


def test_precedence_is_before_ordinary_threads_and_after_a_loop_and_can_be_given_back_early():
    before = settings()
    with realtime() as warnings:
        pass
    with Precedence() as precedence:
        within = settings()
        precedence.yield_to_others()
        assert settings() == before
    assert settings() == before
    assert within["cores"] == before["cores"]
    assert within["collects"] == before["collects"]
    if not any("no real-time scheduling" in text for text in warnings):
        assert within["policy"] & os.SCHED_FIFO
        assert 0 < within["priority"] < PRIORITY


# What a process may do is taken from the program that it becomes.
FORBIDDEN = """
import ctypes, os, resource, sys
ctypes.CDLL(None).prctl(24, 23, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_NICE
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
LOOP = """
import json
from sim2real.realtime import Precedence, realtime
with realtime() as told:
    print(json.dumps(told))
with Precedence():
    pass
"""


def test_what_is_not_permitted_is_told_with_its_remedy_and_the_loop_runs_on():
    child = subprocess.run([sys.executable, "-c", FORBIDDEN, LOOP], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(child.stdout)
    assert any("no real-time scheduling" in text and "ulimit -r 50" in text and "limits.conf" in text for text in told)
