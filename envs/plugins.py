"""Tasks and robots from outside: of installed distributions, by entry point, and of any module, by `module:attribute`.

A distribution that brings some says so in its pyproject.toml, and `zerogap list` shows them:

    [project.entry-points."zerogap.tasks"]
    arm-track = "my_arm:track"              # zerogap train arm-track

    [project.entry-points."zerogap.robots"]
    spot = "my_robots:SPOT"                 # zerogap train spot-velocity-flat

Without any of that, `zerogap train my_arm:track` and `zerogap train my_robots:SPOT-velocity-flat` find the same in a module of
the working directory or on Python's path. What is named is a `Task` or a `Robot`, or a function without arguments that gives
one; a terrain is part of a task, as in `velocity_rough(robot, terrain)`.
"""

import difflib
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from assets.robots.robot import Robot, RobotError
from assets.terrains import Terrain
from envs.task import Task, TaskError

Kinds = Mapping[str, Callable[[Robot], Task]]
"""Kinds of task by name: what makes one for a robot, or raises RobotError or TaskError where it does not suit."""

_GROUPS: dict[type, str] = {Task: "zerogap.tasks", Robot: "zerogap.robots"}
_NAME = re.compile(r"\w[\w.-]*")
_MODULE = re.compile(r"[\w-]+(\.[\w-]+)*")

T = TypeVar("T", Task, Robot)


@dataclass(frozen=True)
class Found:
    """What the installed distributions bring."""

    tasks: dict[str, str]
    """Descriptions by name; a robot's tasks are those kinds that suit it."""
    robots: tuple[str, ...]
    problems: tuple[str, ...]
    """What cannot be used, and why."""


