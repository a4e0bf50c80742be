"""Folders of work that takes long, and goes on where it stopped: `begin(out / "adapting.json", identity)`."""

import json
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.json_file import write_json


class UnfinishedError(UserError, RuntimeError):
    """A folder holds something else; the message says what to do."""


def begin(marker: Path, identity: dict[str, Any]) -> None:
    """Mark a new or empty folder as that of the work of this identity, JSON's values, unless it is marked so already.

    Raises UnfinishedError where the folder holds anything else.
    """
    out = marker.parent
    if marker.is_file():
        try:
            same = json.loads(marker.read_text()) == identity
        except ValueError:
            same = False
        if not same:
            raise UnfinishedError(f"{out} holds work on something else, or with other settings: choose another --out")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UnfinishedError(f"{out} is not empty: choose another --out")
    write_json(marker, identity)
