"""A policy fine-tuned on the robot as it was measured, and at the same cost in the simulation as it was: `adapt`.

    adapted = adapt(Run.open(Path("runs/go2")), Path("runs/adapted"), Settings(), measured, correction)
    adapted.kept, adapted.scores["corrected"].simulated

The corrected candidate learns where robots are drawn from what the calibration leaves open and move by the learned correction,
of which there is more or less from episode to episode; it is frozen, as in ASAP (arXiv 2502.01143). The control begins with
the same policy and goes through as many control steps of the task that the policy was trained on. Both are judged on the
corrected simulation, and on a twin where one is given, and so is the policy that they began with.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from assets.json_file import write_json
from envs.delta.model import DeltaModel
from envs.delta.store import digest
from envs.measured import Measured
from rl.checkpoint import Checkpoints
from rl.evaluate import Evaluator, load_policy
from rl.run import Calibrated, Corrected, Origin, Run, RunError
from rl.train import Budget, start_run, train
from sim2real.export.export import export
from sim2real.twin.gap import Gap
from sim2real.twin.trial import Trial, try_policy
from sim2real.unfinished import begin

FILE, POLICY = "adaptation.json", "policy.onnx"
ORIGINAL, CONTROL, CORRECTED = "original", "control", "corrected"
CANDIDATES = (CORRECTED, CONTROL)

_BEGUN = "adapting.json"
_LEAST_EPISODES = 5  # of which an interval is told

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    steps: int = 3_000_000
    """Control steps of each candidate, of all environments together."""
    scale: tuple[float, float] = (0.5, 1.25)
    """How much of the correction there is, drawn from between these for each episode."""
    num_envs: int | None = None
    """As the policy was trained with where None."""
    seed: int = 0
    robots: int = 512
    """Of the evaluation in simulation."""
    episodes: int = 16
    """On a twin."""
    seconds: float = 20.0
    """Of each robot and each episode."""

    def __post_init__(self) -> None:
        for name in ("steps", "robots", "episodes", "seconds"):
            if not getattr(self, name) > 0:
                raise RunError(f"--{name} {getattr(self, name):g}: expected more than 0")
        if not 0 <= self.scale[0] <= self.scale[1]:
            raise RunError(f"--scale {self.scale[0]:g} {self.scale[1]:g}: expected the lower one first, and none below 0")


@dataclass(frozen=True)
class Score:
    """What a policy earns, each second."""

    simulated: float
    """On the corrected simulation."""
    falls: int
    """There."""
    twin: Trial | None = None

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"return_per_second_simulated": self.simulated, "falls_simulated": self.falls}
        return told | ({"twin": self.twin.to_json()} if self.twin is not None else {})


@dataclass(frozen=True)
class Adapted:
    run: Run
    """The better of the two."""
    kept: str
    """Which it is."""
    scores: dict[str, Score]
    """Of the policy as it was, of the control and of the corrected candidate."""
    nominal: Trial | None
    """Of the policy as it was, on a twin without a gap; None where no twin was given."""
    settings: Settings

    @property
    def gain(self) -> float:
        """By how much what the corrected candidate earns is above what the control does; on the twin where one was given."""
        return float(np.mean(self._differences()))

    @property
    def is_better(self) -> bool:
        """Whether the one that is kept earns more than the policy did as it was."""
        return _judged(self.scores[self.kept]) > _judged(self.scores[ORIGINAL])

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of that by bootstrap over the twin's episodes, which are the same for both; None without a twin, or of
        fewer than five episodes."""
        differences = self._differences()
        if len(differences) < _LEAST_EPISODES or np.ptp(differences) == 0:
            return None
        found = stats.bootstrap((differences,), np.mean, rng=np.random.default_rng(0), method="percentile")
        return float(found.confidence_interval.low), float(found.confidence_interval.high)

    def regained(self, name: str) -> float | None:
        """Of what the policy lost on the twin to its gap, the share that the candidate earns again; None where nothing was
        lost, or no twin was given."""
        before, after = self.scores[ORIGINAL].twin, self.scores[name].twin
        if self.nominal is None or before is None or after is None:
            return None
        lost = self.nominal.return_per_second - before.return_per_second
        return (after.return_per_second - before.return_per_second) / lost if lost > 0 else None

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"kept": self.kept, "gain": self.gain, "gain_interval": self.interval}
        if self.nominal is not None:
            told["nominal_twin"] = self.nominal.to_json()
            told |= {f"regained_{name}": self.regained(name) for name in CANDIDATES}
        told["settings"] = asdict(self.settings)
        return (
            told
            | {"origin": asdict(self.run.origin) if self.run.origin else None}
            | {name: score.to_json() for name, score in self.scores.items()}
        )

    def _differences(self) -> np.ndarray:
        trials = [self.scores[name].twin for name in CANDIDATES]
        if trials[0] is None or trials[1] is None:
            return np.array([self.scores[CORRECTED].simulated - self.scores[CONTROL].simulated])
        return trials[0].returns_per_second - trials[1].returns_per_second


