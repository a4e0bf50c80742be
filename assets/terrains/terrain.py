"""Ground that is a grid of tiles, a row for each level of difficulty and a column for each kind, made of boxes.

    terrain = rough_terrain()                             # assets.terrains.rough
    spec = scene_spec(GO2, terrain)                       # a Terrain adds itself to a scene
    x, y, z = terrain.origins[level, kind]                # the middle of a tile's flat platform (m)
    terrain.height([[x + 1.2, y]])                        # of the ground there (m)

A tile is `TILE_SIZE` square, and its boxes end where it ends. Edges seen from above lie on a grid of `CELL_SIZE`, and only
slopes along x are tilted, so that a height and a slope for each cell describe the ground exactly, edges included.

Why boxes: every engine has code for them against spheres, capsules and boxes, and their edges are as sharp as a step's. With
the C engine, on one thread of a busy machine, a grid of 779 gave 3,900 to 5,300 control steps a second of a Go2, the same
ground as a height field of cells of 5 or 10 cm 3,900 to 6,200, and a plane 6,500 to 10,100. Some 20 ns a box and step go to
boxes that are nowhere near the robot, so few are better. They belong to the world body, which the engine searches as a tree; a
body for each tile was slower (2,600 to 3,500), and so was no tree (1,000 to 1,200).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

TILE_SIZE = 8.0
"""Width of a tile along x and y (m)."""

CELL_SIZE = 0.05
"""Width of a cell of the height map (m)."""

THICKNESS = 0.5
"""How far the boxes reach down (m): a foot that penetrates one is nearer to its top than to its bottom."""

_COLORS = ((0.46, 0.50, 0.54, 1.0), (0.56, 0.55, 0.50, 1.0))


class TerrainError(ValueError):
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

    def height(self, x: np.ndarray) -> np.ndarray:
        """Of the top at x, within the box."""
        return self.top + self.slope * (x - sum(self.x) / 2)


Tile = tuple[Box, ...]
Kind = Callable[[int], Tile]
"""The tile of a level, which counts from 0, with a flat platform in its middle."""


@dataclass(frozen=True, eq=False)
class Terrain:
    """See the module. Rows run along y, columns along x, and the grid's middle is the world's origin."""

    kinds: tuple[str, ...]
    """Of the columns."""
    tiles: tuple[tuple[Tile, ...], ...]
    """[level][kind]"""
    platform: float
    """Half the width of the flat platform in the middle of every tile (m)."""
    friction: float = 0.8

    @classmethod
    def of(cls, kinds: dict[str, Kind], num_levels: int, platform: float) -> "Terrain":
        tiles = tuple(tuple(kind(level) for kind in kinds.values()) for level in range(num_levels))
        return cls(tuple(kinds), tiles, platform)

    def __post_init__(self) -> None:
        half = TILE_SIZE / 2 + 1e-9
        for level, row in enumerate(self.tiles):
            if len(row) != len(self.kinds):
                raise TerrainError(
                    f"level {level} has {len(row)} tiles, expected {len(self.kinds)}: one for each of {self.kinds}"
                )
            for kind, tile in zip(self.kinds, row, strict=True):
                for box in tile:
                    edges = np.array([*box.x, *box.y])
                    off_grid = np.abs(edges / CELL_SIZE - np.round(edges / CELL_SIZE)).max() > 1e-6
                    if np.abs(edges).max() > half or off_grid or box.x[0] >= box.x[1] or box.y[0] >= box.y[1]:
                        raise TerrainError(
                            f"kind {kind!r}, level {level}: {box} must lie within {TILE_SIZE / 2} m of the tile's middle,"
                            f" with edges at multiples of {CELL_SIZE} m"
                        )

    @property
    def num_levels(self) -> int:
        return len(self.tiles)

    @cached_property
    def origins(self) -> np.ndarray:
        """Where the middle of each tile's platform is, (levels, kinds, 3) m."""
        origins = np.zeros((self.num_levels, len(self.kinds), 3))
        origins[..., 0] = (np.arange(len(self.kinds)) - (len(self.kinds) - 1) / 2) * TILE_SIZE
        origins[..., 1] = ((np.arange(self.num_levels) - (self.num_levels - 1) / 2) * TILE_SIZE)[:, None]
        origins[..., 2] = [[_height_at_middle(tile) for tile in row] for row in self.tiles]
        return origins

    @property
    def corner(self) -> np.ndarray:
        """Least x and y of the ground, (2,) m."""
        return self.origins[0, 0, :2] - TILE_SIZE / 2

    @cached_property
    def cells(self) -> np.ndarray:
        """The height map: height at the middle of each cell (m) and dz/dx, (nx, ny, 2) float32, x and y counting up."""
        cells = [[_cells(tile) for tile in row] for row in self.tiles]
        return np.concatenate([np.concatenate([row[kind] for row in cells], axis=1) for kind in range(len(self.kinds))], axis=0)

    def height(self, points: np.ndarray) -> np.ndarray:
        """Of the ground at points (..., 2), in m; at an edge of the ground, that of the nearest cell."""
        at = (np.asarray(points) - self.corner) / CELL_SIZE
        index = np.clip(np.floor(at).astype(int), 0, np.array(self.cells.shape[:2]) - 1)
        height, slope = np.moveaxis(self.cells[index[..., 0], index[..., 1]], -1, 0)
        return height + slope * (at - index - 0.5)[..., 0] * CELL_SIZE

    def __call__(self, spec: mujoco.MjSpec) -> None:
        """Add the ground to a scene."""
        for level, row in enumerate(self.tiles):
            for kind, tile in enumerate(row):
                for i, box in enumerate(tile):
                    name = f"{self.kinds[kind]}_{level}_{i}"
                    self._add(spec, name, box, self.origins[level, kind] * (1, 1, 0), _COLORS[(level + kind) % 2])

    def _add(self, spec: mujoco.MjSpec, name: str, box: Box, origin: np.ndarray, color: tuple[float, ...]) -> None:
        # A tilted box turns about the middle of its top, so that its top covers just what it is to cover.
        lean = math.atan(box.slope)
        middle = origin + np.array([sum(box.x) / 2, sum(box.y) / 2, box.top])
        spec.worldbody.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[(box.x[1] - box.x[0]) / 2 / math.cos(lean), (box.y[1] - box.y[0]) / 2, THICKNESS / 2],
            pos=middle - THICKNESS / 2 * np.array([-math.sin(lean), 0.0, math.cos(lean)]),
            quat=[math.cos(lean / 2), 0.0, -math.sin(lean / 2), 0.0],
            contype=1,
            conaffinity=0,
            condim=3,
            friction=[self.friction, 0.005, 0.0001],
            rgba=color,
        )


def _cells(tile: Tile) -> np.ndarray:
    n = round(TILE_SIZE / CELL_SIZE)
    middles = (np.arange(n) + 0.5) * CELL_SIZE - TILE_SIZE / 2
    height, slope = np.full((n, n), -np.inf, np.float32), np.zeros((n, n), np.float32)
    for box in tile:
        where = np.ix_((middles > box.x[0]) & (middles < box.x[1]), (middles > box.y[0]) & (middles < box.y[1]))
        top = np.broadcast_to(box.height(middles[where[0]]), height[where].shape)
        higher = top > height[where]
        height[where] = np.where(higher, top, height[where])
        slope[where] = np.where(higher, box.slope, slope[where])
    if not np.isfinite(height).all():
        raise TerrainError("a tile has a hole: no box covers some of it, and what falls in would fall for ever")
    return np.stack([height, slope], axis=-1)


def _height_at_middle(tile: Tile) -> float:
    return max(box.top for box in tile if box.x[0] <= 0 <= box.x[1] and box.y[0] <= 0 <= box.y[1])
