"""A closed surface, which has an inside: made from the triangles of a mesh, repaired where that is safe, refused where not.

    solid, notes = make_solid(vertices, faces, name="mug")
    solid.volume, solid.area

Safe is: to join vertices at the same place, drop triangles without area, turn triangles round, and close holes that are small
beside the surface. Surfaces may overlap, as the parts of a modelled object do; what is inside any of them is inside. A
closed surface that lies within another one, whichever way it faces, is a cavity, and one within a cavity is none.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from assets.objects.crossings import winding
from assets.objects.errors import ObjectError

MAX_HOLES = 0.05
"""Largest share of the surface that may be put in its place to close holes."""

_SAME = 1e-6  # of the size: vertices nearer than that are one
_FLAT = 1e-4  # of the volume of the box around it: less is no body
_CLEAR = 1e-4  # of its size: what lies within it is at least so far from its surface
_WAYS = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z])


@dataclass(frozen=True, eq=False)
class Solid:
    """Triangles, each edge of which meets another one in the opposite direction."""

    vertices: np.ndarray
    """(n, 3) float64, m."""
    faces: np.ndarray
    """(m, 3) int32, counter-clockwise from outside."""

    @property
    def triangles(self) -> np.ndarray:
        """(m, 3, 3) m."""
        return self.vertices[self.faces]

    @cached_property
    def volume(self) -> float:
        """m³; where surfaces overlap, counted for each."""
        return signed_volume(self.triangles)

    @cached_property
    def area(self) -> float:
        """m²"""
        return float(areas(self.triangles).sum())

    @property
    def bounds(self) -> np.ndarray:
        """Lowest and highest corner of the box around it, (2, 3) m."""
        return np.array([self.vertices.min(0), self.vertices.max(0)])


def areas(triangles: np.ndarray) -> np.ndarray:
    """Of triangles (m, 3, 3), in m²."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def unit_normals(triangles: np.ndarray) -> np.ndarray:
    """Outward, (m, 3); zero where a triangle is too thin to have one."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(float).tiny)


def signed_volume(triangles: np.ndarray) -> float:
    """Enclosed by triangles (m, 3, 3), m³; below zero where they are turned inside out."""
    a, b, c = np.moveaxis(triangles - triangles.reshape(-1, 3).mean(0), 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def make_solid(vertices: np.ndarray, faces: np.ndarray, name: str) -> tuple[Solid, tuple[str, ...]]:
    """The solid that a mesh bounds, vertices (n, 3) in m, and notes on what was repaired. `name` is for messages.

    Raises ObjectError where holes are too large to be closed by guess, or nothing is inside.
    """
    notes: list[str] = []
    vertices, faces = _join(np.asarray(vertices, float), np.asarray(faces, np.int64))
    kept = _proper(vertices, faces)
    if len(kept) < 4:
        raise ObjectError(f"{name}: only {len(kept)} of its triangles have an area; a solid has at least 4")
    if dropped := len(faces) - len(kept):
        notes.append(f"dropped {dropped} triangles without area, or there twice")
    faces = kept
    if _open_edges(faces).size:
        faces, turned = _turned(faces)
        if turned:
            notes.append(f"turned {turned} triangles round")
    if _open_edges(faces).size:
        vertices, faces = _closed(vertices, faces, name, notes)
    faces = _outward(vertices, faces, notes)
    used, flat = np.unique(faces, return_inverse=True)
    solid = Solid(vertices[used], flat.reshape(-1, 3).astype(np.int32))
    box = float(np.prod(np.maximum(np.ptp(solid.vertices, axis=0), 1e-9)))
    if solid.volume < _FLAT * box:
        raise ObjectError(
            f"{name}: it encloses {1e6 * solid.volume:.3g} cm³ of the {1e6 * box:.3g} cm³ of the box around it: it is a sheet,"
            " not a body; give it a thickness, by a solidify or shell modifier, and try again"
        )
    return solid, tuple(notes)


def _join(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices at the same place are one: files split them at the seams of textures."""
    used = vertices[np.unique(faces)]
    grid = max(float(np.ptp(used, axis=0).max()) * _SAME, 1e-12)
    cells = np.round((vertices - used.min(0)) / grid).astype(np.int64)
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return vertices[first], inverse.reshape(-1)[faces]


