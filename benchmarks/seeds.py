"""Benchmarks over seeds, each of which takes minutes: `seed_by_seed(partial, same, count, one, tell)`.

    count = seed_count("ZEROGAP_RECOVERY_SEEDS", 20)
    figures = seed_by_seed(out / "recovery.partial.json", {"gap": told}, count, one, tell)
    figures["runs"]                              # what `one` gave, of seeds 0 to count - 1

Each seed's figures are stored as they come: a benchmark that was stopped goes on after the last whole seed.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from assets.json_file import write_json
from benchmarks.machine import machine
from rl.run import RunError

_console = Console(stderr=True)


def seed_count(variable: str, usual: int) -> int:
    """The number in this environment variable, where it is set. Raises RunError where that is none."""
    told = os.environ.get(variable) or str(usual)
    if not told.isdecimal() or int(told) < 1:
        raise RunError(f"{variable} is {told!r}, expected a number of seeds, 1 or more")
    return int(told)


def seed_by_seed(
    partial: Path,
    same: Mapping[str, Any],
    count: int,
    one: Callable[[int], dict[str, Any]],
    tell: Callable[[dict[str, Any]], str],
) -> dict[str, Any]:
    """`same` is what all seeds have in common: seeds that are stored with something else are not gone on with."""
    same = json.loads(json.dumps(same))
    figures: dict[str, Any] = {"machine": machine(), **same, "runs": []}
    stored = _read(partial)
    if stored and all(stored.get(name) == value for name, value in same.items()):
        figures = stored
        _console.print(f"going on after {len(figures['runs'])} seeds of {partial}", highlight=False, soft_wrap=True)
    for seed in range(len(figures["runs"]), count):
        figures["runs"].append(one(seed))
        write_json(partial, figures)
        _console.print(f"seed {seed}: {tell(figures['runs'][-1])}", highlight=False, soft_wrap=True)
    return figures


def keep_for(folder: Path, same: Mapping[str, Any]) -> None:
    """The folder is for trainings with these settings: it says so from now on, in settings.json. Raises RunError where it holds
    some of another."""
    path, same = folder / "settings.json", json.loads(json.dumps(same))
    if path.is_file():
        stored = json.loads(path.read_text())
        if stored != same:
            others = ", ".join(sorted(name for name in {*stored, *same} if stored.get(name) != same.get(name)))
            raise RunError(f"{folder} holds trainings with another {others}: choose another --out, or move it away")
    elif folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} holds something that does not say its settings: choose another --out, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, same)


def _read(partial: Path) -> dict[str, Any]:
    """Nothing, where nothing is stored."""
    if not partial.is_file():
        return {}
    try:
        stored = json.loads(partial.read_text())
        if not isinstance(stored, dict) or not isinstance(stored.get("runs"), list):
            raise ValueError("it holds no runs")
    except (OSError, ValueError) as error:
        raise RunError(f"{partial} is damaged: {error}; remove it to begin anew") from error
    return stored
