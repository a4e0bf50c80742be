"""Shapes as implicit functions: the distance of points from a surface, negative inside.

    shape = body("superquadric", (0.03, 0.03, 0.05), rng)
    shape.distance(points)                                  # (n,) m, exact at the surface and near enough beside it
    shape.reach                                             # (3,) half edges of a box around it (m)

FAMILIES are what splits of the data hold out. Shapes lie about the origin, along z.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

FAMILIES = ("box", "ball", "cylinder", "lathe", "extrusion", "superquadric", "torus", "union")

OPEN = ("box", "cylinder", "lathe", "extrusion")
"""Families that have vessels, open at the top."""


class Shape(Protocol):
    @property
    def reach(self) -> np.ndarray:
        """Half edges of a box around it, (3,) m."""
        ...

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Of points (n, 3) m from its surface, (n,) m; negative inside."""
        ...


@dataclass(frozen=True, eq=False)
class Box:
    half: np.ndarray
    """Half edges, (3,) m."""
    rounding: float = 0.0
    """Radius of its edges (m)."""
    lift: float = 0.0
    """Its top is higher by so much (m)."""

    @property
    def reach(self) -> np.ndarray:
        return self.half + np.array([0, 0, self.lift])

    def distance(self, points: np.ndarray) -> np.ndarray:
        rise = np.array([0, 0, self.lift / 2])
        away = np.abs(points - rise.astype(points.dtype)) - (self.half + rise - self.rounding).astype(points.dtype)
        outside = np.sqrt((np.maximum(away, 0) ** 2).sum(1))
        return outside + np.minimum(away.max(1), 0) - points.dtype.type(self.rounding)

    def cavity(self, wall: float) -> "Box":
        """What is left out of it, so that it is a vessel with walls of that thickness (m)."""
        return Box(self.half - wall, max(self.rounding - wall, 0.0), 2 * wall)


@dataclass(frozen=True, eq=False)
class Superquadric:
    reach: np.ndarray
    vertical: float = 1.0
    """Exponents: 1 is round, towards 0 square, towards 2 pointed."""
    around: float = 1.0

    def distance(self, points: np.ndarray) -> np.ndarray:
        x, y, z = np.maximum(np.abs(points / self.reach.astype(points.dtype)), 1e-4).T
        a, b = 2 / self.around, 2 / self.vertical
        flat = x**a + y**a
        level = (flat ** (b / a) + z**b) ** (1 / b)  # 1 at the surface, in proportion along a ray
        # so its slope is the same all along the ray, and what is above 1 over the slope the distance of a plane that touches
        common = flat ** (b / a - 1)
        slope = np.sqrt(
            (common * x ** (a - 1) / self.reach[0]) ** 2
            + (common * y ** (a - 1) / self.reach[1]) ** 2
            + (z ** (b - 1) / self.reach[2]) ** 2
        )
        return ((level - 1) / np.maximum(slope * level ** (1 - b), 1e-6)).astype(points.dtype)


@dataclass(frozen=True, eq=False)
class Lathe:
    """Turned about z: a radius by height, linear between the corners of a profile."""

    heights: np.ndarray
    """Ascending, (k,) m."""
    radii: np.ndarray
    """(k,) m"""

    @property
    def reach(self) -> np.ndarray:
        widest = self.radii.max()
        return np.array([widest, widest, np.abs(self.heights).max()])

    def distance(self, points: np.ndarray) -> np.ndarray:
        height = points[:, 2]
        radius = np.interp(height, self.heights, self.radii).astype(points.dtype)
        slope = np.diff(self.radii) / np.diff(self.heights)
        piece = np.clip(np.searchsorted(self.heights, height) - 1, 0, len(slope) - 1)
        side = (np.hypot(points[:, 0], points[:, 1]) - radius) / np.sqrt(1 + slope[piece] ** 2).astype(points.dtype)
        caps = np.maximum(height - points.dtype.type(self.heights[-1]), points.dtype.type(self.heights[0]) - height)
        return np.where((side > 0) & (caps > 0), np.hypot(side, caps), np.maximum(side, caps))

    def cavity(self, wall: float) -> "Lathe":
        low, high = self.heights[0] + wall, self.heights[-1] + 2 * wall
        heights = np.unique(np.concatenate([[low], self.heights[self.heights > low], [high]]))
        return Lathe(heights, np.maximum(np.interp(heights, self.heights, self.radii) - wall, 1e-4))


