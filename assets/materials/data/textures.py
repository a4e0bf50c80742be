"""Procedural textures: how far each point of a material is towards its second colour.

    Texture.random("rings", rng)(points)                    # (n,) in [0, 1], points (n, 3) m in the part's frame

FAMILIES are what splits of the data hold out. Patterns have sizes of their own, in metres: wood's grain does not grow with the
table.
"""

from dataclasses import dataclass

import numpy as np

from assets.materials.data.patterns import PATTERNS, Draw

FAMILIES = tuple(PATTERNS)

_ALONG = 0.7  # of parts, whose patterns go along them


@dataclass(frozen=True, eq=False)
class Texture:
    family: str
    axes: np.ndarray
    """Orthonormal, (3, 3)."""
    length: float
    """m"""
    draw: Draw

    @classmethod
    def random(cls, family: str, rng: np.random.Generator) -> "Texture":
        axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        if rng.random() < _ALONG:
            axes = np.eye(3)[rng.permutation(3)]
        length = float(np.exp(rng.uniform(*np.log(PATTERNS[family].wave))))
        return cls(family, axes, length, Draw.random(rng))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return np.clip(PATTERNS[self.family].shade(points @ self.axes.T / self.length, self.draw), 0, 1)
