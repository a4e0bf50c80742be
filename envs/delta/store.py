"""A correction as data: a directory with delta.json, which says all that it came from, and weights.npz, which holds no objects.

save(directory, model, report)
model = load(directory, GO2)
"""

import hashlib
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from assets.json_file import write_json
from assets.robots.robot import Robot
from assets.whole_file import whole_file
from envs.delta.errors import DeltaError
from envs.delta.features import DEFINITION, feature_count
from envs.delta.model import DeltaModel, Support, make_network

FORMAT = 3
FILE, WEIGHTS = "delta.json", "weights.npz"
_LARGEST_JSON, _LARGEST_WEIGHTS = 16 * 2**20, 256 * 2**20
_LARGEST = {"steps": 1000, "bound": 100.0, "period": 10.0, "members": 64}
_LARGEST_LAYER = 4096
_ARRAYS = ("action_scale", "center", "width", "shrink")


def save(directory: Path, model: DeltaModel, report: dict[str, Any]) -> None:
    """Both files; `report` goes into delta.json beside what the model is."""
    packed = _pack(model)
    with whole_file(directory / WEIGHTS, DeltaError) as partial:
        partial.write_bytes(packed)
    told = {name: getattr(model, name) for name in ("robot", "joints", "kind", "hidden", "steps", "period", "bound")}
    members = len(jax.tree.leaves(model.params)[0])
    weights = {"members": members, "features": DEFINITION, "weights_sha256": hashlib.sha256(packed).hexdigest()}
    write_json(directory / FILE, {"format": FORMAT, "model": {**told, **weights}, **report})


def digest(model: DeltaModel) -> str:
    """SHA-256 of the numbers of a model, as delta.json has it."""
    return hashlib.sha256(_pack(model)).hexdigest()


def load(directory: Path, robot: Robot | None = None) -> DeltaModel:
    """Raises DeltaError where it is no correction, is damaged, or is not this robot's."""
    told = read_report(directory)
    path = directory / WEIGHTS
    try:
        model = _read(told["model"], _unpack(path, told["model"]["weights_sha256"]))
    except DeltaError:
        raise
    except Exception as error:  # numpy parses headers as Python's literals, with all that this may raise
        raise DeltaError(
            f"{path} does not fit {directory / FILE}: {type(error).__name__}: {error}; learn it anew with `zerogap delta`"
        ) from error
    if robot is not None:
        model.check(robot)
    return model


def read_report(directory: Path) -> dict[str, Any]:
    """All of delta.json. Raises DeltaError where it cannot be read."""
    path = directory / FILE
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise DeltaError(f"{path} has {path.stat().st_size} bytes, expected at most {_LARGEST_JSON}")
        told = json.loads(path.read_text())
        if told["format"] != FORMAT:
            raise DeltaError(f"{path} has format {told['format']!r}, expected {FORMAT}: another version wrote it")
        if not isinstance(told["model"], dict):
            raise TypeError("its model is no object")
        return told
    except OSError as error:
        raise DeltaError(f"cannot read {path}: {error.strerror}; `zerogap delta --out` writes one") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, DeltaError):
            raise
        raise DeltaError(f"{path} is no correction: {type(error).__name__}: {error}") from error


def _pack(model: DeltaModel) -> bytes:
    """weights.npz, the same for the same numbers."""
    arrays = {name: np.asarray(getattr(model, name), np.float64) for name in _ARRAYS}
    arrays |= {f"support/{name}": np.asarray(getattr(model.support, name)) for name in Support.__dataclass_fields__}
    arrays |= {f"params/{name}": np.asarray(leaf) for name, leaf in _leaves(model.params)}
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def _unpack(path: Path, sha256: str) -> dict[str, np.ndarray]:
    try:
        if path.stat().st_size > _LARGEST_WEIGHTS:
            raise DeltaError(f"{path} has {path.stat().st_size} bytes, expected at most {_LARGEST_WEIGHTS}")
        content = path.read_bytes()
    except OSError as error:
        raise DeltaError(f"cannot read {path}: {error.strerror}; it lies beside {FILE}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DeltaError(f"{path} is not what {FILE} was written with: it is damaged, or another correction's")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _LARGEST_WEIGHTS:
        raise DeltaError(f"{path} would unpack to {unpacked} bytes, expected at most {_LARGEST_WEIGHTS}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _read(told: dict[str, Any], arrays: dict[str, np.ndarray]) -> DeltaModel:
    joints, hidden = tuple(map(str, told["joints"])), tuple(map(int, told["hidden"]))
    if told["kind"] not in ("shared", "whole-body"):
        raise ValueError(f"unknown kind {told['kind']!r}")
    for name, largest in _LARGEST.items():
        if not (math.isfinite(told[name]) and 0 < told[name] <= largest):
            raise ValueError(f"{name} is {told[name]!r}, expected more than 0 and at most {largest:g}")
    if not all(0 < size <= _LARGEST_LAYER for size in hidden) or not 1 <= len(hidden) <= 16:
        raise ValueError(f"hidden layers of {hidden}, expected 1 to 16, each of 1 to {_LARGEST_LAYER}")
    n, count, steps, members = len(joints), feature_count(int(told["steps"])), int(told["steps"]), int(told["members"])
    network = make_network(told["kind"], hidden, n)
    one = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, n, count), jnp.float32))
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("action_scale", "shrink"), (n,))
    shapes |= dict.fromkeys(("center", "width", "support/mean"), (n, count))
    shapes |= {"support/precision": (n, count, count), "support/edge": (n,), "support/spread": (n,)}
    shapes |= {f"params/{name}": (members, *leaf.shape) for name, leaf in _leaves(one)}
    for name, shape in shapes.items():
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
        if arrays[name].shape != shape or arrays[name].dtype.kind != "f":
            found = f"{arrays[name].dtype} of shape {arrays[name].shape}"
            raise ValueError(f"array {name!r} is {found}, expected real numbers of shape {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"array {name!r} holds what is no number")
    leaves = [jnp.asarray(arrays[f"params/{name}"], jnp.float32) for name, _ in _leaves(one)]
    return DeltaModel(
        robot=str(told["robot"]),
        joints=joints,
        kind=told["kind"],
        hidden=hidden,
        steps=steps,
        period=float(told["period"]),
        bound=float(told["bound"]),
        params=jax.tree.unflatten(jax.tree.structure(one), leaves),
        support=Support(*(jnp.asarray(arrays[f"support/{name}"], jnp.float32) for name in Support.__dataclass_fields__)),
        **{name: arrays[name].astype(np.float64) for name in _ARRAYS},
    )


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    """By their paths in the tree."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [("/".join(str(getattr(key, "key", key)) for key in path), leaf) for path, leaf in flat]