def _proper(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Triangles of three vertices; of those at the same place that face the same way, one."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    start = np.argmin(faces, axis=1)
    rolled = faces[np.arange(len(faces))[:, None], (start[:, None] + np.arange(3)) % 3]
    _, first = np.unique(rolled, axis=0, return_index=True)
    return faces[np.sort(first)]


def _edges(faces: np.ndarray) -> np.ndarray:
    """Directed, (3 m, 2); triangle i has the edges 3 i to 3 i + 2."""
    return faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)


def _open_edges(faces: np.ndarray) -> np.ndarray:
    """Directed edges, (n, 2), that lack one in the opposite direction."""
    edges = _edges(faces)
    pairs, inverse = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    forward = edges[:, 0] < edges[:, 1]
    surplus = np.bincount(inverse.reshape(-1), np.where(forward, 1, -1), len(pairs)).round().astype(int)
    left = np.repeat(np.arange(len(pairs)), np.abs(surplus))
    return np.where(surplus[left, None] > 0, pairs[left], pairs[left, ::-1])


def _turned(faces: np.ndarray) -> tuple[np.ndarray, int]:
    """Triangles turned so that neighbours agree, and how many were. Each piece turns as most of it is."""
    edges = _edges(faces)
    _, inverse, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(inverse.reshape(-1), kind="stable")
    starts = np.concatenate([[0], np.cumsum(count)])[:-1][count == 2]
    first, second = order[starts], order[starts + 1]  # two edges between the same vertices
    opposed = edges[first, 0] == edges[second, 0]  # both run the same way: one triangle is to be turned
    left, right, m = first // 3, second // 3, len(faces)
    # Each triangle is there twice, as it is and turned, and is linked with each neighbour as they agree: so the two ways of a
    # piece are two components.
    near, far = np.r_[left, left + m], np.r_[right + m * opposed, right + m * ~opposed]
    links = csr_array((np.ones(len(near), np.int8), (near, far)), shape=(2 * m, 2 * m))
    way = connected_components(links, directed=False)[1]
    as_is, turned = way[:m], way[m:]
    kept = np.bincount(as_is, minlength=way.max() + 1)  # triangles that each way leaves as they are
    flip = (kept[turned] > kept[as_is]) | ((kept[turned] == kept[as_is]) & (turned < as_is))
    return np.where(flip[:, None], faces[:, ::-1], faces), int(flip.sum())


