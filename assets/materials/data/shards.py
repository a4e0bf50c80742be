"""Samples on disk: a folder of shards, each some hundreds of samples in one .npz file.

    write_shards(Path("data"), Procedural(count=20_000, seed=0), jobs=2)
    data = Data.read(Path("data"))                          # unpacked on disk, some 80 kB a sample, and looked up there
    data.seen(7), data.truth(7), data.mass[7], data.tags[7]

A shard is named by its number and made by it: writing goes on where it was stopped, and the same seed gives the same files.
They are plain arrays, never pickles, and their sizes are checked before they are used.
"""

import contextlib
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assets.json_file import write_json
from assets.materials.data.sample import MAX_PARTS, Sample, make_sample
from assets.materials.errors import MaterialError
from assets.materials.model.card import COLOUR
from assets.materials.properties import PROPERTIES
from assets.materials.providers import FeatureProvider
from assets.materials.seen import CHANNELS, Seen
from assets.npz_file import NpzError, read_npz
from assets.whole_file import whole_file

MAX_SHARD_BYTES = 2 * 2**30
_ROW = 1 + len(PROPERTIES)
_CARD = "data.json"
_FORMAT = 2


class Source(Protocol):
    """Where samples come from; a frozen dataclass, whose fields tell sources apart."""

    @property
    def name(self) -> str: ...

    @property
    def provider(self) -> str:
        """Whose features the samples have."""
        ...

    @property
    def count(self) -> int:
        """How many samples there are."""
        ...

    @property
    def per_shard(self) -> int: ...

    def make(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class Procedural:
    """Objects made by rule, see `sample`."""

    count: int
    seed: int = 0
    resolution: int = 32
    encoder: FeatureProvider | None = None
    """Whose features they have besides colour."""

    name = "procedural"

    @property
    def provider(self) -> str:
        return COLOUR if self.encoder is None else self.encoder.name

    @property
    def per_shard(self) -> int:
        return 256 if self.encoder is None else 8  # with features they have some MB each

    def __post_init__(self) -> None:
        if self.count < 1:
            raise MaterialError(f"at least one sample is needed, found {self.count}")
        if self.seed < 0:
            raise MaterialError(f"the seed must be 0 or more, found {self.seed}")
        if self.resolution not in (32, 64):
            raise MaterialError(f"the resolution is 32 or 64 voxels, found {self.resolution}")

    def make(self, index: int) -> Sample:
        return make_sample(self.seed, index, self.resolution, self.encoder)


@dataclass(frozen=True)
class Tags:
    """What splits of the data go by."""

    recipe: str
    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    combination: tuple[str, ...]


def write_shards(folder: Path, source: Source, jobs: int = 1) -> Iterator[int]:
    """Make the source's samples, gives after each shard how many there are. Shards that are there already stay.

    Raises MaterialError where the folder holds other data, or can't be written.
    """
    if jobs < 1:
        raise MaterialError(f"at least one job is needed, found {jobs}")
    # An encoder is told by its name, as the provider; of the same data there may be more.
    fields = {field.name: getattr(source, field.name) for field in dataclasses.fields(source)}  # pyright: ignore[reportArgumentType]
    told = {name: value for name, value in fields.items() if name not in ("count", "encoder")}
    card = {"format": _FORMAT, "source": source.name, "provider": source.provider} | json.loads(json.dumps(told, default=str))
    stored = _card(folder) if (folder / _CARD).exists() else None
    if stored is not None and stored != card:
        raise MaterialError(f"{folder} holds data made with {stored}, not with {card}; give another folder")
    if stored is None and folder.is_dir() and any(folder.iterdir()):
        raise MaterialError(f"{folder} is not empty and holds no data; give a new folder")
    write_json(folder / _CARD, card)
    asked = [(folder, source, start) for start in range(0, source.count, source.per_shard)]
    if jobs == 1:
        made: Iterable[int] = map(_shard, asked)
        yield from _running(made)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from _running(pool.map(_shard, asked))


def _running(made: Iterable[int]) -> Iterator[int]:
    total = 0
    for number in made:
        total += number
        yield total


def _shard(asked: tuple[Path, Source, int]) -> int:
    folder, source, start = asked
    count = min(source.per_shard, source.count - start)
    path = folder / f"{start // source.per_shard:05d}.npz"
    if not (path.exists() and len(_read(path)["mass"]) == count):
        write_samples(path, [source.make(index) for index in range(start, start + count)])
    return count


def write_samples(path: Path, samples: list[Sample]) -> None:
    """One shard, whole or not at all."""
    tags = [[s.recipe, "+".join(s.shapes), "+".join(s.textures), "+".join(s.combination)] for s in samples]
    materials = np.full((len(samples), MAX_PARTS, _ROW), np.nan, np.float32)
    for row, sample in zip(materials, samples, strict=True):
        row[: len(sample.materials)] = sample.materials
    arrays = {
        "resolution": np.array(samples[0].seen.resolution),
        "size": np.array([s.seen.size for s in samples], np.float32),
        "count": np.array([len(s.part) for s in samples], np.int64),
        "voxel": np.concatenate([s.seen.voxel for s in samples]).astype(np.uint32),
        "values": np.concatenate([s.seen.values for s in samples]),
        "extra": np.concatenate([s.seen.extra for s in samples]),
        "part": np.concatenate([s.part for s in samples]),
        "materials": materials,
        "mass": np.array([s.mass for s in samples]),
        "tags": np.array(tags, np.str_),
    }
    with whole_file(path, MaterialError) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)


