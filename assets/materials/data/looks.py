"""How materials look: colours, patterns, sheen and transparency of each kind, and what hides them.

    look = drawn_look(KINDS["hardwood"], rng)
    look.colours(points, normals)                           # (n, 4) RGBA in [0, 1] of surface points in the part's frame

Colours overlap on purpose. Paint and print hide what is below; some looks are another material's altogether, as of plastic that
passes for wood: no one could tell those apart, and a predictor should not be sure of them.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from assets.materials.classes import Kind
from assets.materials.data.appearances import ANY, APPEARANCES, Colour
from assets.materials.data.textures import Texture
from assets.materials.kinds import KINDS

LOOK_ALIKE = 0.03
"""Share of parts that look like another kind's."""

_PRINTS = ("blocks", "lettering", "dots")
"""Patterns whose second colour is any."""
_PATTERNED = ("paperboard", "porcelain")
"""Kinds whose patterns are above the paint: print, decoration."""


@dataclass(frozen=True, eq=False)
class Look:
    first: np.ndarray
    """sRGB, (3,)"""
    second: np.ndarray
    texture: Texture
    sheen: float
    sheen_waves: np.ndarray
    """Of the reflections over the directions of the normal, (3, 2)."""
    alpha: float

    def colours(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """RGBA in [0, 1] of points (n, 3) m with their unit normals, (n, 4)."""
        share = self.texture(points)[:, None]
        rgb = self.first * (1 - share) + self.second * share
        reflected = np.sin(normals @ self.sheen_waves).prod(1, keepdims=True)
        rgb = rgb + self.sheen * 0.5 * np.where(reflected > 0.35, 1.0 - rgb, -0.35 * rgb * (reflected < -0.2))
        return np.clip(np.concatenate([rgb, np.full((len(points), 1), self.alpha)], 1), 0, 1)


def drawn_look(kind: Kind, rng: np.random.Generator, texture: str | None = None) -> Look:
    """A look that a part of that kind may have, of that family of textures where one is given."""
    name = kind.name
    if rng.random() < LOOK_ALIKE:
        name = str(rng.choice(list(KINDS)))
    look = APPEARANCES[name]
    first = _colour(look.colours, rng)
    families, weights = list(look.textures), np.array(list(look.textures.values()), float)
    family = texture or str(rng.choice(families, p=weights / weights.sum()))
    second = _against(first, float(rng.uniform(*look.contrast)), rng)
    if rng.random() < look.paint:
        first = _colour(ANY, rng)
        family = family if name in _PATTERNED else "plain"
        second = _colour(ANY, rng) if family in _PRINTS else _against(first, 0.3, rng)
    elif family in _PRINTS:
        second = _colour(ANY, rng)
    sheen = float(rng.uniform(*look.sheen))
    waves = rng.normal(0, 4.0, (3, 2))
    return Look(first, second, Texture.random(family, rng), sheen, waves, float(rng.uniform(*look.alpha)))


def _colour(colours: tuple[Colour, ...], rng: np.random.Generator) -> np.ndarray:
    if not colours:
        return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.12, 0.97)))
    chosen = np.array(colours[rng.integers(len(colours))])
    return np.clip(chosen * (1 + 0.12 * rng.standard_normal()) + 0.03 * rng.standard_normal(3), 0.02, 0.99)


def _against(first: np.ndarray, contrast: float, rng: np.random.Generator) -> np.ndarray:
    """Another brightness of the colour, mostly darker."""
    sign = -1 if rng.random() < 0.75 or first.mean() > 0.8 else 1
    return np.clip(first * (1 + sign * contrast) + 0.02 * rng.standard_normal(3), 0, 1)
