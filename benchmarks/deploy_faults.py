"""Everything that may go wrong with a robot while a policy has it, in real time: how soon it is damped, and with which cause.

Each fault is a deployment of its own on a twin of its own, at the robot's rate, with the real-time scheduling that the system
permits. What a message may have is the twin's own fault (`sim2real.twin.faults`); the twin is stopped and killed by a signal;
and another process joins in that commands too.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.twin_process import TwinProcess
from rl.run import RunError
from sim2real.deploy.deployment import deploy
from sim2real.deploy.log_reader import Cycle, read_log
from sim2real.deploy.machine import Timetable
from sim2real.deploy.onnx_pilot import OnnxPilot
from sim2real.deploy.records import Sent
from sim2real.robot_io import RobotState

KILLS = 5
_SECONDS = 1.0  # of the policy, before something goes wrong
_LONGEST = 10.0
_TIMES = Timetable(policy=_LONGEST, damp=0.1)
_UPRIGHT, _MOVED, _WARM = 0.8, 0.1, 60.0  # cosine; rad beyond what velocities explain; °C
_MESSAGES = {
    "nan": "state_not_finite",
    "jump": "jump",
    "tilt": "tilt",
    "hot": "temperature",
    "freeze": "repeated",
    "duplicate": "repeated",
    "reorder": "reordered",
    "checksum": "corrupt",
    "silence": "stale",
}
"""Kinds of `sim2real.twin.gap.Fault`, and the cause that the log must name."""

Act = Callable[[], object]

# Each joins at a word on its input, and says when it has.
_RIVALS = {
    "go2-dds": """
from sim2real.drivers.unitree.dds import Address, Network
from sim2real.drivers.unitree.messages import COMMAND_TOPIC, LowCmd_
with Network(Address.parse(sys.argv[1])) as network:
    print("ready", flush=True)
    sys.stdin.readline()
    publisher = network.publish(COMMAND_TOPIC, LowCmd_)
    sys.stdin.readline()
""",
    "local": """
import numpy as np
from sim2real.drivers.twin import TwinDriver
from sim2real.robot_io import RobotCommand
driver = TwinDriver(sys.argv[1])
driver.connect()
print("ready", flush=True)
sys.stdin.readline()
driver.write(RobotCommand(0, *np.zeros((5, len(driver.robot.joints)))))
sys.stdin.readline()
""",
}


@dataclass(frozen=True)
class Damped:
    """How a deployment ended."""

    fault: str
    expected: str
    """One of `envs.safety.CAUSES`."""
    cause: str
    """What the log says."""
    after_good_ms: float
    """From the last good state to the first damping command."""
    after_fault_ms: float | None
    """From what was done to the twin; None where the twin itself chose the moment."""
    allowed_ms: float
    """After the last good state: the stale limit and one period."""

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"is_right": self.expected in self.cause, "in_time": self.after_good_ms <= self.allowed_ms}


@dataclass(frozen=True)
class _Case:
    fault: str
    cause: str
    arm: Callable[[TwinProcess], AbstractContextManager[Act]]
    """Gives what is done when the policy has run for a second."""
    gap: str = ""


def measure_faults(pilot: OnnxPilot, protocol: str, address: str, out: Path) -> list[Damped]:
    """Each fault once, and the twin's death `KILLS` times; logs go to `out`."""
    cases = [_Case(kind, cause, lambda _: nullcontext(lambda: None), _gap(kind)) for kind, cause in _MESSAGES.items()]
    cases += [_Case("second publisher", "rival", _rival)]
    cases += [_Case("stopped", "stale", lambda twin: nullcontext(partial(twin.signal, signal.SIGSTOP)))]
    cases += [_Case("killed", "stale", lambda twin: nullcontext(partial(twin.signal, signal.SIGKILL)))] * KILLS
    console, damped = Console(stderr=True), []
    for number, case in enumerate(cases):
        log = out / f"fault-{number:02d}-{case.fault.replace(' ', '-')}.mcap"
        with TwinProcess(protocol, address, case.gap) as twin, case.arm(twin) as act:
            ended = _run(pilot, twin, act, case, log)
        damped.append(ended)
        console.print(f"{case.fault}: {ended.cause}; {ended.after_good_ms:.1f} ms after a good state", highlight=False)
    return damped


