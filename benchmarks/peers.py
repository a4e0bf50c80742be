"""Raw environment steps a second, random actions: our tasks on `native` beside EnvPool's and MuJoCo Playground's, in one run.

Every contender is a process of its own (`benchmarks.contender`), and they take turns, several times, so that a machine whose
speed drifts does not favour one; medians are quoted, and ratios are medians of the ratios within a turn. Peers may need other
versions of JAX and NumPy than ours: `ZEROGAP_PEERS_PYTHON` names the interpreters that have them, separated as PATH is, and
each peer takes the first that has it:

    python3.12 -m venv peers && peers/bin/pip install 'envpool>=1.2.5' 'playground==0.2.0'
    ZEROGAP_PEERS_PYTHON=peers/bin/python zerogap bench peers

A peer that is not there is told as absent, with how to install it. The Go1 of both peers takes five time steps of 4 ms in a
control step where our task takes four of 5 ms: our Go2 is measured with both, and compared with theirs at five. Theirs collides
with its feet only, ours with its limbs too; it is measured with its feet only as well.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from assets.errors import UserError
from assets.json_file import write_json
from benchmarks.machine import machine

_TURNS = 5
_SECONDS = 3.0  # of each turn, about
_READY_SECONDS = 900.0  # a compiler may be long at work
_ENVS = "512"
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Contender:
    name: str
    what: str
    arguments: tuple[str, ...]
    """Of `benchmarks.contender`."""

    @property
    def ours(self) -> bool:
        return self.arguments[0] == "zerogap"


CONTENDERS = (
    Contender("native_go2", "Go2", ("zerogap", "go2-velocity-flat", _ENVS, "0.005")),
    Contender("native_go2_4ms", "Go2, 5 x 4 ms", ("zerogap", "go2-velocity-flat", _ENVS, "0.004")),
    Contender("native_go2_4ms_feet", "Go2, 5 x 4 ms, feet", ("zerogap", "go2-velocity-flat", _ENVS, "0.004", "feet")),
    Contender("envpool_go1", "EnvPool Go1, 5 x 4 ms", ("envpool", "Go1JoystickFlatTerrain-v1")),
    Contender("playground_go1", "Playground Go1, 5 x 4 ms", ("playground", "Go1JoystickFlatTerrain", _ENVS)),
    Contender("native_panda_reach", "Panda, reach", ("zerogap", "panda-reach", _ENVS, "0.005")),
    Contender("native_so101_reach", "SO-101, reach", ("zerogap", "so101-reach", _ENVS, "0.005")),
    Contender("envpool_panda_pick_cube", "EnvPool Panda, pick", ("envpool", "PandaPickCube-v1")),
)
RATIOS = {
    "native_over_envpool_go1": ("native_go2_4ms", "envpool_go1"),
    "native_feet_over_envpool_go1": ("native_go2_4ms_feet", "envpool_go1"),
    "native_over_playground_go1": ("native_go2_4ms", "playground_go1"),
}


class PeerError(UserError, RuntimeError):
    """A contender cannot be measured; the message says why."""


def run(out: Path) -> dict[str, Any]:
    # Several processes use JAX at a time: on a GPU, none may take its memory beforehand.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return measure(out, CONTENDERS, interpreters(), _TURNS, _SECONDS)


def interpreters() -> tuple[str, ...]:
    """Those that may have the peers, from ZEROGAP_PEERS_PYTHON; this one where it is not set."""
    named = [name for name in os.environ.get("ZEROGAP_PEERS_PYTHON", "").split(os.pathsep) if name]
    return tuple(named) or (sys.executable,)


def measure(out: Path, contenders: Sequence[Contender], pythons: Sequence[str], turns: int, seconds: float) -> dict[str, Any]:
    """Let the contenders take turns; write peers.json and peers.png into `out`, and return the figures."""
    figures: dict[str, Any] = {"machine": machine(), "contenders": {}}
    running: dict[str, Process] = {}
    rates: dict[str, list[float]] = {}
    with Progress() as bar:
        task = bar.add_task("starting", total=len(contenders) * (1 + turns))
        try:
            for contender in contenders:
                bar.update(task, description=f"starting {contender.name}")
                try:
                    running[contender.name], told = _start(contender, pythons)
                    figures["contenders"][contender.name] = told
                    rates[contender.name] = []
                except PeerError as error:
                    figures[f"{contender.name}_absent"] = str(error)
                bar.advance(task)
            for _ in range(turns):
                for name, process in list(running.items()):
                    bar.update(task, description=f"measuring {name}")
                    try:
                        rates[name].append(process.steps_per_s(seconds))
                    except PeerError as error:  # the others go on
                        figures[f"{name}_absent"] = str(error)
                        running.pop(name).close()
                        del rates[name]
                    bar.advance(task)
        finally:
            for process in running.values():
                process.close()
        bar.update(task, completed=len(contenders) * (1 + turns))
    for name, values in rates.items():
        figures[f"{name}_steps_per_s"] = statistics.median(values)
        figures[f"{name}_steps_per_s_all"] = values
    for name, (ours, theirs) in RATIOS.items():
        if ours in rates and theirs in rates:
            figures[name] = paired_ratio(rates[ours], rates[theirs])
    write_json(out / "peers.json", figures)
    _plot(figures, contenders, out / "peers.png")
    for contender in contenders:
        name = contender.name
        rate = figures.get(f"{name}_steps_per_s")
        print(f"{name:28}" + (f"{rate:>10,.0f}" if rate else f"absent: {figures[f'{name}_absent']}"))
    for name in RATIOS:
        if name in figures:
            print(f"{name:28}{figures[name]:>10.2f}")
    return figures


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios turn by turn: what slows a machine down for a turn slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


class Process:
    """A contender in a process of its own, stepping only when it is asked to, until `close`. Raises PeerError."""

    def __init__(self, python: str, arguments: Sequence[str], ready_seconds: float = _READY_SECONDS):
        self.arguments = tuple(arguments)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close
        environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
        if arguments[0] == "zerogap":
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        command = [python, str(_ROOT / "benchmarks" / "contender.py"), *arguments]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
            )
        except OSError as error:
            self._errors.close()
            raise PeerError(f"the interpreter {python} cannot be started: {error.strerror}; see ZEROGAP_PEERS_PYTHON") from None
        try:
            self.told = self._answer(ready_seconds)
        except BaseException:
            self.close()
            raise
        if "absent" in self.told:
            self.close()
            raise PeerError(self.told["absent"])

    def steps_per_s(self, seconds: float) -> float:
        """Environment steps a second over about that many seconds."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # where it has ended, its answer tells why
            self._process.stdin.write(json.dumps({"seconds": seconds}) + "\n")
            self._process.stdin.flush()
        answer = self._answer(60 + 10 * seconds)
        return answer["steps"] / answer["seconds"]

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        too_late = threading.Event()

        def stop() -> None:
            too_late.set()
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        status = self._process.wait()
        why = f"had not answered after {seconds:g} s" if too_late.is_set() else f"ended with status {status}"
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        raise PeerError(f"{' '.join(self.arguments)} {why}" + (f": {said[-1]}" if said else ""))


def _start(contender: Contender, pythons: Sequence[str]) -> tuple[Process, dict[str, Any]]:
    """The contender in the first interpreter that has it. Raises PeerError with what each said where none has."""
    reasons = []
    for python in (sys.executable,) if contender.ours else pythons:
        try:
            process = Process(python, contender.arguments)
            return process, {"what": contender.what, **process.told}
        except PeerError as error:
            reasons.append(str(error))
    raise PeerError("; ".join(reasons))


def _plot(figures: dict[str, Any], contenders: Sequence[Contender], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 0.6 + 0.45 * len(contenders)), layout="constrained")
    rates = [figures.get(f"{c.name}_steps_per_s", 0.0) for c in contenders]
    colours = ["#1f77b4" if c.ours else "0.6" for c in contenders]
    bars = axis.barh([c.what for c in contenders], rates, color=colours)
    axis.bar_label(bars, [f"{rate:,.0f}" if rate else "absent" for rate in rates], padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set(xlabel="control steps a second", title=f"{figures['machine']['cores']} cores, {figures['machine']['processor']}")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
