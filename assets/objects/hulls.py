"""Convex parts of a solid, which engines can test for contact.

    hulls, notes = convex_parts(solid, Decomposition(max_hulls=24))

CoACD (`pip install 'zerogap[objects]'`) divides the solid where that helps most (Wei et al. 2022, "Approximate convex
decomposition for 3D meshes with collision-aware concavity and tree search"). The same solid and settings give the same parts,
which are kept in the user's cache. Without CoACD each closed piece of the solid is one convex hull, and a note says so. Where
these are too many, those that fill least between them become one.
"""

import heapq
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from scipy.spatial import ConvexHull, KDTree, QhullError

from assets.objects.cache import Arrays, cached, key_of
from assets.objects.errors import ObjectError
from assets.objects.solid import Solid, pieces_of, volumes_of

_FACES = 1500  # of the solid that is divided: with more it takes minutes, and the parts are hardly others
_SEARCH: dict[str, Any] = {"mcts_iterations": 20, "mcts_max_depth": 2, "mcts_nodes": 8, "resolution": 500}
_NEIGHBOURS = 8  # with which a hull may become one
_THINNEST = 1e-5  # of a hull, in sizes of the solid: thinner ones are no bodies for MuJoCo


@dataclass(frozen=True)
class Decomposition:
    """How finely a solid is divided."""

    concavity: float = 0.08
    """What a part may deviate from its hull, in the solid's size."""
    max_hulls: int = 24
    """However the solid is divided."""
    max_vertices: int = 64
    """Of each hull."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.01 <= self.concavity <= 1:
            raise ObjectError(f"Decomposition.concavity must be within 0.01 and 1, found {self.concavity:g}")
        for name, least, most in (("max_hulls", 1, 256), ("max_vertices", 8, 256), ("seed", 0, 2**31 - 1)):
            if not least <= getattr(self, name) <= most:
                raise ObjectError(f"Decomposition.{name} must be within {least} and {most}, found {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Hull:
    """A convex polyhedron."""

    vertices: np.ndarray
    """(n, 3) float64, m: its corners."""
    faces: np.ndarray
    """(m, 3) int32, counter-clockwise from outside."""
    planes: np.ndarray
    """(m, 4): unit normal n and offset d of each face, with n · x + d <= 0 inside."""
    volume: float
    """m³"""

    @classmethod
    def of(cls, points: np.ndarray) -> "Hull | None":
        """Around points (n, 3); None where they lie in a plane."""
        try:
            hull = ConvexHull(points)
        except QhullError:
            return None
        vertices = hull.points[hull.vertices]
        faces = np.searchsorted(hull.vertices, hull.simplices) if (np.diff(hull.vertices) > 0).all() else None
        if faces is None:
            order = np.argsort(hull.vertices)
            faces = order[np.searchsorted(hull.vertices[order], hull.simplices)]
        a, b, c = np.moveaxis(vertices[faces], 1, 0)
        inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
        faces = np.where(inward[:, None], faces[:, ::-1], faces)
        return cls(vertices, faces.astype(np.int32), hull.equations, float(hull.volume))

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points (n, 3) lie in it, (n,) bool."""
        return (points @ self.planes[:, :3].T + self.planes[:, 3]).max(axis=1) <= 0


def convex_parts(solid: Solid, settings: Decomposition) -> tuple[tuple[Hull, ...], tuple[str, ...]]:
    """Hulls that together cover the solid, the largest first, at most `max_hulls`, and notes on how they came about."""
    notes: tuple[str, ...] = ()
    if can_divide():
        maker = f"coacd {version('coacd')} fast-simplification {version('fast-simplification')} {_SEARCH} {_FACES}"
        key = key_of(solid.vertices, solid.faces, maker, repr(sorted(asdict(settings).items())))
        arrays = cached("hulls", key, lambda: _packed(_divide(solid, settings)), _is_sound)
        clouds = np.split(arrays["points"], np.cumsum(arrays["counts"])[:-1])
    else:
        clouds = _pieces(solid)
        notes = ("each closed piece collides as its convex hull, as CoACD is not installed: pip install 'zerogap[objects]'",)
    thinnest = (_THINNEST * float(np.ptp(solid.bounds, axis=0).max())) ** 3
    found = (Hull.of(_corners(cloud, settings.max_vertices)) for cloud in clouds)
    hulls = [hull for hull in found if hull is not None and hull.volume > thinnest]
    if not hulls:
        raise ObjectError("no convex part of it has a volume; is it thinner than a hair?")
    if len(hulls) > settings.max_hulls:
        notes = (*notes, f"{len(hulls)} convex parts became {settings.max_hulls}, as many as are asked for: --hulls gives more")
        hulls = merged(hulls, settings.max_hulls, settings.max_vertices)
    return tuple(sorted(hulls, key=lambda hull: -hull.volume)), notes