@dataclass(frozen=True, eq=False)
class Extrusion:
    """A polygon in x and y, drawn out along z."""

    corners: np.ndarray
    """(k, 2) m, counter-clockwise."""
    half: float
    """Half its height (m)."""
    inset: float = 0.0
    """The polygon is smaller by so much on every side (m)."""
    lift: float = 0.0
    """Its top is higher by so much (m)."""

    @property
    def reach(self) -> np.ndarray:
        return np.array([*np.abs(self.corners).max(0), self.half + self.lift])

    def distance(self, points: np.ndarray) -> np.ndarray:
        flat = points[:, :2]
        start, end = self.corners.astype(points.dtype), np.roll(self.corners, -1, 0).astype(points.dtype)
        nearest = np.full(len(flat), np.inf, points.dtype)
        inside = np.zeros(len(flat), bool)
        for a, b in zip(start, end, strict=True):
            edge, to = b - a, flat - a
            share = np.clip(to @ edge / max(float(edge @ edge), 1e-12), 0, 1).astype(points.dtype)
            away = to - share[:, None] * edge
            nearest = np.minimum(nearest, away[:, 0] ** 2 + away[:, 1] ** 2)
            if a[1] != b[1]:
                crosses = (a[1] > flat[:, 1]) != (b[1] > flat[:, 1])
                inside ^= crosses & (flat[:, 0] < edge[0] * to[:, 1] / edge[1] + a[0])
        side = np.sqrt(nearest) * np.where(inside, -1, 1).astype(points.dtype) + points.dtype.type(self.inset)
        caps = np.maximum(points[:, 2] - (self.half + self.lift), -(self.half - self.inset) - points[:, 2]).astype(points.dtype)
        return np.where((side > 0) & (caps > 0), np.hypot(side, caps), np.maximum(side, caps))

    def cavity(self, wall: float) -> "Extrusion":
        return replace(self, inset=self.inset + wall, lift=2 * wall)


@dataclass(frozen=True, eq=False)
class Torus:
    major: float
    minor: float
    half_height: float
    """Of its section, which is an ellipse (m)."""

    @property
    def reach(self) -> np.ndarray:
        return np.array([self.major + self.minor, self.major + self.minor, self.half_height])

    def distance(self, points: np.ndarray) -> np.ndarray:
        across = (np.hypot(points[:, 0], points[:, 1]) - self.major) / self.minor
        along = points[:, 2] / self.half_height
        level = np.sqrt(across**2 + along**2)
        steep = np.hypot(across / self.minor, along / self.half_height) / np.maximum(level, 1e-6)
        return (level - 1) / np.maximum(steep, 1e-6)


@dataclass(frozen=True, eq=False)
class Union:
    """Several shapes, each at a place of its own, melted together over `blend` (m)."""

    shapes: tuple[Shape, ...]
    places: np.ndarray
    """(k, 3) m"""
    blend: float

    @property
    def reach(self) -> np.ndarray:
        return np.max([np.abs(place) + shape.reach for shape, place in zip(self.shapes, self.places, strict=True)], axis=0)

    def distance(self, points: np.ndarray) -> np.ndarray:
        distance = np.full(len(points), np.inf, points.dtype)
        for shape, place in zip(self.shapes, self.places, strict=True):
            own = shape.distance(points - place.astype(points.dtype)).astype(points.dtype)
            near = np.maximum(self.blend - np.abs(distance - own), 0)
            distance = np.minimum(distance, own) - near * near / (4 * self.blend)
        return distance


Half = tuple[float, float, float]


def body(family: str, half: Half, rng: np.random.Generator) -> Shape:
    """A shape of the family, in a box of those half edges (m)."""
    x, y, z = half
    radius = min(x, y)
    if family == "box":
        return Box(np.array(half), float(rng.uniform(0, 0.35) * min(half)))
    if family == "ball":
        return Superquadric(np.array(half))
    if family == "cylinder":
        return Lathe(np.array([-z, z]), np.array([radius, radius]))
    if family == "lathe":
        heights = np.linspace(-z, z, int(rng.integers(4, 9)))
        radii = rng.uniform(0.45, 1.0, len(heights))
        radii = np.convolve(np.pad(radii, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        return Lathe(heights, radius * radii / radii.max())
    if family == "extrusion":
        return Extrusion(_polygon(rng) * [x, y], z)
    if family == "superquadric":
        return Superquadric(np.array(half), *(float(e) for e in rng.uniform(0.2, 1.7, 2)))
    if family == "torus":
        minor = float(rng.uniform(0.18, 0.42)) * radius
        return Torus(radius - minor, minor, min(z, 2 * minor))
    if family == "union":
        return _union(half, rng)
    raise ValueError(f"no family of shapes is called {family!r}")


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """Corners in the square from -1 to 1."""
    count = int(rng.integers(3, 9))
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / count
    radii = rng.uniform(0.75, 1.0, count)
    if rng.random() < 0.25:  # a star
        radii[::2] *= rng.uniform(0.45, 0.7)
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    corners -= (corners.min(0) + corners.max(0)) / 2
    return corners / np.abs(corners).max(0)


def _union(half: Half, rng: np.random.Generator) -> Union:
    count = int(rng.integers(2, 5))
    shapes, places = [], []
    for _ in range(count):
        own = np.array(half) * rng.uniform(0.4, 0.75, 3)
        shapes.append(Box(own, 0.2 * float(own.min())) if rng.random() < 0.5 else Superquadric(own))
        places.append((np.array(half) - own) * rng.uniform(-1, 1, 3))
    places[0] = 0.3 * places[0]
    return Union(tuple(shapes), np.array(places), 0.15 * float(min(half)))
