"""What took long to compute is kept: arrays in the user's cache folder, found again by what they were computed from.

    arrays = cached("hulls", key_of(vertices, faces, settings), make, is_sound)

The folder is $XDG_CACHE_HOME/zerogap, or ~/.cache/zerogap; it may be deleted at any time. An entry is written beside and
renamed, so that no other process sees half of it; one that is damaged is computed anew; where nothing can be written, nothing
is kept.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from assets.npz_file import NpzError, read_npz
from assets.whole_file import whole_file

Arrays = dict[str, np.ndarray]

_MAX_BYTES = 64 * 2**20  # of an entry


def cache_folder() -> Path:
    """Where entries are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerogap"


def key_of(*parts: np.ndarray | str) -> str:
    """A name for what arrays and texts hold: another for the least difference."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        told = "text" if isinstance(part, str) else f"{part.dtype.str}{part.shape}"
        digest.update(f"{told} {len(content)} ".encode() + content)
    return digest.hexdigest()[:40]


def cached(kind: str, key: str, make: Callable[[], Arrays], is_sound: Callable[[Arrays], bool]) -> Arrays:
    """The arrays under that key, or those that `make` gives, which are then kept. An entry that is not sound is made anew."""
    path = cache_folder() / kind / f"{key}.npz"
    found = _read(path)
    if found is not None and is_sound(found):
        return found
    made = make()
    # A full disk or a folder that is not ours costs time, and nothing else.
    with contextlib.suppress(OSError), whole_file(path, OSError) as partial:
        np.savez_compressed(partial, allow_pickle=False, **made)
    return made


def _read(path: Path) -> Arrays | None:
    try:
        return read_npz(path, _MAX_BYTES)
    except NpzError:
        return None
