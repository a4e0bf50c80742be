"""Where a policy's command comes from: a `CommandSource` is asked once for each decision and never waits.

    Constant((0.5, 0.0, 0.0), pilot.commands.names)
    Script.open(Path("square.csv"), pilot.commands)

A script is a CSV file, as a spreadsheet writes it: a column `seconds`, which counts from the policy's first decision, and a
column for each entry of the command, by its name with or without the unit. A row holds until the next one. What has no column,
or comes before the first row, is as by default: the policy's file says how, and a gait's default is zero.

    seconds, forward velocity, yaw rate
    0,       0.5,              0
    4,       0.5,              1.0
    10,      0,                0
"""

import csv
import difflib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from assets.errors import UserError
from sim2real.deploy.command_range import CommandRange

_MAX_BYTES = 1 << 20

Say = Callable[[str], None]


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
    def open(cls, path: Path, commands: CommandRange, say: Say = lambda _: None) -> "Script":
        """`say` is told, once for each entry of the command, where the policy is commanded otherwise than a line asks.

        Raises SourceError with the line that is wrong.
        """
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
        columns = _columns(path, lines[0][1], commands.names)
        times, asked = np.zeros(len(lines)), np.tile(commands.default, (len(lines), 1))
        times[0] = -np.inf
        told: dict[str, str] = {}
        for row, (number, cells) in enumerate(lines[1:], 1):
            values = _numbers(path, number, cells, len(columns) + 1)
            times[row], asked[row, columns] = values[0], values[1:]
            if not times[row] > times[row - 1]:
                raise SourceError(f"{path}, line {number}: seconds must grow from line to line, found {values[0]:g}")
            for name, change in commands.changes(asked[row], commands.nearest(asked[row])).items():
                told.setdefault(name, f"warning: {path}, line {number}: {change}")
        if times[1] > 0 and commands.is_beyond(commands.default).any():
            raise SourceError(
                f"{path}: its first row is at {times[1]:g} s, expected at 0: the policy has no default command until then"
            )
        for text in told.values():
            say(text)
        return cls(times, asked)

    def read(self, seconds: float) -> np.ndarray:
        """Zero before the first row."""
        row = int(np.searchsorted(self.times, seconds, side="right")) - 1
        return self._commands[row] if row >= 0 else np.zeros(self._commands.shape[1])

    def close(self) -> None:
        pass


def choose_source(
    commands: CommandRange,
    command: str | None,
    script: Path | None,
    keyboard: bool,
    gamepad: Path | None,
    say: Say = lambda _: None,
) -> CommandSource:
    """The one that the command line asks for; the default command where it asks for none. `say` is told of what a script asks
    and the policy will not be commanded. Raises SourceError where what is to be commanded from the first cannot be."""
    from sim2real.deploy.gamepad import Gamepad
    from sim2real.deploy.keyboard import Keyboard

    given = {"--command": command, "--script": script, "--keyboard": keyboard or None, "--gamepad": gamepad}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise SourceError(f"{' and '.join(chosen)} are given: expected one of them")
    if chosen and not commands.names:
        raise SourceError(f"{chosen[0]} is given, and what is to be run takes no command: leave it out; Ctrl-C ends it")
    if script is not None:
        return Script.open(script, commands, say)
    if command is not None:
        source = Constant(_read_command(command, commands.names), commands.names)
        _check_within(source.read(0.0), commands, "in --command")
        return source
    why = f"with which {chosen[0]} begins" if chosen else "as no command is given"
    _check_within(commands.default, commands, f"the policy's default, {why}")
    if keyboard:
        return Keyboard(commands)
    if gamepad is not None:
        return Gamepad(commands, gamepad)
    return Constant(commands.default.tolist(), commands.names)


def _check_within(command: np.ndarray, commands: CommandRange, told: str) -> None:
    """Raise SourceError where an entry is beyond what the policy was trained for."""
    for i in np.flatnonzero(commands.is_beyond(command)):
        low, high = commands.limits[i]
        raise SourceError(
            f"the {commands.names[i]} is {command[i]:g}, {told}; the policy was trained for {low:.3g} to {high:.3g}: give"
            f" --command {','.join('N' for _ in commands.names)} within the ranges that `zerogap inspect` shows"
        )


def _read_command(text: str, names: Sequence[str]) -> list[float]:
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
