"""The training loop: updates, progress, checkpoints, and an orderly end whatever ends it."""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from envs.delta.corrected_task import corrected_task
from envs.env import Env
from envs.measured import measured_task
from envs.registry import make_env, make_task
from rl.checkpoint import Checkpoints
from rl.curve import plot_curve, plot_levels, training_seconds
from rl.distill import DistillConfig, Distiller, check_same_robot_and_world, with_teacher
from rl.evaluate import load_policy
from rl.learner import Learner, LearnerState, shardings
from rl.ppo import PPO, PPOConfig, warm_start
from rl.progress import Silence, TrainingProgress
from rl.run import Calibrated, Corrected, Distillation, Origin, Run, RunError, check_seed
from rl.stop import Stop
from rl.symmetry import check_critic_mirrors
from sim.crash import CrashError, CrashRecord, save_crash
from sim.devices import Devices
from sim.engine import Room, check_engine, check_num_envs, check_room, default_engine
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
            if value is not None and not value > 0:  # nor is it no number
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
    devices: Devices | None = None,
    calibrated: Calibrated | None = None,
    corrected: Corrected | None = None,
    origin: Origin | None = None,
) -> Run:
    """A new run's directory. The engine defaults to this machine's best, the number of environments to what suits it, how many
    of its latest observations the policy sees (`history`) to the task's own number."""
    ppo = ppo or PPOConfig()
    made = make_task(task)  # an unknown task must not leave a directory behind, nor one that cannot be learned so
    if calibrated is not None:
        made = measured_task(made, calibrated.measured)
    if corrected is not None:
        corrected_task(made, corrected.model)
    if ppo.symmetry and ppo.actor_observation == "critic":
        check_critic_mirrors(made)
    check_seed(seed)
    if history is not None and history < 1:
        raise RunError(f"--history must be at least 1, found {history}")
    engine = engine or default_engine()
    check_engine(engine)
    check_room(engine, room or Room())
    num_envs = DEFAULT_NUM_ENVS.get(engine, 1024) if num_envs is None else num_envs
    check_num_envs(num_envs, devices or Devices())
    return Run.create(directory, task, engine, num_envs, seed, ppo, room, history, distillation, calibrated, corrected, origin)


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
        task or teacher.task,
        directory,
        engine,
        num_envs,
        seed,
        student,
        room,
        history=history,
        distillation=distillation,
        calibrated=teacher.calibrated,
        corrected=teacher.corrected,
    )


def make_learner(run: Run, devices: Devices) -> Learner:
    """What learns in the run, with its environments divided among the devices."""
    env = make_env(run.make_task(), run.num_envs, run.engine, run.room, devices)
    if run.distillation is None:
        return PPO(env, run.ppo)
    return Distiller(env, run.ppo, run.distillation.teacher_ppo, run.distillation.config)


def first_state(run: Run, learner: Learner) -> Any:
    """What a new run starts from. The state of a student holds its teacher, and that of a run with an origin the policy it
    begins with: their runs are needed no more."""
    key = np.asarray(jax.random.key_data(jax.random.key(run.seed)))
    state = jax.jit(lambda data: learner.init(jax.random.wrap_key_data(data)), out_shardings=shardings(learner))(key)
    if run.origin is not None:
        return warm_start(state, load_policy(Run.open(Path(run.origin.run)), 1, run.engine, run.origin.update)[1])
    if run.distillation is None:
        return state
    teacher = Run.open(Path(run.distillation.teacher))
    return with_teacher(state, load_policy(teacher, 1, run.engine, run.distillation.teacher_update)[1])


def share_run(make: Callable[[], Run], directory: Path, devices: Devices) -> Run:
    """The run that `make` gives in the first process, in all of them; the others need not see its directory."""
    run = devices.on_first(make)
    told = devices.text_of_first(None if run is None else json.dumps(run.to_json()))
    return run or Run.from_json(directory, json.loads(told))


