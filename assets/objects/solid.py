"""A closed surface, which has an inside: made from the triangles of a mesh, repaired where that is safe, refused where not.

    solid, notes = make_solid(vertices, faces, name="mug")
    solid.volume, solid.area

Safe is: to join vertices at the same place, drop triangles without area, turn triangles round, and close holes that are small
beside the surface. Surfaces may overlap, as the parts of a modelled object do; what is inside any of them is inside. A cavity
is a closed surface turned inside out.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from assets.objects.errors import ObjectError

MAX_HOLES = 0.05
"""Largest share of the surface that may be put in its place to close holes."""

_SAME = 1e-6  # of the size: vertices nearer than that are one
_FLAT = 1e-4  # of the volume of the box around it: less is no body


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
    opposed = (edges[first, 0] == edges[second, 0]).astype(np.int8)  # both run the same way: one triangle is to be turned
    left, right = first // 3, second // 3
    links = csr_array((np.ones(2 * len(left)), (np.r_[left, right], np.r_[right, left])), shape=(len(faces),) * 2)
    odd = {(int(i), int(j)) for i, j, o in zip(left, right, opposed, strict=True) if o}
    pieces, piece = connected_components(links, directed=False)
    flip = np.zeros(len(faces), bool)
    for number in range(pieces):
        members = np.flatnonzero(piece == number)
        walk, parents = breadth_first_order(links, members[0], directed=False)
        for child in walk[1:]:
            parent = int(parents[child])
            flip[child] = flip[parent] ^ ((parent, int(child)) in odd or (int(child), parent) in odd)
        if flip[members].mean() > 0.5:
            flip[members] = ~flip[members]
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    return faces, int(flip.sum())


def _closed(vertices: np.ndarray, faces: np.ndarray, name: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """With a fan over each hole."""
    rims = _rims(_open_edges(faces))
    points, fans = [vertices], [faces]
    widest, added, count = 0.0, 0.0, len(vertices)
    for rim in rims:
        corners = vertices[rim]
        points.append(corners.mean(0, keepdims=True))
        fan = np.stack([np.roll(rim, -1), rim, np.full(len(rim), count)], 1)
        fans.append(fan)
        added += float(areas(np.stack([np.roll(corners, -1, 0), corners, np.repeat(points[-1], len(rim), 0)], 1)).sum())
        widest, count = max(widest, float(np.ptp(corners, axis=0).max())), count + 1
    share = added / (added + areas(vertices[faces]).sum())
    told = f"{len(rims)} hole{'s' * (len(rims) != 1)}, the widest of {1e3 * widest:.3g} mm"
    if share > MAX_HOLES:
        raise ObjectError(
            f"{name}: its surface has {told}; to close them would take {share:.0%} of it, at most {MAX_HOLES:.0%} is put there"
            " by guess. Close it in the program that made it (Blender: 3D-Print Toolbox, Make Manifold), or export all of it"
        )
    notes.append(f"closed {told}")
    return np.concatenate(points), np.concatenate(fans)


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


def _outward(vertices: np.ndarray, faces: np.ndarray, notes: list[str]) -> np.ndarray:
    """Closed pieces that enclose a negative volume are turned, with all within them; but not a cavity, which should face so."""
    edges = _edges(faces)
    links = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(vertices),) * 2)
    _, of_vertex = connected_components(links, directed=False)
    _, piece = np.unique(of_vertex[faces[:, 0]], return_inverse=True)
    piece = piece.reshape(-1)
    count = piece.max() + 1
    triangles = vertices[faces]
    a, b, c = np.moveaxis(triangles, 1, 0)
    volume = np.bincount(piece, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6, count)
    if not (volume < 0).any():
        return faces
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, piece, triangles.min(1))
    np.maximum.at(high, piece, triangles.max(1))
    turn = np.zeros(count, bool)
    for i in np.argsort(-np.abs(volume)):  # what holds others comes first
        around = (np.abs(volume) > abs(volume[i])) & (low <= low[i]).all(1) & (high >= high[i]).all(1)
        turn[i] = turn[around].any() if around.any() else volume[i] < 0
    if turn.any():
        notes.append(f"turned {turn.sum()} of {count} closed pieces inside out: they faced inwards")
    return np.where(turn[piece][:, None], faces[:, ::-1], faces)
