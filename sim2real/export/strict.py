"""Strict reading of frozen dataclasses from JSON: what is missing, unknown or of another type is named by its place.

    spec = read_json(PolicySpec, text)          # StrictError: "joints[3]: expected a text, found 7"

Only what JSON and a type annotation can say is read: texts, finite numbers, truth values, tuples, dictionaries by name, other
dataclasses, and any of these or None.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from assets.errors import UserError

T = TypeVar("T")

_NAMES = {str: "a text", int: "a whole number", float: "a finite number", bool: "true or false"}


class StrictError(UserError, ValueError):
    """JSON that is not what it should be; the message names the place, what was expected and what was found."""


def read_json(kind: type[T], text: str, update: Callable[[Any], Any] = lambda told: told) -> T:
    """The dataclass that `json_text` told, or someone else by the same rules. `update` makes what an older version told, as
    JSON's own types, what this one would have."""

    def refuse(number: str) -> Any:
        raise StrictError(f"expected finite numbers, found {number}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise StrictError(f"key {next(n for n in names if names.count(n) > 1)!r} appears more than once")
        return dict(pairs)

    try:
        told = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise StrictError(f"no valid JSON: {error}") from error
    return _read(kind, update(told), "")


def json_text(value: Any) -> str:
    """The dataclass as JSON; floats keep every digit."""
    return json.dumps(dataclasses.asdict(value), allow_nan=False)


def _read(kind: Any, told: Any, place: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, told, place)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if told is None else _read(inner[0], told, place)
    if origin is tuple:
        if not isinstance(told, list):
            raise _unexpected(place, "a list", told)
        if inner[-1] is not ... and len(told) != len(inner):
            raise StrictError(f"{place}: expected {len(inner)} entries, found {len(told)}")
        kinds = [inner[0]] * len(told) if inner[-1] is ... else inner
        return tuple(_read(kind, x, f"{place}[{i}]") for i, (kind, x) in enumerate(zip(kinds, told, strict=True)))
    if origin is dict:
        if not isinstance(told, dict):
            raise _unexpected(place, "an object", told)
        return {name: _read(inner[1], x, _below(place, name)) for name, x in told.items()}
    return _read_scalar(kind, told, place)


def _read_dataclass(kind: Any, told: Any, place: str) -> Any:
    if not isinstance(told, dict):
        raise _unexpected(place, "an object", told)
    hints, fields = typing.get_type_hints(kind), [field.name for field in dataclasses.fields(kind)]
    for name in fields:
        if name not in told:
            raise StrictError(f"key {_below(place, name)!r} is missing")
    for name in told:
        if name not in fields:
            raise StrictError(f"unknown key {_below(place, name)!r}")
    values = {name: _read(hints[name], told[name], _below(place, name)) for name in fields}
    try:
        return kind(**values)
    except ValueError as error:
        raise StrictError(f"{place}: {error}" if place else str(error)) from error


def _read_scalar(kind: type, told: Any, place: str) -> Any:
    if kind is float and isinstance(told, int) and not isinstance(told, bool):
        told = float(told) if abs(told) < 2**1023 else math.inf
    # A truth value is a whole number to Python, and to no one else.
    if not isinstance(told, kind) or (kind is int and isinstance(told, bool)):
        raise _unexpected(place, _NAMES[kind], told)
    if kind is float and not math.isfinite(told):
        raise _unexpected(place, _NAMES[kind], told)
    return told


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _unexpected(place: str, expected: str, told: Any) -> StrictError:
    found = f"{told!r}"
    return StrictError(f"{place or 'the whole'}: expected {expected}, found {found if len(found) < 60 else found[:57] + '...'}")
