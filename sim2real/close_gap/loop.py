"""The whole loop on a twin: `close_gap(task, gap, out, settings)`.

    told = close_gap("go2-velocity-flat", Path("gap.toml"), Path("runs/close-gap"), Settings(run=Path("runs/demo")))

A policy is deployed on the twin, the twin hangs from its stand and plays motions, its logs are checked, calibrated and learned
from, the policy is adapted, and deployed again. Every step is one of `zerogap`'s own commands in a process of its own, and only
the twin's, and the trials that judge, are told the gap. Of a step all is in its JSON file, which is written last: whatever is
interrupted goes on with the first step that has none.
"""

import csv
import hashlib
import io
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.json_file import write_json
from envs.registry import make_robot, make_task
from envs.task import Task
from rl.run import Run
from sim2real.calibrate.calibrate import quantities_of
from sim2real.twin.gap_file import load_gap
from sim2real.twin.trial import draw_commands
from sim2real.unfinished import begin

FILE = "close_gap.json"
STEPS = ("policy", "before", "record", "check", "calibrate", "delta", "adapt", "after")

_BEGUN = "closing.json"
_PATIENCE = 120.0  # s for a twin to start, or to end
_TRIPPED = 1  # exit status of a deployment that the safety filter ended
_ATTEMPTS = 3  # to play a motion
_MOTIONS = {"multisine": 40.0, "chirp": 20.0}
"""s of what is recorded: the first is learned from, the other held out."""

# Where gears stick, a leg that hangs hardly tells the offset of its encoder from the play and friction that hide it, and a
# policy told of one that is not there stands askew.
_NOT_FREE = "offset"

Say = Callable[[str], None]


class CloseGapError(UserError, RuntimeError):
    """A step failed; the message says which, and what it told."""


@dataclass(frozen=True)
class Settings:
    run: Path | None = None
    """A run whose policy is to be adapted; one is trained where None."""
    minutes: float = 10.0
    """Of that training."""
    steps: int = 2_000_000
    """Control steps of each training of the adaptation."""
    seconds: float = 20.0
    """Of each deployment, and of each trial."""
    episodes: int = 16
    seed: int = 0
    delta: bool = True
    """Whether what calibration leaves is learned as well."""


def close_gap(task: str, gap: Path, out: Path, settings: Settings, say: Say = print) -> dict[str, Any]:
    """Returns all figures, which are in OUT/close_gap.json as well. Raises CloseGapError where a step fails, UnfinishedError
    where `out` holds something else, KeyboardInterrupt where someone interrupts."""
    load_gap(gap)  # what is wrong with it is told before anything is trained
    made = make_task(task)
    make_robot(made.robot.name)  # by which name the steps' commands know it
    loop = _Loop(made, task, gap, out, settings, say)
    begin(out / _BEGUN, loop.identity)
    for step in STEPS:
        if step == "delta" and not settings.delta:
            continue
        if not loop.told(step).is_file():
            say(f"{step}: {getattr(loop, step).__doc__.splitlines()[0]}")
            began = time.monotonic()
            figures = getattr(loop, step)()
            write_json(loop.told(step), figures | {"step_seconds": time.monotonic() - began})
    told = {"task": task, "settings": asdict(settings) | {"run": str(loop.run)}}
    told |= {step: json.loads(loop.told(step).read_text()) for step in STEPS if loop.told(step).is_file()}
    told |= _summary(told)
    write_json(out / FILE, told)
    return told


def _summary(told: dict[str, Any]) -> dict[str, Any]:
    adapted = told["adapt"]
    nominal, before = (trial["return_per_second"] for trial in (adapted["nominal_twin"], adapted["original"]["twin"]))
    figures = {
        "return_without_gap": nominal,
        "return_before": before,
        "return_after": adapted["corrected"]["twin"]["return_per_second"],
        "return_control": adapted["control"]["twin"]["return_per_second"],
        "lost_share": (nominal - before) / abs(nominal),
        "regained_corrected": adapted["regained_corrected"],
        "regained_control": adapted["regained_control"],
        "rmse_nominal_rad": told["calibrate"]["rmse_nominal_rad"],
        "rmse_calibrated_rad": told["calibrate"]["rmse_calibrated_rad"],
        "seconds": sum(told[step]["step_seconds"] for step in STEPS if step in told),
    }
    return figures | ({"rmse_delta_rad": told["delta"]["rmse_delta_rad"]} if "delta" in told else {})


