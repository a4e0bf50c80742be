"""Learning a correction from logs: `learn(robot, logs, holdout, calibration)`.

    delta = learn(GO2, [open_log(a), open_log(b)], [open_log(c)], Calibration.load(directory))
    delta.rmse("delta"), delta.model
    delta.save(directory)

Beside it, over the same windows of the same logs: the nominal model, the calibrated one, and a network that corrects states.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from assets.robots.robot import Robot
from envs.delta.errors import DeltaError
from envs.delta.model import DeltaModel
from envs.delta.store import save
from sim2real.calibrate.calibration import Calibration
from sim2real.calibrate.fit import limbs
from sim2real.calibrate.parameters import build_model, read_signals
from sim2real.calibrate.prepare import check_apart, check_excited, ready, warnings_of
from sim2real.calibrate.replay import NOMINAL, Signals, suspended_spec
from sim2real.calibrate.windows import Windows, cut
from sim2real.delta.part import Part, rmse, rmse_per_joint
from sim2real.delta.proof import Proof, prove
from sim2real.delta.reinforced import learn_by_ppo
from sim2real.delta.residual import fit_residual, sequences
from sim2real.delta.samples import sample
from sim2real.delta.training import Architecture, Schedule, Trainer
from sim2real.logs.robot_log import RobotLog

Told = Callable[[str, float], None]
"""What is being done, and how much of all of it is done."""


@dataclass(frozen=True)
class Settings:
    architecture: Architecture = Architecture()
    schedule: Schedule = Schedule()
    window_seconds: float = 0.5
    """Of the windows that errors are of."""
    learning_steps: int = 8
    """Control steps of the windows that are learned from; each overlaps the one before by half."""
    ppo_share: float = 0.0
    """PPO learns the correction, too, in so many times the physics steps that its derivatives took; 0 for not at all."""
    timestep: float = 0.001
    """Of the simulation (s)."""
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True)
class LogErrors:
    """A log, and how far each simulation is from it."""

    source: str
    content_hash: str
    excitation: str
    held_out: bool
    is_calibrated_on: bool
    """Whether the calibration was fitted to it."""
    time_base: str
    """As of `LogInfo`."""
    seconds: float
    windows: int
    rmse_rad: dict[str, float]
    joints_rad: dict[str, tuple[float, ...]]
    mean_correction: float
    """In units of action, without sign."""
    mean_trust: tuple[float, ...]
    """How far each joint's correction was trusted: 1 where what is simulated is like the logs learned from, 0 far from them."""


@dataclass(frozen=True, eq=False)
class Delta:
    model: DeltaModel
    logs: tuple[LogErrors, ...]
    calibration_hash: str | None
    settings: Settings
    simulation_steps: dict[str, int]
    """Physics steps that each way of learning took."""
    versions: dict[str, str]
    proofs: tuple[Proof, ...]
    """By joint; none where no stretch that was held back is as long as a window."""
    example: "Example"
    limits: tuple[str, ...] = ()
    """What the logs themselves limit of what may be claimed, in sentences."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of what was compared."""
        return tuple(self.logs[0].rmse_rad)

    @property
    def judged(self) -> tuple[LogErrors, ...]:
        """The logs held out, or all where none is."""
        return tuple(log for log in self.logs if log.held_out) or self.logs

    def rmse(self, name: str) -> float:
        """Of one of `names`, over the logs held out, each window counting alike (rad)."""
        return float(np.sqrt(np.average([log.rmse_rad[name] ** 2 for log in self.judged], weights=self._weights)))

    def rmse_per_joint(self, name: str) -> np.ndarray:
        """(num_joints,) rad"""
        return np.sqrt(np.average(np.square([log.joints_rad[name] for log in self.judged]), axis=0, weights=self._weights))

    @property
    def _weights(self) -> list[int]:
        return [log.windows for log in self.judged]

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {f"rmse_{name}_rad": self.rmse(name) for name in self.names}
        for name in self.names:
            values = map(float, self.rmse_per_joint(name))
            told[f"rmse_{name}_rad_per_joint"] = dict(zip(self.model.joints, values, strict=True))
        told["mean_correction"] = float(np.average([log.mean_correction for log in self.judged], weights=self._weights))
        logs = []
        for log in self.logs:
            row = {key: value for key, value in asdict(log).items() if key not in ("rmse_rad", "joints_rad")}
            logs.append(
                row
                | {f"rmse_{n}_rad": log.rmse_rad[n] for n in self.names}
                | {f"joints_{n}_rad": log.joints_rad[n] for n in self.names}
            )
        provenance = {"calibration_sha256": self.calibration_hash, "settings": asdict(self.settings), "versions": self.versions}
        return {
            **told,
            "shrink": list(map(float, self.model.shrink)),
            "held_back": [asdict(proof) for proof in self.proofs],
            "simulation_steps": self.simulation_steps,
            "logs": logs,
            "limits": self.limits,
        } | provenance

    def save(self, directory: Path) -> None:
        save(directory, self.model, self.to_json())


@dataclass(frozen=True, eq=False)
class Example:
    """One window of a log in which a correction is at work, for pictures."""

    log: str
    time: np.ndarray
    """(samples,) s"""
    measured: np.ndarray
    """(samples, num_joints) rad"""
    predicted: dict[str, np.ndarray]
    """By `Delta.names`."""
    correction_time: np.ndarray
    """(control steps,) s"""
    correction: np.ndarray
    """(control steps, num_joints), in units of action"""


