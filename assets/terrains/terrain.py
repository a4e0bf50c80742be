"""Ground made of boxes: a tile for each kind and level of difficulty, of which every environment has one under its robot.

    terrain = rough_terrain()                             # assets.terrains.rough
    spec = scene_spec(GO2, terrain)                       # a Terrain adds its boxes to a scene, as a floor of planks
    fields = terrain.fields(model, level=3, kind=0)       # what makes a tile of them: geom_pos, geom_quat, geom_size, ...
    terrain.height(3, 0, [[1.2, 0.5]])                    # of the ground there (m)

A tile is `TILE_SIZE` square about the origin of the world, with a flat platform at height 0 in its middle. A scene has as many
boxes as the tile that needs most of them; a tile is model fields, which each environment has its own of. So a terrain may have
any number of tiles, and a robot's geoms are tested against some thirty boxes rather than against all that there are.

Why boxes: every engine has exact code for them against spheres, capsules and boxes, and their edges are as sharp as a step's.
A height field rounds edges off to its grid; MJX compiles in how much of it a geom can touch, and on MuJoCo Warp quadrupeds were
found to sink into it, after minutes of compilation (google-deepmind/mujoco_warp, issue 736).
"""

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from assets.errors import UserError

TILE_SIZE = 8.0
"""Width of a tile along x and y (m)."""

THICKNESS = 0.5
"""How far the boxes reach down (m): a foot that penetrates one is nearer to its top than to its bottom."""

FIELDS = ("geom_pos", "geom_quat", "geom_size", "geom_rbound", "geom_aabb")
"""The model fields that make a tile of a scene's boxes."""

_COLORS = ((0.46, 0.50, 0.54, 1.0), (0.56, 0.55, 0.50, 1.0), (0.41, 0.47, 0.45, 1.0))
_MOST_CONTACTS = 48  # at once: more than a robot that lies on its side has
_SPARE = 0.001  # half the width of a box that a tile has no use for (m)


class TerrainError(UserError, ValueError):
    """A terrain or a tile is ill-formed, or has no such kind or level."""


@dataclass(frozen=True)
class Box:
    """A box seen from above: what it covers, and the height of its top. Lengths in m, from the middle of its tile."""

    x: tuple[float, float]
    y: tuple[float, float]
    top: float
    """Of the top's middle."""
    slope: float = 0.0
    """dz/dx of the top."""

    @property
    def middle(self) -> tuple[float, float]:
        return sum(self.x) / 2, sum(self.y) / 2


Tile = tuple[Box, ...]
"""Neighbours in it should be neighbours on the ground: the C engine's search tree is made of their order."""
Kind = Callable[[int], Tile]
"""The tile of a level, which counts from 0."""


@dataclass(frozen=True, eq=False)
class Terrain:
    """See the module."""

    kinds: tuple[str, ...]
    tiles: tuple[tuple[Tile, ...], ...]
    """[level][kind]"""
    platform: float
    """Half the width of the flat platform in the middle of every tile (m)."""
    friction: float = 0.8

    @classmethod
    def of(cls, kinds: dict[str, Kind], num_levels: int, platform: float) -> "Terrain":
        tiles = tuple(tuple(_made(name, kind, level) for name, kind in kinds.items()) for level in range(num_levels))
        return cls(tuple(kinds), tiles, platform)

    def __post_init__(self) -> None:
        if not self.tiles or not self.kinds:
            raise TerrainError(f"a terrain of {len(self.tiles)} levels and {len(self.kinds)} kinds: expected some of both")
        if len(set(self.kinds)) < len(self.kinds):
            raise TerrainError(f"the kinds {self.kinds} are not all of different names")
        for name in ("platform", "friction"):
            if not 0 <= (value := getattr(self, name)) < np.inf:
                raise TerrainError(f"{name} is {value}, expected a finite number that is not negative")
        for level, row in enumerate(self.tiles):
            if len(row) != len(self.kinds):
                raise TerrainError(
                    f"level {level} has {len(row)} tiles, expected {len(self.kinds)}: one for each of {self.kinds}"
                )
            for kind, tile in zip(self.kinds, row, strict=True):
                _check(tile, f"kind {kind!r}, level {level}", self.platform)

    @property
    def num_levels(self) -> int:
        return len(self.tiles)

    @property
    def num_boxes(self) -> int:
        """Of a scene."""
        return max(len(tile) for row in self.tiles for tile in row)

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """Rows of `FIELDS` for the scene's boxes, each (levels, kinds, num_boxes, ...) float32. What a tile does not need is
        buried in its last box."""
        tiles = [[_rows(tile, self.num_boxes) for tile in row] for row in self.tiles]
        return {name: np.array([[rows[name] for rows in row] for row in tiles], np.float32) for name in FIELDS}

    def geom_ids(self, model: mujoco.MjModel) -> np.ndarray:
        """Of the boxes, in a model of a scene with this terrain."""
        return np.array([model.geom(name).id for name in self._names])

    def fields(self, model: mujoco.MjModel, level: int, kind: int) -> dict[str, np.ndarray]:
        """`FIELDS` of the model with a tile under its robot."""
        ids, fields = self.geom_ids(model), {name: np.array(getattr(model, name)) for name in FIELDS}
        for name, value in fields.items():
            value[ids] = self.table[name][level, kind]
        return fields

    def height(self, level: int, kind: int, points: np.ndarray) -> np.ndarray:
        """Of the ground of a tile at points (..., 2) on it, in m; NaN beside it."""
        return _height(self.tiles[level][kind], np.asarray(points, float))

    def __call__(self, spec: mujoco.MjSpec) -> None:
        """Add the boxes to a scene, as planks side by side: flat ground, until a tile's fields are set."""
        # Else MJX-JAX would solve for every pair of a box and a geom of the robot, in touch or not.
        spec.add_numeric(name="max_contact_points", data=[_MOST_CONTACTS])
        width = TILE_SIZE / self.num_boxes
        for i, name in enumerate(self._names):
            spec.worldbody.add_geom(
                name=name,
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[width / 2, TILE_SIZE / 2, THICKNESS / 2],
                pos=[(i + 0.5) * width - TILE_SIZE / 2, 0.0, -THICKNESS / 2],
                quat=[0.0, 0.0, 0.0, 1.0],  # half a turn: of a geom that has none the compiler takes it that it never will
                contype=1,
                conaffinity=0,
                condim=3,
                friction=[self.friction, 0.005, 0.0001],
                rgba=_COLORS[i % len(_COLORS)],
            )

    @property
    def _names(self) -> list[str]:
        return [f"ground_{i}" for i in range(self.num_boxes)]


