"""Checkpoints of a run through Orbax: everything that training depends on, so that a resumed run goes on as if never stopped.

A checkpoint is two items: "policy" (parameters and normalisers, all that acting needs, the same for every `rl.learner.Learner`)
and "rest" (optimiser, environments, counters, keys, data). Orbax makes a checkpoint visible only once it is whole; a digest of
its files, written after that, tells later whether it still is.
"""

import hashlib
import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from assets.json_file import write_json
from rl.learner import LearnerState
from rl.ppo import TrainState
from rl.run import RunError

_POLICY = ("params", "average", "policy_normalizer", "critic_normalizer")
_DIGEST = "digest.json"

logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells every step of its work


State = TypeVar("State", bound=LearnerState)

Leaves = dict[str, Any]
"""Arrays, or their shapes, by their paths in the training state."""


class CheckpointError(RunError):
    """A checkpoint cannot be written or none can be read."""


class Checkpoints:
    """The checkpoints of one run, named by the number of updates; the newest `keep` stay (all of them where keep is None)."""

    def __init__(self, directory: Path, keep: int | None = 3):
        self.directory = directory.absolute()
        self.keep = keep
        self.warnings: list[str] = []
        """What was found damaged while reading, in words."""

    @property
    def updates(self) -> list[int]:
        """Checkpoints at hand, oldest first."""
        if not self.directory.is_dir():
            return []
        return sorted(int(p.name) for p in self.directory.iterdir() if p.name.isdigit() and p.is_dir())

    def save(self, state: LearnerState) -> Path:
        """Write a checkpoint whole or not at all. Overwrites one of the same update."""
        path = self.directory / str(int(state.updates))
        partial = self.directory / f".{path.name}.partial"
        values = jax.device_get(state)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            for item, leaves in _items(values).items():
                with _checkpointer() as checkpointer:
                    checkpointer.save(partial / item, leaves)
            write_json(partial / _DIGEST, _digests(partial))
            shutil.rmtree(path, ignore_errors=True)
            partial.rename(path)
        except Exception as error:  # Orbax and TensorStore raise types of their own for a full disk
            shutil.rmtree(partial, ignore_errors=True)
            free = shutil.disk_usage(self.directory if self.directory.is_dir() else Path()).free
            raise CheckpointError(
                f"cannot write the checkpoint {path} ({free / 1e6:.0f} MB are free there): {str(error)[:300]}"
            ) from error
        if self.keep is not None:
            for old in self.updates[: -self.keep]:
                shutil.rmtree(self.directory / str(old), ignore_errors=True)
        return path

    def restore(self, like: State) -> State:
        """The newest whole checkpoint of a run of the same task and sizes; `like` may hold shapes only."""
        return _with_leaves(like, self._newest(_items(like)))

    def restore_policy(self, like: TrainState, update: int | None = None) -> TrainState:
        """`like` with the newest (or the given) checkpoint's parameters and normalisers."""
        return _with_leaves(like, self._newest({"policy": _items(like)["policy"]}, update))

    def newest(self) -> int:
        """The update of the newest whole checkpoint."""
        return self._newest_of(self.updates)

    def _newest(self, expected: dict[str, Leaves], update: int | None = None) -> Leaves:
        return _read(self.directory / str(self._newest_of(self.updates if update is None else [update])), expected)

    def _newest_of(self, candidates: list[int]) -> int:
        if not candidates:
            raise CheckpointError(f"{self.directory} holds no checkpoint: the run was stopped before its first")
        for update in reversed(candidates):
            path = self.directory / str(update)
            problem = _damage(path)
            if problem is None:
                return update
            self.warnings.append(f"checkpoint {path} is damaged ({problem}); it is left as it is, the one before it is used")
        raise CheckpointError("no checkpoint can be read: " + "; ".join(self.warnings))


def _checkpointer() -> ocp.StandardCheckpointer:
    """Of this process alone, whichever others there are."""
    alone = ocp.options.MultiprocessingOptions(primary_host=jax.process_index(), active_processes={jax.process_index()})
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


def _read(path: Path, expected: dict[str, Leaves]) -> Leaves:
    values: Leaves = {}
    for item, leaves in expected.items():
        shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in leaves.items()}
        with _checkpointer() as checkpointer:
            _expect_same(path / item, checkpointer.metadata(path / item), shapes)
            values |= checkpointer.restore(path / item, shapes)
    return values


def _expect_same(path: Path, metadata: Any, shapes: Leaves) -> None:
    stored = getattr(metadata, "item_metadata", metadata)
    stored = getattr(stored, "tree", stored)
    have = {name: tuple(leaf.shape) for name, leaf in stored.items()}
    want = {name: tuple(leaf.shape) for name, leaf in shapes.items()}
    names = sorted(have.keys() | want.keys())
    differing = [
        f"{name} is {have.get(name, 'absent')}, expected {want.get(name, 'nothing')}"
        for name in names
        if have.get(name) != want.get(name)
    ]
    if differing:
        raise CheckpointError(f"{path} is of another task or configuration: {'; '.join(differing[:4])}")


def _name(path: jax.tree_util.KeyPath) -> str:
    """ "params.actor.params.Dense_0.kernel"; attributes, keys and indices alike."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _items(state: LearnerState) -> dict[str, Leaves]:
    """The two items of a checkpoint, each a flat dictionary. What has no entries is left out: Orbax stores none of it."""
    items: dict[str, Leaves] = {"policy": {}, "rest": {}}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        name = _name(path)
        if math.prod(leaf.shape):
            items["policy" if name.split(".")[0] in _POLICY else "rest"][name] = leaf
    return items


def _with_leaves(like: State, leaves: Leaves) -> State:
    """`like` with the leaves that there are; what has no entries is made."""

    def choose(path: jax.tree_util.KeyPath, old: Any) -> Any:
        return leaves.get(_name(path), old if math.prod(old.shape) else np.zeros(old.shape, old.dtype))

    return jax.tree_util.tree_map_with_path(choose, like)


def _digests(path: Path) -> dict[str, str]:
    return {str(p.relative_to(path)): _sha256(p) for p in sorted(path.rglob("*")) if p.is_file() and p.name != _DIGEST}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damage(path: Path) -> str | None:
    try:
        expected = json.loads((path / _DIGEST).read_text())
        found = _digests(path)
    except (OSError, json.JSONDecodeError) as error:
        return f"its digest cannot be read: {error}"
    if not isinstance(expected, dict) or not expected:
        return "its digest names no files"
    for name in expected.keys() | found.keys():
        if expected.get(name) != found.get(name):
            return f"{name} is {'absent' if name not in found else 'not what was written'}"
    return None
