"""`zerogap logs check`: what spoils a calibration on a log, in the terminal.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from assets.robots.robot import Robot
    from sim2real.logs.check import Check, Verdict
    from sim2real.logs.robot_log import RobotLog

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)
_MARKS = {"error": "[red]error[/]  ", "warning": "[yellow]warning[/]", "note": "[dim]note[/]   "}


def check(
    logs: tyro.conf.Positional[tuple[Path, ...]],
    /,
    robot: str | None = None,
    plot: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Find what spoils a calibration on logs, and what follows from it.

    Example: zerogap logs check logs/chirp.mcap --plot check.png

    Looked at are stamps, clocks, the time base, resolution and limits, signs and units, and how late each joint answers its
    commands, with intervals of 95 %; then which parameters of the robot the log can tell. Ends with an error where a
    calibration on one of the logs would mean nothing.

    Args:
        logs: files that `zerogap logs import` wrote.
        robot: go2, so101 or panda, or module:attribute for one of your own; by default the one that the log names.
        plot: draw the evidence into this file (.png, .pdf, .svg); with several logs, one file each.
        json_file: write the findings to this file.
    """
    from sim2real.logs.check_picture import draw_check
    from sim2real.logs.examine import examine
    from sim2real.logs.robot_log import RobotLogError
    from sim2real.logs.store import open_log

    if not logs:
        raise RobotLogError("no log was named: expected one or more files that `zerogap logs import` wrote")
    opened = [open_log(path) for path in logs]
    checks = []
    for path, log in zip(logs, opened, strict=True):
        with _console.status(f"examining {escape(path.name)}"):
            known = _robot_of(log, robot)
            found = examine(log, known)
            if known is not None and not found.is_meaningless:
                found = replace(found, verdicts=_verdicts(log, known))
        _print_check(found)
        if plot is not None:
            picture = plot if len(logs) == 1 else plot.with_stem(f"{plot.stem}-{path.stem}")
            draw_check(log, found, picture)
            print(f"picture    {picture}")
        checks.append({"file": str(path), "content_hash": log.content_hash} | found.to_json())
    told = {"logs": checks, "is_meaningless": any(entry["is_meaningless"] for entry in checks)}
    if told["is_meaningless"]:
        if json_file is not None:
            from assets.json_file import write_json

            write_json(json_file, told)
        raise SystemExit(1)
    return told


def _verdicts(log: "RobotLog", robot: "Robot") -> "tuple[Verdict, ...]":
    """By parameter; none, with a note, where the log cannot be replayed."""
    from assets.errors import UserError
    from sim2real.calibrate.identifiability import identifiability
    from sim2real.logs.check import Verdict

    try:
        judged = identifiability(robot, log)
    except UserError as error:
        _console.print(f"{_MARKS['note']} what it can tell of parameters is not known: {escape(str(error))}", highlight=False)
        return ()
    return tuple(
        Verdict(j.parameter, "identifiable" if j.verdict == "identified" else j.verdict, j.relative_error, j.text)
        for j in judged
    )


def _robot_of(log: "RobotLog", name: str | None) -> "Robot | None":
    """The robot that was named, or the log's own; None, with a warning, where nobody knows that one."""
    from assets.errors import UserError
    from assets.robots.built_in import ROBOTS
    from sim2real.logs.robot_log import RobotLogError

    wanted = name or log.info.robot
    try:
        if wanted in ROBOTS:
            robot = ROBOTS[wanted]()
        else:
            from envs.registry import make_robot

            robot = make_robot(wanted)
    except UserError as error:
        if name is not None:
            raise
        _console.print(
            f"{_MARKS['warning']} {escape(log.name)}: its limits are not known: {escape(str(error))}", highlight=False
        )
        return None
    if robot.joints != log.info.joints:
        raise RobotLogError(
            f"{log.name}: its joints are {', '.join(log.info.joints)}, those of {robot.name} are {', '.join(robot.joints)}:"
            " name the robot that was recorded with --robot"
        )
    return robot


def _print_check(found: "Check") -> None:
    print(found.log)
    for finding in found.by_severity:
        _console.print(f"{_MARKS[finding.severity]} {finding.kind}: {escape(finding.text)}", highlight=False, soft_wrap=True)
        _console.print(f"        {escape(finding.consequence)}", style="dim", highlight=False, soft_wrap=True)
    if found.lags:
        width = max(len(lag.joint) for lag in found.lags)
        print(f"{'joint':{width}}  delay (ms)  95 % interval      follows after (ms)  explained")
        for lag in found.lags:
            if lag.reason:
                print(f"{lag.joint:{width}}  {'-':>10}  {lag.reason}")
                continue
            low, high = 1e3 * lag.delay.low, 1e3 * lag.delay.high
            row = f"{1e3 * lag.delay.value:10.2f}  {low:7.2f} to {high:7.2f}  {1e3 * lag.following:18.0f}  {lag.explained:9.3f}"
            print(f"{lag.joint:{width}}  {row}")
    for verdict in found.verdicts:
        print(f"{verdict.parameter}: {verdict.verdict} (error {verdict.relative_error:.1%}): {verdict.text}")
    counts = {severity: sum(f.severity == severity for f in found.findings) for severity in _MARKS}
    print(", ".join(f"{count} {severity}s" for severity, count in counts.items()))


COMMANDS: dict[str, Callable[..., Any]] = {"logs check": check}
