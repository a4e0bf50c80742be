"""A training run's directory: what it was told, what it learned, what it measured.

run.json            task, engine, seed, sizes, PPO's configuration, whose student it is, what it starts from, what was measured
                    of the robot, versions; written once at the start
delta/              the correction of the simulated robot, where there is one
checkpoints/        Orbax, one folder a checkpoint
progress.jsonl      one line of figures every few updates
events.out.*        the same for TensorBoard
curve.png, evaluation.json, video.mp4
"""

import dataclasses
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.json_file import write_json
from envs.delta import store as delta
from envs.delta.corrected_task import corrected_task
from envs.delta.model import DeltaModel
from envs.measured import Measured, measured_task
from envs.registry import make_task
from envs.task import Task
from rl.distill import DistillConfig
from rl.ppo import PPOConfig
from sim.engine import Room
from sim.randomization.distribution import Uniform

_FORMAT = 3
_KINDS = {"task": str, "engine": str, "num_envs": int, "seed": int, "versions": dict, "ppo": dict, "room": dict}
"""Of what every run.json holds."""
DELTA = "delta"


class RunError(UserError, RuntimeError):
    """A run directory or its contents cannot be used; the message names the path, what was expected and what was found."""


def check_seed(seed: int) -> None:
    """Raise RunError where JAX's random numbers cannot start from it."""
    if not 0 <= seed < 2**32:
        raise RunError(f"the seed is {seed}, expected one from 0 to {2**32 - 1}")


@dataclass(frozen=True)
class Distillation:
    """Whose student a run's policy is."""

    teacher: str
    """The teacher's run directory, as it was given."""
    teacher_hash: str
    teacher_update: int
    """Of the teacher's policy that is learned from."""
    teacher_ppo: PPOConfig
    config: DistillConfig


@dataclass(frozen=True)
class Calibrated:
    """That a run's robot is a measured one."""

    measured: Measured
    spread: bool = False
    """Whether robots are drawn from what the measurement leaves open; else all are the measured one."""

    def to_json(self) -> dict[str, Any]:
        return {"measured": self.measured.to_json(), "spread": self.spread}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Calibrated":
        return cls(Measured.from_json(told["measured"]), bool(told["spread"]))


def calibrated_by(calibration: Path | None, spread: bool) -> Calibrated | None:
    """What `--calibration` and `--spread` of a command ask for."""
    if calibration is None:
        if spread:
            raise RunError("--spread draws robots from what a calibration leaves open: name one by --calibration")
        return None
    return Calibrated(Measured.load(calibration), spread)


@dataclass(frozen=True)
class Corrected:
    """That a run's robots move by a correction learned from logs, as their files in the run's directory tell it."""

    model: DeltaModel
    scale: tuple[float, float] = (1.0, 1.0)
    """How much of it there is, drawn from between these for each episode."""

    def to_json(self) -> dict[str, Any]:
        return {"weights_sha256": delta.digest(self.model), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, directory: Path, told: dict[str, Any]) -> "Corrected":
        low, high = map(float, told["scale"])
        model = delta.load(directory / DELTA)
        if (found := delta.digest(model)) != told["weights_sha256"]:
            raise ValueError(f"{directory / DELTA} is another correction ({found[:8]}) than it was started with")
        return cls(model, (low, high))


@dataclass(frozen=True)
class Origin:
    """The run whose policy another begins with."""

    run: str
    """Its directory, as it was given."""
    run_hash: str
    update: int


