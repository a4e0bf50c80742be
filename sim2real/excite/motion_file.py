"""Motions as files: a CSV of targets, after comments that are TOML. A spreadsheet opens it, and a hand can write one.

    save_motion(motion, Path("chirp.csv"))
    load_motion(Path("chirp.csv"), make_robot)

The comments name the robot and the rate (Hz); everything else may be left out: gains are then the robot's own, and joints
without a column stay in its default pose. Each row holds for a period, 1 / rate:

    # robot = "so101"
    # rate = 50.0
    # kind = "wave"
    seconds, shoulder_pan
    0,       0
    0.02,    0.001
    0.04,    0.003
"""

import csv
import difflib
import io
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assets.errors import UserError
from assets.robots.robot import Robot, RobotError
from assets.whole_file import new_file
from sim2real.excite.motion import MAX_STEPS, Motion, MotionError, Segment

_MAX_BYTES = 1 << 29
_MAX_HEADER_LINES = 10_000
_KINDS: dict[str, Any] = {
    "robot": str,
    "rate": (int, float),
    "kind": str,
    "seed": int,
    "description": str,
    "stiffness": list,
    "damping": list,
    "segments": list,
}
_TOLERANCE = 0.01  # of a period, by which a row's seconds may be off: spreadsheets round


def save_motion(motion: Motion, path: Path) -> None:
    """Whole or not at all. Raises MotionError where there is a file already, or none can be written."""
    with (
        new_file(path, MotionError, "give --out another name, or move it away") as partial,
        partial.open("x", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(f"# {line}\n" for line in _header(motion))
        file.write(",".join(("seconds", *motion.joints)) + "\n")
        for i, row in enumerate(motion.targets.tolist()):
            file.write(",".join((f"{i / motion.rate:.9g}", *map(repr, row))) + "\n")


def load_motion(path: Path, make_robot: Callable[[str], Robot]) -> Motion:
    """`make_robot` gives the robot of a name. Raises MotionError with the line that is wrong."""
    header, rows, first = _read(path)
    robot = _robot(path, header, make_robot)
    columns = _columns(path, first, rows[0], robot)
    rate = float(header["rate"])
    targets = np.tile(np.array(robot.default_pose, float), (len(rows) - 1, 1))
    if not rate > 0 or not len(targets) <= MAX_STEPS:
        raise MotionError(
            f"{path}: {len(targets)} rows at a rate of {rate:g} Hz: expected at most {MAX_STEPS}, and a rate above 0"
        )
    for step, cells in enumerate(rows[1:]):
        values = _numbers(path, first + 1 + step, cells, len(columns) + 1)
        if abs(values[0] * rate - step) > _TOLERANCE:
            raise MotionError(
                f"{path}, line {first + 1 + step}: seconds is {values[0]:g}, expected {step / rate:g}: rows follow each other"
                f" at the rate that the comments give, {rate:g} Hz, from 0 on"
            )
        targets[step, columns] = values[1:]
    try:
        return Motion(
            robot=header["robot"],
            joints=robot.joints,
            rate=rate,
            targets=targets,
            stiffness=_gains(header.get("stiffness"), robot.stiffness),
            damping=_gains(header.get("damping"), robot.damping),
            kind=header.get("kind", "custom"),
            seed=header.get("seed", 0),
            description=header.get("description", ""),
            segments=tuple(_segment(told) for told in header.get("segments", [])),
        )
    except MotionError as error:
        raise MotionError(f"{path}: {error}") from error


def _header(motion: Motion) -> list[str]:
    """Lines of TOML."""
    told = {"robot": motion.robot, "rate": motion.rate, "kind": motion.kind, "seed": motion.seed}
    told |= {"description": motion.description, "stiffness": list(motion.stiffness), "damping": list(motion.damping)}
    lines = [f"{name} = {_toml(value)}" for name, value in told.items()]
    segments = [f"  {{name = {_toml(s.name)}, begin = {s.begin!r}, end = {s.end!r}}}," for s in motion.segments]
    return [*lines, "segments = [", *segments, "]"]


def _toml(value: Any) -> str:
    """A string, a number or a list of numbers: as JSON has it, but for a character and for those beyond 16 bits."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(path: Path) -> tuple[dict[str, Any], list[list[str]], int]:
    """The comments, the rows with that of names first, and the number of its line."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MotionError(f"{path} has {path.stat().st_size} bytes, expected a motion of at most {_MAX_BYTES}")
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # and not at what else Unicode calls a line
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MotionError(f"cannot read the motion {path}: {reason}; `zerogap excite` makes one") from error
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    try:
        if count > _MAX_HEADER_LINES:
            raise MotionError(f"{path} begins with {count} lines of comments, expected at most {_MAX_HEADER_LINES}")
        header = tomllib.loads("\n".join(line[1:].removeprefix(" ") for line in lines[:count]))
        rows = list(csv.reader(io.StringIO("\n".join(lines[count:])), skipinitialspace=True, strict=True))
    except (tomllib.TOMLDecodeError, csv.Error) as error:
        raise MotionError(f"{path} is no motion: {error}. Expected comments as `# rate = 50.0`, then a CSV") from error
    rows = [[cell.strip() for cell in row] for row in rows]
    while rows and not any(rows[-1]):
        rows.pop()
    if len(rows) < 3:
        raise MotionError(f"{path}: expected a line of names, `seconds` first, and lines of numbers; it has {len(rows)} lines")
    _check_header(path, header)
    return header, rows, count + 1


def _check_header(path: Path, header: dict[str, Any]) -> None:
    for name, value in header.items():
        if name not in _KINDS:
            near = difflib.get_close_matches(name, _KINDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there may be: {', '.join(_KINDS)}"
            raise MotionError(f"{path}: unknown entry {name!r} in the comments; {hint}")
        if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise MotionError(f"{path}: {name} is {value!r}, of a kind that it cannot be")
    for name, example in (("robot", '"go2"'), ("rate", "500.0")):
        if name not in header:
            raise MotionError(f"{path} does not tell its {name}: expected a comment such as `# {name} = {example}`")


def _robot(path: Path, header: dict[str, Any], make_robot: Callable[[str], Robot]) -> Robot:
    try:
        return make_robot(header["robot"])
    except RobotError:
        raise
    except UserError as error:
        raise MotionError(f"{path}: {error}") from error


def _columns(path: Path, line: int, names: list[str], robot: Robot) -> list[int]:
    """Which joint each column after the first holds."""
    if names[0] != "seconds":
        raise MotionError(f"{path}, line {line}: the first column is {names[0]!r}, expected 'seconds'")
    for name in names[1:]:
        if name not in robot.joints:
            near = difflib.get_close_matches(name, robot.joints, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(robot.joints)}"
            raise MotionError(f"{path}, line {line}: robot {robot.name!r} has no joint {name!r}; {hint}")
        if names.count(name) > 1:
            raise MotionError(f"{path}, line {line}: the column {name!r} is there more than once")
    return [robot.joints.index(name) for name in names[1:]]


def _numbers(path: Path, line: int, cells: list[str], expected: int) -> list[float]:
    if len(cells) != expected:
        raise MotionError(f"{path}, line {line}: {len(cells)} cells, expected {expected}, as the line of names has")
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise MotionError(f"{path}, line {line}: expected numbers, found {', '.join(cells)}") from error


def _gains(told: list[Any] | None, own: tuple[float, ...]) -> tuple[float, ...]:
    if told is None:
        return own
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in told):
        raise MotionError(f"gains are {told}, expected numbers, one for each joint of the robot")
    return tuple(float(value) for value in told)


def _segment(told: Any) -> Segment:
    try:
        return Segment(str(told["name"]), float(told["begin"]), float(told["end"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MotionError(f'segment {told!r}: expected {{name = "...", begin = 0.0, end = 1.0}}, in s') from error
