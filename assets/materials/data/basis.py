"""What patterns are made of: waves, bands, lines, smooth noise, random numbers of cells, and grains.

draw = Draw.random(rng)                                 # what differs from one piece to the next
draw.noise(p), hashed(p), grains(p)                     # of points (n, 3), in units of the pattern's length
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

_TURN = 2 * np.pi


@dataclass(frozen=True, eq=False)
class Draw:
    share: float
    """Of the second colour, about."""
    waves: np.ndarray
    """Directions of a smooth noise, (k, 3)."""
    phases: np.ndarray
    """(k,)"""

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Draw":
        return cls(float(rng.uniform(0.2, 0.6)), rng.normal(0, 1.6, (5, 3)), rng.uniform(0, _TURN, 5))

    def noise(self, p: np.ndarray) -> np.ndarray:
        """Smooth, about -1 to 1, (n,)."""
        return np.sin(p @ self.waves.T + self.phases).mean(1) * 1.8


def wave(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(_TURN * x)


def band(x: np.ndarray, share: float) -> np.ndarray:
    """One where x, a length, is in the first part of its repeat."""
    return (np.mod(x, 1) < share).astype(float)


def line(x: np.ndarray, width: float) -> np.ndarray:
    """One where x is near zero, falling to zero at that width."""
    return np.clip(1 - np.abs(x) / width, 0, 1)


def hashed(cells: np.ndarray) -> np.ndarray:
    """A number in [0, 1) of each cell, (n, 3) whole numbers, the same each time."""
    i = np.floor(cells).astype(np.int64).astype(np.uint32)
    mixed = i[:, 0] * np.uint32(73856093) ^ i[:, 1] * np.uint32(19349663) ^ i[:, 2] * np.uint32(83492791)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0x5BD1E995)
    mixed ^= mixed >> np.uint32(15)
    return mixed.astype(np.float64) / 2**32


def grains(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of grains around points strewn one to a cell: the distance to the nearest, how much farther the next is, and the number
    in [0, 1) of the nearest grain, each (n,) (Worley, A cellular texture basis function, 1996)."""
    base = np.floor(p - 0.5)  # the points are within a quarter of their cells' middles: the nearest is of these eight
    nearest, next_, number = np.full(len(p), 9.0), np.full(len(p), 9.0), np.zeros(len(p))
    for corner in product((0, 1), repeat=3):
        cell = base + corner
        own = [hashed(cell + np.array([0, 0, 1000 * k])) for k in range(1, 5)]
        apart = np.linalg.norm(p - cell - 0.5 - 0.5 * (np.stack(own[:3], 1) - 0.5), axis=1)
        closer = apart < nearest
        next_ = np.where(closer, nearest, np.minimum(next_, apart))
        number = np.where(closer, own[3], number)
        nearest = np.where(closer, apart, nearest)
    return nearest, next_ - nearest, number
