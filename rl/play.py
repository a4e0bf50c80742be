"""A run's policy to look at: as a video, or live in MuJoCo's viewer."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.task import Task
from rl.evaluate import Places, evaluation_key, load_policy, roll_out
from rl.run import Run
from sim.crash import CrashRecord
from sim.render import make_renderer, show_geoms, write_video
from sim.replay import Trajectory

Progress = Callable[[float], None]


def record(
    run: Run,
    path: Path,
    *,
    seconds: float = 20.0,
    seed: int = 1,
    width: int = 960,
    height: int = 540,
    progress: Progress | None = None,
    places: Places | None = None,
) -> None:
    """Film one randomised robot under the run's newest policy, with its commands written into the picture.

    Raises RenderError where there is nothing to render with, and RunError where there is no policy.
    """
    ppo, state = load_policy(run, 1, places=places)
    task = ppo.env.task
    rollout = roll_out(ppo, state, seconds=seconds, seed=seed)
    qpos, command = rollout.qpos[:, 0], rollout.command[:, 0]
    every = max(1, round(1 / 25 / task.control_seconds))  # 25 pictures a second show a gait well
    shown = range(0, len(qpos), every)
    model = task.scene().compile()
    show_geoms(model, ppo.env.physics.model, {name: value[0] for name, value in rollout.fields.items()})
    with make_renderer(model, width, height) as renderer:

        def frames() -> Iterator[np.ndarray]:
            for i in shown:
                fields = task.show(model, command[i]) if task.show else None
                yield _caption(renderer.frame(qpos[i], fields), task, command[i])

        write_video(path, frames(), 1 / (every * task.control_seconds), len(shown), progress)


def record_replay(record: CrashRecord, trajectory: Trajectory, path: Path, progress: Progress | None = None) -> None:
    """Film what the replay of a crash saw, ten times slower than it was. Raises RenderError."""
    finite = [q for q in trajectory.qpos if np.isfinite(q).all()]
    step = float(np.diff(trajectory.seconds[:2])[0]) if len(trajectory.seconds) > 1 else 0.005
    with make_renderer(record.compile_for_pictures()) as renderer:
        write_video(path, (renderer.frame(q) for q in finite), 0.1 / step, len(finite), progress)


def view(run: Run, *, seed: int = 1, places: Places | None = None) -> None:
    """Show the policy in MuJoCo's viewer, in real time, until its window is closed."""
    import mujoco.viewer  # needs a display

    ppo, state = load_policy(run, 1, places=places)
    env, task = ppo.env, ppo.env.task
    env_state = jax.jit(env.reset)(evaluation_key(seed))
    model = task.scene().compile()
    show_geoms(model, env.physics.model, {name: np.asarray(value[0]) for name, value in env_state.physics.fields.items()})
    data = mujoco.MjData(model)
    step = jax.jit(lambda s: env.step(s, ppo.act_in(state, s)))
    with mujoco.viewer.launch_passive(model, data) as viewer:
        while viewer.is_running():
            began = time.monotonic()
            env_state = step(env_state)
            data.qpos[:] = np.asarray(env_state.physics.qpos[0])
            for name, value in (task.show(model, np.asarray(env_state.command[0])) if task.show else {}).items():
                getattr(model, name)[...] = value
            mujoco.mj_forward(model, data)
            viewer.sync()
            time.sleep(max(0.0, task.control_seconds - (time.monotonic() - began)))


def _caption(frame: np.ndarray, task: Task, command: np.ndarray) -> np.ndarray:
    text = "   ".join(f"{name} {value:+.2f}" for name, value in zip(task.command.names, command, strict=True))
    image = Image.fromarray(frame)
    size = max(10, frame.shape[0] // 30)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    draw.text((size, frame.shape[0] - 2 * size), text, font=font, fill="white", stroke_width=2, stroke_fill="black")
    return np.asarray(image)
