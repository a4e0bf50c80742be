"""Files that are written whole or not at all: `publish(path, lambda file: np.save(file, array, allow_pickle=False))`."""

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from assets.materials.errors import MaterialError

Write = Callable[[IO[bytes]], object]


def publish(path: Path, write: Write) -> None:
    """A new file; its folder is made where there is none. Raises MaterialError where there is one, or it can't be written."""
    if path.exists():
        raise MaterialError(f"{path} exists already; give another name, or delete it first")
    publish_anew(path, write)


def publish_anew(path: Path, write: Write) -> None:
    """In the place of one that may be there already. Raises MaterialError where it can't be written; what was there stays."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            write(file)
        beside.replace(path)
    except OSError as error:
        raise MaterialError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
