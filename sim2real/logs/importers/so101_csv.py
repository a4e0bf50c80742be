"""`--format so101-csv`: an SO-101's motions as `isaac-sim2real/sage` records them, a folder for each.

joint_list.txt      the names of the columns' joints, one a line
control.csv         timestamp (µs), positions: what was commanded (rad), a list in one cell
state_motor.csv     timestamp (µs), positions (rad), velocities (rad/s), torques: lists, each in one cell
event.csv           timestamp (µs), event; may be missing

Velocities and torques may be missing, and a number that is blank or null was not measured. The folder's name is the
excitation. `torques` are the servos' current register, without its sign, times 0.022814: the log has `current`, the register's
count times its 6.5 mA, and no torque. There are no gains: the servo's own acted.

Their frame is taken as ours. What the recordings say of that: where the shoulder's lift, the elbow and the wrist's flex move
against the gravity of our model they draw several times the current that they draw with it, so that these signs are ours; an
offset of theirs cannot be told from friction. Gravity says nothing of the pan, the roll and the jaw.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.robots.so101 import SO101
from sim2real.drivers.feetech.registers import CURRENT_UNIT
from sim2real.logs.importers.csv_rows import Table, number, open_csv, spans
from sim2real.logs.importers.importer import Say, Wanted, order_of, robot_of
from sim2real.logs.robot_log import Event, LogInfo, RobotLog, RobotLogError, Stream

DESCRIPTION = "an SO-101's motion: a folder with control.csv, state_motor.csv, event.csv and joint_list.txt"

_NAMES = {
    "Rotation": "shoulder_pan",
    "Pitch": "shoulder_lift",
    "Elbow": "elbow_flex",
    "Wrist_Pitch": "wrist_flex",
    "Wrist_Roll": "wrist_roll",
    "Jaw": "gripper",
}
_TORQUE_UNIT = 0.022814
"""N m, by which their programme multiplied the count of the current register."""
_STREAMS = {"positions": "position", "velocities": "velocity", "torques": "current"}
_FILES = ("joint_list.txt", "control.csv", "state_motor.csv")
_MAX_LIST_BYTES = 2**16
_MAX_SECONDS = 2**31


def recognises(path: Path, /) -> bool:
    return all((path / name).is_file() for name in _FILES)


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    for name in _FILES:
        if not (path / name).is_file():
            raise RobotLogError(f"{path} lacks {name}: expected a folder with {', '.join(_FILES)}")
    robot = robot_of(path, SO101.name, wanted)
    names = _joint_list(path / _FILES[0])
    order = order_of(path / _FILES[0], "it", [_NAMES.get(name, name) for name in names], robot)
    stamps, commands = _columns(path / "control.csv", (), order, wanted.say)
    measured, states = _columns(path / "state_motor.csv", ("velocities", "torques"), order, wanted.say)
    made = {_STREAMS[name]: Stream(measured, values) for name, values in states.items()}
    if "current" in made:
        made["current"] = Stream(measured, states["torques"] / _TORQUE_UNIT * CURRENT_UNIT)
    made["target"] = Stream(stamps, commands["positions"])
    source = f"{path} (its current has no sign)"
    info = LogInfo(robot.name, robot.joints, excitation=path.resolve().name, source=source)
    return [RobotLog(info, made, _events(path / "event.csv"))]


def _joint_list(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_LIST_BYTES + 1)
        if len(content) > _MAX_LIST_BYTES:
            raise RobotLogError(f"{path} has more than {_MAX_LIST_BYTES} bytes, expected the names of joints")
        names = content.decode("utf-8-sig").split()
    except OSError as error:
        raise RobotLogError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RobotLogError(f"{path} is no text in UTF-8, expected the names of joints") from error
    if not names:
        raise RobotLogError(f"{path} is empty, expected the names of joints, one a line")
    return names


def _columns(path: Path, optional: Sequence[str], order: Sequence[int], say: Say) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Stamps (ns), and by column, positions and those of the optional ones that are there, (samples, joints)."""
    stamps: list[int] = []
    blank: list[int] = []
    with open_csv(path) as table:
        names = ("positions", *(name for name in optional if name in table.header))
        lists: dict[str, list[list[float]]] = {name: [] for name in names}
        clock, places = table.column("timestamp"), [table.column(name) for name in names]
        for line, cells in table.rows():
            if not cells[clock].strip():
                blank.append(line)
                continue
            stamps.append(_stamp(table, line, cells[clock]))
            for name, place in zip(names, places, strict=True):
                lists[name].append(_list(table, line, name, cells[place], len(order)))
            if not all(np.isfinite(values[-1]).all() for values in lists.values()):
                blank.append(line)
    if not stamps:
        raise RobotLogError(f"{path} has no row, expected one for each sample")
    if blank:
        say(
            f"warning: {path}, {spans(blank)}: numbers are lacking: they count as not measured, and what they spoil is left out"
        )
    return np.array(stamps, np.int64), {name: np.array(values)[:, order] for name, values in lists.items()}


def _stamp(table: Table, line: int, cell: str) -> int:
    """ns"""
    microseconds = number(table, line, "timestamp", cell)
    if not 0.0 <= microseconds < 1e6 * _MAX_SECONDS:
        raise RobotLogError(f"{table.path}, line {line}: the stamp is {microseconds:g} µs, expected one from 0 to 2**31 s")
    return round(1e3 * microseconds)


def _list(table: Table, line: int, column: str, cell: str, width: int) -> list[float]:
    if not cell.strip():
        return [math.nan] * width
    try:
        told: Any = json.loads(cell)
        if isinstance(told, list) and len(told) == width:
            return [math.nan if value is None else float(value) for value in told]
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise RobotLogError(f"{table.path}, line {line}, column {column!r}: {cell!r:.60}, expected a list of {width} numbers")


def _events(path: Path) -> tuple[Event, ...]:
    if not path.exists():
        return ()
    with open_csv(path) as table:
        clock, text = table.column("timestamp"), table.column("event")
        return tuple(Event(_stamp(table, line, cells[clock]), cells[text]) for line, cells in table.rows())
