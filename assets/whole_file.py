"""Files that are written whole or not at all.

    with whole_file(path, CrashError) as partial:        # in the place of one that may be there
        partial.write_bytes(content)
    with new_file(path, LogError, "choose another with --out") as partial:
        partial.write_text(text)

What is written to the path that these give, which lies beside the file and ends as it does, becomes the file when the block
ends well. Else what was there stays, and nothing is left behind. Folders are made. Errors of the system become the caller's.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path, error: type[Exception]) -> Iterator[Path]:
    """Raises `error` where the file cannot be written."""
    with _beside(path, error, "") as partial:
        yield partial
        partial.replace(path)


@contextlib.contextmanager
def new_file(path: Path, error: type[Exception], remedy: str) -> Iterator[Path]:
    """Raises `error`, which tells the remedy, where there is a file, before or after, and where it cannot be written."""
    exists = error(f"{path} exists already: {remedy}")
    if path.exists():
        raise exists
    with _beside(path, error, f"; {remedy}") as partial:
        yield partial
        try:
            os.link(partial, path)  # unless another has taken the name meanwhile
        except FileExistsError:
            raise exists from None
        except OSError:  # a file system without links
            partial.rename(path)


@contextlib.contextmanager
def _beside(path: Path, error: type[Exception], remedy: str) -> Iterator[Path]:
    partial = path.with_name(f".{path.stem[:100]}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        yield partial
    except OSError as problem:
        raise error(f"cannot write {path}: {problem.strerror or problem}{remedy}") from problem
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
