"""Tasks by name: a kind of task for a robot that it fits, written `robot-kind`; and those from outside (`envs.plugins`)."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot, RobotError
from envs import plugins, push, reach, rough, velocity
from envs.check import scene_model
from envs.env import Env
from envs.task import Task, TaskError
from sim.devices import Devices
from sim.engine import Room, make_physics


@dataclass(frozen=True)
class Kind:
    """A kind of task."""

    description: str
    task: Callable[[Robot], Task]
    robots: tuple[str, ...]
    """Those of `ROBOTS` that it fits."""


KINDS: dict[str, Kind] = {
    "velocity-flat": Kind(velocity.DESCRIPTION, velocity.velocity_flat, robots=("go2",)),
    "velocity-rough": Kind(rough.DESCRIPTION, rough.velocity_rough, robots=("go2",)),
    "reach": Kind(reach.DESCRIPTION, reach.reach, robots=("so101", "panda")),
    "push": Kind(push.DESCRIPTION, push.push, robots=("panda",)),
}

_MAKERS = {name: kind.task for name, kind in KINDS.items()}


def task_descriptions() -> dict[str, str]:
    """What each task asks, by its name: our own, then those that installed distributions bring."""
    return _own_tasks() | find_plugins().tasks


def find_plugins() -> plugins.Found:
    """The tasks and robots that installed distributions bring."""
    return plugins.find_all(_MAKERS, own_tasks=_own_tasks(), own_robots=ROBOTS)


def make_task(name: str) -> Task:
    """The task of that name, or of that `module:attribute`. Raises TaskError with the nearest names where there is none."""
    for kind_name, kind in KINDS.items():
        robot = name.removesuffix(f"-{kind_name}")
        if robot in kind.robots and robot != name:
            return kind.task(ROBOTS[robot]())
    if (task := plugins.find_task(name, _MAKERS)) is not None:
        return task
    names = task_descriptions()
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise TaskError(f"unknown task {name!r}: {hint}there are: {', '.join(names)}; or module:attribute for one of your own")


def make_robot(name: str) -> Robot:
    """The robot of that name, or of that `module:attribute`. Raises RobotError with the nearest names where there is none."""
    if name in ROBOTS:
        return ROBOTS[name]()
    if (robot := plugins.find_robot(name)) is not None:
        return robot
    near = difflib.get_close_matches(name, ROBOTS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise RobotError(f"unknown robot {name!r}: {hint}there are: {', '.join(ROBOTS)}; or module:attribute for one of your own")


def make_env(
    task: Task, num_envs: int, engine: str | None = None, room: Room | None = None, devices: Devices | None = None
) -> Env:
    """`num_envs` environments of a task on an engine (default: this machine's best), divided among devices."""
    return Env(task, make_physics(scene_model(task), num_envs, engine, room, devices), devices)


def _own_tasks() -> dict[str, str]:
    return {f"{robot}-{name}": kind.description for name, kind in KINDS.items() for robot in kind.robots}
