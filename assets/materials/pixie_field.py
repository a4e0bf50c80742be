"""Between Pixie's material grids and ours: fields of what is believed, and samples to train on.

    grid = grid_of(field, mug.voxels)                       # our prediction, for Pixie's particle simulator
    field = field_of(grid, size=0.5)                        # its grid, as a field on 64^3 voxels of that many metres together
    write_shards(out, Pixie.found(Path("PixieVerse"), 0.5))  # its objects as training data

Pixie tells nothing of friction, restitution and yield: a field has the middle of all materials for them, with a doubt as wide;
in training they count for nothing. Its densities are those of the whole, so nothing of it is hollow. Its class "stationary" is
no material: training takes no class from it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from assets.materials.classes import CLASSES
from assets.materials.data.sample import Sample
from assets.materials.errors import MaterialError
from assets.materials.field import MaterialField
from assets.materials.model.card import COLOUR
from assets.materials.model.scale import CENTER, SPREAD
from assets.materials.pixie import BACKGROUND, NAMES, SIDE, MaterialGrid, read_array, read_features, read_material_grid
from assets.materials.properties import DENSITY, FILL, INDEX, POISSON, PROPERTIES, YOUNG
from assets.materials.providers import PIXIE_CLIP
from assets.materials.seen import seen_of
from assets.objects.voxels import Voxels

_OURS = {"jelly": "jelly", "metal": "metal", "sand": "sand", "visplas": "clay", "fluid": "fluid", "snow": "snow"}
STATIONARY = NAMES.index("stationary")

MAX_LABELS = 6


def class_of(pixie: int) -> int:
    """The number of our class for one of its; -1 for what is stationary or background, which is no material."""
    name = _OURS.get(NAMES[pixie])
    return -1 if name is None else [material.name for material in CLASSES].index(name)


def field_of(grid: MaterialGrid) -> MaterialField:
    """On 64^3 voxels, of which the grid's points are the centres."""
    inside = grid.mask
    mean = np.tile(CENTER.astype(float), (*inside.shape, 1))
    std = np.tile(SPREAD.astype(float), (*inside.shape, 1))
    for prop, values in ((DENSITY, grid.density), (YOUNG, grid.young), (POISSON, grid.poisson)):
        mean[inside, INDEX[prop]] = prop.to_scale(values[inside].astype(float))
        std[inside, INDEX[prop]] = 0.0
    mean[inside, INDEX[FILL]] = 0.0  # a density of Pixie's is that of the whole
    std[inside, INDEX[FILL]] = 0.0
    classes = np.zeros((*inside.shape, len(CLASSES)))
    number = np.array([class_of(i) for i in range(len(NAMES))])[grid.material.astype(int)]
    told = number >= 0
    classes[told, number[told]] = 1.0
    classes[~told] = 1 / len(CLASSES)
    return MaterialField(classes, mean, std)


def grid_of(field: MaterialField, voxels: Voxels) -> MaterialGrid:
    """The likeliest material of each of 64^3 points over the object's box, the outermost on its bounds, as Pixie's are.

    Densities are those of the voxel, hollows included. Where the object is not, it is background.
    """
    low, high = _box(voxels)
    lines = [np.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 3)
    index = np.floor((points - voxels.origin) / voxels.size).astype(int)
    x, y, z = np.clip(index, 0, np.array(voxels.shape) - 1).T
    inside = voxels.occupancy[x, y, z] > 0.5
    material = np.array([kind.pixie for kind in CLASSES])[field.classes[x, y, z].argmax(1)]
    columns = (field.mass_density[x, y, z], field.unit(YOUNG)[x, y, z], field.unit(POISSON)[x, y, z], material)
    grid = np.stack(columns, 1).astype(np.float32)
    grid[~inside] = (0.0, 0.0, 0.0, BACKGROUND)
    return MaterialGrid(*np.moveaxis(grid.reshape(SIDE, SIDE, SIDE, 4), -1, 0))


def _box(voxels: Voxels) -> tuple[np.ndarray, np.ndarray]:
    """A cube around the object's voxels, as Pixie's boxes are."""
    end = voxels.origin + voxels.size * np.array(voxels.shape)
    middle, half = (voxels.origin + end) / 2, float((end - voxels.origin).max()) / 2
    return middle - half, middle + half


# Data


