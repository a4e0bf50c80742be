"""Classes of materials, and the kinds within them with published ranges of their properties: metal, and in it steel.

    CLASSES[0].name                                         # "metal"
    steel = KINDS["steel"]
    steel.ranges[DENSITY]                                   # (7700, 8000) kg/m³
    steel.drawn(rng)                                        # values of PROPERTIES on their scales, (properties - 1,): not fill

A draw is normal within each range, cut off at its ends, and properties go together as they do in nature: a dense wood is a
stiff one, and what is stiff is strong. The figures are in `kinds`, with their sources.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assets.materials.properties import DENSITY, FRICTION, POISSON, RESTITUTION, YIELD, YOUNG, Property

Range = tuple[float, float]

DRAWN = (DENSITY, YOUNG, POISSON, FRICTION, RESTITUTION, YIELD)
"""Properties of a material; the fill is that of a part, whose shape and walls make it."""

_SPREAD = 0.5  # standard deviation of a draw, in halves of its range


@dataclass(frozen=True)
class MaterialClass:
    name: str
    density_young: float
    """Correlation of log density and log Young's modulus within a kind."""
    young_yield: float
    """Likewise of Young's modulus and yield stress."""
    pixie: int
    """The class of Pixie's that it is written as."""
    rigid: bool = True
    """False where no rigid body behaves so: sand, snow, fluids."""


@dataclass(frozen=True)
class Kind:
    """A material one can name, narrower than its class."""

    name: str
    material: MaterialClass
    density: Range
    """kg/m³"""
    young: Range
    """Pa"""
    poisson: Range
    friction: Range
    """Sliding, on a clean, dry, hard surface such as steel, wood or stone."""
    restitution: Range
    """Dropped on a hard floor at some m/s; of compact things, which lose more than polished balls do."""
    yields: Range
    """Stress at which it yields, or breaks where it is brittle (Pa)."""
    hollow: float
    """How often a closed part of it is hollow, by custom."""
    wall: Range
    """Thickness of its walls, where it is hollow or a vessel (m)."""
    source: str

    @cached_property
    def ranges(self) -> dict[Property, Range]:
        """In the properties' units."""
        values = (self.density, self.young, self.poisson, self.friction, self.restitution, self.yields)
        return dict(zip(DRAWN, values, strict=True))

    @cached_property
    def limits(self) -> np.ndarray:
        """Of DRAWN on their scales, (2, drawn): lowest and highest."""
        return np.array([[float(prop.to_scale(ends[i])) for prop, ends in self.ranges.items()] for i in (0, 1)])

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """A specimen: values of DRAWN on their scales."""
        away = rng.standard_normal(len(DRAWN))
        stiff, strong = DRAWN.index(YOUNG), DRAWN.index(YIELD)
        away[stiff] = _together(self.material.density_young, away[DRAWN.index(DENSITY)], away[stiff])
        away[strong] = _together(self.material.young_yield, away[stiff], away[strong])
        low, high = self.limits
        return (low + high) / 2 + (high - low) / 2 * np.clip(_SPREAD * away, -1, 1)


def _together(correlation: float, first: float, own: float) -> float:
    return correlation * first + math.sqrt(1 - correlation**2) * own


METAL = MaterialClass("metal", 0.2, 0.2, 1)
WOOD = MaterialClass("wood", 0.8, 0.8, 6)
PLASTIC = MaterialClass("plastic", 0.5, 0.6, 6)
RUBBER = MaterialClass("rubber", 0.5, 0.4, 0)
FOAM = MaterialClass("foam", 0.8, 0.8, 0)
GLASS = MaterialClass("glass", 0.4, 0.2, 6)
CERAMIC = MaterialClass("ceramic", 0.6, 0.6, 6)
STONE = MaterialClass("stone", 0.6, 0.5, 6)
CARDBOARD = MaterialClass("cardboard", 0.7, 0.7, 0)
FABRIC = MaterialClass("fabric", 0.5, 0.5, 0)
FOOD = MaterialClass("food", 0.4, 0.7, 0)
JELLY = MaterialClass("jelly", 0.3, 0.6, 0)
SAND = MaterialClass("sand", 0.4, 0.4, 2, rigid=False)
SNOW = MaterialClass("snow", 0.8, 0.8, 5, rigid=False)
CLAY = MaterialClass("clay", 0.4, 0.5, 3)
FLUID = MaterialClass("fluid", 0.1, 0.1, 4, rigid=False)

CLASSES = (
    METAL,
    WOOD,
    PLASTIC,
    RUBBER,
    FOAM,
    GLASS,
    CERAMIC,
    STONE,
    CARDBOARD,
    FABRIC,
    FOOD,
    JELLY,
    SAND,
    SNOW,
    CLAY,
    FLUID,
)
"""Cardboard is paper too, food is plants too, and clay is all that keeps its shape till pushed: dough, plasticine (Pixie's
visplas)."""

CLASS_INDEX = {material: i for i, material in enumerate(CLASSES)}
