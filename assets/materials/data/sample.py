"""One made object as a sample: what is seen of it, and what it is of.

    sample = make_sample(seed=0, index=17)                  # always the same
    sample.seen, sample.part, sample.materials, sample.mass
    make_sample(0, 17, encoder=OnnxFeatures(path)).seen.extra   # with the features of a network that looks at it

A recipe's parts are put on the grid as implicit functions, without a mesh; pictures' light, noise and gaps are added; then the
same `seen_of` as for a real mesh tells what is seen. An encoder looks at the whole surface: the gaps are of the scan.
"""

from dataclasses import dataclass, replace

import numpy as np

from assets.materials.classes import CLASS_INDEX, DRAWN
from assets.materials.data.pieces import Piece
from assets.materials.data.recipes import RECIPES, WEIGHTS, Workshop
from assets.materials.properties import DENSITY, FILL, INDEX, PROPERTIES
from assets.materials.providers import FeatureProvider, with_features
from assets.materials.seen import LEAST, Cube, Seen, cut, seen_of
from assets.materials.surface import Surface

MAX_PARTS = 6

_POINTS = 5  # of the surface in a voxel
_COARSE = 24
_TRIES = 20


@dataclass(frozen=True, eq=False)
class Sample:
    seen: Seen
    part: np.ndarray
    """Which part each of the object's voxels belongs to, (v,) uint8."""
    materials: np.ndarray
    """Of each part its class's number (-1 where it is not known), then PROPERTIES on their scales (NaN where not known),
    (parts, 1 + properties) float32."""
    mass: float
    """kg"""
    recipe: str
    shapes: tuple[str, ...]
    """Families of its parts' shapes, sorted."""
    textures: tuple[str, ...]
    combination: tuple[str, ...]
    """Classes of its parts' materials, sorted."""


def make_sample(seed: int, index: int, resolution: int = 32, encoder: FeatureProvider | None = None) -> Sample:
    """The sample of that number. Raises MaterialError where the encoder can't tell its features."""
    rng = np.random.default_rng([seed, index])
    names = list(RECIPES)
    weights = np.array([WEIGHTS[name] for name in names])
    for _ in range(_TRIES):
        recipe = str(rng.choice(names, p=weights / weights.sum()))
        pieces = RECIPES[recipe](Workshop(rng))[:MAX_PARTS]
        sample = _observed(recipe, pieces, rng, resolution, encoder)
        if sample is not None:
            return sample
    raise RuntimeError(f"no object came of seed {seed}, index {index}")


def _observed(
    recipe: str, pieces: list[Piece], rng: np.random.Generator, resolution: int, encoder: FeatureProvider | None
) -> Sample | None:
    """None where nothing of it can be seen: too thin for the grid."""
    axes = _turn(rng)
    pieces = [piece.turned(axes) for piece in pieces]
    bounds = bounds_of(pieces)
    if bounds is None:
        return None
    cube = Cube.around(*bounds, resolution)
    occupancy, part, fills = on_grid(pieces, cube)
    if (occupancy > LEAST).sum() < 16:
        return None
    cells, points, normals = surface_points(occupancy, cube, rng)
    rgba = np.empty((len(points), 4))
    for i, piece in enumerate(pieces):
        own = part[cells] == i
        if own.any():
            rgba[own] = piece.look.colours(piece.local(points[own]), normals[own])
    rgba, hidden = _pictured(cells, points, normals, rgba, cube, rng)
    seen = seen_of(occupancy, cube.size, cells[~hidden], rgba[~hidden])
    seen = replace(seen, values=_noisy(seen.values, rng))
    if encoder is not None:
        seen = with_features(seen, encoder, Surface(points, normals, rgba), cube)
    materials = np.array([_material(piece, fill, rng) for piece, fill in zip(pieces, fills, strict=True)], np.float32)
    owner = part[seen.voxel]
    density = 10.0 ** (materials[:, 1 + INDEX[DENSITY]] + materials[:, 1 + INDEX[FILL]])
    mass = float((occupancy.ravel()[seen.voxel] * density[owner]).sum() * cube.size**3)
    present = [piece for i, piece in enumerate(pieces) if (owner == i).any()]
    return Sample(
        seen,
        owner.astype(np.uint8),
        materials,
        mass,
        recipe,
        tuple(sorted({piece.family for piece in present})),
        tuple(sorted({piece.look.texture.family for piece in present})),
        tuple(sorted({piece.kind.material.name for piece in present})),
    )


def _turn(rng: np.random.Generator) -> np.ndarray:
    """Objects mostly stand upright, at any angle about the vertical or along the axes."""
    chance = rng.random()
    if chance < 0.35:
        return np.eye(3)
    if chance < 0.65:
        c, s = np.cos(angle := rng.uniform(0, 2 * np.pi)), np.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return axes * np.sign(np.linalg.det(axes))


def bounds_of(pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray] | None:
    """Corners of the box around what is inside, as near as a coarse grid and the distances on it tell."""
    low = np.min([piece.box[0] for piece in pieces], axis=0)
    high = np.max([piece.box[1] for piece in pieces], axis=0)
    step = float((high - low).max()) / _COARSE
    found_low, found_high = np.full(3, np.inf), np.full(3, -np.inf)
    for piece in pieces:
        shape = np.maximum(np.ceil((piece.box[1] - piece.box[0]) / step).astype(int), 6)
        index = np.moveaxis(np.indices(tuple(shape)), 0, -1).reshape(-1, 3)
        points = (piece.box[0] + (index + 0.5) * (piece.box[1] - piece.box[0]) / shape).astype(np.float32)
        distance = piece.shape.distance(piece.local(points))
        inside = distance < 0
        if inside.any():
            found_low = np.minimum(found_low, (points[inside] + distance[inside, None]).min(0))
            found_high = np.maximum(found_high, (points[inside] - distance[inside, None]).max(0))
    if not np.isfinite(found_low).all() or (found_high - found_low).max() < 2e-3:
        return None
    return found_low.astype(float), found_high.astype(float)