def _closed(vertices: np.ndarray, faces: np.ndarray, name: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """With a fan over each hole."""
    rims = _rims(_open_edges(faces))
    around, length = np.concatenate(rims), np.array([len(rim) for rim in rims])
    start, hole = np.cumsum(length) - length, np.repeat(np.arange(len(rims)), length)
    following = np.arange(1, len(around) + 1)
    following[start + length - 1] = start
    corners = vertices[around]
    middle = np.add.reduceat(corners, start) / length[:, None]
    widest = float((np.maximum.reduceat(corners, start) - np.minimum.reduceat(corners, start)).max())
    added = float(areas(np.stack([corners[following], corners, middle[hole]], 1)).sum())
    fans = np.stack([around[following], around, len(vertices) + hole], 1)
    share = added / (added + areas(vertices[faces]).sum())
    told = f"{len(rims)} hole{'s' * (len(rims) != 1)}, the widest of {1e3 * widest:.3g} mm"
    if share > MAX_HOLES:
        raise ObjectError(
            f"{name}: its surface has {told}; to close them would take {share:.0%} of it, at most {MAX_HOLES:.0%} is put there"
            " by guess. Close it in the program that made it (Blender: 3D-Print Toolbox, Make Manifold), or export all of it"
        )
    notes.append(f"closed {told}")
    return np.concatenate([vertices, middle]), np.concatenate([faces, fans])


def _rims(edges: np.ndarray) -> list[np.ndarray]:
    """Closed chains of vertices around holes, along the triangles' own directed edges (n, 2)."""
    following: dict[int, list[int]] = {}
    for start, end in edges.tolist():
        following.setdefault(start, []).append(end)
    rims = []
    for start in sorted(following):
        while following[start]:
            chain, place = [start], {start: 0}
            while following[chain[-1]]:
                vertex = following[chain[-1]].pop()
                if vertex in place:  # as open edges leave each vertex as often as they reach it, every chain closes
                    rims.append(np.array(chain[place[vertex] :]))
                    for passed in chain[place[vertex] + 1 :]:
                        del place[passed]
                    chain = chain[: place[vertex] + 1]
                else:
                    place[vertex] = len(chain)
                    chain.append(vertex)
    return rims


def pieces_of(faces: np.ndarray) -> np.ndarray:
    """The piece of the surface that each triangle belongs to, (m,) from 0: those of one piece hang together by edges."""
    _, edge = np.unique(np.sort(_edges(faces), axis=1), axis=0, return_inverse=True)
    triangle, edge = np.repeat(np.arange(len(faces)), 3), edge.reshape(-1) + len(faces)
    links = csr_array((np.ones(len(edge), np.int8), (triangle, edge)), shape=(len(faces) + edge.max() + 1,) * 2)
    return np.unique(connected_components(links, directed=False)[1][: len(faces)], return_inverse=True)[1].reshape(-1)


def volumes_of(triangles: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """As `signed_volume`, of each piece."""
    a, b, c = np.moveaxis(triangles - triangles.reshape(-1, 3).mean(0), 1, 0)
    return np.bincount(piece, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6)


def _outward(vertices: np.ndarray, faces: np.ndarray, notes: list[str]) -> np.ndarray:
    """Closed pieces turned so that they face outwards, or inwards where they are cavities: where what they lie within goes
    around them once. Within two that overlap there would be material all the same."""
    piece, triangles = pieces_of(faces), vertices[faces]
    volume = volumes_of(triangles, piece)
    count = len(volume)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, piece, triangles.min(1))
    np.maximum.at(high, piece, triangles.max(1))
    members = np.split(np.argsort(piece, kind="stable"), np.cumsum(np.bincount(piece))[:-1])
    around, way = np.zeros(count, int), np.ones(count, int)
    for i in np.argsort(-np.abs(volume), kind="stable"):  # what holds others comes first
        way[i] = -1 if around[i] == 1 else 1
        within = np.flatnonzero((low > low[i]).all(1) & (high < high[i]).all(1) & (np.abs(volume) < np.abs(volume[i])))
        if within.size:
            away = _CLEAR * float((high[i] - low[i]).max())
            outermost = np.stack([_outermost(triangles[members[j]].reshape(-1, 3), away) for j in within])
            inside = winding(triangles[members[i]], outermost.reshape(-1, 3)).reshape(len(within), -1) != 0
            around[within[inside.all(1)]] += way[i]
    turn = volume * way < 0
    if outwards := np.count_nonzero(turn & (way > 0)):
        notes.append(f"turned {outwards} of {count} closed pieces inside out: they faced inwards")
    cavity = (way < 0) & (np.abs(volume) > _FLAT * np.prod(high - low, axis=1))
    if cavity.any():
        found = f"{cavity.sum()} cavit{'ies' if cavity.sum() > 1 else 'y'}, {1e6 * np.abs(volume[cavity]).sum():.3g} cm³"
        inwards = np.count_nonzero(turn & cavity)
        told = f"; {inwards} faced outwards: delete what is none in the program that made it" if inwards else ""
        notes.append(f"found {found}: closed pieces within another one{told}")
    return np.where(turn[piece][:, None], faces[:, ::-1], faces)


def _outermost(points: np.ndarray, away: float) -> np.ndarray:
    """Of the points those that lie furthest in each of 26 directions, moved outwards (m)."""
    return points[(points @ _WAYS.T).argmax(0)] + away * _WAYS / np.linalg.norm(_WAYS, axis=1, keepdims=True)
