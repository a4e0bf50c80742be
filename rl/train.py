"""The training loop: updates, progress, checkpoints, and an orderly end whatever ends it."""

import dataclasses
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.env import Env
from envs.registry import make_env, make_task
from rl.checkpoint import Checkpoints
from rl.curve import plot_curve, training_seconds
from rl.distill import DistillConfig, Distiller, check_same_robot_and_world, with_teacher
from rl.evaluate import load_policy
from rl.learner import Learner, LearnerState
from rl.ppo import PPO, PPOConfig
from rl.progress import TrainingProgress
from rl.run import Distillation, Run, RunError
from rl.symmetry import check_critic_mirrors
from sim.crash import CrashError, CrashRecord, save_crash
from sim.engine import Room, check_engine, check_room, default_engine
from sim.frozen_model import FrozenModelError, freeze_model

# Figures are fetched from the device and shown this often (s); fetching waits for the device.
_REPORT_SECONDS = 2.0

# A run is not started again for less.
_NEGLIGIBLE_MINUTES = 0.05

# Few environments learn from fewer steps, many fill an accelerator.
DEFAULT_NUM_ENVS = {"native": 512, "mjx": 4096, "warp": 8192}

# What a robot cannot measure at once shows in how the last tenth of a second went: 5 control steps of 0.02 s.
STUDENT_HISTORY = 5


@dataclass(frozen=True)
class Budget:
    """When training ends: after so many control steps, or so many minutes, whichever comes first."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise RunError("a training needs an end: give --steps or --minutes")
        for name in ("steps", "minutes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise RunError(f"--{name} must be positive, found {value}")

    def share(self, steps: int, seconds: float) -> float:
        """How much of the budget is used, 1 at the end."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(steps / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return max(shares)


@dataclass(frozen=True)
class TrainResult:
    run: Run
    state: Any
    figures: dict[str, float]
    interrupted: bool


class _Stop:
    """Set by Ctrl-C or SIGTERM; a second one ends at once."""

    def __init__(self) -> None:
        self.requested = False
        self._old: dict[int, object] = {}

    def __enter__(self) -> "_Stop":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


def start_run(
    task: str,
    directory: Path,
    engine: str | None,
    num_envs: int | None,
    seed: int,
    ppo: PPOConfig | None = None,
    room: Room | None = None,
    history: int | None = None,
    distillation: Distillation | None = None,
) -> Run:
    """A new run's directory. The engine defaults to this machine's best, the number of environments to what suits it, how many
    of its latest observations the policy sees (`history`) to the task's own number."""
    ppo = ppo or PPOConfig()
    made = make_task(task)  # an unknown task must not leave a directory behind, nor one that cannot be learned so
    if ppo.symmetry and ppo.actor_observation == "critic":
        check_critic_mirrors(made)
    if history is not None and history < 1:
        raise RunError(f"--history must be at least 1, found {history}")
    engine = engine or default_engine()
    check_engine(engine)
    check_room(engine, room or Room())
    num_envs = num_envs or DEFAULT_NUM_ENVS.get(engine, 1024)
    return Run.create(directory, task, engine, num_envs, seed, ppo, room, history, distillation)


