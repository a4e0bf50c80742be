"""Pixie's files: its material grids, predictions, features and point clouds, read and written (github.com/vlongle/pixie).

    grid = read_material_grid(Path("sample_0/material_grid.npy"))    # grid.density, grid.young, grid.poisson, grid.material
    write_material_grid(path, grid)                                  # bit for bit the same
    field_of(grid), grid_of(field, voxels)                           # to and from what we believe
    read_prediction(path, mask), write_prediction(path, mask, grid)  # normalised by the ranges that lie beside them

Three traps of theirs. Points of its grids are at `linspace(min, max, 64)`: the outermost ones lie on the bounds, so a step is
1/63 of the box, not 1/64. A prediction's class channels are hard, one or zero, so its confidence says nothing. And the
`_info.npy` beside it is a pickle, which can run anything when it is loaded: it is never read here.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.materials.errors import EXISTS, MaterialError
from assets.npz_file import read_npz
from assets.whole_file import new_file

SIDE = 64
"""Of its grids, which it insists on."""

NAMES = ("jelly", "metal", "sand", "visplas", "fluid", "snow", "stationary", "background")
"""Its classes by their numbers."""

BACKGROUND = 7

MAX_BYTES = 4 * 2**30

RANGES = "normalization_ranges.yaml"
"""Pixie's statistics file, beside predictions that are normalised by it."""

_RANGES_BYTES = 2**16
_RANGE = re.compile(r"""["']?(\w+)["']?\s*:\s*([^\s,{}]+)""")
_BOUNDS = ("min_bounds", "max_bounds")
_CARD_BYTES = 2**20
_TINY = 1e-6  # that it adds before it takes a logarithm


@dataclass(frozen=True)
class Scaling:
    """1st and 99th percentiles of the training set, by which predictions are normalised; by default those of Pixie's own."""

    density: tuple[float, float] = (1.7031893730163574, 3.871432304382324)
    """log10 kg/m³"""
    young: tuple[float, float] = (3.0183002948760986, 10.881680488586426)
    """log10 Pa"""
    poisson: tuple[float, float] = (0.21027633547782898, 0.4492689371109009)

    @property
    def ends(self) -> np.ndarray:
        """(2, 3): low and high of density, E and nu."""
        return np.array([self.density, self.young, self.poisson]).T


@dataclass(frozen=True, eq=False)
class MaterialGrid:
    density: np.ndarray
    """kg/m³, (64, 64, 64) float32; 0 in the background."""
    young: np.ndarray
    """Pa"""
    poisson: np.ndarray
    material: np.ndarray
    """Number of the class, 7 in the background."""

    @property
    def mask(self) -> np.ndarray:
        return self.material != BACKGROUND

    @property
    def stacked(self) -> np.ndarray:
        """(64, 64, 64, 4) float32, as it is stored."""
        return np.stack([self.density, self.young, self.poisson, self.material], -1).astype(np.float32)


def read_material_grid(path: Path) -> MaterialGrid:
    """Raises MaterialError where the file is no such grid."""
    grid = read_array(path, (SIDE, SIDE, SIDE, 4))
    return _checked(path, grid.astype(np.float32))


def write_material_grid(path: Path, grid: MaterialGrid) -> None:
    """Raises MaterialError where there is a file already."""
    write_array(path, grid.stacked)


def _checked(path: Path, grid: np.ndarray) -> MaterialGrid:
    material = grid[..., 3]
    if not np.isfinite(grid).all():
        raise MaterialError(f"{path}: it has values that are not finite")
    if not np.isin(material, np.arange(len(NAMES))).all():
        raise MaterialError(f"{path}: its fourth channel has {np.unique(material)[:9]}, expected classes 0 to {len(NAMES) - 1}")
    inside = material != BACKGROUND
    if (grid[inside, :3] <= 0).any() or (grid[inside, 2] >= 0.5).any():
        raise MaterialError(f"{path}: inside the object density and E must be above zero and nu within 0 and 0.5")
    return MaterialGrid(*np.moveaxis(grid, -1, 0))


