"""The rows of a CSV file, bounded and with their line numbers: `open_csv(path)`.

with open_csv(path) as table:
    table.header                                # the names of the columns
    for line, cells in table.rows(advance):
        number(table, line, "kp", cells[3])
"""

import csv
import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from sim2real.logs.robot_log import RobotLogError

MAX_BYTES = 2 * 2**30
MAX_COLUMNS = 4096
_TOLD_EVERY = 5000
_MAX_HEADER = 2**20
_DELIMITERS = ",;\t"
_MOST_SPANS = 4
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass(frozen=True)
class Table:
    """A CSV file that is being read."""

    path: Path
    header: tuple[str, ...]
    delimiter: str
    _file: TextIO
    _reader: Any
    _size: int

    def column(self, name: str, where: str = "") -> int:
        """Where the column of that name is. Raises RobotLogError where there is none."""
        if self.header.count(name) == 1:
            return self.header.index(name)
        if name in self.header:
            raise RobotLogError(f"{self.path}: there are two columns {name!r}")
        near = [other for other in self.header if other.casefold() == name.casefold()]
        near = near[:2] or difflib.get_close_matches(name, self.header, n=2)
        some = f"{', '.join(self.header[:12])}{', ...' if len(self.header) > 12 else ''}"
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {some}"
        raise RobotLogError(f"{self.path}: there is no column {name!r}{where}; {hint}")

    def rows(self, advance: Callable[[float], None] = lambda _: None) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of each row, blank ones beyond the header's left out. Raises RobotLogError where a row has more
        or fewer cells than the header."""
        try:
            for number, cells in enumerate(self._reader):
                if not cells:
                    continue
                while len(cells) > len(self.header) and not cells[-1].strip():
                    del cells[-1]
                if len(cells) != len(self.header):
                    raise RobotLogError(
                        f"{self.path}, line {self._reader.line_num}: {len(cells)} cells, expected {len(self.header)} as in its"
                        " header. Is the file cut off? Copy it anew, or take that line off"
                    )
                if number % _TOLD_EVERY == 0:
                    advance(self._file.buffer.tell() / self._size)
                yield self._reader.line_num, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise RobotLogError(f"{self.path}, line {self._reader.line_num + 1} is no CSV: {error}") from error


@contextmanager
def open_csv(path: Path) -> Iterator[Table]:
    """Raises RobotLogError where the file cannot be read, is empty or is no text."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise RobotLogError(f"{path} has {size / 2**30:.1f} GiB, expected at most {MAX_BYTES / 2**30:.0f}: split it")
            try:
                first = file.readline(_MAX_HEADER)
                file.seek(0)
                delimiter = max(_DELIMITERS, key=first.count)
                reader = csv.reader(file, delimiter=delimiter)
                names = [name.strip() for name in next(reader, [])]
            except (csv.Error, UnicodeDecodeError) as error:
                raise RobotLogError(f"{path} is no CSV: {error}") from error
            while names and not names[-1]:  # of a comma at the end of each line
                del names[-1]
            header = tuple(names)
            if not header:
                raise RobotLogError(f"{path} is empty, expected a CSV file whose first line names its columns")
            if len(header) > MAX_COLUMNS:
                raise RobotLogError(f"{path} has {len(header)} columns, expected at most {MAX_COLUMNS}")
            yield Table(path, header, delimiter, file, reader, max(size, 1))
    except OSError as error:
        raise RobotLogError(f"cannot read {path}: {error.strerror or error}") from error


def header_of(path: Path) -> tuple[str, ...]:
    """The names of a file's columns; none where it is no CSV file."""
    try:
        with open_csv(path) as table:
            return table.header
    except RobotLogError:
        return ()


def number(table: Table, line: int, column: str, cell: str) -> float:
    """The number in a cell; NaN where it says so. Where semicolons part the cells, decimals may follow a comma. Raises
    RobotLogError."""
    try:
        return float(cell.replace(",", ".") if table.delimiter == ";" else cell)
    except ValueError as error:
        hint = ": write decimals with a point" if _DECIMAL_COMMA.fullmatch(cell.strip()) else ""
        raise RobotLogError(f"{table.path}, line {line}, column {column!r}: {cell!r:.40} is no number{hint}") from error


def numbers(table: Table, line: int, names: Sequence[str], cells: Sequence[str]) -> list[float]:
    """The numbers in the cells of columns of those names."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return [number(table, line, name, cell) for name, cell in zip(names, cells, strict=True)]


def spans(lines: Sequence[int]) -> str:
    """Rising line numbers in words: "lines 3, 7 to 12 and 40 more"."""
    ends: list[list[int]] = []
    for line in lines:
        if ends and line == ends[-1][1] + 1:
            ends[-1][1] = line
        else:
            ends.append([line, line])
    told = [f"{a} to {b}" if b > a else f"{a}" for a, b in ends[:_MOST_SPANS]]
    more = sum(b - a + 1 for a, b in ends[_MOST_SPANS:])
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(told)}{f' and {more} more' if more else ''}"
