"""Recordings to learn from and recordings to judge by, in whatever format: `read_recordings`.

logs, held = read_recordings(GO2, (Path("air.mcap"),), (), tail=0.4, say=print)
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from assets.robots.robot import Robot
from sim2real.logs.comparable import comparable
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.importers.registry import import_logs
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.split import split_tail


def read_recordings(
    robot: Robot, paths: Sequence[Path], holdout: Sequence[Path], tail: float | None, say: Callable[[str], None]
) -> tuple[list[RobotLog], list[RobotLog]]:
    """Logs to learn from and logs held out. A share `tail` of each of the first, at its end, is held out as well.

    Read are stored logs, and formats that are plain by their looks; of each, the time in which the robot was commanded, its
    samples in order and its commands by the positions' clock.
    `say` is told what is wrong with a recording that can be read nevertheless. Raises RobotLogError where one cannot.
    """
    wanted = Wanted(robot=robot, say=say)
    logs, held = (
        [comparable(log, robot) for path in group for log in import_logs(path, None, wanted)] for group in (paths, holdout)
    )
    if tail is None:
        return logs, held
    parts = [split_tail(log, tail) for log in logs]
    return [first for first, _ in parts], held + [last for _, last in parts]
