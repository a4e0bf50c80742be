"""From a mesh to what it is made of.

    mug = load_object("mug/textured.obj")
    field = predict_object(mug)                             # a MaterialField on mug.voxels, with its uncertainty
    mug = embody(mug, field)                                # with its mass, inertia and contacts

The object is to be given as it looks, without walls: that it is hollow is predicted.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from assets.materials.believed import Believer
from assets.materials.classes import CLASSES
from assets.materials.field import MaterialField
from assets.materials.model.card import COLOUR
from assets.materials.model.predictor import Predictor, load_predictor
from assets.materials.properties import PROPERTIES
from assets.materials.providers import FeatureProvider, with_features
from assets.materials.seen import Cube, Seen, seen_of
from assets.materials.surface import Surface, surface_of
from assets.objects.object import Object, load_object
from assets.objects.voxels import voxelise

_POINTS = 5  # of the surface on the side of a voxel


def seen_object(thing: Object, resolution: int = 32, provider: FeatureProvider | None = None) -> tuple[Seen, Cube, Surface]:
    """What can be seen of a mesh's object, in which cube, and the surface that it was seen by."""
    voxels = voxelise(thing.solid, resolution)
    cube = Cube.of_grid(voxels.origin, voxels.size, np.array(voxels.shape), resolution)
    occupancy = np.zeros((resolution,) * 3)
    x, y, z = (slice(o, o + n) for o, n in zip(cube.offset, voxels.shape, strict=True))
    occupancy[x, y, z] = np.clip(voxels.occupancy, 0, 1)
    surface = surface_of(thing.looks, voxels.size / np.sqrt(_POINTS))
    seen = seen_of(occupancy, voxels.size, cube.cells(surface.points), surface.rgba)
    if provider is not None:
        seen = with_features(seen, provider, surface, cube)
    return seen, cube, surface


def predict_object(
    thing: Object | str | Path, predictor: Predictor | None = None, provider: FeatureProvider | None = None
) -> MaterialField:
    """What a mesh, or its object, is believed to be made of, on the object's own voxels.

    Raises MaterialError where the model was trained with another provider's features, ObjectError where a mesh can't be read.
    """
    thing = thing if isinstance(thing, Object) else load_object(thing)
    predictor = predictor or load_predictor()
    predictor.card.expect_provider(COLOUR if provider is None else provider.name, 0 if provider is None else provider.channels)
    seen, cube, _ = seen_object(thing, predictor.card.resolution, provider)
    return believed_field(thing, predictor, seen, cube)


def believed_field(thing: Object, believer: Believer, seen: Seen, cube: Cube) -> MaterialField:
    """What is believed of what was seen of the object, on its own voxels."""
    believed = believer.believe(seen)
    shape = thing.voxels.shape
    inside = thing.voxels.occupancy.ravel() > 0
    row = _rows(seen, cube, thing.voxels.centers.reshape(-1, 3)[inside])
    classes = np.zeros((inside.size, len(CLASSES)))
    mean, std = np.zeros((2, inside.size, len(PROPERTIES)))
    classes[inside], mean[inside], std[inside] = believed.classes[row], believed.mean[row], believed.std[row]
    return MaterialField(classes.reshape(*shape, -1), mean.reshape(*shape, -1), std.reshape(*shape, -1))


def _rows(seen: Seen, cube: Cube, points: np.ndarray) -> np.ndarray:
    """For each point (n, 3) m the seen voxel that it is in, or else the nearest, by its place in `seen.voxel`."""
    places = np.full(cube.resolution**3, -1)
    places[seen.voxel] = np.arange(len(seen.voxel))
    row = places[cube.cells(points)]
    lost = row < 0
    if lost.any():
        _, nearest = KDTree(cube.centers(seen.voxel.astype(np.int64))).query(points[lost])
        row[lost] = nearest
    return row