def on_grid(pieces: list[Piece], cube: Cube) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Share of each voxel inside, (r, r, r); which piece it belongs to, (r^3,); and of each piece how much is material."""
    r, h = cube.resolution, cube.size
    occupancy, deepest = np.zeros((r, r, r), np.float32), np.full((r, r, r), np.inf, np.float32)
    part = np.zeros((r, r, r), np.uint8)
    fills = []
    for i, piece in enumerate(pieces):
        first = np.clip(np.floor((piece.box[0] - cube.origin) / h).astype(int) - 1, 0, r - 1)
        last = np.clip(np.ceil((piece.box[1] - cube.origin) / h).astype(int) + 1, first + 1, r)
        block = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        lines = [(cube.origin[k] + h * (np.arange(first[k], last[k]) + 0.5)).astype(np.float32) for k in range(3)]
        points = np.stack(np.meshgrid(*lines, indexing="ij"), -1)
        local = piece.local(points.reshape(-1, 3))
        distance = piece.shape.distance(local).astype(np.float32)
        share = _share(distance, h)
        fills.append(_fill(piece, distance, share, h))
        if piece.cavity is not None:
            hollow = piece.cavity.distance(local).astype(np.float32)
            share = np.maximum(share - _share(hollow, h), 0)
            distance = np.maximum(distance, -hollow)
        share, distance = share.reshape(points.shape[:3]), distance.reshape(points.shape[:3])
        own = (share > LEAST) & (distance < deepest[block])
        part[block][own] = i
        deepest[block][own] = distance[own]
        occupancy[block] = np.minimum(occupancy[block] + share, 1)
    return occupancy, part.ravel(), fills


def _share(distance: np.ndarray, size: float) -> np.ndarray:
    """Of a voxel inside a surface that is about flat, at that distance from its centre."""
    return np.clip(0.5 - distance / size, 0, 1)


def _fill(piece: Piece, distance: np.ndarray, share: np.ndarray, size: float) -> float:
    """Mass over that of a solid part: of walls, and of what is inside them."""
    if piece.wall is None or not share.sum() > 0:
        return 1.0
    deep = -distance
    walls = np.clip(np.minimum(deep + size / 2, piece.wall) - np.maximum(deep - size / 2, 0), 0, size).sum() / size
    fill = min(1.0, float(walls / share.sum()))
    middle = float(np.mean(piece.kind.density))
    return float(np.clip(fill + (1 - fill) * piece.contents / middle, FILL.low, 1.0))


def _material(piece: Piece, fill: float, rng: np.random.Generator) -> np.ndarray:
    values = np.empty(1 + len(PROPERTIES))
    values[0] = CLASS_INDEX[piece.kind.material]
    values[1 : 1 + len(DRAWN)] = piece.kind.drawn(rng)
    values[1 + INDEX[FILL]] = np.log10(fill)
    return values


# Pictures


def surface_points(occupancy: np.ndarray, cube: Cube, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the surface: flat number of their voxel, (n,), place, (n, 3) m, and outward normal, (n, 3)."""
    cells = np.flatnonzero(cut(occupancy))
    gradient = np.stack([*np.gradient(-occupancy)], -1).reshape(-1, 3)[cells]
    normals = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)
    beyond = cube.size * (
        0.5 - occupancy.ravel()[cells]
    )  # of the voxel's centre outside the surface, which is about flat there
    jitter = cube.size * rng.uniform(-0.5, 0.5, (len(cells), _POINTS, 3))
    away = beyond[:, None] + np.einsum("ckx,cx->ck", jitter, normals)
    points = (cube.centers(cells)[:, None] + jitter - away[..., None] * normals[:, None]).reshape(-1, 3)
    return cube.cells(points), points, np.repeat(normals, _POINTS, axis=0)


def _pictured(
    cells: np.ndarray, points: np.ndarray, normals: np.ndarray, rgba: np.ndarray, cube: Cube, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """As a scan has it: colours with light baked in and a tint of the camera's, and which points no picture shows."""
    light = rng.standard_normal(3)
    light /= np.linalg.norm(light)
    shade = 1 - rng.uniform(0, 0.35) * (0.5 - 0.5 * normals @ light)
    tint = np.exp(0.06 * rng.standard_normal(3) + 0.1 * rng.standard_normal())
    rgba = rgba.copy()
    rgba[:, :3] = np.clip(rgba[:, :3] * shade[:, None] * tint, 0, 1)
    hidden = np.zeros(len(points), bool)
    if rng.random() < 0.3:  # what it stood on, or another side
        side = rng.standard_normal(3) if rng.random() < 0.5 else np.array([0.0, 0.0, -1.0])
        hidden = normals @ (side / np.linalg.norm(side)) > rng.uniform(0.5, 0.95)
    if rng.random() < 0.4:  # single gaps
        hidden |= (rng.random(cube.resolution**3) < rng.uniform(0, 0.3))[cells]
    return rgba, hidden


def _noisy(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With a camera's noise on the colours of voxels."""
    noise = rng.uniform(0, 6) * rng.standard_normal((len(values), 3))
    coloured = np.clip(values[:, 1:4] + noise, 0, 255)
    return np.concatenate([values[:, :1], np.round(coloured).astype(np.uint8), values[:, 4:]], 1)
