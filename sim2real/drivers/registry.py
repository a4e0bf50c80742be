"""Drivers by name: our own, those of installed distributions, and any module's, by `module:attribute`.

    driver = make_driver("go2", {"address": "enp3s0"})

A distribution that brings one says so in its pyproject.toml:

    [project.entry-points."zerogap.drivers"]
    spot = "my_robots:SpotDriver"               # zerogap deploy policy.onnx --driver spot

What is named is a `Driver`'s class, or a function that gives one. Its parameters are the options of the command line, as texts
that are turned into what the parameter's annotation says: str, int, float, bool or a path.
"""

import difflib
import importlib
import importlib.metadata
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sim2real.drivers.driver import Driver, DriverError

DRIVERS = {
    "twin": "sim2real.drivers.twin:TwinDriver",
    "go2": "sim2real.drivers.go2:Go2Driver",
    "so101": "sim2real.drivers.so101:So101Driver",
}
"""Our own: where each is, imported only when asked for, as each has packages of its own."""

_EXTRAS = {"cyclonedds": "go2", "scservo_sdk": "so101", "serial": "so101"}
"""The extra of zerogap that brings a package."""
_GROUP = "zerogap.drivers"
_METHODS = ("connect", "acquire", "read", "write", "damp", "close")
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def driver_names() -> list[str]:
    """Our own, then those that installed distributions bring."""
    return [*DRIVERS, *sorted({point.name for point in _points()} - set(DRIVERS))]


def make_driver(name: str, options: Mapping[str, str]) -> Driver:
    """The driver of that name, or `module:attribute`, made with options. Raises DriverError."""
    maker = _load(name, _find(name))
    driver = _call(name, maker, _arguments(name, maker, options))
    lacking = [method for method in _METHODS if not callable(getattr(driver, method, None))]
    if lacking:
        raise DriverError(f"driver {name!r} is a {type(driver).__name__} without {', '.join(lacking)}: it is no driver")
    return driver


def read_options(texts: Sequence[str], address: str | None) -> dict[str, str]:
    """From NAME=VALUE texts, and the address, which most drivers have."""
    options = {} if address is None else {"address": address}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise DriverError(f"--option {text}: expected NAME=VALUE")
        if name in options:
            raise DriverError(f"the driver's option {name!r} is given twice")
        options[name] = value
    return options


def _find(name: str) -> str:
    if name in DRIVERS:
        return DRIVERS[name]
    found = {point.value for point in _points() if point.name == name}
    if len(found) > 1:
        raise DriverError(f"driver {name!r} is there more than once: {', '.join(sorted(found))}; name one by module:attribute")
    if found:
        return found.pop()
    if ":" in name:
        return name
    names = driver_names()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise DriverError(f"unknown driver {name!r}: {hint}there are: {', '.join(names)}; or module:attribute for one of your own")


def _points() -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group=_GROUP))


def _load(name: str, reference: str) -> Callable[..., Driver]:
    module_name, _, attribute = reference.replace(" ", "").partition(":")
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.append(str(Path.cwd()))  # at the end: a user's folder must hide nothing that is installed
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _EXTRAS:
            remedy = f"install it with: pip install 'zerogap[{_EXTRAS[package]}]'"
        else:
            remedy = f"it is looked for in {Path.cwd()} and on Python's path (PYTHONPATH)"
        raise DriverError(f"driver {name!r} needs the module {error.name!r}, which is not there: {remedy}") from error
    except (Exception, SystemExit) as error:
        raise DriverError(f"driver {name!r}: {module_name} fails on import: {type(error).__name__}: {error}") from error
    maker: Any = getattr(module, attribute, None)
    if not callable(maker):
        near = difflib.get_close_matches(attribute, [n for n, value in vars(module).items() if callable(value)], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DriverError(f"driver {name!r}: {module_name} has no class or function {attribute!r}{hint}")
    return cast(Callable[..., Driver], maker)


def _arguments(name: str, maker: Callable[..., Driver], options: Mapping[str, str]) -> dict[str, Any]:
    try:
        parameters = {
            k: p for k, p in inspect.signature(maker).parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
        hints = typing.get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
    except Exception as error:  # whatever a module's annotations lead to
        raise DriverError(f"driver {name!r}: its options cannot be read: {type(error).__name__}: {error}") from error
    made = {}
    for option, text in options.items():
        if option not in parameters:
            near = difflib.get_close_matches(option, parameters, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DriverError(f"driver {name!r} has no option {option!r}: {hint}it has: {', '.join(parameters) or 'none'}")
        made[option] = _convert(name, option, text, hints.get(option, str))
    needed = [k for k, p in parameters.items() if p.default is p.empty and k not in made]
    if needed:
        given = ", ".join("--address" if option == "address" else f"--option {option}=..." for option in needed)
        raise DriverError(f"driver {name!r} needs {given}")
    return made


def _convert(name: str, option: str, text: str, kind: Any) -> Any:
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union else (kind,)
    known = [k for k in (bool, int, float, Path, str) if k in kinds]
    if not known:
        raise DriverError(f"driver {name!r}: option {option!r} cannot be given on the command line")
    try:
        return _BOOLS[text.lower()] if known[0] is bool else known[0](text)
    except (ValueError, KeyError) as error:
        expected = "true or false" if known[0] is bool else f"a {known[0].__name__}"
        raise DriverError(f"driver {name!r}: option {option} is {text!r}, expected {expected}") from error


def _call(name: str, maker: Callable[..., Driver], arguments: dict[str, Any]) -> Driver:
    from assets.errors import UserError

    try:
        return maker(**arguments)
    except UserError:
        raise
    except Exception as error:
        raise DriverError(f"driver {name!r} cannot be made: {type(error).__name__}: {error}") from error
