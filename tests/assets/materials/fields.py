"""Fields of known materials, on the voxels of an object: what the tests of bodies are made of."""

import numpy as np

from assets.materials.classes import CLASSES, CLAY, MaterialClass
from assets.materials.field import MaterialField
from assets.materials.properties import (
    DENSITY,
    FILL,
    FRICTION,
    INDEX,
    POISSON,
    PROPERTIES,
    RESTITUTION,
    YIELD,
    YOUNG,
    Property,
)
from assets.objects.object import Object

WOOD = {DENSITY: 600.0, YOUNG: 1e10, POISSON: 0.3, FRICTION: 0.4, RESTITUTION: 0.5, YIELD: 4e7, FILL: 1.0}
RUBBER = {DENSITY: 1100.0, YOUNG: 5e6, POISSON: 0.48, FRICTION: 0.9, RESTITUTION: 0.75, YIELD: 1e7, FILL: 1.0}
FOAM = {DENSITY: 50.0, YOUNG: 1e5, POISSON: 0.2, FRICTION: 0.6, RESTITUTION: 0.2, YIELD: 1e4, FILL: 1.0}


def field_of(
    thing: Object, values: dict[Property, float], std: dict[Property, float] | None = None, material: MaterialClass = CLAY
) -> MaterialField:
    """The same everywhere; `values` are in the properties' units, `std` on their scales."""
    shape = thing.voxels.shape
    mean, spread = np.zeros((*shape, len(PROPERTIES))), np.zeros((*shape, len(PROPERTIES)))
    for prop, value in values.items():
        mean[..., INDEX[prop]] = prop.to_scale(value)
    for prop, value in (std or {}).items():
        spread[..., INDEX[prop]] = value
    classes = np.zeros((*shape, len(CLASSES)))
    classes[..., CLASSES.index(material)] = 1.0
    return MaterialField(classes, mean, spread)


def joined(first: MaterialField, second: MaterialField, where: np.ndarray) -> MaterialField:
    """The second of the two where that holds, (nx, ny, nz) bool."""

    def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(where[..., None], b, a)

    return MaterialField(choose(first.classes, second.classes), choose(first.mean, second.mean), choose(first.std, second.std))