# Predictions


def read_scaling(path: Path) -> Scaling:
    """Of a `normalization_ranges.yaml`. Raises MaterialError where it can't be read, or lacks a percentile."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_RANGES_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise MaterialError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    told = dict(_RANGE.findall(text))
    ranges = []
    for name in ("density", "E", "nu"):
        try:
            low, high = float(told[f"{name}_p1"]), float(told[f"{name}_p99"])
        except (KeyError, ValueError) as error:
            raise MaterialError(f"{path}: expected numbers {name}_p1 and {name}_p99, as Pixie writes them ({error})") from error
        if not -math.inf < low < high < math.inf:
            raise MaterialError(f"{path}: {name}_p1 must be below {name}_p99, found {low:g} and {high:g}")
        ranges.append((low, high))
    return Scaling(*ranges)


def write_scaling(path: Path, scaling: Scaling) -> None:
    """As Pixie writes it, JSON in one line. Raises MaterialError where there is a file already."""
    pairs = [("density", scaling.density), ("E", scaling.young), ("nu", scaling.poisson)]
    told = {f"{name}_{end}": value for name, ends in pairs for end, value in zip(("min", "max"), ends, strict=True)}
    told |= {f"{name}_{end}": value for name, ends in pairs for end, value in zip(("p1", "p99"), ends, strict=True)}
    with new_file(path, MaterialError, EXISTS) as partial:
        partial.write_text(json.dumps(told))


def read_prediction(path: Path, mask: Path) -> MaterialGrid:
    """Of `sample_0_pred.npy`, (11, 64, 64, 64), where `sample_0_mask.npy` says the object is; normalised by the ranges in the
    `normalization_ranges.yaml` beside it, or by Pixie's own where there is none."""
    beside = path.with_name(RANGES)
    low, high = (read_scaling(beside) if beside.exists() else Scaling()).ends
    raw = read_array(path, (3 + len(NAMES), SIDE, SIDE, SIDE))
    inside = read_array(mask, (SIDE, SIDE, SIDE)).astype(bool)
    if not np.isfinite(raw).all():
        raise MaterialError(f"{path}: it has values that are not finite")
    value = low + (np.moveaxis(raw[:3], 0, -1).astype(float) + 1) / 2 * (high - low)
    density, young = 10 ** value[..., 0] - _TINY, 10 ** value[..., 1] - _TINY
    material = raw[3:].argmax(0).astype(float)
    inside &= material != BACKGROUND
    grid = np.stack([density, young, value[..., 2], material], -1)
    grid[~inside] = (0.0, 0.0, 0.0, BACKGROUND)
    return MaterialGrid(*np.moveaxis(grid.astype(np.float32), -1, 0))


def write_prediction(path: Path, mask: Path, grid: MaterialGrid, scaling: Scaling | None = None) -> None:
    """As Pixie's networks give it: normalised and cut off at -1 and 1, classes as ones and zeros; and beside it the ranges that
    it is normalised by, Pixie's own where none are given.

    Raises MaterialError where there are such files already, or predictions in that folder have other ranges.
    """
    scaling, beside = scaling or Scaling(), path.with_name(RANGES)
    if beside.exists() and (found := read_scaling(beside)) != scaling:
        raise MaterialError(
            f"{beside} has {found}, which predictions beside it are normalised by, not {scaling}: choose another folder"
        )
    low, high = scaling.ends
    value = np.stack([np.log10(grid.density + _TINY), np.log10(grid.young + _TINY), grid.poisson], -1)
    normal = 2 * (np.clip(value, low, high) - low) / (high - low) - 1
    hard = grid.material[..., None] == np.arange(len(NAMES))
    write_array(path, np.moveaxis(np.concatenate([normal, hard], -1), -1, 0).astype(np.float32))
    write_array(mask, grid.mask)
    if not beside.exists():
        write_scaling(beside, scaling)


# Features


