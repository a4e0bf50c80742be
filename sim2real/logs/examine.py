"""`examine(log, robot)`: all checks of this folder on one log."""

from dataclasses import replace

from assets.robots.robot import Robot
from sim2real.logs.check import Check, Finding, Lag, Slope
from sim2real.logs.clocks import check_clocks, relate_clocks
from sim2real.logs.following import check_following
from sim2real.logs.lag import lags
from sim2real.logs.lag_check import check_lags, without_offset
from sim2real.logs.reach import check_reach
from sim2real.logs.resolution import check_resolution, check_saturation
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.stamps import check_stamps
from sim2real.logs.time_base import check_slopes, slopes


def examine(log: RobotLog, robot: Robot | None = None) -> Check:
    """What spoils this log. With the robot's description its limits and its kinematic chains count too; its joints are the
    log's, in the same order."""
    log = replace(log, streams={name: log[name] for name in log})  # read once
    robot = robot if robot is not None and robot.joints == log.info.joints else None
    findings = check_stamps(log) + check_reach(log, robot) + check_resolution(log) + check_saturation(log, robot)
    if any(finding.kind in ("missing", "empty", "short") and finding.severity == "error" for finding in findings):
        return Check(log.name, tuple(findings))
    aligned, relations = relate_clocks(log, robot)
    findings += check_clocks(log, relations)
    clock = aligned["position"].clock
    found: tuple[Slope, ...] = ()
    if "velocity" in aligned and aligned["velocity"].clock == clock:
        found, late = slopes(aligned)
        findings += check_slopes(found, late, log)
    measured: tuple[Lag, ...] = ()
    if "target" in aligned and aligned["target"].clock == clock:
        findings += check_following(aligned)
        relation = relations.get(log["target"].clock)
        measured = without_offset(aligned) if relation is not None and relation.by == "target" else lags(aligned, robot)
        findings += check_lags(measured, aligned)
    elif "target" not in aligned:
        text, cause = "there are no targets", "no lag, gain or friction can be told: record the commands beside the positions"
        findings.append(Finding("missing", "error", "target", "", text, cause))
    return Check(log.name, tuple(findings), measured, found)
