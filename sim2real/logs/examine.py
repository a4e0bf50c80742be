"""`examine(log, robot)`: all checks of this folder on one log; `faults(log, robot)`: those that are quick, all but the lags."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from assets.robots.robot import Robot
from sim2real.logs.breaks import seams, seams_in_words
from sim2real.logs.check import Check, Finding, Lag, Slope
from sim2real.logs.clocks import Relation, check_clocks, relate_clocks
from sim2real.logs.following import check_following
from sim2real.logs.lag import lags
from sim2real.logs.lag_check import check_lags, without_offset
from sim2real.logs.order import in_order
from sim2real.logs.reach import check_reach
from sim2real.logs.resolution import check_resolution, check_saturation
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.split import liveliest, stretches, uncommanded
from sim2real.logs.stamps import check_length, check_stamps
from sim2real.logs.time_base import check_slopes, slopes
from sim2real.logs.unknown import check_unknown, filled, told

LONGEST = 600.0
"""Of what is examined (s): more takes memory and tells nothing new."""
_HOPELESS = ("missing", "empty", "short", "rate", "order")


@dataclass(frozen=True, eq=False)
class Faults:
    """What quick checks find in a log."""

    findings: tuple[Finding, ...]
    log: RobotLog | None = None
    """What was compared: numbers only, in order, by one clock as far as that can be told; None where there is too little."""
    slopes: tuple[Slope, ...] = ()
    relations: Mapping[str, Relation | None] = field(default_factory=dict)
    """Of each other clock to that of the positions."""


def faults(log: RobotLog, robot: Robot | None = None) -> Faults:
    """What spoils this log, but for what its lags tell. With the robot's description its limits and its kinematic chains count
    too; its joints are the log's, in the same order. Of a log of many stretches or hours a part is compared, which a finding
    says."""
    log = replace(log, streams={name: log[name] for name in log})  # read once
    robot = robot if robot is not None and robot.joints == log.info.joints else None
    findings = check_stamps(log)
    if any(finding.kind in _HOPELESS and finding.severity == "error" for finding in findings):
        return Faults((*findings, *(check_reach(log, robot) if "position" in log else ())))
    findings += check_unknown(log)
    aligned, relations = relate_clocks(filled(in_order(log), robot), robot)
    findings += check_clocks(log, relations)
    parts = stretches(aligned)
    if text := uncommanded(aligned):
        cause = f"what is examined is the longest of {len(parts)} stretches, of {parts[0].seconds:.3g} s"
        findings.append(Finding("uncommanded", "warning", "target", "", text.removeprefix(f"{aligned.name}: "), cause))
    part = liveliest(parts[0], LONGEST)
    if part is not parts[0]:
        cause = f"what is examined are the {LONGEST:g} s in which its joints move most; part it to have all of it examined"
        text = f"the recording lasts {parts[0].seconds:.0f} s"
        findings.append(Finding("long", "note", "", "", text, cause, {"seconds": parts[0].seconds}))
    part = told(part)
    if short := [finding for finding in check_length(part) if finding.severity == "error"]:
        if text:
            short = [replace(finding, text=f"where there are targets, {finding.text}") for finding in short]
        return Faults((*findings, *short))
    if len(seam := seams(part)):
        cause = "rows are missing there or came twice: what lies across is left out, and lags are those of the rest"
        findings.append(Finding("seam", "warning", "position", "", seams_in_words(part, seam), cause, {"count": len(seam)}))
    findings += check_reach(part, robot) + check_resolution(part) + check_saturation(part, robot)
    clock = part["position"].clock
    found: tuple[Slope, ...] = ()
    if "velocity" in part and part["velocity"].clock == clock:
        found, late = slopes(part)
        findings += check_slopes(found, late, part)
    if "target" in part and part["target"].clock == clock:
        findings += check_following(part)
    elif "target" not in part:
        text, cause = "there are no targets", "no lag, gain or friction can be told: record the commands beside the positions"
        findings.append(Finding("missing", "error", "target", "", text, cause))
    if lacking := [name for name in ("stiffness", "damping") if name not in log and robot is not None and not robot.servos]:
        text, cause = (
            "there are no gains",
            "nobody knows what torque a target stood for: record those sent, or name them importing",
        )
        findings.append(Finding("missing", "error", lacking[0], "", text, cause))
    return Faults(tuple(findings), part, found, relations)


def examine(log: RobotLog, robot: Robot | None = None) -> Check:
    """What spoils this log, as `faults`, and how late its joints answer."""
    found = faults(log, robot)
    part, findings = found.log, found.findings
    measured: tuple[Lag, ...] = ()
    if part is not None and "target" in part and part["target"].clock == part["position"].clock:
        relation = found.relations.get(log["target"].clock)
        known = robot if robot is not None and robot.joints == log.info.joints else None
        measured = without_offset(part) if relation is not None and relation.by == "target" else lags(part, known)
        findings += tuple(check_lags(measured, part))
    return Check(log.name, findings, measured, found.slopes)