def find_task(name: str, kinds: Kinds) -> Task | None:
    """The task of a `module:attribute`, `module:attribute-kind` or an entry point's name; None where no entry point has it.

    Raises TaskError where there is one that cannot be used.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        attribute, _, kind = attribute.partition("-")
        if not kind:
            return _load(name, Task)
        if kind not in kinds:
            raise TaskError(f"unknown kind of task {kind!r} in {name!r}; {_nearest(kind, kinds)}")
        return kinds[kind](_load(f"{module}:{attribute}", Robot))
    if name in (tasks := _offers(Task)):
        return _load_offered(tasks[name], Task)
    for robot, offers in _offers(Robot).items():
        kind = name.removeprefix(f"{robot}-")
        if kind != name and kind in kinds:
            return kinds[kind](_load_offered(offers, Robot))
    return None


def find_robot(name: str) -> Robot | None:
    """The robot of a `module:attribute` or an entry point's name; None where no entry point has it.

    Raises TaskError where there is one that cannot be used.
    """
    if ":" in name:
        return _load(name, Robot)
    offers = _offers(Robot)
    return _load_offered(offers[name], Robot) if name in offers else None


def find_all(kinds: Kinds, own_tasks: Collection[str] = (), own_robots: Collection[str] = ()) -> Found:
    """All that entry points bring. What bears the name of one of our own tasks or robots is a problem: ours come first."""
    tasks: dict[str, str] = {}
    problems: list[str] = []

    def load(kind: type[T], own: Collection[str]) -> dict[str, T]:
        loaded = {}
        for name, offers in _offers(kind).items():
            try:
                if name in own:
                    told = f"{_by(offers[0])} is hidden by zerogap's own of that name: call it {offers[0].value}"
                    raise TaskError(f"the {_noun(kind)} {name!r} {told}")
                loaded[name] = _load_offered(offers, kind)
            except TaskError as error:
                problems.append(str(error))
        return loaded

    robots = load(Robot, own_robots)
    for robot_name, robot in robots.items():
        for kind_name, kind in kinds.items():
            try:
                tasks[f"{robot_name}-{kind_name}"] = kind(robot).description
            except (RobotError, TaskError):
                continue  # it does not suit this robot
            except Exception as error:
                problems.append(f"{robot_name}-{kind_name} cannot be made: {_tell(error)}")
    tasks |= {name: task.description for name, task in load(Task, own_tasks).items()}
    return Found(tasks, tuple(robots), tuple(problems))


# Entry points


def _offers(kind: type) -> dict[str, list[EntryPoint]]:
    """The entry points of a group by name, in alphabetical order."""
    offers: dict[str, list[EntryPoint]] = {}
    for point in sorted(importlib.metadata.entry_points(group=_GROUPS[kind]), key=lambda p: (p.name, p.value)):
        offers.setdefault(point.name, []).append(point)
    return offers


def _load_offered(offers: list[EntryPoint], kind: type[T]) -> T:
    point = offers[0]
    title = f"the {_noun(kind)} {point.name!r}"
    if len({offer.value for offer in offers}) > 1:
        told = " and ".join(f"{_by(offer)} as {offer.value}" for offer in offers)
        raise TaskError(f"{title} is there more than once, {told}: name the one that you want by module:attribute")
    if not _NAME.fullmatch(point.name):
        raise TaskError(f"{title} {_by(point)}: expected a name of letters, digits, '-', '_' and '.'")
    try:
        return _load(point.value, kind)
    except TaskError as error:
        raise TaskError(f"{title} {_by(point)} cannot be used: {error}") from error


def _by(point: EntryPoint) -> str:
    return f"of the distribution {point.dist.name if point.dist else 'unknown'}"


# Modules and what is in them


def _load(reference: str, kind: type[T]) -> T:
    module_name, _, attribute = reference.replace(" ", "").partition(":")
    if not module_name or not attribute:
        raise TaskError(f"{reference!r} names nothing: expected module:attribute, such as my_arm:track")
    if not _MODULE.fullmatch(module_name) or module_name.endswith(".py"):
        meant = module_name.removesuffix(".py").strip("./\\").replace("/", ".").replace("\\", ".")
        raise TaskError(
            f"{reference!r} names no module: expected it as `import` takes it, such as {meant or 'my_arm'}:{attribute}"
        )
    module = _import(module_name)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            have = [name for name, other in vars(module).items() if isinstance(other, Task | Robot) or _is_own(other, module)]
            where = getattr(module, "__file__", None) or "built in"
            raise TaskError(f"module {module_name!r} ({where}) has no {attribute!r}; {_nearest(attribute, have)}")
        value = getattr(value, part)
    return _as(kind, value, reference)


def _import(name: str) -> ModuleType:
    if not {"", str(Path.cwd())} & set(sys.path):
        # At the end: a user's folder must hide nothing that is installed.
        sys.path.append(str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            near = difflib.get_close_matches(name, [module.name for module in pkgutil.iter_modules([str(Path.cwd())])], n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise TaskError(
                f"there is no module {error.name!r}: {hint}it is looked for in {Path.cwd()} and on Python's path (PYTHONPATH)"
            ) from error
        raise TaskError(f"module {name!r} fails on import: {_tell(error)}") from error


def _as(kind: type[T], value: Any, reference: str) -> T:
    expected = f"expected a {kind.__name__}, or a function without arguments that gives one"
    if not isinstance(value, kind | Terrain) and callable(value) and not inspect.isclass(value):
        try:
            inspect.signature(value).bind()
        except TypeError as error:
            raise TaskError(f"{reference} is a function of {inspect.signature(value)}: {expected}") from error
        try:
            value = value()
        except (TaskError, RobotError) as error:
            raise TaskError(f"{reference}: {error}") from error
        except Exception as error:
            raise TaskError(f"{reference} fails: {_tell(error)}") from error
    if isinstance(value, kind):
        robot = value.robot if isinstance(value, Task) else value
        try:
            robot.check()
        except RobotError as error:
            raise TaskError(f"{reference}: {error}") from error
        return value
    hint = ""
    if isinstance(value, Robot):
        hint = f". For a task of this robot: {reference}-KIND, such as {reference}-velocity-flat"
    elif isinstance(value, Terrain):
        hint = ". A terrain is part of a task, as in velocity_rough(robot, terrain) of envs.rough: name that task"
    raise TaskError(f"{reference} is a {type(value).__name__}: {expected}{hint}")


def _is_own(value: Any, module: ModuleType) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__


def _tell(error: BaseException) -> str:
    """The error and where it was raised, in a line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames and not isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {error}{place}"


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"


def _noun(kind: type) -> str:
    return kind.__name__.lower()
