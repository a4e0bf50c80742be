"""What the columns of a CSV file mean (`CsvMap`), and a recording read by it (`read_mapped`).

    GO2_CSV = CsvMap(GO2, Rate(200.0), {"position": Columns(tuple(f"jpos{i}" for i in range(12))), ...})
    log = read_mapped(Path("log.csv"), GO2_CSV)

A row in which all cells of a stream are empty holds no sample of it, so that streams of several rates fit into one file. Where
only some are, or where they say NaN or infinity, these were not measured: they are NaN, and whoever reads the file is told its
lines. Gains hold until they change: of `stiffness` and `damping` only the changes become samples.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.importers.csv_rows import Table, number, numbers, open_csv, spans
from sim2real.logs.importers.importer import Advance, Say
from sim2real.logs.robot_log import LogInfo, RobotLog, RobotLogError, Stream

_MAX_SECONDS = 2**31
_MAX_NUMBERS = 2**27


@dataclass(frozen=True)
class Columns:
    """One stream: in each column factor * cell + offset, in the stream's unit."""

    names: tuple[str, ...]
    """The file's columns, in the order of the stream's; for joints the robot's policy order."""
    factors: tuple[float, ...] = ()
    """1 where there are none."""
    offsets: tuple[float, ...] = ()
    """0 where there are none."""


@dataclass(frozen=True)
class Rate:
    """There are no stamps: somebody said how many rows there are to a second."""

    hertz: float


@dataclass(frozen=True)
class Time:
    """The column of the stamps."""

    column: str
    second: float
    """What it counts in a second: 1 for s, 1e6 for µs."""
    clock: str = "host"


@dataclass(frozen=True)
class CsvMap:
    """What a file's columns mean."""

    robot: Robot
    time: Rate | Time
    streams: Mapping[str, Columns]
    constants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Streams that the file does not have, as they never changed."""
    only: Mapping[str, float] = field(default_factory=dict)
    """Rows in which these columns have other values are left out."""
    first: int = 0
    """Rows before this one are left out; they count from 0, the row below the header."""
    last: int | None = None
    """So are those after this one."""
    is_suspended: bool = True
    excitation: str = ""
    licence: str = ""


def read_mapped(path: Path, mapped: CsvMap, advance: Advance = lambda _: None, say: Say = lambda _: None) -> RobotLog:
    """The recording in a CSV file; `say` is told of its blank cells. Raises RobotLogError with file, line and column."""
    with open_csv(path) as table:
        made = {name: _Maker(table, name, columns) for name, columns in mapped.streams.items()}
        clock = table.column(mapped.time.column) if isinstance(mapped.time, Time) else None
        conditions = [(name, table.column(name), value) for name, value in mapped.only.items()]
        size = sum(len(columns.names) + 1 for columns in mapped.streams.values())
        taken, without_stamp = 0, []
        for index, (line, cells) in enumerate(table.rows(advance)):
            if index < mapped.first or any(number(table, line, n, cells[at]) != value for n, at, value in conditions):
                continue
            if mapped.last is not None and index > mapped.last:
                break
            if clock is not None and not cells[clock].strip():
                without_stamp.append(line)
                continue
            stamp = _nominal(mapped.time, index) if clock is None else _stamp(table, mapped.time, line, cells[clock])
            for maker in made.values():
                maker.take(line, stamp, cells)
            taken += 1
            if taken * size > _MAX_NUMBERS:
                raise RobotLogError(f"{path} has more than {_MAX_NUMBERS} numbers, expected fewer: split it")
    if not taken:
        raise RobotLogError(f"{path} has no row to read: expected one for each sample below the header")
    if without_stamp and isinstance(mapped.time, Time):
        say(f"warning: {path}, {spans(without_stamp)}: column {mapped.time.column!r} is blank: these rows are left out")
    for maker in made.values():
        maker.tell_blanks(say)
    streams = {name: maker.stream(mapped) for name, maker in made.items()}
    streams |= {name: _constant(streams, np.array(values)) for name, values in mapped.constants.items()}
    info = LogInfo(
        robot=mapped.robot.name,
        joints=mapped.robot.joints,
        excitation=mapped.excitation,
        is_suspended=mapped.is_suspended,
        time_base="nominal" if clock is None else "measured",
        licence=mapped.licence,
        source=str(path),
    )
    return RobotLog(info, streams)


def changes_of(stream: Stream) -> Stream:
    """The samples that differ from the one before: all that a stream says whose values hold."""
    values = stream.values
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    kept = np.append(np.ones(min(len(stream), 1), bool), ~same.all(axis=1))
    return Stream(stream.stamps[kept], values[kept], stream.clock)


class _Maker:
    """The samples of one stream, row by row."""

    def __init__(self, table: Table, name: str, columns: Columns):
        self._table = table
        self._name = name
        self._columns = columns
        self._places = [table.column(column, f", which is to be stream {name!r}") for column in columns.names]
        self._stamps, self._numbers = array("q"), array("d")
        self._blank: dict[int, str] = {}  # the first column, by line

    def take(self, line: int, stamp: int, cells: Sequence[str]) -> None:
        picked = [cells[place].strip() for place in self._places]
        if not any(picked):
            return
        found = numbers(self._table, line, self._columns.names, [cell or "nan" for cell in picked])
        if not math.isfinite(sum(found)):
            known = [math.isfinite(value) for value in found]
            if not all(known):
                self._blank[line] = self._columns.names[known.index(False)]
            found = [value if is_known else math.nan for value, is_known in zip(found, known, strict=True)]
        self._numbers.extend(found)
        self._stamps.append(stamp)

    def tell_blanks(self, say: Say) -> None:
        if self._blank:
            line, column = next(iter(self._blank.items()))
            say(
                f"warning: {self._table.path}, {spans(list(self._blank))}: cells of stream {self._name!r} hold no number, the"
                f" first in column {column!r} of line {line}: they count as not measured, and what they spoil is left out"
            )

    def stream(self, mapped: CsvMap) -> Stream:
        values = np.array(self._numbers).reshape(len(self._stamps), len(self._places))
        if self._columns.factors:
            values = values * np.array(self._columns.factors)
        if self._columns.offsets:
            values = values + np.array(self._columns.offsets)
        clock = mapped.time.clock if isinstance(mapped.time, Time) else "nominal"
        stream = Stream(np.array(self._stamps, np.int64), values, clock)
        if self._name not in ("stiffness", "damping"):
            return stream
        order = np.argsort(stream.stamps, kind="stable")  # of rows in another order nothing would be a change
        return changes_of(Stream(stream.stamps[order], stream.values[order], clock))


def _nominal(time: Rate | Time, index: int) -> int:
    assert isinstance(time, Rate)
    return round(1e9 * index / time.hertz)


def _stamp(table: Table, time: Rate | Time, line: int, cell: str) -> int:
    assert isinstance(time, Time)
    seconds = number(table, line, time.column, cell) / time.second
    if not 0.0 <= seconds < _MAX_SECONDS:
        raise RobotLogError(
            f"{table.path}, line {line}, column {time.column!r}: the stamp is {seconds:g} s, expected one from 0 to 2**31 s."
            " Is its unit right?"
        )
    return round(1e9 * seconds)


def _constant(streams: Mapping[str, Stream], values: np.ndarray) -> Stream:
    """From the first sample of all on."""
    first = min((stream for stream in streams.values() if len(stream)), key=lambda stream: stream.stamps[0])
    return Stream(first.stamps[:1], values[None], first.clock)
