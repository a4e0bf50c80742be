"""`--format csv`: any CSV file with a header, by a mapping file in TOML (`--map`) that says what its columns mean.

    robot = "go2"
    excitation = "chirp"                        # what moved it
    is_suspended = true                         # by default: whether the base was held
    joints = ["FR_hip_joint", ...]              # in the order of the columns; by default the robot's own

    [time]
    column = "t"
    unit = "ms"                                 # s, ms, us or ns
    # rate = 200.0                              # Hz, instead: there are no stamps

    [rows]                                      # optional: which of them count
    first = 100                                 # from 0, the row below the header
    last = 8000
    only = { state = 2 }                        # where these columns have these values

    [streams.position]
    columns = "q{}"                             # q0, q1, ... of the joints; or one column for all, or a list of columns
    unit = "deg"
    sign = { "*_calf_joint" = -1 }              # by patterns of joints' names, of which the last that matches counts
    scale = 1.0                                 # one number for all, or by patterns, too
    offset = { FR_hip_joint = 0.1 }             # in the stream's unit, after sign and scale

    [streams.stiffness]
    value = 20.0                                # of all joints: there is no column, it never changed

What streams there may be, and their units, is `KINDS` of sim2real/logs/robot_log.py. The file is strict: an entry that is not
known is refused, with the nearest that is.
"""

import difflib
import math
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.importers.csv_map import Columns, CsvMap, Rate, Time, read_mapped
from sim2real.logs.importers.importer import Wanted, order_of, robot_of
from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError
from sim2real.twin.gap import GapError, Values

DESCRIPTION = "any CSV file, with a mapping file (--map) that says what its columns mean"

UNITS: dict[str, dict[str, float]] = {
    "rad": {"rad": 1.0, "deg": math.pi / 180, "turn": 2 * math.pi},
    "rad/s": {"rad/s": 1.0, "deg/s": math.pi / 180, "rpm": 2 * math.pi / 60},
    "N m": {"N m": 1.0, "N mm": 1e-3, "N cm": 1e-2, "kgf cm": 0.0980665},
    "A": {"A": 1.0, "mA": 1e-3},
    "°C": {"°C": 1.0},
    "N m/rad": {"N m/rad": 1.0, "N m/deg": 180 / math.pi},
    "N m s/rad": {"N m s/rad": 1.0, "N m s/deg": 180 / math.pi},
    "m": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
    "m/s²": {"m/s²": 1.0, "m/s^2": 1.0, "g": 9.80665},
}
"""What a column may be in, by the unit of its stream."""
_SECONDS = {"s": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "ns": 1e9}
_MAX_BYTES = 2**20
_MAX_RATE = 1e6


def recognises(path: Path, /) -> bool:
    return False  # without its mapping file, no CSV file is plain


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    if wanted.map is None:
        raise RobotLogError(
            f"{path}: what its columns mean is not known; say so in a mapping file, with --map FILE. Its form is told by"
            " `zerogap logs import --help`"
        )
    return [read_mapped(path, load_map(wanted.map, wanted), wanted.advance, wanted.say)]


