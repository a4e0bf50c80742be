"""Where a policy's command comes from: a `CommandSource` is asked once for each decision and never waits.

    Constant((0.5, 0.0, 0.0), names)
    Script.open(Path("square.csv"), names)

A script is a CSV file, as a spreadsheet writes it: a column `seconds`, which counts from the policy's first decision, and a
column for each entry of the command, by its name with or without the unit. A row holds until the next one; what has no column
is zero:

    seconds, forward velocity, yaw rate
    0,       0.5,              0
    4,       0.5,              1.0
    10,      0,                0
"""

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from assets.errors import UserError

_MAX_BYTES = 1 << 20
_CLOSE = 1e-6  # that rounding may make of a number


class SourceError(UserError, ValueError):
    """A command cannot be had; the message names the file, line or device, what was expected and what was found."""


class CommandSource(Protocol):
    @property
    def is_ended(self) -> bool:
        """Whether whoever commands wants the robot let down."""
        ...

    def read(self, seconds: float) -> np.ndarray:
        """The command at so many seconds after the policy began. Raises SourceError where its device is gone."""
        ...

    def close(self) -> None: ...


class Constant:
    """Always the same."""

    is_ended = False

    def __init__(self, values: Sequence[float], names: Sequence[str]):
        if len(values) != len(names) or not np.isfinite(values).all():
            raise SourceError(
                f"--command has {', '.join(f'{v:g}' for v in values) or 'nothing'}; expected {len(names)} finite numbers:"
                f" {', '.join(names)}"
            )
        self._command = np.array(values, float)

    def read(self, seconds: float) -> np.ndarray:
        return self._command

    def close(self) -> None:
        pass


class Script:
    """Rows of a file, each from its time on."""

    is_ended = False

    def __init__(self, times: np.ndarray, commands: np.ndarray):
        self.times, self._commands = times, commands

    @classmethod
    def open(cls, path: Path, names: Sequence[str]) -> "Script":
        """`names` are those of the command's entries. Raises SourceError with the line that is wrong."""
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise SourceError(f"{path} has {path.stat().st_size} bytes, expected a script of at most {_MAX_BYTES}")
            rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), skipinitialspace=True, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SourceError(f"cannot read the script {path}: {reason}") from error
        lines = [(i + 1, [cell.strip() for cell in row]) for i, row in enumerate(rows) if any(cell.strip() for cell in row)]
        if len(lines) < 2:
            raise SourceError(f"{path}: expected a line of names, `seconds` first, and lines of numbers; it has {len(lines)}")
        columns = _columns(path, lines[0][1], names)
        times, commands = np.zeros(len(lines) - 1), np.zeros((len(lines) - 1, len(names)))
        for row, (number, cells) in enumerate(lines[1:]):
            values = _numbers(path, number, cells, len(columns) + 1)
            times[row], commands[row, columns] = values[0], values[1:]
            if row and not times[row] > times[row - 1]:
                raise SourceError(f"{path}, line {number}: seconds must grow from line to line, found {values[0]:g}")
        return cls(times, commands)

    def read(self, seconds: float) -> np.ndarray:
        """Zero before the first row."""
        row = int(np.searchsorted(self.times, seconds, side="right")) - 1
        return self._commands[row] if row >= 0 else np.zeros(self._commands.shape[1])

    def close(self) -> None:
        pass


class Within:
    """Another source's command, each entry within the range that the policy was trained for, (num_entries, 2)."""

    def __init__(self, source: CommandSource, limits: np.ndarray):
        self._source, self._limits = source, limits

    @property
    def is_ended(self) -> bool:
        return self._source.is_ended

    @property
    def help(self) -> str | None:
        """How to command; None where there is nothing to be done."""
        return getattr(self._source, "help", None)

    def read(self, seconds: float) -> np.ndarray:
        return np.clip(self._source.read(seconds), self._limits[:, 0], self._limits[:, 1])

    def close(self) -> None:
        self._source.close()


def choose_source(
    names: Sequence[str],
    limits: np.ndarray,
    command: str | None,
    script: Path | None,
    keyboard: bool,
    gamepad: Path | None,
) -> CommandSource:
    """The one that the command line asks for; zeros where it asks for none. `limits` are (num_entries, 2)."""
    from sim2real.deploy.gamepad import Gamepad
    from sim2real.deploy.keyboard import Keyboard

    given = {"--command": command, "--script": script, "--keyboard": keyboard or None, "--gamepad": gamepad}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise SourceError(f"{' and '.join(chosen)} are given: expected one of them")
    if chosen and not len(names):
        raise SourceError(f"{chosen[0]} is given, and what is to be run takes no command: leave it out; Ctrl-C ends it")
    source: CommandSource
    if keyboard:
        source = Keyboard(names, limits)
    elif gamepad is not None:
        source = Gamepad(names, limits, gamepad)
    elif script is not None:
        source = Script.open(script, names)
    else:
        source = Constant(_read_command(command, names), names)
        _check_within(source.read(0.0), names, limits, "zero, as no command is given" if command is None else "in --command")
    return Within(source, limits)


def _check_within(command: np.ndarray, names: Sequence[str], limits: np.ndarray, told: str) -> None:
    """Raise SourceError where an entry is beyond what the policy was trained for."""
    for name, value, (low, high) in zip(names, command, limits, strict=True):
        if not low - _CLOSE <= value <= high + _CLOSE:
            raise SourceError(
                f"the {name} is {value:g}, {told}; the policy was trained for {low:.3g} to {high:.3g}: give --command"
                f" {','.join('N' for _ in names)} within the ranges that `zerogap inspect` shows"
            )


def _read_command(text: str | None, names: Sequence[str]) -> list[float]:
    if text is None:
        return [0.0] * len(names)
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SourceError(f"--command is {text!r}; expected numbers with commas between: {', '.join(names)}") from error


def _columns(path: Path, header: list[str], names: Sequence[str]) -> list[int]:
    """Which entry of the command each column after the first holds."""
    if not header or header[0] != "seconds":
        raise SourceError(f"{path}: the first column is {header[0]!r}, expected 'seconds'")
    known = {_without_unit(name): i for i, name in enumerate(names)} | {name: i for i, name in enumerate(names)}
    columns = []
    for cell in header[1:]:
        if cell not in known:
            near = difflib.get_close_matches(cell, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise SourceError(f"{path}: the policy's command has no {cell!r}; {hint}it has: {', '.join(names)}")
        if known[cell] in columns:
            raise SourceError(f"{path}: the column {cell!r} is there twice")
        columns.append(known[cell])
    return columns


def _numbers(path: Path, line: int, cells: list[str], expected: int) -> list[float]:
    if len(cells) != expected:
        raise SourceError(f"{path}, line {line}: {len(cells)} cells, expected {expected}, as the first line has")
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise SourceError(f"{path}, line {line}: expected numbers, found {', '.join(cells)}") from error
    if not np.isfinite(values).all():
        raise SourceError(f"{path}, line {line}: expected finite numbers, found {', '.join(cells)}")
    return values


def _without_unit(name: str) -> str:
    return name.partition(" (")[0]