@dataclass(frozen=True, eq=False)
class Data:
    """Many samples, one after the other. What they have of voxels is mapped from files without names, which go with it."""

    resolution: int
    size: np.ndarray
    """Edges of the samples' voxels (m), (n,)."""
    starts: np.ndarray
    """Where each sample's voxels begin, (n + 1,)."""
    voxel: np.ndarray
    values: np.ndarray
    extra: np.ndarray
    parts: np.ndarray
    material: np.ndarray
    """(n, MAX_PARTS, 1 + properties), NaN where there is no part."""
    mass: np.ndarray
    tags: tuple[Tags, ...]
    provider: str = COLOUR
    """Whose features `extra` are."""

    @classmethod
    def read(cls, folder: Path, most: int | None = None) -> "Data":
        """The samples of a folder, or the first so many. Raises MaterialError where there are none, or they are damaged."""
        paths = sorted(folder.glob("[0-9]*.npz"))
        if not paths:
            raise MaterialError(f"{folder} holds no data; make some: zerogap materials make-data --out {folder}")
        provider = str(_card(folder).get("provider", COLOUR)) if (folder / _CARD).exists() else COLOUR
        first = _read(paths[0])
        of_samples: dict[str, list[np.ndarray]] = {name: [] for name in ("size", "count", "materials", "mass", "tags")}
        total = 0
        with contextlib.ExitStack() as files:
            of_voxels = {name: _Unpacked(folder, name, first[name], files) for name in ("voxel", "values", "extra", "part")}
            for path in paths:
                shard = first if path == paths[0] else _read(path)
                if shard["resolution"] != first["resolution"]:
                    found = sorted({int(some["resolution"]) for some in (first, shard)})
                    raise MaterialError(f"the shards have several resolutions: {found}; keep each in a folder of its own")
                kept = len(shard["mass"]) if most is None else min(most - total, len(shard["mass"]))
                for name, arrays in of_samples.items():
                    arrays.append(shard[name][:kept])
                for name, unpacked in of_voxels.items():
                    unpacked.add(shard[name][: shard["count"][:kept].sum()])
                total += kept
                if total == most:
                    break
            mapped = {name: unpacked.mapped() for name, unpacked in of_voxels.items()}
        if not total:
            raise MaterialError("no sample is left: make more, or hold out fewer families")
        size, count, materials, mass, told = (np.concatenate(arrays) for arrays in of_samples.values())
        return cls(
            int(first["resolution"]),
            size,
            np.concatenate([[0], np.cumsum(count)]),
            mapped["voxel"],
            mapped["values"],
            mapped["extra"],
            mapped["part"],
            materials,
            mass,
            tuple(Tags(row[0], *(tuple(cell.split("+")) for cell in row[1:])) for row in told.tolist()),
            provider,
        )

    @classmethod
    def of(cls, samples: list[Sample], folder: Path) -> "Data":
        """Of samples, by way of a file in that folder."""
        write_samples(folder / "00000.npz", samples)
        return cls.read(folder)

    def __len__(self) -> int:
        return len(self.mass)

    @cached_property
    def digest(self) -> str:
        """Of all that they hold: what was made with them says so."""
        found = hashlib.sha256(f"{self.resolution} {self.provider} {self.tags}".encode())
        for array in (self.size, self.starts, self.voxel, self.values, self.extra, self.parts, self.material, self.mass):
            found.update(f"{array.dtype.str}{array.shape}".encode())
            if array.size:
                found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def _of(self, index: int) -> slice:
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def seen(self, index: int) -> Seen:
        own = self._of(index)
        return Seen(self.resolution, float(self.size[index]), self.voxel[own], self.values[own], self.extra[own])

    def part(self, index: int) -> np.ndarray:
        """Of the sample's voxels, (v,)."""
        return self.parts[self._of(index)]

    def truth(self, index: int) -> np.ndarray:
        """Class and properties of the sample's voxels, (v, 1 + properties)."""
        return self.material[index][self.part(index)]

    def only(self, indices: np.ndarray) -> "Data":
        """Some of the samples."""
        if len(indices) == len(self) and (indices == np.arange(len(self))).all():
            return self
        if not len(indices):
            raise MaterialError("no sample is left: make more, or hold out fewer families")
        rows = np.concatenate([np.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in indices])
        count = np.diff(self.starts)[indices]
        return Data(
            self.resolution,
            self.size[indices],
            np.concatenate([[0], np.cumsum(count)]),
            self.voxel[rows],
            self.values[rows],
            self.extra[rows],
            self.parts[rows],
            self.material[indices],
            self.mass[indices],
            tuple(self.tags[i] for i in indices),
            self.provider,
        )


