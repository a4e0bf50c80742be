"""Tasks by name: a kind of task for a robot, written `robot-kind`; and those from outside (`envs.plugins`)."""

import difflib
from collections.abc import Callable

from assets.robots import GO2
from assets.robots.robot import Robot
from assets.scene import compile_for_physics
from envs import plugins
from envs.env import Env
from envs.task import Task, TaskError
from envs.velocity import velocity_flat
from sim.engine import Room, make_physics

ROBOTS: dict[str, Robot] = {"go2": GO2}
KINDS: dict[str, Callable[[Robot], Task]] = {"velocity-flat": velocity_flat}


def task_names() -> list[str]:
    return [*_own_names(), *find_plugins().tasks]


def find_plugins() -> plugins.Found:
    """The tasks and robots that installed distributions bring."""
    return plugins.find_all(KINDS, own_tasks=_own_names(), own_robots=ROBOTS)


def make_task(name: str) -> Task:
    """The task of that name, or of that `module:attribute`. Raises TaskError with the nearest names where there is none."""
    for robot, description in ROBOTS.items():
        kind = name.removeprefix(f"{robot}-")
        if kind != name and kind in KINDS:
            return KINDS[kind](description)
    if (task := plugins.find_task(name, KINDS)) is not None:
        return task
    names = task_names()
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise TaskError(f"unknown task {name!r}: {hint}there are: {', '.join(names)}; or module:attribute for one of your own")


def _own_names() -> list[str]:
    return [f"{robot}-{kind}" for robot in ROBOTS for kind in KINDS]


def make_env(task: Task, num_envs: int, engine: str | None = None, room: Room | None = None) -> Env:
    """`num_envs` environments of a task on an engine (default: this machine's best)."""
    return Env(task, make_physics(compile_for_physics(task.scene()), num_envs, engine, room))