def learn(
    robot: Robot,
    logs: Sequence[RobotLog],
    holdout: Sequence[RobotLog],
    calibration: Calibration | None = None,
    settings: Settings | None = None,
    told: Told = lambda text, share: None,
) -> Delta:
    """Raises CalibrationError, RobotLogError or DeltaError where the logs, or the calibration, cannot be used."""
    settings = settings or Settings()
    if not logs:
        raise DeltaError("no log to learn from: give at least one")
    given = [*logs, *holdout]
    every = [ready(robot, log) for log in given]
    check_apart(every[: len(logs)], every[len(logs) :])
    check_excited(every[: len(logs)])
    limits = tuple(text for log in every for text in warnings_of(robot, log))
    model, signals = simulator_of(robot, calibration, settings.timestep)
    bench = _Bench(robot, model, signals, settings)
    told("reading", 0.0)
    parts = [bench.part(log, cut(log, settings.window_seconds)) for log in every]
    learning = [bench.learning(log) for log in every[: len(logs)]]
    trainer = Trainer(
        robot,
        learning,
        bench.limbs,
        settings.architecture,
        settings.schedule,
        lambda share: told("simulating what corrections would do", 0.05 + 0.35 * share),
    )
    learned = trainer.fit(settings.seed, lambda share: told("learning the correction", 0.4 + 0.3 * share))
    spent = {"supervised": trainer.simulated}
    told("validating it in simulation", 0.7)
    learned, proofs = prove(learned, parts[: len(logs)], model, signals, settings.schedule)
    told("learning residual dynamics", 0.75)
    stretches = [sequences(part, bench.limbs, settings.schedule) for part in learning]
    residual = fit_residual(robot, stretches, settings.architecture, settings.schedule, settings.seed)
    spent["residual_dynamics"] = trainer.simulated - spent["supervised"]
    by_ppo = None
    if settings.ppo_share > 0:
        by_ppo = learn_by_ppo(
            robot,
            parts[: len(logs)],
            settings.architecture,
            round(settings.ppo_share * spent["supervised"]),
            settings.seed,
            told=lambda share: told("learning it by PPO", 0.8 + 0.05 * share),
        )
        spent["ppo"] = by_ppo.simulated
    nominal = suspended_spec(robot, settings.timestep).compile()
    fitted = {log.content_hash for log in calibration.logs if not log.held_out} if calibration is not None else set()
    errors, example = [], None
    for i, (log, part) in enumerate(zip(given, parts, strict=True)):
        told(f"comparing on {log.name}", 0.85 + 0.15 * i / len(every))
        corrected = part.errors_with(learned)
        off: dict[str, np.ndarray] = {
            "nominal": part.errors(nominal),
            "calibrated": part.errors(model, signals),
            "delta": corrected.errors,
            "residual_dynamics": residual.errors(part),
        }
        if by_ppo is not None:
            off["ppo"] = by_ppo.errors(part)[0]
        errors.append(
            LogErrors(
                source=log.name,
                content_hash=log.content_hash,
                excitation=log.info.excitation,
                held_out=i >= len(logs),
                is_calibrated_on=log.content_hash in fitted,
                time_base=log.info.time_base,
                seconds=log.seconds,
                windows=len(part.windows),
                rmse_rad={name: rmse([e]) for name, e in off.items()},
                joints_rad={name: tuple(map(float, rmse_per_joint([e]))) for name, e in off.items()},
                mean_correction=float(np.abs(corrected.given).mean()),
                mean_trust=tuple(map(float, corrected.trust.mean(axis=(0, 1)))),
            )
        )
        if example is None or i == len(logs):
            example = _example(log, part, off, corrected.given)
    assert example is not None
    return Delta(
        model=learned,
        logs=tuple(errors),
        calibration_hash=calibration.content_hash if calibration is not None else None,
        settings=settings,
        simulation_steps=spent,
        versions={name: importlib.metadata.version(name) for name in ("mujoco", "jax", "flax", "optax", "numpy")},
        proofs=proofs,
        example=example,
        limits=limits,
    )


def simulator_of(robot: Robot, calibration: Calibration | None, timestep: float) -> tuple[mujoco.MjModel, Signals]:
    """The calibrated simulator of a suspended robot, or the nominal one. Raises DeltaError for another robot's calibration."""
    spec = suspended_spec(robot, timestep)
    if calibration is None:
        return spec.compile(), NOMINAL
    if calibration.robot != robot.name or calibration.joints != robot.joints:
        raise DeltaError(f"the calibration is of {calibration.robot!r} or of other joints, and the logs are of {robot.name!r}")
    free, values = [e.parameter for e in calibration.estimates], [e.value for e in calibration.estimates]
    return build_model(spec, free, values), read_signals(robot, free, values)


class _Bench:
    """What logs are simulated on."""

    def __init__(self, robot: Robot, model: mujoco.MjModel, signals: Signals, settings: Settings):
        self._robot, self._model, self._signals, self._settings = robot, model, signals, settings
        self.limbs = limbs(robot, suspended_spec(robot, settings.timestep))

    def learning(self, log: RobotLog) -> Part:
        steps, period = self._settings.learning_steps, self._settings.architecture.period
        return self.part(log, cut(log, steps * period, every=-(-steps // 2) * period))

    def part(self, log: RobotLog, windows: Windows) -> Part:
        settings = self._settings
        samples = sample(self._robot, log, windows, settings.architecture.period)
        steps = settings.architecture.steps
        return Part(self._robot, windows, samples, self._model, self._signals, steps, settings.timestep, settings.threads)


def _example(log: RobotLog, part: Part, off: dict[str, np.ndarray], given: np.ndarray) -> Example:
    """The window in which most is corrected."""
    at = int(np.abs(given).mean(axis=(1, 2)).argmax())
    measured = part.replay.measured[at]
    return Example(
        log=log.name,
        time=part.windows.time[at],
        measured=measured,
        predicted={name: e[at] + measured for name, e in off.items()},
        correction_time=part.samples.period * np.arange(given.shape[1]),
        correction=given[at],
    )