class _Unpacked:
    """An array that grows in a file without a name, beside the data where one may write there."""

    def __init__(self, folder: Path, name: str, like: np.ndarray, files: contextlib.ExitStack):
        self.name, self.dtype, self.shape, self.rows = name, like.dtype, like.shape[1:], 0
        try:
            self.file = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
        except OSError:
            self.file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115

    def add(self, rows: np.ndarray) -> None:
        """Raises MaterialError where they are of another kind than the first, or there is no room."""
        if rows.dtype != self.dtype or rows.shape[1:] != self.shape:
            raise MaterialError(
                f"the shards have several kinds of {self.name!r}: {self.dtype} {self.shape} and {rows.dtype} {rows.shape[1:]};"
                " keep each in a folder of its own"
            )
        try:
            self.file.write(np.ascontiguousarray(rows).data if rows.size else b"")
        except OSError as error:
            raise MaterialError(f"there is no room to unpack the data: {error.strerror or error}") from error
        self.rows += len(rows)

    def mapped(self) -> np.ndarray:
        shape = (self.rows, *self.shape)
        if 0 in shape:
            return np.zeros(shape, self.dtype)
        self.file.flush()
        return np.memmap(self.file, self.dtype, "r", shape=shape)


def _card(folder: Path) -> dict[str, Any]:
    try:
        stored = json.loads((folder / _CARD).read_text())
        if not isinstance(stored, dict):
            raise ValueError("expected a JSON object")
    except (OSError, ValueError) as error:
        raise MaterialError(f"{folder / _CARD} can't be read ({error}); remove the folder and make the data anew") from error
    return stored


_KINDS = {"size": 1, "count": 1, "voxel": 1, "values": 2, "extra": 2, "part": 1, "materials": 3, "mass": 1, "tags": 2}


def _read(path: Path) -> dict[str, np.ndarray]:
    """A shard's arrays, checked."""
    try:
        shard = read_npz(path, MAX_SHARD_BYTES, ("resolution", *_KINDS))
    except NpzError as error:
        raise MaterialError(
            f"{path} is no shard of samples, or is damaged ({error}); remove it and make the data anew"
        ) from error
    n, v, r = len(shard["mass"]), len(shard["voxel"]), int(shard["resolution"])
    sound = (
        all(shard[name].ndim == rank for name, rank in _KINDS.items())
        and all(len(shard[name]) == n for name in ("size", "count", "materials", "tags"))
        and all(len(shard[name]) == v for name in ("values", "extra", "part"))
        and shard["count"].sum() == v
        and shard["values"].shape[1:] == (CHANNELS,)
        and shard["materials"].shape[1:] == (MAX_PARTS, _ROW)
        and v > 0
        and int(shard["voxel"].max()) < r**3
        and int(shard["part"].max()) < MAX_PARTS
        and shard["tags"].shape[1:] == (4,)
    )
    if not sound:
        raise MaterialError(f"{path}: its arrays don't fit together; remove it and make the data anew")
    return shard