def _gap(kind: str) -> str:
    at = _TIMES.settle + _TIMES.stand + _SECONDS
    return f'[[fault]]\nkind = "{kind}"\nat = {at + 1.0}\nseconds = 1.0\nsince = "command"\n'


class _Trigger:
    """Stands still, and does something once."""

    is_ended = False

    def __init__(self, size: int, act: Act):
        self._zero = np.zeros(size)
        self._act = act
        self.acted_ns: int | None = None

    def read(self, seconds: float) -> np.ndarray:
        if seconds > _SECONDS and self.acted_ns is None:
            self.acted_ns = time.monotonic_ns()
            self._act()
        return self._zero

    def close(self) -> None: ...


def _run(pilot: OnnxPilot, twin: TwinProcess, act: Act, case: _Case, path: Path) -> Damped:
    path.unlink(missing_ok=True)
    trigger, driver = _Trigger(len(pilot.commands.names), act), twin.driver()
    told = deploy(pilot, driver, trigger, path, _TIMES, say=lambda _: None)
    cycles = read_log(path).cycles
    first = next(i for i, cycle in enumerate(cycles) if cycle.what is Sent.DAMPING)
    sent_ns, good_ns = cycles[first].sent_ns, _good_stamp(cycles[:first])
    acted_ns = None if case.gap else trigger.acted_ns
    return Damped(
        fault=case.fault,
        expected=case.cause,
        cause=told["cause"],
        after_good_ms=1e-6 * (sent_ns - good_ns),
        after_fault_ms=None if acted_ns is None else 1e-6 * (sent_ns - acted_ns),
        allowed_ms=1e3 * driver.robot.safety.stale_seconds + told["period_ms"],
    )


def _good_stamp(cycles: list[Cycle]) -> int:
    """Of the last state that was intact, a new one, and of a robot that stands."""
    good = cycles[0].state
    for cycle in cycles:
        state = cycle.state
        if state.intact and state.sequence > good.sequence and _is_sound(state, good):
            good = state
    return good.stamp_ns


def _is_sound(state: RobotState, before: RobotState) -> bool:
    """Apart from the safety filter, which may be wrong: of a robot that stands, no fault is near to what it usually says."""
    told = np.concatenate([state.position, state.velocity, state.quaternion, state.angular_velocity])
    upright = 1 - 2 * (state.quaternion[1] ** 2 + state.quaternion[2] ** 2)  # cosine of the tilt
    # Apart from what the velocities explain: states may be missed, and joints are fast.
    elapsed = 1e-9 * (state.stamp_ns - before.stamp_ns)
    explained = 1.5 * elapsed * np.maximum(np.abs(state.velocity), np.abs(before.velocity))
    moved = np.max(np.abs(state.position - before.position) - explained)
    return bool(
        np.isfinite(told).all()
        and upright > _UPRIGHT
        and moved < _MOVED
        and max(state.temperature) < _WARM
        and not state.rivals
    )


@contextmanager
def _rival(twin: TwinProcess) -> Iterator[Act]:
    """A process that will command too: as soon as what this gives is called."""
    entries = [entry or str(Path.cwd()) for entry in sys.path]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys" + _RIVALS[twin.protocol], twin.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entries)},
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            stdin = process.stdin
            if process.stdout.readline().strip() != "ready":
                errors.seek(0)
                raise RunError(f"the second publisher does not start: {errors.read()[-2000:]}")
            yield lambda: print(file=stdin, flush=True)
        finally:
            process.kill()
            process.wait()
