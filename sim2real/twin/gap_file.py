"""The file of a gap: TOML, in which only what differs from the nominal robot is written.

    gap = load_gap(Path("gap.toml"))

    [links]
    mass_scale = { "*" = 1.0, base_link = 1.1 }     # by name patterns, of which the last that matches counts; or one number

    [payload]
    mass = 2.0                                      # kg, on the base
    position = [0.0, 0.0, 0.1]                      # m

    [contact]
    foot_friction = 0.5

    [joints]
    frictionloss = { "*_calf_joint" = 0.4 }         # N m
    backlash = 0.01                                 # rad, half the play

    [motor]
    strength = 0.9
    stall_torque = 40.0                             # N m
    no_load_speed = 30.0                            # rad/s

    [encoder]
    offset = { "FL_*" = 0.02 }                      # rad
    resolution = 0.0004                             # rad

    [imu]
    gyro_noise = 0.05                               # rad/s
    gyro_bias = [0.0, 0.0, 0.01]                    # rad/s

    [command_messages]
    latency = 0.004                                 # s
    jitter = 0.001                                  # s
    drop = 0.01                                     # of 1

    [state_messages]
    latency = 0.002                                 # s

    [[fault]]
    kind = "nan"
    at = 5.0                                        # s
    since = "command"

The sections and entries, their units and ranges are the fields of `sim2real.twin.gap`. The file is strict: an entry that is not
known is refused, with the nearest that is.
"""

import contextlib
import difflib
import math
import tomllib
from collections.abc import Collection
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_args

from sim2real.twin.gap import Fault, FaultKind, Gap, GapError, Values

_MAX_BYTES = 2**20
_CHOICES: dict[str, tuple[str, ...]] = {"kind": get_args(FaultKind), "since": ("start", "command")}


def load_gap(path: Path) -> Gap:
    """Raises GapError unless the file is there and all in it is known, of its type and in its range."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise GapError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise GapError(f"{path} has more than {_MAX_BYTES // 2**20} MiB, expected a gap in TOML")
    try:
        return parse_gap(content.decode())
    except UnicodeDecodeError as error:
        raise GapError(f"{path} is no text in UTF-8, expected a gap in TOML") from error
    except GapError as error:
        raise GapError(f"{path}: {error}") from error


def parse_gap(text: str) -> Gap:
    """The gap that a TOML text tells. Raises GapError."""
    try:
        told = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise GapError(f"it is no TOML: {error}") from error
    known = {field.name: type(field.default) for field in fields(Gap)}
    _expect_known("section", told, known)
    parts: dict[str, Any] = {name: _part(f"[{name}]", known[name], value) for name, value in told.items() if name != "fault"}
    faults = told.get("fault", [])
    if not isinstance(faults, list):
        raise GapError("[fault]: expected a list of faults, each under [[fault]]")
    return Gap(**parts, fault=tuple(_part("[[fault]]", Fault, fault) for fault in faults))


def _part(where: str, kind: type, told: Any) -> Any:
    """A section, of that dataclass."""
    if not isinstance(told, dict):
        raise GapError(f"{where}: expected a section with entries, found {told!r}")
    known = {field.name: field for field in fields(kind)}
    _expect_known(f"{where} entry", told, known)
    return kind(**{name: _entry(f"{where} {name}", known[name], value) for name, value in told.items()})


def _expect_known(what: str, told: Collection[str], known: Collection[str]) -> None:
    for name in told:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise GapError(f"unknown {what} {name!r}; {hint}")


def _entry(where: str, field: Field, told: Any) -> Any:
    if field.name in _CHOICES:
        if told not in _CHOICES[field.name]:
            raise GapError(f"{where} is {told!r}, expected one of {', '.join(_CHOICES[field.name])}")
        return told
    if isinstance(field.default, str):
        if not isinstance(told, str):
            raise GapError(f"{where} is {told!r}, expected a name")
        return told
    if isinstance(field.default, Values):
        if isinstance(told, dict):
            return Values(tuple((name, _number(f"{where} of {name!r}", field, value)) for name, value in told.items()))
        return Values.everywhere(_number(where, field, told))
    if isinstance(field.default, tuple):
        if not isinstance(told, list) or len(told) != len(field.default):
            raise GapError(f"{where} is {told!r}, expected {len(field.default)} numbers{_unit(field)}")
        return tuple(_number(where, field, value) for value in told)
    return _number(where, field, told)


def _number(where: str, field: Field, told: Any) -> float:
    low, high = field.metadata["low"], field.metadata["high"]
    value = math.nan
    if isinstance(told, int | float) and not isinstance(told, bool):
        with contextlib.suppress(OverflowError):  # a number of hundreds of digits
            value = float(told)
    if not (math.isfinite(value) and low <= value <= high):
        raise GapError(f"{where} is {told!r:.60}, expected a number from {low:g} to {high:g}{_unit(field)}")
    return value


def _unit(field: Field) -> str:
    return f" ({field.metadata['unit']})" if field.metadata["unit"] else ""
