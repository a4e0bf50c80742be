"""`--format go2-csv`: a Go2's joints as `lupinjia/genesis_lr` records them, one CSV file.

state, jpos0..11 (rad), jvel0..11 (rad/s), jpos0..11_des (rad), kp (N m/rad), kd (N m s/rad); legs FL, FR, RL, RR, each hip,
thigh, calf, which is our Go2's own order. The robot hung in the air. Gains may have a column for each joint (kp0..11), and of
velocities, targets and gains what is not there was not recorded.

Where there is a column of stamps (time, t, timestamp), those count, in the unit that it names or that makes a plausible rate.
Else the rows are as many to a second as the file's name has it ("..._200hz.csv"), or 200, and the log's time base is "nominal".
"""

import re
from pathlib import Path

import numpy as np

from assets.robots.go2 import GO2
from sim2real.logs.importers.csv_map import Columns, CsvMap, Rate, Time, read_mapped
from sim2real.logs.importers.csv_rows import header_of, number, open_csv
from sim2real.logs.importers.importer import Say, Wanted, order_of, robot_of
from sim2real.logs.robot_log import RobotLog

DESCRIPTION = "a Go2's joints, targets and gains in one CSV file, with stamps or at a nominal rate"

_HERTZ = 200.0
_JOINTS = tuple(f"{leg}_{joint}_joint" for leg in ("FL", "FR", "RL", "RR") for joint in ("hip", "thigh", "calf"))
_RECORDED = {"velocity": "jvel{}", "target": "jpos{}_des"}
_GAINS = {"stiffness": "kp", "damping": "kd"}
_STATE = "state"  # of the programme that recorded
_KNOWN = "time, jvel0, jpos0_des, kp, kd"
_CLOCK = re.compile(r"(?:time|t|stamp|timestamp)(?:[ _(\[]*(s|sec|ms|us|µs|ns)[)\]]?)?", re.IGNORECASE)
_SECOND = {"s": 1.0, "sec": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "ns": 1e9}
_LONGEST = 0.2  # s between rows, and a thousandth of it at least: one unit only makes that of a recording
_NAMED_RATE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)[ _-]?hz", re.IGNORECASE)


def recognises(path: Path, /) -> bool:
    header = header_of(path) if path.suffix.lower() == ".csv" and path.is_file() else ()
    return "jpos0" in header and ("jpos0_des" in header or "jvel0" in header)


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    robot = robot_of(path, GO2.name, wanted)
    order, header = order_of(path, "a recording of this format", _JOINTS, robot), header_of(path)

    def joints(pattern: str) -> Columns:
        return Columns(tuple(pattern.format(index) for index in order))

    columns = {"position": joints("jpos{}")}
    for name, pattern in _RECORDED.items():
        if any(pattern.format(index) in header for index in order):
            columns[name] = joints(pattern)
    for name, column in _GAINS.items():
        if column in header or f"{column}0" in header:
            columns[name] = joints(column if column in header else f"{column}{{}}")
        elif header:
            wanted.say(
                f"warning: {path} has no column {column!r}: there will be no stream {name!r}, without which nothing can be"
                f" calibrated. If it never changed, import the file by a mapping (--map) with [streams.{name}] value = ..."
            )
    time = _time(path, wanted.say) or _rate(path, wanted.say)
    known = {column for stream in columns.values() for column in stream.names} | {_STATE}
    known |= {time.column} if isinstance(time, Time) else set()
    if strange := [column for column in header if column not in known]:
        some = f"{', '.join(map(repr, strange[:12]))}{', ...' if len(strange) > 12 else ''}"
        wanted.say(
            f"warning: {path}: not read, as this format does not know them, are {some}. If they are stamps, velocities, targets"
            f" or gains, rename them ({_KNOWN}), or import the file by a mapping (--map)"
        )
    return [read_mapped(path, CsvMap(robot, time, columns), wanted.advance, wanted.say)]


def _time(path: Path, say: Say) -> Time | None:
    """The column of the stamps and its unit; None where there is none, or it does not count time."""
    with open_csv(path) as table:
        found = [(name, match) for name in table.header if (match := _CLOCK.fullmatch(name))]
        if not found:
            return None
        name, match = found[0]
        place = table.column(name)
        stamps = np.array([number(table, line, name, cells[place]) for line, cells in table.rows() if cells[place].strip()])
    if match[1]:
        return Time(name, _SECOND[match[1].lower()])
    steps = np.diff(np.unique(stamps[np.isfinite(stamps)]))
    usual = float(np.median(steps)) if len(steps) else 0.0
    for second in (1.0, 1e3, 1e6, 1e9):
        if 1e-3 * _LONGEST < usual / second <= _LONGEST:
            return Time(name, second)
    say(
        f"warning: {path}: column {name!r} steps by {usual:.3g}, which counts neither s, ms, µs nor ns of a recording: it is"
        " not used. If it does, say its unit in a mapping (--map)"
    )
    return None


def _rate(path: Path, say: Say) -> Rate:
    named = _NAMED_RATE.search(path.stem)
    if named and 1.0 <= float(named[1]) <= 10_000.0:
        return Rate(float(named[1]))
    say(
        f"warning: {path} has neither stamps nor a rate in its name: its rows are taken as {_HERTZ:g} to a second. If they"
        " are not, name it as in x_100hz.csv"
    )
    return Rate(_HERTZ)
