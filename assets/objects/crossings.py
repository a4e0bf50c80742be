"""Where vertical lines pass through triangles, and what of points that tells: how often a closed surface goes around them.

winding(triangles, points)                              # (n,): 1 within, 0 without, -1 where it is turned inside out
"""

import numpy as np

_PAIRS = 2_000_000  # of triangles and points that are looked at together: they fill some 100 MiB
_ASIDE = np.array([[0.8, -0.36, 0.48], [0.6, 0.48, -0.64], [0.0, 0.8, 0.6]])
"""A turn, so that edges and corners in a model's middle are not right above one another."""


def weights(triangles: np.ndarray, triangle: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where vertical lines at x and y, (n,) each, meet the planes of `triangles[triangle]`, in shares of their corners, (n, 3),
    which sum to twice the triangle's area seen from above: all above zero where the line passes a triangle that faces up,
    below zero where it passes one that faces down, of either sign where it passes none."""
    columns = []
    for start, end in ((1, 2), (2, 0), (0, 1)):
        p, q = triangles[:, start, :2], triangles[:, end, :2]
        # Of an edge both its triangles compute the same number, so that a line passes one of them, whichever way it is rounded.
        swap = (p[:, 0] > q[:, 0]) | ((p[:, 0] == q[:, 0]) & (p[:, 1] > q[:, 1]))
        a, b = np.where(swap[:, None], q, p), np.where(swap[:, None], p, q)
        run = (b - a)[triangle]
        cross = run[:, 0] * (y - a[triangle, 1]) - run[:, 1] * (x - a[triangle, 0])
        cross[cross == 0] = np.finfo(float).tiny
        columns.append(np.where(swap[triangle], -cross, cross))
    return np.stack(columns, -1)


def ranges(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the ranges from `first` to before `last`, one after the other: which range, and the number in it."""
    count = np.maximum(last - first, 0)
    which = np.repeat(np.arange(len(count)), count)
    return which, np.arange(len(which)) - (np.cumsum(count) - count)[which] + first[which]


def winding(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How often a closed surface of triangles (m, 3, 3) goes around points (n, 3) that are not on it, (n,) int."""
    triangles, points = triangles @ _ASIDE.T, points @ _ASIDE.T
    points, number = points[points[:, 0].argsort()], points[:, 0].argsort()
    low, high = triangles.min(1), triangles.max(1)
    first, last = np.searchsorted(points[:, 0], low[:, 0]), np.searchsorted(points[:, 0], high[:, 0], "right")
    block = np.cumsum(last - first) // _PAIRS
    found = np.zeros(len(points), int)
    for some in np.split(np.arange(len(triangles)), np.flatnonzero(np.diff(block)) + 1):
        which, point = ranges(first[some], last[some])
        triangle = some[which]
        x, y, z = points[point].T
        near = (low[triangle, 1] <= y) & (y <= high[triangle, 1]) & (z <= high[triangle, 2])
        triangle, point, x, y, z = triangle[near], point[near], x[near], y[near], z[near]
        w = weights(triangles, triangle, x, y)
        faces = np.where(w.min(axis=1) > 0, 1, np.where(w.max(axis=1) < 0, -1, 0))
        hit = faces != 0
        w, above = w[hit], np.zeros(len(w), bool)
        above[hit] = np.einsum("ij,ij->i", w / w.sum(1, keepdims=True), triangles[triangle[hit], :, 2]) > z[hit]
        np.add.at(found, point[above], faces[above])
    return found[number.argsort()]