def adapt(
    run: Run,
    out: Path,
    settings: Settings,
    measured: Measured | None,
    correction: DeltaModel | None,
    twin: Gap | None = None,
    say: Say = print,
    progress: Callable[[str, float], None] = lambda text, share: None,
) -> Adapted:
    """Train both candidates in `out`, judge them, and make `out` the run of the better one, with its exported policy.

    An adaptation that was interrupted goes on where it is. Raises RunError where the run cannot be adapted, UnfinishedError
    where `out` holds something else; KeyboardInterrupt where someone interrupts, after all that was learned is saved.
    """
    _check(run, measured, correction)
    newest = Checkpoints(run.checkpoints).newest()
    begin(out / _BEGUN, _identity(run, newest, settings, measured, correction, twin))
    world = _World(run, measured, correction)
    candidates = {
        name: _candidate(run, newest, out / name, settings, world if name == CORRECTED else None, say) for name in CANDIDATES
    }
    policies = {ORIGINAL: run} | candidates
    scores: dict[str, Score] = {}
    for name, each in policies.items():
        ppo, state = load_policy(world.apply(each, (1.0, 1.0)), settings.robots, update=newest if name == ORIGINAL else None)
        evaluator = Evaluator(ppo, settings.seconds)
        found = evaluator(state, seed=settings.seed, progress=lambda share, name=name: progress(f"evaluating {name}", share))
        scores[name] = Score(found.return_per_second, found.falls)
    nominal = None
    if twin is not None:
        files = {name: out / f"{name}.onnx" for name in policies}
        for name, each in policies.items():
            export(each, files[name], newest if name == ORIGINAL else None)

        def on_twin(name: str, gap: Gap, what: str) -> Trial:
            sizes = {"task": run.task, "episodes": settings.episodes, "seconds": settings.seconds, "seed": settings.seed}
            return try_policy(files[name], gap, **sizes, progress=lambda share: progress(f"trying {name} on {what}", share))

        nominal = on_twin(ORIGINAL, Gap(), "the nominal twin")
        scores = {name: dataclasses.replace(score, twin=on_twin(name, twin, "the twin")) for name, score in scores.items()}
    kept = max(CANDIDATES, key=lambda name: _judged(scores[name]))
    adapted = Adapted(_keep(candidates[kept], out), kept, scores, nominal, settings)
    export(adapted.run, out / POLICY)
    write_json(out / FILE, adapted.to_json())
    (out / _BEGUN).unlink()
    return adapted


@dataclass(frozen=True)
class _World:
    """The corrected simulation."""

    run: Run
    measured: Measured | None
    correction: DeltaModel | None

    @property
    def calibrated(self) -> Calibrated | None:
        return Calibrated(self.measured, spread=True) if self.measured is not None else self.run.calibrated

    def corrected(self, scale: tuple[float, float]) -> Corrected | None:
        return Corrected(self.correction, scale) if self.correction is not None else None

    def apply(self, run: Run, scale: tuple[float, float]) -> Run:
        """The run with this world as its own."""
        return dataclasses.replace(run, calibrated=self.calibrated, corrected=self.corrected(scale))


def _check(run: Run, measured: Measured | None, correction: DeltaModel | None) -> None:
    if measured is None and correction is None:
        raise RunError("there is nothing to adapt to: give --calibration, --delta or both")
    if run.distillation is not None:
        raise RunError(f"{run.directory} is a student's run, which has no critic to go on with: adapt one of `zerogap train`")
    if run.ppo.actor_observation != "policy":
        raise RunError(f"{run.directory} is a teacher's run, which sees what no robot measures: adapt one of `zerogap train`")


def _identity(
    run: Run, update: int, settings: Settings, measured: Measured | None, correction: DeltaModel | None, twin: Gap | None
) -> dict[str, Any]:
    """All that decides what comes out."""
    told = None if measured is None else hashlib.sha256(json.dumps(measured.to_json(), sort_keys=True).encode()).hexdigest()
    gap = None if twin is None else hashlib.sha256(json.dumps(asdict(twin), sort_keys=True).encode()).hexdigest()
    delta = None if correction is None else digest(correction)
    all_of_it = {
        "run": run.hash,
        "update": update,
        "settings": asdict(settings),
        "calibration": told,
        "delta": delta,
        "gap": gap,
    }
    return json.loads(json.dumps(all_of_it))


def _candidate(run: Run, update: int, directory: Path, settings: Settings, world: _World | None, say: Say) -> Run:
    """Trained as far as it is to be. `world` is where it learns; the run's own where None."""
    num_envs = settings.num_envs or run.num_envs
    if (directory / "run.json").is_file():
        begun = Run.open(directory)
    else:
        shutil.rmtree(directory, ignore_errors=True)
        begun = start_run(
            run.task,
            directory,
            run.engine,
            num_envs,
            settings.seed,
            run.ppo,
            run.room,
            run.history,
            calibrated=run.calibrated if world is None else world.calibrated,
            corrected=run.corrected if world is None else world.corrected(settings.scale),
            origin=Origin(str(run.directory), run.hash, update),
        )
    done = Checkpoints(begun.checkpoints).updates
    left = settings.steps - (done[-1] if done else 0) * begun.ppo.rollout_length * num_envs
    if left > 0:
        say(f"{directory.name}: {left:,} control steps")
        if train(begun, Budget(steps=left), resume=bool(done)).interrupted:
            raise KeyboardInterrupt
    return begun


def _judged(score: Score) -> float:
    return score.simulated if score.twin is None else score.twin.return_per_second


def _keep(candidate: Run, out: Path) -> Run:
    """Make `out` the candidate's run as well."""
    for path in sorted(candidate.directory.iterdir()):
        if path.name == "run.json":
            continue
        target = out / path.name
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy2(path, target)
    shutil.copy2(candidate.directory / "run.json", out / "run.json")  # the last: only now is it a run
    return Run.open(out)