def merged(hulls: Sequence[Hull], most: int, max_vertices: int) -> list[Hull]:
    """At most so many hulls that cover the same: again and again, those two of neighbours become one that add least volume."""
    alive = dict(enumerate(hulls))
    middles = np.full((2 * len(hulls), 3), np.inf)  # of what became another, infinitely far
    middles[: len(hulls)] = [hull.vertices.mean(0) for hull in hulls]
    choices: list[tuple[float, int, int]] = []  # m³

    def both(i: int, j: int) -> np.ndarray:
        return np.concatenate([alive[i].vertices, alive[j].vertices])

    def consider(i: int, j: int) -> None:
        heapq.heappush(choices, (ConvexHull(both(i, j)).volume - alive[i].volume - alive[j].volume, i, j))

    _, near = KDTree(middles[: len(hulls)]).query(middles[: len(hulls)], k=min(_NEIGHBOURS + 1, len(hulls)))
    near = np.asarray(near)
    pairs = np.sort(np.stack([np.arange(len(near)).repeat(near.shape[1]), near.ravel()], 1), axis=1)
    for i, j in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).tolist():
        consider(i, j)
    new = len(hulls)
    while len(alive) > most:  # what is newest has neighbours, so there is always a choice
        _, i, j = heapq.heappop(choices)
        if i in alive and j in alive:
            one = Hull.of(_corners(both(i, j), max_vertices))
            if one is None:
                raise ObjectError("two of its convex parts have no hull together: ask for more hulls")
            del alive[i], alive[j]
            middles[[i, j]] = np.inf
            away = np.linalg.norm(middles - one.vertices.mean(0), axis=1)
            nearest = [int(other) for other in np.argsort(away, kind="stable")[:_NEIGHBOURS] if other in alive]
            alive[new], middles[new] = one, one.vertices.mean(0)
            for other in nearest:
                consider(other, new)
            new += 1
    return list(alive.values())


def can_divide() -> bool:
    """Whether CoACD is installed, and what prepares a mesh for it."""
    return all(importlib.util.find_spec(name) is not None for name in ("coacd", "fast_simplification"))


def _divide(solid: Solid, settings: Decomposition) -> list[np.ndarray]:
    """Corners of the parts."""
    import coacd
    import fast_simplification

    center, size = solid.bounds.mean(0), float(np.ptp(solid.bounds, axis=0).max())
    vertices: Any = ((solid.vertices - center) / size).astype(np.float32)
    faces: Any = solid.faces
    if len(faces) > _FACES:
        vertices, faces = fast_simplification.simplify(vertices, faces, target_count=_FACES)[:2]
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(vertices, faces),
        threshold=settings.concavity,
        max_convex_hull=settings.max_hulls,
        decimate=False,  # it cuts corners: `_corners` does not
        preprocess_mode="off",
        seed=settings.seed,
        **_SEARCH,
    )
    if not parts:
        raise ObjectError("CoACD found no convex parts: the surface is too tangled; repair it first")
    return [np.asarray(corners, float) * size + center for corners, _ in parts]


def _corners(points: np.ndarray, most: int) -> np.ndarray:
    """Those points, (at most `most`, 3), that best tell the shape of their hull: each is the one furthest outside the hull of
    those before."""
    try:
        whole = ConvexHull(points)
    except QhullError:
        return points
    points = points[whole.vertices]
    if len(points) <= most:
        return points
    along = points @ np.concatenate([np.eye(3), [[1, 1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, -1]]]).T
    chosen = sorted({*along.argmax(0).tolist(), *along.argmin(0).tolist()})
    hull = ConvexHull(points[chosen], incremental=True)
    while len(chosen) < most:
        outside = (points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(1)
        furthest = int(outside.argmax())
        if outside[furthest] <= 0 or furthest in chosen:
            break
        chosen.append(furthest)
        try:
            hull.add_points(points[furthest : furthest + 1])
        except QhullError:  # to add one by one fails where many lie almost in a plane
            hull = ConvexHull(points[chosen], incremental=True)
    return points[chosen]


def _packed(clouds: list[np.ndarray]) -> Arrays:
    return {"points": np.concatenate(clouds), "counts": np.array([len(cloud) for cloud in clouds])}


def _is_sound(arrays: Arrays) -> bool:
    points, counts = arrays.get("points"), arrays.get("counts")
    if points is None or counts is None or points.dtype.kind != "f" or counts.dtype.kind not in "iu":
        return False
    fits = points.ndim == 2 and points.shape[1] == 3 and counts.ndim == 1 and len(counts) > 0
    return bool(fits and (counts > 0).all() and counts.sum() == len(points) and np.isfinite(points).all())


def _pieces(solid: Solid) -> list[np.ndarray]:
    """Vertices of each closed piece that is no cavity."""
    piece = pieces_of(solid.faces)
    members = np.split(np.argsort(piece, kind="stable"), np.cumsum(np.bincount(piece))[:-1])
    full = np.flatnonzero(volumes_of(solid.triangles, piece) > 0)
    return [solid.vertices[np.unique(solid.faces[members[i]])] for i in full]


def total_volume(hulls: tuple[Hull, ...]) -> float:
    """m³; where hulls overlap, counted for each."""
    return math.fsum(hull.volume for hull in hulls)
