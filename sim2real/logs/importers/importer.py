"""What every importer has in common: `Importer`, what it is told (`Wanted`), and names matched to a robot's joints.

An importer is a module with the two functions of `Importer`; `sim2real.logs.importers.registry` knows them by format. It says
what the files say, and nothing else: stamps are kept as they are, doubled or running backwards, for `zerogap logs check` to
find; a stream that was not recorded is not made up.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot
from sim2real.logs.robot_log import RobotLog, RobotLogError

Advance = Callable[[float], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What whoever imports says of a recording, for formats that do not say it themselves."""

    robot: Robot | None = None
    map: Path | None = None
    """The mapping file of a CSV."""
    calibration: Path | None = None
    """Of LeRobot, for its data sets."""
    units: str | None = None
    """Of LeRobot's joint positions."""
    topics: Mapping[str, str] = field(default_factory=dict)
    """Of a ROS 2 bag, by what is on them."""
    episode: int | None = None
    """The one to read; all of them by default."""
    advance: Advance = lambda _: None
    """Is told the share done."""
    say: Say = lambda _: None
    """Is told what is wrong with a recording that can be read nevertheless."""


class Importer(Protocol):
    """One format."""

    DESCRIPTION: str
    """What it reads, in a line."""

    def recognises(self, path: Path, /) -> bool:
        """Whether that file or folder is plainly one of this format. Never raises."""
        ...

    def read(self, path: Path, wanted: Wanted, /) -> list[RobotLog]:
        """The recordings in it, at least one. Raises RobotLogError."""
        ...


def robot_of(path: Path, name: str, wanted: Wanted) -> Robot:
    """The robot that a recording names, or the one that is wanted, which must bear that name. Raises RobotLogError."""
    if wanted.robot is not None:
        if name and wanted.robot.name != name:
            raise RobotLogError(f"{path} is a recording of {name!r}, expected {wanted.robot.name!r}")
        return wanted.robot
    if name in ROBOTS:
        return ROBOTS[name]()
    if not name:
        raise RobotLogError(f"{path} does not say of which robot it is: name it with --robot; there are {', '.join(ROBOTS)}")
    near = difflib.get_close_matches(name, ROBOTS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise RobotLogError(
        f"{path}: unknown robot {name!r}: {hint}there are {', '.join(ROBOTS)};"
        " name one of your own with --robot module:attribute"
    )


def order_of(path: Path, where: str, names: Sequence[str], robot: Robot) -> list[int]:
    """Which of the named columns is that of each joint of the robot, in policy order.

    Raises RobotLogError where names are missing, not the robot's, or there twice; `where` says where they stand.
    """
    unknown = [name for name in names if name not in robot.joints]
    lacking = [joint for joint in robot.joints if joint not in names]
    if len(unknown) == len(names) or (unknown and not lacking):
        raise RobotLogError(
            f"{path}: {where} has the joints {', '.join(names) or 'none'}; {robot.name!r} has {', '.join(robot.joints)}."
            " Is it a recording of another robot?"
        )
    if unknown:
        near = difflib.get_close_matches(unknown[0], robot.joints, n=2)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(robot.joints)}"
        raise RobotLogError(f"{path}: {where} has a joint {unknown[0]!r}, which {robot.name!r} lacks; {hint}")
    if lacking:
        raise RobotLogError(f"{path}: {where} lacks {', '.join(lacking)} of {robot.name!r}; it has {', '.join(names)}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise RobotLogError(f"{path}: {where} has the joint {twice[0]!r} twice")
    return [names.index(joint) for joint in robot.joints]