def train(
    run: Run,
    budget: Budget,
    *,
    resume: bool = False,
    save_minutes: float = 2.0,
    keep: int | None = 3,
    devices: Devices | None = None,
    on_update: Callable[[Any, int, float], None] | None = None,
) -> TrainResult:
    """Train the run's learner until the budget is used or someone interrupts; the newest state is always saved at the end.

    The environments are divided among `devices` (by default, the one that JAX picks). Where these are of several processes, all
    of them must call this; the first writes.

    `on_update(state, steps, seconds)` is called after each update, for benchmarks. Raises RunError and its kin.
    """
    devices = devices or Devices()
    learner = devices.in_all(lambda: make_learner(run, devices))
    checkpoints = Checkpoints(run.checkpoints, keep)
    places = shardings(learner)
    outputs = None if places is None else (places, devices.sharding(None))
    update = jax.jit(learner.update, donate_argnums=0, out_shardings=outputs)
    began = time.monotonic()
    if resume:
        like = jax.eval_shape(learner.init, jax.random.key(run.seed))
        restored = devices.on_first(lambda: checkpoints.restore(like))
        zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
        state = devices.put(devices.told_by_first(restored or zeros), places)
    else:
        state = first_state(run, learner)
    updates = int(state.updates)
    steps = first_steps = updates * learner.steps_per_update
    title = f"training {run.task}" if run.distillation is None else f"distilling {run.distillation.teacher}"
    figures: dict[str, float] = {}
    with Stop() as stop, TrainingProgress(title, run.directory, total=1.0) if devices.first else Silence() as progress:
        for warning in checkpoints.warnings:
            progress.say(f"warning: {warning}")
        compiling = time.monotonic()
        shared = f" divided among {devices.count} devices" if devices.count > 1 else ""
        progress.say(f"{run.num_envs} environments on {run.engine}{shared}; compiling the first update")
        pending: list[dict[str, jax.Array]] = []
        started: float | None = None
        reported = saved = compiling
        (stopped,), used = devices.agree(stop.requested), False
        while not stopped and not used:
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
            now = time.monotonic()
            stopped, used, report, save = devices.agree(
                stop.requested,
                budget.share(steps - first_steps, now - started) >= 1,
                now - reported > _REPORT_SECONDS,
                now - saved > 60 * save_minutes,
            )
            if report and pending:
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
            if save:
                _save(checkpoints, state, devices)
                saved = time.monotonic()
            if on_update is not None:
                on_update(state, steps, now - started)
        if pending:
            figures |= _summary(jax.device_get(pending), learner, time.monotonic() - reported)
            if figures["failed/diverged"]:
                _dump_crash(run, learner.env, state, progress)
        figures["seconds"] = time.monotonic() - (started or compiling)
        progress.report(1.0, steps, figures)
        path = _save(checkpoints, state, devices)
        if stopped:
            progress.say(f"interrupted; saved {path}. Continue with: {run.resume_command}")
    devices.on_first(lambda: (plot_curve(run.directory), plot_levels(run.directory)))
    return TrainResult(run, state, figures, stopped)


def _save(checkpoints: Checkpoints, state: LearnerState, devices: Devices) -> Path | None:
    values = devices.fetch(state)
    return devices.on_first(lambda: checkpoints.save(values))


def train_in_all(directory: Path, minutes: float, start: Callable[[], Run]) -> bool:
    """Train the run in the directory up to so many minutes in all: from the start, on from where it is, or not at all if it had
    them. False where someone interrupted."""
    if not (directory / "checkpoints").is_dir():
        return not train(start(), Budget(minutes=minutes)).interrupted
    # The figures of an interrupted training tell how long it was at it.
    left = minutes - sum(training_seconds(directory)) / 60
    return left <= _NEGLIGIBLE_MINUTES or not train(Run.open(directory), Budget(minutes=left), resume=True).interrupted


def _dump_crash(run: Run, env: Env, state: LearnerState, progress: TrainingProgress | Silence) -> None:
    """Write the recording of the run's first diverged environment, once."""
    wanted = env.devices.on_first(lambda: not any((run.directory / "crashes").glob("*.npz")))
    if not any(env.devices.agree(bool(wanted))):
        return
    recorder = env.devices.fetch(state.env.recorder)
    if not env.devices.first or not len(recorder.diverged):
        return
    index = int(recorder.diverged[0])
    recording = recorder.recording(index)
    path = run.directory / "crashes" / f"update-{int(state.updates)}.npz"
    seconds = recording.episode_step[-1] * env.task.control_seconds
    try:
        record = CrashRecord(
            task=run.task,
            engine=run.engine,
            env=index,
            when=f"by update {int(state.updates)} of run {run.hash}; episode at {seconds:.2f} s",
            num_substeps=env.num_substeps,
            model=freeze_model(env.task.scene()),
            fields=recording.fields,
            qpos=recording.qpos,
            qvel=recording.qvel,
            act=recording.act,
            ctrl=recording.ctrl,
        )
        save_crash(path, record)
    except (CrashError, FrozenModelError) as error:
        progress.say(f"warning: environment {index} diverged and could not be dumped: {error}")
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
    if learner.env.task.terminations:  # what cannot fail has no time to failure
        figures["episode_seconds"] = steps * dt / max(figures["failed"], 1.0)
    figures["steps_per_second"] = steps / seconds
    return figures
