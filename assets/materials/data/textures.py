"""Procedural textures: how far each point of a material is towards its second colour.

    Texture.random("grain", rng)(points)                    # (n,) in [0, 1], points (n, 3) m in the part's frame

FAMILIES are what splits of the data hold out. Patterns have sizes of their own, in metres: wood's grain does not grow with the
table.
"""

from dataclasses import dataclass

import numpy as np

FAMILIES = ("plain", "grain", "speckle", "weave", "brushed", "veins", "mottle", "stripes", "print")

_WAVE: dict[str, tuple[float, float]] = {
    "plain": (0.01, 0.02),
    "grain": (0.002, 0.012),
    "speckle": (0.0008, 0.005),
    "weave": (0.0012, 0.008),
    "brushed": (0.0006, 0.003),
    "veins": (0.01, 0.05),
    "mottle": (0.01, 0.05),
    "stripes": (0.01, 0.06),
    "print": (0.01, 0.05),
}
"""Lengths over which they repeat (m)."""


@dataclass(frozen=True, eq=False)
class Texture:
    family: str
    axes: np.ndarray
    """Orthonormal, (3, 3)."""
    length: float
    """m"""
    share: float
    """Of the second colour, about."""
    waves: np.ndarray
    """Directions of a smooth noise, (k, 3), in units of one over the length."""
    phases: np.ndarray

    @classmethod
    def random(cls, family: str, rng: np.random.Generator) -> "Texture":
        axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        if rng.random() < 0.7:  # along the part, mostly
            axes = np.eye(3)[rng.permutation(3)]
        length = float(np.exp(rng.uniform(*np.log(_WAVE[family]))))
        return cls(family, axes, length, float(rng.uniform(0.2, 0.6)), rng.normal(0, 1.6, (5, 3)), rng.uniform(0, 2 * np.pi, 5))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        if self.family == "plain":
            return np.zeros(len(points))
        p = points @ self.axes.T / self.length
        if self.family == "grain":
            rings = np.hypot(p[:, 0], p[:, 1]) + 0.35 * self._noise(p * [0.3, 0.3, 0.08])
            return 0.5 + 0.5 * np.sin(2 * np.pi * rings)
        if self.family == "speckle":
            return (_hash(np.floor(p)) < self.share).astype(float)
        if self.family == "weave":
            return 0.5 + 0.5 * np.sin(2 * np.pi * p[:, 0]) * np.sin(2 * np.pi * p[:, 1]) * np.sign(np.sin(2 * np.pi * p[:, 2]))
        if self.family == "brushed":
            return _hash(np.floor(p * [1, 1, 0.03]))
        if self.family == "veins":
            return np.clip(1 - 5 * np.abs(np.sin(np.pi * p[:, 0] + 2.5 * self._noise(p))), 0, 1)
        if self.family == "mottle":
            return np.clip(0.5 + 0.6 * self._noise(p), 0, 1)
        if self.family == "stripes":
            return (np.mod(p[:, 2] + self.phases[0], 1) < self.share).astype(float)
        return (_hash(np.floor(p * [1, 1, 0.5] + self.phases[:3])) < self.share).astype(float)

    def _noise(self, points: np.ndarray) -> np.ndarray:
        """Smooth, about -1 to 1."""
        return np.sin(points @ self.waves.T + self.phases).mean(1) * 1.8


def _hash(cells: np.ndarray) -> np.ndarray:
    """A number in [0, 1) of each cell, (n, 3) whole numbers, the same each time."""
    i = cells.astype(np.int64).astype(np.uint32)
    mixed = i[:, 0] * np.uint32(73856093) ^ i[:, 1] * np.uint32(19349663) ^ i[:, 2] * np.uint32(83492791)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0x5BD1E995)
    mixed ^= mixed >> np.uint32(15)
    return mixed.astype(np.float64) / 2**32
