"""Trees of arrays as one .npz file: `write_arrays(path, card, tree)`, and back. No pickles; whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from assets.materials.errors import EXISTS, MaterialError
from assets.npz_file import NpzError, read_npz
from assets.whole_file import new_file, whole_file

MAX_BYTES = 512 * 2**20

_CARD = "card"


def named(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by their paths: "params/stem/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def write_arrays(path: Path, card: str, arrays: Mapping[str, np.ndarray], replace: bool = False) -> None:
    """Raises MaterialError where there is such a file already (unless it may be replaced), or it can't be written."""
    told = {_CARD: np.frombuffer(card.encode(), np.uint8)} | dict(arrays)
    written = whole_file(path, MaterialError) if replace else new_file(path, MaterialError, EXISTS)
    with written as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **told)


def read_arrays(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    """The card and the arrays. Raises MaterialError where it can't be read."""
    try:
        arrays = read_npz(path, MAX_BYTES)
        card = arrays.pop(_CARD).tobytes().decode()
    except (NpzError, KeyError, UnicodeDecodeError) as error:
        raise MaterialError(f"{path} can't be read as arrays with a card: {error}") from error
    return card, arrays


def filled(like: Any, arrays: Mapping[str, np.ndarray], where: str) -> Any:
    """The tree `like` (arrays or shapes) with the named arrays for leaves. Raises MaterialError where they don't fit."""
    expected = jax.tree_util.tree_leaves_with_path(like)
    leaves = []
    for path, leaf in expected:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        found = arrays.get(name)
        if found is None or found.shape != leaf.shape:
            shape = "absent" if found is None else f"of shape {found.shape}"
            raise MaterialError(f"{where}: {name} is {shape}, expected {leaf.shape}; it is of another network, or damaged")
        if np.issubdtype(found.dtype, np.floating) and not np.isfinite(found).all():
            raise MaterialError(f"{where}: {name} is not finite")
        leaves.append(found.astype(leaf.dtype))
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(like), leaves)
