"""JSON files that are written whole or not at all: `write_json(path, value)`."""

import json
from pathlib import Path
from typing import Any

from assets.errors import UserError
from assets.whole_file import whole_file


class JsonFileError(UserError, RuntimeError):
    """A file could not be written; the message names it and says why."""


def write_json(path: Path, value: Any) -> None:
    """Its folder is made where there is none. Raises JsonFileError where it cannot be written; what was there then stays."""
    text = json.dumps(value, indent=2) + "\n"
    with whole_file(path, JsonFileError) as partial:
        partial.write_text(text)
