"""Pictures of points without a graphics card: each pixel shows the nearest point that falls on it.

view = View.towards((-1.0, -0.7, -0.6), points, pixels=224)
view.front                                              # (pixels, pixels): number of the point that is seen, -1 where none
rgb = view.picture(surface.rgba[:, :3])                 # (pixels, pixels, 3)
"""

from dataclasses import dataclass

import numpy as np

AROUND: tuple[tuple[float, float, float], ...] = (
    (-1.0, -0.7, -0.6),
    (1.0, -0.7, -0.6),
    (1.0, 0.7, -0.6),
    (-1.0, 0.7, -0.6),
    (0.0, 0.01, -1.0),
    (0.0, 0.01, 1.0),
)
"""Directions of sight that show all of most objects."""

_MARGIN = 1.08


@dataclass(frozen=True, eq=False)
class View:
    """Parallel, the whole object in sight."""

    axes: np.ndarray
    """Right, down and away, as rows, (3, 3)."""
    center: np.ndarray
    extent: float
    """Of the picture's edge (m)."""
    pixels: int
    front: np.ndarray

    @classmethod
    def towards(cls, sight: tuple[float, float, float], points: np.ndarray, pixels: int, spread: int = 1) -> "View":
        """Of points (n, 3), looking along `sight`; each point covers a square of 2 `spread` + 1 pixels."""
        away = np.array(sight) / np.linalg.norm(sight)
        right = np.cross(away, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(away, right), away])
        low, high = points.min(0), points.max(0)
        center, extent = (low + high) / 2, float(np.linalg.norm(high - low)) * _MARGIN
        bare = cls(axes, center, extent, pixels, np.empty((0, 0), int))
        column, row, depth = bare.project(points)
        order = np.argsort(-depth, kind="stable")  # the nearest is painted last
        front = np.full((pixels, pixels), -1)
        nearest = np.full((pixels, pixels), np.inf)
        for down in range(-spread, spread + 1):
            for aside in range(-spread, spread + 1):
                layer = np.full((pixels, pixels), -1)
                layer[np.clip(row[order] + down, 0, pixels - 1), np.clip(column[order] + aside, 0, pixels - 1)] = order
                seen = (layer >= 0) & (np.where(layer >= 0, depth[layer], np.inf) < nearest)
                front[seen], nearest[seen] = layer[seen], depth[layer[seen]]
        return cls(axes, center, extent, pixels, front)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Column and row of the pixels on which points (n, 3) fall, and how far away they are (m)."""
        x, y, depth = ((points - self.center) @ self.axes.T).T
        column = np.clip(((x / self.extent + 0.5) * self.pixels).astype(int), 0, self.pixels - 1)
        row = np.clip(((y / self.extent + 0.5) * self.pixels).astype(int), 0, self.pixels - 1)
        return column, row, depth

    def picture(self, colours: np.ndarray, background: float = 1.0) -> np.ndarray:
        """Of the points' colours (n, c), (pixels, pixels, c)."""
        shown = np.full((self.pixels, self.pixels, colours.shape[1]), background)
        shown[self.front >= 0] = colours[self.front[self.front >= 0]]
        return shown

    def sees(self, points: np.ndarray, surface: np.ndarray, within: float) -> np.ndarray:
        """Which of the points (n, 3) no part of the surface's points (m, 3) hides by more than `within` (m), (n,)."""
        column, row, depth = self.project(points)
        front = self.front[row, column]
        _, _, nearest = self.project(surface)
        return (front >= 0) & (depth <= np.where(front >= 0, nearest[front], 0.0) + within)