@dataclass(frozen=True, eq=False)
class FeatureGrid:
    low: np.ndarray
    """Of the outermost points, (3,)."""
    high: np.ndarray
    features: np.ndarray
    """(n, n, n, c)"""
    mask: np.ndarray
    """(n, n, n)"""

    @property
    def bounds_of_mask(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around what is opaque."""
        index = np.argwhere(self.mask)
        step = (self.high - self.low) / (np.array(self.mask.shape) - 1)
        return self.low + index.min(0) * step, self.low + index.max(0) * step

    def at(self, points: np.ndarray) -> np.ndarray:
        """Of the nearest grid points to points (n, 3), (n, c)."""
        count = np.array(self.mask.shape)
        index = np.round((points - self.low) / (self.high - self.low) * (count - 1)).astype(int)
        x, y, z = np.clip(index, 0, count - 1).T
        return np.asarray(self.features[x, y, z], np.float32)


def read_features(folder: Path) -> FeatureGrid:
    """Of `clip_features.npz` and the arrays beside it. The features stay on disk till they are asked for: 800 MB is usual."""
    path = folder / "clip_features.npz"
    try:
        low, high = (np.asarray(bound, float).reshape(-1) for bound in read_npz(path, _CARD_BYTES, _BOUNDS).values())
    except (ValueError, TypeError) as error:
        raise MaterialError(
            f"{path} is no card of Pixie's features ({error}); expected min_bounds and max_bounds in it"
        ) from error
    if low.shape != (3,) or high.shape != (3,) or not (high > low).all():
        raise MaterialError(f"{path}: its bounds {low} and {high} are none of a box")
    mask = read_array(folder / "clip_features_mask.npy", (SIDE, SIDE, SIDE)).astype(bool)
    features = read_array(folder / "clip_features_features.npy", (SIDE, SIDE, SIDE, None), mapped=True)
    if not mask.any():
        raise MaterialError(f"{folder}: its mask is empty")
    return FeatureGrid(low, high, features, mask)


def write_features(folder: Path, grid: FeatureGrid, rgb: np.ndarray, alphas: np.ndarray) -> None:
    """In Pixie's layout, into a folder that has none yet."""
    write_array(folder / "clip_features_features.npy", grid.features.astype(np.float32))
    write_array(folder / "clip_features_mask.npy", grid.mask)
    write_array(folder / "clip_features_rgb.npy", rgb.astype(np.float32))
    write_array(folder / "clip_features_alphas.npy", alphas.astype(np.float32))
    card = {
        "min_bounds": grid.low,
        "max_bounds": grid.high,
        "voxel_size": np.array((grid.high - grid.low)[0] / (SIDE - 1)),
        "feature_dim": np.array(grid.features.shape[3]),
        "grid_shape": np.array(grid.mask.shape),
        "alpha_weighted": np.array(False),
        "alpha_threshold_for_mask": np.array(0.01),
    }
    with new_file(folder / "clip_features.npz", MaterialError, EXISTS) as partial:
        np.savez(partial, allow_pickle=False, **card)


# Arrays


def read_array(path: Path, shape: tuple[int | None, ...], mapped: bool = False) -> np.ndarray:
    """An .npy file of numbers of that shape (None: any length). MaterialError where it is another, or a pickle, or huge."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MaterialError(f"{path} has {path.stat().st_size >> 20} MiB, at most {MAX_BYTES >> 20} are read")
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # which no header can have take memory
    except (OSError, ValueError, EOFError) as error:
        raise MaterialError(f"{path} can't be read as an array of numbers: {error}") from error
    found = getattr(array, "shape", None)
    fits = (
        found is not None and len(found) == len(shape) and all(w is None or f == w for f, w in zip(found, shape, strict=True))
    )
    if not fits or array.dtype.kind not in "fiub":
        expected = " x ".join("any" if want is None else str(want) for want in shape)
        raise MaterialError(
            f"{path}: expected numbers of shape {expected}, found {getattr(array, 'dtype', type(array))} of {found}"
        )
    return array if mapped else np.array(array)


def write_array(path: Path, array: np.ndarray) -> None:
    """Whole or not at all, and over nothing. Raises MaterialError."""
    with new_file(path, MaterialError, EXISTS) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