def start_distillation(
    teacher: Run,
    directory: Path,
    engine: str | None,
    num_envs: int | None,
    seed: int,
    *,
    task: str | None = None,
    history: int | None = None,
    config: DistillConfig | None = None,
    room: Room | None = None,
) -> Run:
    """A new run's directory, for a student of the newest policy of the run `teacher`. Its task defaults to the teacher's.

    Raises RunError where the teacher is none, and TaskError where it is one of another robot or world.
    """
    if teacher.distillation is not None:
        raise RunError(
            f"{teacher.directory} is a student's run and no teacher's: it was distilled from {teacher.distillation.teacher}"
        )
    if teacher.ppo.actor_observation != "critic":
        raise RunError(
            f"{teacher.directory} is no teacher's run: its actor sees no more than the robot's own sensors. Train a teacher:"
            f" zerogap train {teacher.task} --actor-observation critic"
        )
    seen = make_task(task or teacher.task)
    check_same_robot_and_world(teacher.make_task(), seen)
    distillation = Distillation(
        teacher=str(teacher.directory),
        teacher_hash=teacher.hash,
        teacher_update=Checkpoints(teacher.checkpoints).newest(),
        teacher_ppo=teacher.ppo,
        config=config or DistillConfig(),
    )
    # Nothing is learned from the mirror: what the student does there is what the teacher would have done.
    student = dataclasses.replace(teacher.ppo, actor_observation="policy", symmetry=False)
    history = max(STUDENT_HISTORY, seen.observation_history) if history is None else history
    return start_run(
        task or teacher.task, directory, engine, num_envs, seed, student, room, history=history, distillation=distillation
    )


def make_learner(run: Run) -> Learner:
    """What learns in the run, with its environments."""
    env = make_env(run.make_task(), run.num_envs, run.engine, run.room)
    if run.distillation is None:
        return PPO(env, run.ppo)
    return Distiller(env, run.ppo, run.distillation.teacher_ppo, run.distillation.config)


def first_state(run: Run, learner: Learner) -> Any:
    """What a new run starts from. The state of a student holds its teacher, whose run is needed no more."""
    state = jax.jit(learner.init)(jax.random.key(run.seed))
    if run.distillation is None:
        return state
    teacher = Run.open(Path(run.distillation.teacher))
    return with_teacher(state, load_policy(teacher, 1, run.engine, run.distillation.teacher_update)[1])


def train(
    run: Run,
    budget: Budget,
    *,
    resume: bool = False,
    save_minutes: float = 2.0,
    keep: int | None = 3,
    on_update: Callable[[Any, int, float], None] | None = None,
) -> TrainResult:
    """Train the run's learner until the budget is used or someone interrupts; the newest state is always saved at the end.

    `on_update(state, steps, seconds)` is called after each update, for benchmarks. Raises RunError and its kin.
    """
    learner = make_learner(run)
    checkpoints = Checkpoints(run.checkpoints, keep)
    update = jax.jit(learner.update, donate_argnums=0)
    began = time.monotonic()
    if resume:
        state = checkpoints.restore(jax.eval_shape(learner.init, jax.random.key(run.seed)))
        state = jax.tree.map(jnp.asarray, state)
    else:
        state = first_state(run, learner)
    updates = int(state.updates)
    steps = first_steps = updates * learner.steps_per_update
    title = f"training {run.task}" if run.distillation is None else f"distilling {run.distillation.teacher}"
    figures: dict[str, float] = {}
    with _Stop() as stop, TrainingProgress(title, run.directory, total=1.0) as progress:
        for warning in checkpoints.warnings:
            progress.say(f"warning: {warning}")
        compiling = time.monotonic()
        progress.say(f"{run.num_envs} environments on {run.engine}; compiling the first update")
        pending: list[dict[str, jax.Array]] = []
        started: float | None = None
        reported = saved = compiling
        while not stop.requested:
            if started is not None and budget.share(steps - first_steps, time.monotonic() - started) >= 1:
                break
            state, metrics = update(state)
            updates += 1
            steps += learner.steps_per_update
            pending.append(metrics)
            # One update runs while the next is prepared: a longer queue would outlast the budget and any wish to stop.
            jax.block_until_ready(pending[-2:-1])
            if started is None:
                jax.block_until_ready(metrics)
                started = reported = saved = time.monotonic()
                figures["seconds_to_first_update"] = started - began
                progress.say(f"first update after {started - began:.1f} s, {started - compiling:.1f} s of it compilation")
                pending.clear()
                continue
            now = time.monotonic()
            if now - reported > _REPORT_SECONDS:
                fetched = jax.device_get(pending)
                now = time.monotonic()
                figures |= _summary(fetched, learner, now - reported)
                figures["seconds"] = now - started
                progress.report(budget.share(steps - first_steps, now - started), steps, figures)
                learner.env.physics.check_overflow(state.env.physics)
                if figures["failed/diverged"]:
                    _dump_crash(run, learner.env, state, progress)
                pending.clear()
                reported = now
            if now - saved > 60 * save_minutes:
                checkpoints.save(state)
                saved = time.monotonic()
            if on_update is not None:
                on_update(state, steps, now - started)
        if pending:
            figures |= _summary(jax.device_get(pending), learner, time.monotonic() - reported)
        figures["seconds"] = time.monotonic() - (started or compiling)
        progress.report(1.0, steps, figures)
        path = checkpoints.save(state)
        if stop.requested:
            progress.say(f"interrupted; saved {path}. Continue with: {run.resume_command}")
    plot_curve(run.directory)
    return TrainResult(run, state, figures, stop.requested)


