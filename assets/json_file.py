"""JSON files that are written whole or not at all: `write_json(path, value)`."""

import contextlib
import json
import uuid
from pathlib import Path
from typing import Any

from assets.errors import UserError


class JsonFileError(UserError, RuntimeError):
    """A file could not be written; the message names it and says why."""


def write_json(path: Path, value: Any) -> None:
    """Its folder is made where there is none. Raises JsonFileError where it cannot be written; what was there then stays."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(value, indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        raise JsonFileError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