@dataclass(frozen=True)
class Run:
    """What a run was told."""

    directory: Path
    task: str
    engine: str
    num_envs: int
    seed: int
    ppo: PPOConfig
    versions: dict[str, str]
    room: Room = Room()
    history: int | None = None
    """How many of its latest observations the policy sees; the task's own number where None."""
    distillation: Distillation | None = None
    """None where the policy is learned by PPO."""
    calibrated: Calibrated | None = None
    """None where the robot is the nominal one."""
    corrected: Corrected | None = None
    """None where it moves by the physics alone."""
    origin: Origin | None = None
    """None where the policy begins as chance has it."""

    @property
    def hash(self) -> str:
        """Of everything that decides what the run learns."""
        return hashlib.sha256(json.dumps(self._told(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def checkpoints(self) -> Path:
        return self.directory / "checkpoints"

    @property
    def resume_command(self) -> str:
        verb = f"train {self.task}" if self.distillation is None else f"distill {self.distillation.teacher}"
        return f"zerogap {verb} --resume {self.directory}"

    def make_task(self) -> Task:
        """The task as the run's policy sees it."""
        task = make_task(self.task)
        if self.calibrated is not None:
            task = measured_task(task, self.calibrated.measured, self.calibrated.spread)
        if self.corrected is not None:
            task = corrected_task(task, self.corrected.model, Uniform(*self.corrected.scale))
        return task if self.history is None else dataclasses.replace(task, observation_history=self.history)

    def _told(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("task", "engine", "num_envs", "seed", "versions")}
        told |= {"ppo": dataclasses.asdict(self.ppo), "room": dataclasses.asdict(self.room), "history": self.history}
        told |= {"distillation": dataclasses.asdict(self.distillation) if self.distillation else None}
        # Absent without, so that runs of before keep their hash.
        told |= {"calibrated": self.calibrated.to_json()} if self.calibrated is not None else {}
        told |= {"corrected": self.corrected.to_json()} if self.corrected is not None else {}
        return told | ({"origin": dataclasses.asdict(self.origin)} if self.origin is not None else {})

    @classmethod
    def create(
        cls,
        directory: Path,
        task: str,
        engine: str,
        num_envs: int,
        seed: int,
        ppo: PPOConfig,
        room: Room | None = None,
        history: int | None = None,
        distillation: Distillation | None = None,
        calibrated: Calibrated | None = None,
        corrected: Corrected | None = None,
        origin: Origin | None = None,
    ) -> "Run":
        """A new run in an empty or absent directory."""
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise RunError(
                f"{directory} is not empty: choose another --out, or continue the run in it with --resume {directory}"
            )
        told = (task, engine, num_envs, seed, ppo, _versions(), room or Room(), history, distillation)
        run = cls(directory, *told, calibrated, corrected, origin)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the run directory {directory}: {error.strerror}") from error
        if corrected is not None:
            delta.save(directory / DELTA, corrected.model, {})
        write_json(directory / "run.json", run.to_json())
        return run

    def to_json(self) -> dict[str, Any]:
        return {"format": _FORMAT, **self._told(), "hash": self.hash}

    @classmethod
    def from_json(cls, directory: Path, told: Any) -> "Run":
        """What `to_json` gave. Raises AttributeError, KeyError, TypeError or ValueError where it did not."""
        for name, kind in _KINDS.items():
            if not isinstance(told[name], kind) or isinstance(told[name], bool):
                raise TypeError(f"{name} is {told[name]!r}, expected a {kind.__name__}")
        sizes = (told["task"], told["engine"], told["num_envs"], told["seed"])
        rest = (told["versions"], Room(**told["room"]), told.get("history"), _distillation(told.get("distillation")))
        calibrated = Calibrated.from_json(told["calibrated"]) if told.get("calibrated") else None
        corrected = Corrected.from_json(directory, told["corrected"]) if told.get("corrected") else None
        origin = Origin(**told["origin"]) if told.get("origin") else None
        return cls(directory, *sizes, _ppo(told["ppo"]), *rest, calibrated, corrected, origin)

    @classmethod
    def open(cls, directory: Path) -> "Run":
        path = directory / "run.json"
        if not path.is_file():
            near = [p.parent for p in sorted(directory.parent.glob("*/run.json"))[:5]] if directory.parent.is_dir() else []
            hint = f"; runs nearby: {', '.join(str(p) for p in near)}" if near else ""
            raise RunError(f"{directory} is no run directory: it has no run.json, which `zerogap train` writes{hint}")
        try:
            told = json.loads(path.read_text())
            if told["format"] != _FORMAT:
                raise RunError(f"{path} has format {told['format']!r}, expected {_FORMAT}: it was written by another version")
            return cls.from_json(directory, told)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _ppo(told: dict[str, Any]) -> PPOConfig:
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return PPOConfig(**settings)


def _distillation(told: dict[str, Any] | None) -> Distillation | None:
    if told is None:
        return None
    read: dict[str, Any] = {"teacher_ppo": _ppo(told["teacher_ppo"]), "config": DistillConfig(**told["config"])}
    return Distillation(**(told | read))


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("mujoco", "jax", "flax", "optax", "numpy")}