def _made(name: str, kind: Kind, level: int) -> Tile:
    try:
        return kind(level)
    except TerrainError:
        raise
    except Exception as error:  # whatever a function of a user's makes of it
        raise TerrainError(f"kind {name!r}, level {level}, raised {type(error).__name__}: {error}") from error


def _height(tile: Tile, points: np.ndarray) -> np.ndarray:
    heights = np.full(points.shape[:-1], np.nan)
    for box in tile:
        low, high = np.array([box.x, box.y]).T
        top = box.top + box.slope * (points[..., 0] - box.middle[0])
        heights = np.where(((low <= points) & (points <= high)).all(-1), np.fmax(heights, top), heights)
    return heights


def _rows(tile: Tile, num_boxes: int) -> dict[str, np.ndarray]:
    """`FIELDS` of a tile's boxes, one row for each."""
    lean = np.arctan([box.slope for box in tile])
    extent = np.array([[box.x, box.y] for box in tile]) @ [-0.5, 0.5]
    # A tilted box turns about the middle of its top, so that its top covers just what it is to cover.
    size = np.stack([extent[:, 0] / np.cos(lean), extent[:, 1], np.full(len(tile), THICKNESS / 2)], 1)
    up = np.stack([-np.sin(lean), 0 * lean, np.cos(lean)], 1)
    pos = np.array([(*box.middle, box.top) for box in tile]) - THICKNESS / 2 * up
    quat = np.stack([np.cos(lean / 2), 0 * lean, -np.sin(lean / 2), 0 * lean], 1)
    spare = num_boxes - len(tile)
    pos, quat = (np.concatenate([rows, np.repeat(rows[-1:], spare, 0)]) for rows in (pos, quat))
    size = np.concatenate([size, np.full((spare, 3), _SPARE)])
    return {
        "geom_pos": pos,
        "geom_quat": quat,
        "geom_size": size,
        "geom_rbound": np.linalg.norm(size, axis=1),
        "geom_aabb": np.concatenate([np.zeros_like(size), size], axis=1),
    }


def _is_finite(value: object, count: int) -> bool:
    """Whether it is that many finite numbers, or one where count is 0."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        return False
    return numbers.shape == ((count,) if count else ()) and bool(np.isfinite(numbers).all())


def _check(tile: Tile, name: str, platform: float) -> None:
    """Raise TerrainError unless it is boxes that lie on the tile, leave no hole in it and have the platform in their middle."""
    if not isinstance(tile, tuple | list) or not tile or not all(isinstance(box, Box) for box in tile):
        raise TerrainError(f"{name}: it is {reprlib.repr(tile)}, expected a tuple of one Box or more")
    half = TILE_SIZE / 2
    for box in tile:
        if not all(_is_finite(value, count) for value, count in ((box.x, 2), (box.y, 2), (box.top, 0), (box.slope, 0))):
            raise TerrainError(f"{name}: {box} is no box: expected finite numbers, two for x and y, one for top and slope")
    edges = np.array([[box.x, box.y] for box in tile])
    if np.abs(edges).max() > half + 1e-9 or (edges[..., 0] >= edges[..., 1]).any():
        raise TerrainError(f"{name}: its boxes must have a width and lie within {half} m of the tile's middle")
    # Between two neighbouring edges the ground is of one piece: one point of each tells of all.
    lines = [np.unique([*edges[:, axis].round(9).ravel(), -platform, platform]) for axis in (0, 1)]
    between = [(line[1:] + line[:-1]) / 2 for line in lines]
    points = np.stack(np.meshgrid(*between, indexing="ij"), -1)
    heights = _height(tile, points)
    if np.isnan(heights).any() or not np.allclose([edges.min((0, 2)), edges.max((0, 2))], [[-half] * 2, [half] * 2]):
        raise TerrainError(f"{name}: it has a hole, where no box covers it, and what falls in would fall for ever")
    flat = heights[(np.abs(points) < platform).all(-1)]
    if not np.allclose(flat, 0.0):
        raise TerrainError(f"{name}: within {platform} m of its middle it must be flat, at height 0")
