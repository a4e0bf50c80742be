"""The last moments of an environment that diverged, as a file; `sim.replay` tells from it what happened.

    save_crash(path, CrashRecord(task=..., engine=..., model=freeze_model(task.scene()), qpos=..., ...))
    record = load_crash(path)

The file is a NumPy archive (.npz) of plain arrays; reading it runs no code of its own, though MuJoCo parses the model's text
and meshes from it. Entries: "format" (a number), "header" (JSON), "xml", "file/NAME" (bytes), "exact/NAME/index" and
"exact/NAME/value", "field/NAME", "qpos", "qvel", "act", "ctrl". See `FrozenModel` and `CrashRecord` for their meaning.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from assets.errors import UserError
from assets.scene import add_backdrop
from assets.whole_file import whole_file
from sim.bounding import REFITTED_BY, refit_trees
from sim.frozen_model import FrozenModel, FrozenModelError
from sim.physics import PhysicsError, nominal_field
from sim.render import show_geoms

_FORMAT = 1
_MAX_BYTES = 512 * 2**20  # unpacked; a megabyte is usual, some tens with detailed meshes
_MAX_ENTRIES = 10_000
_TEXTS = ("task", "engine", "when", "mujoco_version")


class CrashError(UserError, RuntimeError):
    """The file or the record can't be used; the message names the file, what was expected and what was found."""


@dataclass(frozen=True, eq=False)
class CrashRecord:
    """One environment, from some control steps before it diverged.

    Each control step starts from its recorded state, so that what happened between steps (a push) is in it. Mocap bodies and
    other rare parts of a state are not.
    """

    task: str
    engine: str
    """The engine that diverged, one of `sim.physics.ENGINES`."""
    env: int
    """Index of the environment in its batch."""
    when: str
    """For people: "update 120 of run 3f2a, 4.2 s into the episode"."""
    num_substeps: int
    """Physics steps per control step."""
    model: FrozenModel
    """The nominal model."""
    fields: Mapping[str, np.ndarray]
    """The environment's own model fields, by their MuJoCo names, each in its shape in MjModel."""
    qpos: np.ndarray
    """Before each control step, (steps, nq)."""
    qvel: np.ndarray
    """(steps, nv)"""
    act: np.ndarray
    """(steps, na)"""
    ctrl: np.ndarray
    """One per physics step, (steps, num_substeps, nu), or one held for the whole control step, (steps, 1, nu)."""
    mujoco_version: str = mujoco.__version__
    """What simulated."""

    def compile(self) -> mujoco.MjModel:
        """The environment's model: the nominal one with its fields. Raises CrashError where the record contradicts itself."""
        try:
            model = self.model.compile()
        except FrozenModelError as error:
            raise CrashError(str(error)) from error
        steps = len(self.qpos)
        per_step = 1 if self.ctrl.shape[1:2] == (1,) else self.num_substeps
        expected = {
            "qpos": (steps, model.nq),
            "qvel": (steps, model.nv),
            "act": (steps, model.na),
            "ctrl": (steps, per_step, model.nu),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape or not steps:
                raise CrashError(f"{name} has shape {found}, expected {shape}, with at least one step")
        for name, value in self.fields.items():
            _set_field(model, name, value)
        if any(name in mujoco.MjModel._setconst_inputs or name.startswith("opt.") for name in self.fields):
            mujoco.mj_setConst(model, mujoco.MjData(model))
        if geometry := {name: getattr(model, name)[None] for name in REFITTED_BY & set(self.fields)}:
            model.bvh_aabb[:] = refit_trees(model, geometry)[0]
        return model

    def compile_for_pictures(self) -> mujoco.MjModel:
        """The model to draw a replay with: the shapes that collide, a sky and a floor to see."""
        try:
            spec = self.model.spec()
            add_backdrop(spec)
            model = spec.compile()
        except ValueError as error:
            raise CrashError(f"the model doesn't compile: {error}") from error
        show_geoms(model, self.compile(), self.fields)
        return model


# Files


def save_crash(path: Path, record: CrashRecord) -> None:
    """Write the record, whole or not at all. Raises CrashError where the record contradicts itself or can't be written."""
    record.compile()
    header = {name: getattr(record, name) for name in (*_TEXTS, "env", "num_substeps")}
    entries: dict[str, Any] = {"format": np.int64(_FORMAT), "header": _bytes(json.dumps(header))}
    entries |= {"xml": _bytes(record.model.xml)}
    entries |= {f"file/{name}": np.frombuffer(content, np.uint8) for name, content in record.model.files.items()}
    for name, (index, value) in record.model.exact.items():
        entries |= {f"exact/{name}/index": index, f"exact/{name}/value": value}
    entries |= {f"field/{name}": np.asarray(value) for name, value in record.fields.items()}
    entries |= {"qpos": record.qpos, "qvel": record.qvel, "act": record.act, "ctrl": record.ctrl}
    with whole_file(Path(path), CrashError) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **entries)


