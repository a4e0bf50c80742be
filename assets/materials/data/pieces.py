"""A part of a made object: its shape and place, what it is of, how it looks, and whether it is hollow."""

from dataclasses import dataclass, replace

import numpy as np

from assets.materials.classes import Kind
from assets.materials.data.looks import Look
from assets.materials.data.shapes import Shape


@dataclass(frozen=True, eq=False)
class Piece:
    shape: Shape
    family: str
    """Of `shapes.FAMILIES`."""
    kind: Kind
    look: Look
    place: np.ndarray
    """Of its frame in the object's, (3,) m."""
    axes: np.ndarray
    """Of its frame, as columns, (3, 3)."""
    cavity: Shape | None = None
    """What is left out of a vessel, and seen to be."""
    wall: float | None = None
    """Thickness of the walls around a hollow that is not seen (m); None where it is solid."""
    contents: float = 0.0
    """Density of what is inside such a hollow (kg/m³)."""

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the object's frame in its own."""
        return (points - self.place.astype(points.dtype)) @ self.axes.astype(points.dtype)

    def turned(self, axes: np.ndarray) -> "Piece":
        """With the whole object turned."""
        return replace(self, place=axes @ self.place, axes=axes @ self.axes)

    @property
    def box(self) -> np.ndarray:
        """Lowest and highest corner of a box around it in the object's frame, (2, 3) m."""
        half = np.abs(self.axes) @ self.shape.reach
        return np.array([self.place - half, self.place + half])
