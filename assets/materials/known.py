"""Fields of a material that is known by name, as doubtful as the material varies.

field = of_kind(crate, KINDS["oak"])                    # a MaterialField on crate.voxels
field = of_kind(crate, KINDS["steel"], fill=0.1)        # of sheet
"""

from collections.abc import Sequence

import numpy as np

from assets.materials.classes import CLASSES, DRAWN, Kind
from assets.materials.errors import MaterialError
from assets.materials.field import MaterialField
from assets.materials.properties import FILL, INDEX, PROPERTIES
from assets.objects.object import Object

_SPREAD = 0.5  # standard deviation, in halves of a range


def of_kind(thing: Object, kind: Kind, fill: float = 1.0) -> MaterialField:
    """The middle of the kind's ranges everywhere, and what is left open within them."""
    low, high = kind.limits
    return uniform_field(thing, kind, (low + high) / 2, _SPREAD * (high - low) / 2, fill)


def uniform_field(
    thing: Object, kind: Kind, mean: Sequence[float] | np.ndarray, std: Sequence[float] | np.ndarray, fill: float = 1.0
) -> MaterialField:
    """The same everywhere: means and standard deviations of `classes.DRAWN` on their scales, (6,), of a class's material."""
    if np.shape(mean) != (len(DRAWN),) or np.shape(std) != (len(DRAWN),):
        raise MaterialError(f"expected {len(DRAWN)} means and standard deviations, found {np.shape(mean)} and {np.shape(std)}")
    if not FILL.low <= fill <= 1:
        raise MaterialError(f"expected a fill from {FILL.low:g} to 1, found {fill:g}")
    shape = thing.voxels.shape
    classes, means, stds = (np.zeros((*shape, size)) for size in (len(CLASSES), len(PROPERTIES), len(PROPERTIES)))
    classes[..., CLASSES.index(kind.material)] = 1.0
    columns = [INDEX[prop] for prop in DRAWN]
    means[..., columns], stds[..., columns] = mean, std
    means[..., INDEX[FILL]] = FILL.to_scale(fill)
    return MaterialField(classes, means, stds)
