"""A log whose streams can be laid beside one another: `comparable(log, robot)`."""

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.breaks import without_breaks
from sim2real.logs.clocks import check_clocks, relate_clocks
from sim2real.logs.order import in_order
from sim2real.logs.robot_log import RobotLog, RobotLogError
from sim2real.logs.split import commanded

_COMMANDS = ("target", "target_velocity", "feedforward", "stiffness", "damping")


def comparable(log: RobotLog, robot: Robot | None = None) -> RobotLog:
    """The log with its samples in order, those not measured that no motion explains, and its commands by the positions' clock,
    from its first target to its last. What was done to it is in its notes; once it is so, nothing is done.

    Raises RobotLogError where stamps run back as those of two recordings do, and where nothing relates the clock of commands
    to that of the positions.
    """
    log.require("position")
    log = in_order(log)
    if not len(log["position"]):
        return log
    log = without_breaks(log)
    others = [name for name in _COMMANDS if name in log and log[name].clock != log["position"].clock]
    return commanded(_by_one_clock(log, robot, others) if others else log)


def _by_one_clock(log: RobotLog, robot: Robot | None, others: list[str]) -> RobotLog:
    aligned, relations = relate_clocks(log, robot)
    for clock, finding in zip(relations, check_clocks(log, relations), strict=True):
        text = f"{log.name}: {finding.text}: {finding.consequence}"
        if relations[clock] is None and any(_matters(log, name) for name in others if log[name].clock == clock):
            raise RobotLogError(text)
        aligned = aligned.with_note(text)
    return aligned


def _matters(log: RobotLog, name: str) -> bool:
    """Whether it matters when a command was sent: one that never changed holds at any time."""
    return len(log[name]) > 1 and bool((np.nan_to_num(log[name].values) != np.nan_to_num(log[name].values[0])).any())