class _Loop:
    """The steps; each gives its figures."""

    def __init__(self, task: Task, name: str, gap: Path, out: Path, settings: Settings, say: Say):
        self._task, self._name, self._gap, self._out, self._settings, self._say = task, name, gap, out, settings, say
        self.run = settings.run or out / "policy"

    @property
    def identity(self) -> dict[str, Any]:
        settings = self._settings
        told = asdict(settings) | {"run": None if settings.run is None else Run.open(settings.run).hash}
        return {"task": self._name, "gap": hashlib.sha256(self._gap.read_bytes()).hexdigest(), "settings": told}

    def told(self, step: str) -> Path:
        return self._out / f"{step}.json"

    def policy(self) -> dict[str, Any]:
        """a policy that walks, or does whatever its task asks, in simulation"""
        if self._settings.run is None:
            going_on = ["--resume", self.run] if (self.run / "checkpoints").is_dir() else ["--out", self.run]
            self._zerogap("train", self._name, *going_on, "--minutes", self._settings.minutes, "--seed", self._settings.seed)
        self._zerogap("export", self.run, "--out", self._out / "before.onnx")
        return {"run": Run.open(self.run).hash}

    def before(self) -> dict[str, Any]:
        """the policy on the robot, as it is"""
        return self._deploy("before", self._out / "before.onnx")

    def record(self) -> dict[str, Any]:
        """what is worth recording of the robot, hung from a stand or bolted down"""
        logs = self._fresh("logs")
        start = "hanging" if self._task.robot.is_floating else "standing"
        for i, (kind, seconds) in enumerate(_MOTIONS.items()):
            motion, raw = logs / f"{kind}.csv", logs / f"{kind}.runtime.mcap"
            self._zerogap("excite", self._robot, "--kind", kind, "--seconds", seconds, "--seed", i, "--out", motion)
            self._play(motion, start, raw)
            self._zerogap("logs", "import", raw, "--out", logs / f"{kind}.mcap")
        return {"seconds": sum(_MOTIONS.values()), "logs": [f"logs/{kind}.mcap" for kind in _MOTIONS]}

    def check(self) -> dict[str, Any]:
        """whether the logs are fit for a calibration"""
        figures = self._out / "logs" / "check.json"
        self._zerogap("logs", "check", *self._logs, "--json", figures, expect=(0, 1))
        told = json.loads(figures.read_text())
        if told["is_meaningless"]:
            raise CloseGapError(
                f"the recordings in {self._out / 'logs'} are not fit for a calibration, as told above. Was the machine too busy"
                f" for the twin to keep its time? Delete {self.told('record')} and start again"
            )
        return told

    def calibrate(self) -> dict[str, Any]:
        """in what the robot differs from the simulation"""
        fitted, held = self._logs
        out = self._fresh("calibration")
        logs = ["--log", fitted, "--holdout", held]
        free = [quantity for quantity in quantities_of(self._task.robot) if quantity != _NOT_FREE]
        self._zerogap("calibrate", "--robot", self._robot, *logs, "--free", *free, "--out", out)
        return json.loads((out / "calibration.json").read_text())

    def delta(self) -> dict[str, Any]:
        """what the calibration leaves, as a correction of the action"""
        fitted, held = self._logs
        out = self._fresh("delta")
        known = self._out / "calibration"
        self._zerogap("delta", "--robot", self._robot, "--log", fitted, "--holdout", held, "--calibration", known, "--out", out)
        return json.loads((out / "delta.json").read_text())

    def adapt(self) -> dict[str, Any]:
        """the policy fine-tuned on what was found, beside a control"""
        out, settings = self._out / "adapted", self._settings
        correction = ["--delta", self._out / "delta"] if settings.delta else []
        size = [
            "--steps",
            settings.steps,
            "--episodes",
            settings.episodes,
            "--seconds",
            settings.seconds,
            "--seed",
            settings.seed,
        ]
        known = ["--calibration", self._out / "calibration", *correction]
        self._zerogap("adapt", self.run, *known, "--gap", self._gap, *size, "--out", out)
        return json.loads((out / "adaptation.json").read_text())

    def after(self) -> dict[str, Any]:
        """the policy that was kept on the robot"""
        return self._deploy("after", self._out / "adapted" / "policy.onnx")

    # Behind the steps

    @property
    def _robot(self) -> str:
        return self._task.robot.name

    @property
    def _logs(self) -> tuple[Path, Path]:
        fitted, held = (self._out / "logs" / f"{kind}.mcap" for kind in _MOTIONS)
        return fitted, held

    def _deploy(self, name: str, policy: Path) -> dict[str, Any]:
        """On the twin, by the runtime, as on a real robot; it may end as the safety filter has it."""
        folder, seconds = self._fresh(name), self._settings.seconds
        script, figures, of_twin = folder / "commands.csv", folder / "deploy.json", folder / "twin.json"
        script.write_text(_script(self._task, self._settings.seed, seconds))
        told = ["--video", folder / "video.mp4", "--log", folder / "truth.npz", "--json", of_twin]
        with self._twin("lying" if self._task.robot.is_floating else "standing", *told) as address:
            where = ["--driver", "twin", "--address", address, "--script", script, "--seconds", seconds]
            end = self._zerogap(
                "deploy", policy, *where, "--log", folder / "deploy.mcap", "--json", figures, expect=(0, _TRIPPED)
            )
        deployed = json.loads(figures.read_text())
        return {
            "tripped": end == _TRIPPED,
            "cause": deployed["cause"],
            "deployment": deployed,
            "twin": json.loads(of_twin.read_text()),
        }

    def _play(self, motion: Path, start: str, log: Path) -> None:
        """A motion whole: a machine that is busy for a moment is late, and the safety filter ends what is late."""
        for left in reversed(range(_ATTEMPTS)):
            log.unlink(missing_ok=True)
            with self._twin(start) as address:
                where = ["--driver", "twin", "--address", address, "--log", log]
                if self._zerogap("deploy", motion, *where, expect=(0, _TRIPPED)) == 0:
                    return
            self._say(f"{motion.name} was not played to its end, as told above{': once more' if left else ''}")
        raise CloseGapError(f"{motion} could not be played to its end in {_ATTEMPTS} attempts: see that nothing else runs here")

    @contextmanager
    def _twin(self, start: str, *more: Any) -> Iterator[str]:
        """The robot: another process, which alone is told the gap. Gives its address."""
        address = f"127.0.0.1:{_free_port()}"
        told = ["twin", self._robot, "--gap", self._gap, "--start", start, "--address", address, "--seed", self._settings.seed]
        with (self._out / "twin.txt").open("w+") as output:
            process = subprocess.Popen(_command(*told, *more), stdout=output, stderr=output)
            try:
                self._await(process, address)
                yield address
                process.send_signal(2)
                process.wait(_PATIENCE * (5 if more else 1))  # a video takes its time
            finally:
                process.kill()
                process.wait()
            if process.returncode:
                raise CloseGapError(f"the twin failed: {self._last_of('twin.txt')}")

    def _await(self, process: subprocess.Popen, address: str) -> None:
        end = time.monotonic() + _PATIENCE
        while f" at {address}" not in (self._out / "twin.txt").read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise CloseGapError(f"the twin does not start: {self._last_of('twin.txt')}")
            time.sleep(0.1)

    def _zerogap(self, *words: Any, expect: tuple[int, ...] = (0,)) -> int:
        """One of the command's verbs, with what it shows; its exit status."""
        self._say(f"  zerogap {' '.join(map(str, words))}")
        process = subprocess.Popen(_command(*words))
        try:
            status = process.wait()
        except KeyboardInterrupt:  # it has been told so too, and saves what it has
            process.wait()
            raise
        if status == 130:
            raise KeyboardInterrupt
        if status not in expect:
            raise CloseGapError(f"`zerogap {words[0]}` failed with exit status {status}; what it says stands above")
        return status

    def _fresh(self, name: str) -> Path:
        """A folder without what an interrupted step left."""
        shutil.rmtree(self._out / name, ignore_errors=True)
        (self._out / name).mkdir(parents=True)
        return self._out / name

    def _last_of(self, name: str) -> str:
        return (self._out / name).read_text()[-2000:].strip()


def _command(*words: Any) -> list[str]:
    return [sys.executable, "-m", "zerogap", *map(str, words)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _script(task: Task, seed: int, seconds: float) -> str:
    """What the robot is asked to do, for `zerogap deploy --script`."""
    drawn, text = draw_commands(task, seed, seconds), io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["seconds", *task.command.names])
    rows.writerows([time, *drawn.read(time)] for time in drawn.times)
    return text.getvalue()