@dataclass(frozen=True)
class Pixie:
    """Objects of PixieVerse as a `shards.Source`."""

    root: Path
    folders: tuple[str, ...]
    """In `root`, of the objects."""
    size: float
    """Of an object's cube (m), which Pixie does not tell."""
    resolution: int = 64
    features: bool = False
    """Whether they keep Pixie's CLIP features, 1.5 kB a voxel."""

    name = "pixie"

    @classmethod
    def found(cls, root: Path, size: float, resolution: int = 64, features: bool = False) -> "Pixie":
        """All that have material labels. Raises MaterialError where there is none."""
        folders = tuple(sorted(path.parent.parent.name for path in root.glob("*/sample_0/material_grid.npy")))
        if not folders:
            raise MaterialError(f"{root}: expected folders of objects with sample_0/material_grid.npy in them, found none")
        return cls(root.resolve(), folders, size, resolution, features)

    @property
    def provider(self) -> str:
        return PIXIE_CLIP if self.features else COLOUR

    @property
    def count(self) -> int:
        return len(self.folders)

    @property
    def per_shard(self) -> int:
        return 8 if self.features else 128

    def make(self, index: int) -> Sample:
        """Raises MaterialError where the object's files are damaged."""
        folder = self.root / self.folders[index]
        sample = read_sample(folder, self.size, self.resolution)
        return _with_features(sample, folder) if self.features else sample


def _with_features(sample: Sample, folder: Path) -> Sample:
    """Each voxel with the mean of the features of Pixie's points in it that are the object's."""
    stored, seen = read_features(folder), sample.seen
    fold = SIDE // seen.resolution
    place = np.stack(np.unravel_index(seen.voxel, (seen.resolution,) * 3), 1) * fold
    total, count = np.zeros((len(place), stored.features.shape[3])), np.zeros((len(place), 1))
    for corner in np.ndindex(fold, fold, fold):
        x, y, z = (place + corner).T
        opaque = stored.mask[x, y, z][:, None]
        total += np.where(opaque, stored.features[x, y, z], 0.0)
        count += opaque
    return replace(sample, seen=replace(seen, extra=(total / np.maximum(count, 1)).astype(np.float16)))


def read_sample(folder: Path, size: float, resolution: int = 64) -> Sample:
    """One object of PixieVerse as a training sample: labels from its grid, colours from `clip_features_rgb.npy`."""
    if resolution not in (32, 64) or not size > 0:
        raise MaterialError(f"the resolution is 32 or 64 and the size positive, found {resolution} and {size:g}")
    grid = read_material_grid(folder / "sample_0" / "material_grid.npy")
    rgb = read_array(folder / "clip_features_rgb.npy", (SIDE, SIDE, SIDE, 3)).astype(float)
    alpha = read_array(folder / "clip_features_alphas.npy", (SIDE, SIDE, SIDE, None)).astype(float)[..., :1]
    inside = grid.mask
    if not inside.any():
        raise MaterialError(f"{folder}: its material grid is all background")
    fold = SIDE // resolution
    occupancy = _pooled(inside.astype(float), fold)
    step = size / (SIDE - 1)  # its points are corners
    places = np.argwhere(inside)
    cells = np.ravel_multi_index(tuple((places // fold).T), (resolution,) * 3)
    rgba = np.clip(np.concatenate([rgb[inside], alpha[inside]], 1), 0, 1)
    seen = seen_of(occupancy, step * fold, cells, rgba)
    labels = np.stack([grid.density, grid.young, grid.poisson, grid.material], -1)[inside].astype(float)
    kinds, number = np.unique(labels, axis=0, return_inverse=True)
    if len(kinds) > MAX_LABELS:  # a value for each voxel, not for each part: those of the largest parts stand for all
        kinds, number = _fewer(kinds, number.reshape(-1))
    place = np.stack(np.unravel_index(seen.voxel, (resolution,) * 3), 1)
    _, nearest = KDTree(places / fold).query(place + 0.5 - 0.5 / fold)
    part = number.reshape(-1)[nearest]
    materials = np.full((len(kinds), 1 + len(PROPERTIES)), np.nan, np.float32)
    materials[:, 0] = [class_of(int(kind[3])) for kind in kinds]
    for column, prop in enumerate((DENSITY, YOUNG, POISSON)):
        materials[:, 1 + INDEX[prop]] = prop.to_scale(kinds[:, column])
    materials[:, 1 + INDEX[FILL]] = FILL.to_scale(1.0)  # a density of Pixie's is that of the whole
    volume = occupancy.ravel()[seen.voxel] * seen.size**3
    mass = float((volume * kinds[part, 0]).sum())
    names = tuple(sorted({NAMES[int(kind[3])] for kind in kinds}))
    return Sample(seen, part.astype(np.uint8), materials, mass, "pixie", ("scan",), ("photo",), names)


def _pooled(values: np.ndarray, fold: int) -> np.ndarray:
    n = len(values) // fold
    return values.reshape(n, fold, n, fold, n, fold).mean((1, 3, 5))


def _fewer(kinds: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The commonest labels, and to which of them each voxel's is nearest."""
    kept = kinds[np.argsort(-np.bincount(number), kind="stable")[:MAX_LABELS]]
    scale = np.array([1.0, 1.0, 10.0, 100.0])  # its class before all else

    def told(rows: np.ndarray) -> np.ndarray:
        return scale * np.concatenate([np.log10(rows[:, :2]), rows[:, 2:]], 1)

    _, nearest = KDTree(told(kept)).query(told(kinds))
    return kept, np.asarray(nearest)[number]
