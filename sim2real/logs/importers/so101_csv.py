"""`--format so101-csv`: an SO-101's motions as `isaac-sim2real/sage` records them, a folder for each.

joint_list.txt      the names of the columns' joints, one a line
control.csv         timestamp (µs), positions: what was commanded (rad), a list in one cell
state_motor.csv     timestamp (µs), positions (rad), velocities (rad/s), torques: lists, each in one cell
event.csv           timestamp (µs), event; may be missing

The folder's name is the excitation. `torques` are the servos' current register, without its sign, times 0.022814: the log has
`current`, the register's count times its 6.5 mA, and no torque. There are no gains: the servo's own acted.

Their frame is taken as ours. What the recordings say of that: where the shoulder's lift, the elbow and the wrist's flex move
against the gravity of our model they draw several times the current that they draw with it, so that these signs are ours; an
offset of theirs cannot be told from friction. Gravity says nothing of the pan, the roll and the jaw.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.robots.so101 import SO101
from sim2real.drivers.feetech.registers import CURRENT_UNIT
from sim2real.logs.importers.csv_rows import Table, number, open_csv
from sim2real.logs.importers.importer import Wanted, order_of, robot_of
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
    stamps, (target,) = _columns(path / "control.csv", ("positions",), order)
    measured, (position, velocity, torque) = _columns(path / "state_motor.csv", ("positions", "velocities", "torques"), order)
    streams = {"position": position, "velocity": velocity, "current": torque / _TORQUE_UNIT * CURRENT_UNIT}
    made = {name: Stream(measured, values) for name, values in streams.items()} | {"target": Stream(stamps, target)}
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


def _columns(path: Path, names: Sequence[str], order: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Stamps (ns), and (samples, joints) for each of the named columns."""
    stamps: list[int] = []
    lists: list[list[list[float]]] = [[] for _ in names]
    with open_csv(path) as table:
        clock, places = table.column("timestamp"), [table.column(name) for name in names]
        for line, cells in table.rows():
            stamps.append(_stamp(table, line, cells[clock]))
            for values, name, place in zip(lists, names, places, strict=True):
                values.append(_list(table, line, name, cells[place], len(order)))
    if not stamps:
        raise RobotLogError(f"{path} has no row, expected one for each sample")
    return np.array(stamps, np.int64), [np.array(values)[:, order] for values in lists]


def _stamp(table: Table, line: int, cell: str) -> int:
    """ns"""
    microseconds = number(table, line, "timestamp", cell)
    if not 0.0 <= microseconds < 1e6 * _MAX_SECONDS:
        raise RobotLogError(f"{table.path}, line {line}: the stamp is {microseconds:g} µs, expected one from 0 to 2**31 s")
    return round(1e3 * microseconds)


def _list(table: Table, line: int, column: str, cell: str, width: int) -> list[float]:
    try:
        told: Any = json.loads(cell)
        if isinstance(told, list) and len(told) == width:
            return [float(value) for value in told]
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise RobotLogError(f"{table.path}, line {line}, column {column!r}: {cell!r:.60}, expected a list of {width} numbers")


def _events(path: Path) -> tuple[Event, ...]:
    if not path.exists():
        return ()
    with open_csv(path) as table:
        clock, text = table.column("timestamp"), table.column("event")
        return tuple(Event(_stamp(table, line, cells[clock]), cells[text]) for line, cells in table.rows())
