"""A model as text, files and numbers, from which any process compiles the same model again, to the last bit.

MJCF alone rounds to six digits, which a chaotic simulation does not forgive, and refers to files elsewhere. MuJoCo's binary
format is exact, but bound to one version and not to be read from strangers. So this is the text, the files that it refers to,
and the exact values of what it rounds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from assets.scene import spec_for_physics


class FrozenModelError(ValueError):
    """The model can't be frozen, or not be compiled again; the message says which part."""


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """What `freeze_model` gives."""

    xml: str
    """MJCF."""
    files: Mapping[str, bytes]
    """Meshes and height fields, by the names that the text has for them."""
    exact: Mapping[str, tuple[np.ndarray, np.ndarray]]
    """What the text rounds, by names in MjModel ("body_inertia", "opt.timestep"): positions in the flat array, and values."""

    def spec(self) -> mujoco.MjSpec:
        """A fresh spec, with rounded values."""
        try:
            return mujoco.MjSpec.from_string(self.xml, assets=dict(self.files))
        except ValueError as error:
            raise FrozenModelError(f"the model's text can't be read: {error}") from error

    def compile(self) -> mujoco.MjModel:
        """The model."""
        model = _compile(spec_for_physics(self.spec()))  # MuJoCo does not write which bodies are not simple
        floats = dict(_floats(model))
        for name, (index, value) in self.exact.items():
            if name not in floats:
                raise FrozenModelError(f"the compiled model has no field {name!r}: it was frozen by another version of MuJoCo")
            flat = floats[name].ravel()
            if index.shape != value.shape or index.ndim != 1 or not ((index >= 0) & (index < flat.size)).all():
                raise FrozenModelError(f"the exact values of model field {name!r} do not fit its {flat.size} entries")
            flat[index] = value
            _set(model, name, flat.reshape(floats[name].shape))
        return model


def freeze_model(spec: mujoco.MjSpec) -> FrozenModel:
    """The model that `compile_for_physics` makes of the spec, which is left as it is.

    Raises FrozenModelError where a file is missing, or MuJoCo's MJCF does not tell the whole model.
    """
    spec = spec_for_physics(spec)
    model = _compile(spec)  # takes what is only there to be seen out of the spec, too
    files = {}
    for kind, directory, elements in (
        ("mesh", spec.meshdir, spec.meshes),
        ("hfield", spec.meshdir, spec.hfields),
        ("texture", spec.texturedir, spec.textures),
    ):
        for element in [element for element in elements if element.file]:
            content = _read(spec, directory, element.file)
            element.file = f"{kind}_{len(files)}{Path(element.file).suffix.lower()}"
            files[element.file] = content
    spec.meshdir = spec.texturedir = ""
    spec.assets = files
    _compile(spec)
    frozen = FrozenModel(spec.to_xml(), files, {})
    again = frozen.compile()
    for (name, ours), (_, theirs) in zip(_integers(model), _integers(again), strict=True):
        if not np.array_equal(ours, theirs):
            raise FrozenModelError(f"the model does not survive being written as MJCF: its {name!r} changes")
    exact = {}
    for (name, ours), (_, theirs) in zip(_floats(model), _floats(again), strict=True):
        if ours.shape != theirs.shape:
            raise FrozenModelError(f"the model does not survive being written as MJCF: the shape of its {name!r} changes")
        index = np.flatnonzero((ours != theirs) & ~(np.isnan(ours) & np.isnan(theirs)))
        if index.size:
            exact[name] = (index, ours.ravel()[index])
    return FrozenModel(frozen.xml, files, exact)


def _compile(spec: mujoco.MjSpec) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        raise FrozenModelError(f"the model doesn't compile: {error}") from error


def _read(spec: mujoco.MjSpec, directory: str, name: str) -> bytes:
    if name in spec.assets:
        return spec.assets[name]
    path = Path(spec.modelfiledir) / directory / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise FrozenModelError(f"the model's file {path} can't be read: {error.strerror}") from error


def _values(model: mujoco.MjModel) -> Iterator[tuple[str, np.ndarray]]:
    """All numbers of a model, by name."""
    for prefix, owner in (("", model), ("opt.", model.opt), ("stat.", model.stat)):
        for name in dir(owner):
            if name.startswith("_") or "path" in name:
                continue
            value = getattr(owner, name)
            if isinstance(value, np.ndarray | int | float):
                yield prefix + name, np.asarray(value)


def _floats(model: mujoco.MjModel) -> Iterator[tuple[str, np.ndarray]]:
    return ((name, value) for name, value in _values(model) if value.dtype.kind == "f")


def _integers(model: mujoco.MjModel) -> Iterator[tuple[str, np.ndarray]]:
    yield "names", np.frombuffer(model.names, np.uint8)
    # Signature and buffer size follow from the rest, and from the files' names.
    skip = ("signature", "nbuffer")
    yield from ((name, value) for name, value in _values(model) if value.dtype.kind in "iub" and name not in skip)


def _set(model: mujoco.MjModel, name: str, value: np.ndarray) -> None:
    owner, _, leaf = name.rpartition(".")
    target = getattr(model, owner) if owner else model
    if isinstance(getattr(target, leaf), np.ndarray):
        getattr(target, leaf)[...] = value
    else:
        setattr(target, leaf, value.item())
