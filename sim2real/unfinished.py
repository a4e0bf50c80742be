"""Folders of work that takes long: `expect_new(out)`, before it begins; and of work that goes on where it stopped:
`begin(out / "adapting.json", identity)`."""

import json
import tempfile
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.json_file import write_json


class UnfinishedError(UserError, RuntimeError):
    """A folder holds something else, or cannot be written to; the message says what to do."""


def expect_new(out: Path) -> None:
    """Raise UnfinishedError unless `out` is a folder that is empty, or one that can be made; nothing is left there. What takes
    long is not to be lost at its end."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UnfinishedError(f"{out} is not empty: choose another --out")
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(dir=above):
            pass
    except OSError as error:
        raise UnfinishedError(f"cannot write to {out}: {above}: {error.strerror or error}; choose another --out") from error


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
    expect_new(out)
    write_json(marker, identity)
