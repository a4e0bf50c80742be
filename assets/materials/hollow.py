"""Where the mass of a hollow object is: in its walls, whose thickness follows from how much of it is material.

    material = walled(mug, field)                           # what of mug.voxels is material (`assets.objects.voxels.Voxels`)
    inertial_of(material, field.unit(DENSITY))              # mass, centre of mass and inertia of a shell

A field tells of each voxel which share of its part is material (`properties.FILL`), not where. Parts of one class have walls of
one thickness: that with which they weigh as much as is believed. What is nearly full has no walls, but is that much lighter.
"""

from dataclasses import replace

import numpy as np

from assets.materials.field import MaterialField
from assets.materials.properties import DENSITY, FILL
from assets.objects.object import Object
from assets.objects.voxels import Voxels

_SOLID = 0.9
"""Of the volume: what is fuller has no hollow worth the name."""

_THINNEST, _THICKEST, _STEP = 1e-3, 0.5, 1.25
"""Walls in sizes of the object, each so many times as thick as the one before. Between two the inertia is interpolated, which
is wrong by less than 1 % where the walls are thick, and by nothing that matters where they are thin."""

_LADDER = _THINNEST * _STEP ** np.arange(int(np.log(_THICKEST / _THINNEST) / np.log(_STEP)) + 1)


def walled(thing: Object, field: MaterialField) -> Voxels:
    """What of the object's voxels is material. `field` is on its voxels, of the outline, which `thing` is loaded with."""
    whole, density, fill = thing.voxels.moments, field.unit(DENSITY), field.unit(FILL)
    mass, kind = whole[..., 0] * density * fill, field.classes.argmax(-1)
    hollow = (whole[..., 0] > 0) & (fill < _SOLID)
    moments = whole * fill[..., None]
    for number in np.unique(kind[hollow]):
        part = hollow & (kind == number)
        moments[part] = _walls(thing, part, density[part], float(mass[part].sum()))
    return replace(thing.voxels, moments=moments)


def _walls(thing: Object, part: np.ndarray, density: np.ndarray, mass: float) -> np.ndarray:
    """The moments of a part of the voxels, (n, 10), that have this mass (kg) where all of it is in walls."""
    size = float(np.ptp(thing.solid.bounds, axis=0).max())

    def moments(rung: int) -> np.ndarray:
        """From nothing at 0 to the full part above the ladder."""
        if rung == 0:
            return np.zeros((len(density), 10))
        return (thing.voxels if rung > len(_LADDER) else thing.walls.of(size * float(_LADDER[rung - 1]))).moments[part]

    def weigh(rung: int) -> float:
        return float(density @ moments(rung)[:, 0])

    low, high = 0, len(_LADDER) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weigh(middle) <= mass else (low, middle)
    share = (mass - weigh(low)) / (weigh(high) - weigh(low))
    return (1 - share) * moments(low) + share * moments(high)
