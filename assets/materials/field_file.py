"""A field of what is believed as one .npz file, for whatever else is to read it: `write_field`, and back.

    write_field(Path("mug.npz"), field, mug.voxels)
    told = np.load("mug.npz")                               # no zerogap needed
    told["density"], told["density_low"], told["density_high"]

Arrays are indexed by x, y, z:

    origin, size       lowest corner of the grid (3,), and edge of its voxels, in m
    occupancy          share of each voxel that is inside the object, 0 to 1; where it is 0 the others mean nothing
    class_names        (classes,)
    classes            probability of each, (nx, ny, nz, classes)
    density, young, poisson, friction, restitution, yield, fill
                       the likeliest values, in the units of assets/materials/properties.py, and by _low and _high a standard
                       deviation to either side
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.materials.classes import CLASSES
from assets.materials.errors import EXISTS, MaterialError
from assets.materials.field import MaterialField
from assets.materials.properties import INDEX, PROPERTIES
from assets.npz_file import NpzError, read_npz
from assets.objects.voxels import Voxels
from assets.whole_file import new_file

_MAX_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class StoredField:
    field: MaterialField
    origin: np.ndarray
    """(3,) m"""
    size: float
    """m"""
    occupancy: np.ndarray
    """(nx, ny, nz)"""


def write_field(path: Path, field: MaterialField, voxels: Voxels) -> None:
    """Raises MaterialError where there is such a file already, or it can't be written."""
    arrays = {
        "origin": np.asarray(voxels.origin, float),
        "size": np.array(voxels.size, float),
        "occupancy": voxels.occupancy.astype(np.float32),
        "class_names": np.array([material.name for material in CLASSES]),
        "classes": field.classes.astype(np.float32),
    }
    for prop in PROPERTIES:
        mean, std = field.mean[..., INDEX[prop]], field.std[..., INDEX[prop]]
        for ending, away in (("", 0.0), ("_low", -1.0), ("_high", 1.0)):
            arrays[f"{prop.name}{ending}"] = prop.to_unit(mean + away * std).astype(np.float32)
    with new_file(path, MaterialError, EXISTS) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_field(path: Path) -> StoredField:
    """What `write_field` wrote; standard deviations are those of the upper side, or where that is cut off of the lower one.

    Raises MaterialError where it is none, or damaged.
    """
    try:
        told = read_npz(path, _MAX_BYTES)
        names = [str(name) for name in told["class_names"]]
        if names != [material.name for material in CLASSES]:
            raise MaterialError(f"{path} has the classes {', '.join(names)[:200]}, which are other ones than this version's")
        low, mean, high = (
            np.stack([np.asarray(prop.to_scale(told[f"{prop.name}{ending}"])) for prop in PROPERTIES], -1).astype(float)
            for ending in ("_low", "", "_high")
        )
        field = MaterialField(told["classes"].astype(float), mean, np.maximum(high - mean, mean - low))
        occupancy, origin, size = told["occupancy"], told["origin"].astype(float), float(told["size"])
    except (NpzError, KeyError, ValueError, TypeError) as error:
        raise MaterialError(f"{path} is no field of materials that can be read: {error}") from error
    if occupancy.shape != field.classes.shape[:3] or origin.shape != (3,) or not size > 0:
        raise MaterialError(f"{path}: its grid is of {occupancy.shape} voxels at {origin}, its field of {field.classes.shape}")
    return StoredField(field, origin, size, occupancy)
