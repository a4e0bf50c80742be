"""Tasks by name: a kind of task for a robot, written `robot-kind`."""

import difflib
from collections.abc import Callable

from assets.robots import GO2
from assets.robots.robot import Robot
from assets.scene import compile_for_physics
from envs.env import Env
from envs.rough import velocity_rough
from envs.task import Task, TaskError
from envs.velocity import velocity_flat
from sim.engine import Room, make_physics

ROBOTS: dict[str, Robot] = {"go2": GO2}
KINDS: dict[str, Callable[[Robot], Task]] = {"velocity-flat": velocity_flat, "velocity-rough": velocity_rough}


def task_names() -> list[str]:
    return [f"{robot}-{kind}" for robot in ROBOTS for kind in KINDS]


def make_task(name: str) -> Task:
    """The task of that name. Raises TaskError with the nearest names where there is none."""
    for robot, description in ROBOTS.items():
        kind = name.removeprefix(f"{robot}-")
        if kind != name and kind in KINDS:
            return KINDS[kind](description)
    near = difflib.get_close_matches(name, task_names(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise TaskError(f"unknown task {name!r}: {hint}there are: {', '.join(task_names())}")


def make_env(task: Task, num_envs: int, engine: str | None = None, room: Room | None = None) -> Env:
    """`num_envs` environments of a task on an engine (default: this machine's best)."""
    return Env(task, make_physics(compile_for_physics(task.scene()), num_envs, engine, room))