def load_map(path: Path, wanted: Wanted) -> CsvMap:
    """The mapping in a TOML file. Raises RobotLogError unless all in it is known and of its type."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise RobotLogError(f"{path} has more than {_MAX_BYTES // 2**20} MiB, expected a mapping in TOML")
        told = tomllib.loads(content.decode())
        return _mapping(path, told, wanted)
    except OSError as error:
        raise RobotLogError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RobotLogError(f"{path} is no text in UTF-8, expected a mapping in TOML") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RobotLogError(f"{path} is no TOML: {error}") from error
    except GapError as error:  # of patterns that match nothing
        raise RobotLogError(f"{path}: {error}") from error
    except RobotLogError as error:
        raise error if str(path) in str(error) else RobotLogError(f"{path}: {error}") from error


def _mapping(path: Path, told: dict[str, Any], wanted: Wanted) -> CsvMap:
    texts = ("robot", "excitation", "licence")
    _expect_known("entry", told, (*texts, "is_suspended", "joints", "time", "rows", "streams"))
    for name in texts:
        if not isinstance(told.get(name, ""), str):
            raise RobotLogError(f"{name} is {told[name]!r:.60}, expected a text")
    robot = robot_of(path, told.get("robot", ""), wanted)
    joints = told.get("joints", list(robot.joints))
    if not isinstance(joints, list) or not all(isinstance(joint, str) for joint in joints):
        raise RobotLogError(f"joints is {joints!r:.60}, expected a list of names")
    if not isinstance(told.get("is_suspended", True), bool):
        raise RobotLogError(f"is_suspended is {told['is_suspended']!r:.60}, expected true or false")
    order = order_of(path, "`joints`", joints, robot)
    sections = told.get("streams")
    if not isinstance(sections, dict) or not sections:
        raise RobotLogError("there is no section [streams.NAME]: expected one for each stream, such as [streams.position]")
    _expect_known("stream", sections, KINDS)
    constants = {name: _constant(name, s, robot) for name, s in sections.items() if "value" in _section(name, s)}
    streams = {name: _columns(name, s, robot, order) for name, s in sections.items() if name not in constants}
    if not streams:
        raise RobotLogError("no stream has columns: expected at least [streams.position] with columns")
    only, first, last = _rows(told.get("rows", {}))
    return CsvMap(
        robot=robot,
        time=_time(told.get("time")),
        streams=streams,
        constants=constants,
        only=only,
        first=first,
        last=last,
        is_suspended=told.get("is_suspended", True),
        excitation=told.get("excitation", ""),
        licence=told.get("licence", ""),
    )


def _section(name: str, told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise RobotLogError(f"[streams.{name}]: expected a section with entries, found {told!r:.60}")
    _expect_known(f"[streams.{name}] entry", told, ("columns", "value", "unit", "sign", "scale", "offset"))
    return told


def _columns(name: str, told: dict[str, Any], robot: Robot, order: Sequence[int]) -> Columns:
    kind, columns = KINDS[name], told.get("columns")
    where = f"[streams.{name}]"
    labels = robot.joints
    if kind.width != "joints":
        labels = tuple(str(i) for i in range(kind.width or (len(columns) if isinstance(columns, list) else 1)))
        order = range(len(labels))
    if isinstance(columns, str):
        names = [columns.replace("{}", str(index)) for index in order]
    elif isinstance(columns, list) and all(isinstance(one, str) for one in columns):
        if len(columns) != len(labels):
            raise RobotLogError(f"{where} columns are {len(columns)}, expected {len(labels)}")
        names = [columns[index] for index in order]
    else:
        raise RobotLogError(f"{where} columns is {columns!r:.60}, expected names, or one with {{}} for 0, 1, ...; or a `value`")
    factors = _over(f"{where} sign", told.get("sign", 1.0), labels, 1.0)
    if not np.isin(factors, (-1.0, 1.0)).all():
        raise RobotLogError(f"{where} sign is {told['sign']!r:.60}, expected 1 or -1")
    factors = factors * _over(f"{where} scale", told.get("scale", 1.0), labels, 1.0) * _unit(where, kind.unit, told.get("unit"))
    offsets = _over(f"{where} offset", told.get("offset", 0.0), labels, 0.0)
    return Columns(tuple(names), tuple(factors.tolist()), tuple(offsets.tolist()))


def _constant(name: str, told: dict[str, Any], robot: Robot) -> tuple[float, ...]:
    where, kind = f"[streams.{name}]", KINDS[name]
    if kind.width != "joints" or not kind.held:
        held = ", ".join(other for other, some in KINDS.items() if some.held and some.width == "joints")
        raise RobotLogError(f"{where} value: a stream without a column must be one of {held}; {name!r} is measured")
    _expect_known(f"{where} entry beside value", told, ("value", "unit"))
    values = _over(f"{where} value", told["value"], robot.joints, math.nan) * _unit(where, kind.unit, told.get("unit"))
    if np.isnan(values).any():
        raise RobotLogError(f"{where} value says nothing of {robot.joints[int(np.isnan(values).argmax())]!r}")
    return tuple(values.tolist())


def _over(where: str, told: Any, labels: Sequence[str], default: float) -> np.ndarray:
    """One number for all, or numbers by patterns of names."""
    if isinstance(told, dict):
        values = Values(tuple((pattern, _number(f"{where} of {pattern!r}", value)) for pattern, value in told.items()))
    else:
        values = Values.everywhere(_number(where, told))
    values.check(where, labels)
    return values.over(labels, default)


def _unit(where: str, unit: str, told: Any) -> float:
    known = UNITS.get(unit, {unit: 1.0})
    if told is None:
        return 1.0
    if told not in known:
        raise RobotLogError(f"{where} unit is {told!r:.60}, expected one of {', '.join(known) or 'none'}")
    return known[told]


def _time(told: Any) -> Rate | Time:
    if not isinstance(told, dict) or ("column" in told) == ("rate" in told):
        raise RobotLogError('[time] must have either column = "NAME" and unit = "s", "ms", "us" or "ns", or rate = HZ')
    _expect_known("[time] entry", told, ("column", "unit") if "column" in told else ("rate",))
    if "rate" in told:
        rate = _number("[time] rate", told["rate"])
        if not 0.0 < rate <= _MAX_RATE:
            raise RobotLogError(f"[time] rate is {rate:g}, expected one above 0 and up to {_MAX_RATE:g} Hz")
        return Rate(rate)
    if not isinstance(told["column"], str) or told.get("unit") not in _SECONDS:
        raise RobotLogError(f"[time] unit is {told.get('unit')!r:.60}, expected one of {', '.join(_SECONDS)}")
    return Time(told["column"], _SECONDS[told["unit"]])


def _rows(told: Any) -> tuple[dict[str, float], int, int | None]:
    if not isinstance(told, dict):
        raise RobotLogError(f"[rows]: expected a section with entries, found {told!r:.60}")
    _expect_known("[rows] entry", told, ("first", "last", "only"))
    for name in ("first", "last"):
        if type(told.get(name, 0)) is not int or told.get(name, 0) < 0:
            raise RobotLogError(f"[rows] {name} is {told[name]!r:.60}, expected a whole number, none below zero")
    only = told.get("only", {})
    if not isinstance(only, dict):
        raise RobotLogError(f"[rows] only is {only!r:.60}, expected the values of columns, such as {{ state = 2 }}")
    values = {name: _number(f"[rows] only {name}", value) for name, value in only.items()}
    return values, told.get("first", 0), told.get("last")


def _number(where: str, told: Any) -> float:
    if not isinstance(told, int | float) or isinstance(told, bool) or not math.isfinite(told):
        raise RobotLogError(f"{where} is {told!r:.60}, expected a number")
    return float(told)


def _expect_known(what: str, told: Collection[str], known: Collection[str]) -> None:
    for name in told:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise RobotLogError(f"unknown {what} {name!r}; {hint}")