def train_in_all(directory: Path, minutes: float, start: Callable[[], Run]) -> bool:
    """Train the run in the directory up to so many minutes in all: from the start, on from where it is, or not at all if it had
    them. False where someone interrupted."""
    if not (directory / "checkpoints").is_dir():
        return not train(start(), Budget(minutes=minutes)).interrupted
    # The figures of an interrupted training tell how long it was at it.
    left = minutes - sum(training_seconds(directory)) / 60
    return left <= _NEGLIGIBLE_MINUTES or not train(Run.open(directory), Budget(minutes=left), resume=True).interrupted


def _dump_crash(run: Run, env: Env, state: LearnerState, progress: TrainingProgress) -> None:
    """Write the recording of the run's first diverged environment, once."""
    if any((run.directory / "crashes").glob("*.npz")):
        return
    recorder = jax.device_get(state.env.recorder)
    # The episode may be younger than the recording: what lies before it is another robot's.
    step = recorder.kept.episode_step
    start = len(step) - 1
    while start > 0 and 0 <= step[start - 1] == step[start] - 1:
        start -= 1
    path = run.directory / "crashes" / f"update-{int(state.updates)}.npz"
    try:
        record = CrashRecord(
            task=run.task,
            engine=run.engine,
            env=int(recorder.kept_env),
            when=f"by update {int(state.updates)} of run {run.hash}; episode at {step[-1] * env.task.control_seconds:.2f} s",
            num_substeps=env.num_substeps,
            model=freeze_model(env.task.scene()),
            fields=dict(recorder.kept_fields),
            qpos=recorder.kept.qpos[start:],
            qvel=recorder.kept.qvel[start:],
            act=recorder.kept.act[start:],
            ctrl=recorder.kept.ctrl[start:],
        )
        save_crash(path, record)
    except (CrashError, FrozenModelError) as error:
        progress.say(f"warning: environment {int(recorder.kept_env)} diverged and could not be dumped: {error}")
        return
    progress.say(f"warning: environment {record.env} diverged; the others go on. To see it: zerogap replay {path}")


def _summary(fetched: list[dict[str, np.ndarray]], learner: Learner, seconds: float) -> dict[str, float]:
    """Means over the updates since the last report, of a metric over those in which it counted; counts as sums."""
    steps = len(fetched) * learner.steps_per_update
    figures: dict[str, float] = {}
    for name in fetched[0]:
        values = np.array([m[name] for m in fetched])
        if name.startswith("metric/"):
            values = values[~np.isnan(values)]
        if values.size:
            counts = name in ("ended", "failed") or name.startswith("failed/")
            figures[name] = float(values.sum() if counts else values.mean())
    figures["skipped_updates"] = float(fetched[-1]["skipped_updates"])
    dt = learner.env.task.control_seconds
    figures["episode_reward_rate"] = figures.pop("reward") / dt
    figures["episode_seconds"] = steps * dt / max(figures["failed"], 1.0)
    figures["steps_per_second"] = steps / seconds
    return figures
