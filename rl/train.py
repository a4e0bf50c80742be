"""The training loop: updates, progress, checkpoints, and an orderly end whatever ends it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from envs.env import Env
from envs.registry import make_env, make_task
from rl.checkpoint import Checkpoints
from rl.curve import plot_curve
from rl.ppo import PPO, PPOConfig, TrainState
from rl.progress import TrainingProgress
from rl.run import Run, RunError
from rl.stop import Stop
from sim.crash import CrashError, CrashRecord, save_crash
from sim.engine import Room, check_engine, check_room, default_engine
from sim.frozen_model import FrozenModelError, freeze_model

# Figures are fetched from the device and shown this often (s); fetching waits for the device.
_REPORT_SECONDS = 2.0

# Few environments learn from fewer steps, many fill an accelerator.
DEFAULT_NUM_ENVS = {"native": 512, "mjx": 4096, "warp": 8192}


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
    state: TrainState
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
) -> Run:
    """A new run's directory. The engine defaults to this machine's best, the number of environments to what suits it."""
    make_task(task)  # an unknown task must not leave a directory behind
    engine = engine or default_engine()
    check_engine(engine)
    check_room(engine, room or Room())
    num_envs = num_envs or DEFAULT_NUM_ENVS.get(engine, 1024)
    return Run.create(directory, task, engine, num_envs, seed, ppo or PPOConfig(), room)


def train(
    run: Run,
    budget: Budget,
    *,
    resume: bool = False,
    save_minutes: float = 2.0,
    keep: int | None = 3,
    on_update: Callable[[TrainState, int, float], None] | None = None,
) -> TrainResult:
    """Train until the budget is used or someone interrupts; the newest state is always saved at the end.

    `on_update(state, steps, seconds)` is called after each update, for benchmarks. Raises RunError and its kin.
    """
    env = make_env(make_task(run.task), run.num_envs, run.engine, run.room)
    ppo = PPO(env, run.ppo)
    checkpoints = Checkpoints(run.checkpoints, keep)
    update = jax.jit(ppo.update, donate_argnums=0)
    began = time.monotonic()
    if resume:
        state = checkpoints.restore(jax.eval_shape(ppo.init, jax.random.key(run.seed)))
        state = jax.tree.map(jnp.asarray, state)
    else:
        state = jax.jit(ppo.init)(jax.random.key(run.seed))
    updates = int(state.updates)
    steps = first_steps = updates * ppo.steps_per_update
    figures: dict[str, float] = {}
    with Stop() as stop, TrainingProgress(f"training {run.task}", run.directory, total=1.0) as progress:
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
            steps += ppo.steps_per_update
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
                figures |= _summary(fetched, ppo, now - reported)
                figures["seconds"] = now - started
                progress.report(budget.share(steps - first_steps, now - started), steps, figures)
                env.physics.check_overflow(state.env.physics)
                if figures["failed/diverged"]:
                    _dump_crash(run, env, state, progress)
                pending.clear()
                reported = now
            if now - saved > 60 * save_minutes:
                checkpoints.save(state)
                saved = time.monotonic()
            if on_update is not None:
                on_update(state, steps, now - started)
        if pending:
            figures |= _summary(jax.device_get(pending), ppo, time.monotonic() - reported)
        figures["seconds"] = time.monotonic() - (started or compiling)
        progress.report(1.0, steps, figures)
        path = checkpoints.save(state)
        if stop.requested:
            progress.say(f"interrupted; saved {path}. Continue with: zerogap train {run.task} --resume {run.directory}")
    plot_curve(run.directory)
    return TrainResult(run, state, figures, stop.requested)


def _dump_crash(run: Run, env: Env, state: TrainState, progress: TrainingProgress) -> None:
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


def _summary(fetched: list[dict[str, np.ndarray]], ppo: PPO, seconds: float) -> dict[str, float]:
    """Means over the updates since the last report, of a metric over those in which it counted; counts as sums."""
    steps = len(fetched) * ppo.steps_per_update
    figures: dict[str, float] = {}
    for name in fetched[0]:
        values = np.array([m[name] for m in fetched])
        if name.startswith("metric/"):
            values = values[~np.isnan(values)]
        if values.size:
            counts = name in ("ended", "failed") or name.startswith("failed/")
            figures[name] = float(values.sum() if counts else values.mean())
    figures["skipped_updates"] = float(fetched[-1]["skipped_updates"])
    dt = ppo.env.task.control_seconds
    figures["episode_reward_rate"] = figures.pop("reward") / dt
    figures["episode_seconds"] = steps * dt / max(figures["failed"], 1.0)
    figures["steps_per_second"] = steps / seconds
    return figures
