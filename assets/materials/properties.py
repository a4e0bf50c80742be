"""The physical properties of a material that simulations need, each with its unit and the scale that beliefs are held on.

    DENSITY.to_scale(700.0)                                 # 2.845: log10 of kg/m³
    DENSITY.to_unit(2.845)                                  # 700 kg/m³
    INDEX[DENSITY]                                          # its place along the last axis of a field

What spans decades is believed in log10, where an error of 0.1 is a quarter of the value everywhere.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Property:
    name: str
    symbol: str
    unit: str
    low: float
    high: float
    """Of what is taken for a material (unit)."""
    log: bool
    """Believed in log10 of the unit."""
    text: str

    def to_scale(self, value: np.ndarray | float) -> np.ndarray:
        return np.log10(value) if self.log else np.asarray(value, float)

    def to_unit(self, value: np.ndarray | float) -> np.ndarray:
        """Cut off at its bounds."""
        value = np.clip(value, *self.bounds)
        return 10.0**value if self.log else value

    @property
    def bounds(self) -> tuple[float, float]:
        """On its scale."""
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)


DENSITY = Property("density", "ρ", "kg/m³", 5.0, 25_000.0, True, "of the material itself, without its hollows")
YOUNG = Property("young", "E", "Pa", 1e3, 1e12, True, "Young's modulus")
POISSON = Property("poisson", "ν", "", 0.0, 0.4999, False, "Poisson's ratio")
FRICTION = Property("friction", "μ", "", 0.02, 2.0, True, "sliding friction against a clean, dry, hard surface")
RESTITUTION = Property("restitution", "e", "", 0.0, 0.98, False, "speed after over speed before, dropped on a hard floor")
YIELD = Property("yield", "σ", "Pa", 1e2, 1e11, True, "stress at which it yields or breaks")
FILL = Property("fill", "f", "", 1e-3, 1.0, True, "share of the part's volume that is material: below one, it is hollow")

PROPERTIES = (DENSITY, YOUNG, POISSON, FRICTION, RESTITUTION, YIELD, FILL)
INDEX = {prop: i for i, prop in enumerate(PROPERTIES)}
