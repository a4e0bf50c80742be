"""NumPy archives (.npz) from elsewhere: `read_npz(path, most)`.

They are data: no pickle is opened, sizes are known before anything is unpacked, and whatever zipfile, zlib and numpy make of a
damaged one is one error.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_PACKED = 4  # times at most that an archive may grow


class NpzError(ValueError):
    """An archive can't be read; the message says why, without the file's name."""


def read_npz(path: Path, most: int, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of these names, or all, of a file of `most` bytes. Raises NpzError."""
    try:
        size = path.stat().st_size
        if size > most:
            raise NpzError(f"it has {size} bytes, at most {most} are read")
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _PACKED * most:
            raise NpzError(f"it unpacks to {unpacked} bytes, at most {_PACKED * most} are read")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if names is None else names)}
    except NpzError:
        raise
    except OSError as error:
        raise NpzError(error.strerror or str(error)) from error
    except Exception as error:  # numpy parses headers as Python's literals, with all that this may raise
        raise NpzError(f"{type(error).__name__}: {error}".split("\n")[0][:200]) from error