def load_crash(path: Path) -> CrashRecord:
    """Read a record. Raises CrashError unless the file is whole, of this format and in itself consistent."""
    path = Path(path)
    if not path.is_file():
        raise CrashError(f"{path} is no file; training writes its dumps to RUN/crashes/*.npz")
    try:
        entries = _read_archive(path)
        header = _header(entries)
        exact: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name in _names(entries, "exact/"):
            field, _, part = name.rpartition("/")
            if part == "index":
                exact[field] = (_take(entries, f"exact/{name}", "iu"), _take(entries, f"exact/{field}/value", "f"))
        record = CrashRecord(
            task=header["task"],
            engine=header["engine"],
            env=header["env"],
            when=header["when"],
            num_substeps=header["num_substeps"],
            mujoco_version=header["mujoco_version"],
            model=FrozenModel(
                xml=_take(entries, "xml", "u").tobytes().decode(),
                files={name: _take(entries, f"file/{name}", "u").tobytes() for name in _names(entries, "file/")},
                exact=exact,
            ),
            fields={name: _take(entries, f"field/{name}", "f") for name in _names(entries, "field/")},
            qpos=_take(entries, "qpos", "f"),
            qvel=_take(entries, "qvel", "f"),
            act=_take(entries, "act", "f"),
            ctrl=_take(entries, "ctrl", "f"),
        )
        record.compile()
    except CrashError as error:
        raise CrashError(f"{path}: {error}") from error
    except Exception as error:  # whatever zipfile, numpy and MuJoCo make of a damaged one
        raise CrashError(f"{path} can't be read: {type(error).__name__}: {error}") from error
    return record


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as content:
        if not zipfile.is_zipfile(content):
            raise CrashError("this is no .npz archive, as `zerogap train` dumps them, or it is cut short")
        with zipfile.ZipFile(content) as archive:
            infos = archive.infolist()
            size = sum(info.file_size for info in infos)
            if size > _MAX_BYTES or len(infos) > _MAX_ENTRIES:
                raise CrashError(
                    f"it unpacks to {size / 2**20:.0f} MiB in {len(infos)} entries, expected at most {_MAX_BYTES // 2**20} MiB "
                    f"in {_MAX_ENTRIES}"
                )
            # One by one and bounded: what an archive says of its sizes need not be true.
            entries = {}
            for info in infos:
                with archive.open(info) as member:
                    raw = member.read(info.file_size + 1)
                if len(raw) != info.file_size:
                    raise CrashError(f"its entry {info.filename!r} is not of the size it tells")
                entries[info.filename.removesuffix(".npy")] = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
    return entries


def _take(entries: Mapping[str, np.ndarray], name: str, kinds: str) -> np.ndarray:
    """An entry whose numbers are of one of the kinds, as NumPy's dtypes name them."""
    if name not in entries:
        raise CrashError(f"its entry {name!r} is missing")
    if entries[name].dtype.kind not in kinds:
        raise CrashError(f"its entry {name!r} holds {entries[name].dtype}, expected one of the kinds {kinds!r}")
    return entries[name]


def _names(entries: Mapping[str, np.ndarray], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in entries if name.startswith(prefix)]


def _header(entries: Mapping[str, np.ndarray]) -> dict[str, Any]:
    version = _take(entries, "format", "iu")
    if version.shape != () or version != _FORMAT:
        raise CrashError(f"its format is {version.tolist()}, expected {_FORMAT}: another version of zerogap wrote it")
    header = json.loads(_take(entries, "header", "u").tobytes())
    expected = dict.fromkeys(_TEXTS, str) | {"env": int, "num_substeps": int}
    for name, kind in expected.items():
        if not isinstance(header, dict) or not isinstance(header.get(name), kind):
            raise CrashError(f"its header has no {name!r} that is a {kind.__name__}")
    if not 1 <= header["num_substeps"] <= 10_000:
        raise CrashError(f"its num_substeps is {header['num_substeps']}, expected 1 to 10,000")
    return {name: header[name] for name in expected}


def _set_field(model: mujoco.MjModel, name: str, value: np.ndarray) -> None:
    try:
        nominal = nominal_field(model, name)
    except PhysicsError as error:
        raise CrashError(str(error)) from error
    if np.shape(value) != nominal.shape:
        raise CrashError(f"model field {name!r} has shape {np.shape(value)}, expected {nominal.shape}")
    owner, _, leaf = name.rpartition(".")
    target = getattr(model, owner) if owner else model
    if nominal.shape:
        getattr(target, leaf)[...] = value
    else:
        setattr(target, leaf, float(value))
