"""An object made of what is believed of its material: mass and inertia, friction, stiffness and restitution.

    mug = embody(load_object("mug.obj"), predicted)         # `predicted` is a MaterialField on mug.voxels
    write_mjcf(mug, Path("mug"))                            # and the file has it all
    some = drawn(mug, predicted, count=16, seed=0)          # mugs as they might be
    shelf = Shelf.of_primitives([*some, *others])           # of which `sim.randomization.AnyObject` draws

The density field gives mass, centre of mass and inertia: those of a shell where only a share of the volume is material
(`hollow`). Each convex part takes the mean of the surface voxels that it covers, of friction, restitution and Young's modulus,
each on the scale that it is believed on, and touches with priority, so that the object's own values count and not the floor's.
How stiff a part is in contact follows from Hertz's contact time, as far as the simulation's time step resolves it
(`contact_frequency`); how much it gives back is measured (`restitution`).

A rigid object does not yield: what is soft is written as a flex (`soft`), where it may yield as well. Nor does it flow: sand,
snow and fluids become rigid, with a warning.
"""

import math
import warnings
from dataclasses import replace

import numpy as np

from assets.materials.classes import CLASSES
from assets.materials.errors import MaterialError
from assets.materials.field import MaterialField
from assets.materials.hollow import walled
from assets.materials.properties import DENSITY, FRICTION, INDEX, POISSON, RESTITUTION, YOUNG
from assets.materials.restitution import SPEED, bouncing
from assets.objects.density import inertial_of
from assets.objects.object import AS_WATER, Contact, Object
from assets.objects.voxels import Voxels

TIMESTEP = 0.002
"""Of MuJoCo's own models (s)."""

_EMPTY = 1e-6  # of a voxel
_FULL = 0.5
_SOME = 0.02  # of an object's volume: less is not told of


def embody(thing: Object, field: MaterialField, *, timestep: float = TIMESTEP) -> Object:
    """The object, made of the likeliest material. `field` is on its voxels, of the outline: a hollow is told by its fill.

    `timestep` (s) is that of the simulation: the coarser, the softer are contacts. Raises MaterialError where the field is of
    another grid.
    """
    check_grid(thing, field)
    notes = (*(note for note in thing.notes if note != AS_WATER), *_told_rigid(thing, field))
    return replace(_made(thing, field, covered(thing), timestep), notes=notes)


def drawn(thing: Object, field: MaterialField, count: int, seed: int, *, timestep: float = TIMESTEP) -> tuple[Object, ...]:
    """So many objects that it might be, all of the same shape. The same seed draws the same ones."""
    if count < 1:
        raise MaterialError(f"expected to draw at least one object, found {count}")
    check_grid(thing, field)
    _told_rigid(thing, field)
    rng, places = np.random.default_rng(seed), covered(thing)
    return tuple(_made(thing, field.drawn(rng), places, timestep) for _ in range(count))


def check_grid(thing: Object, field: MaterialField) -> None:
    """Raise MaterialError where the field is of another grid than the object's voxels."""
    shape = field.classes.shape[:3]
    if shape != thing.voxels.shape:
        raise MaterialError(
            f"the material field is of {shape} voxels, but {thing.name!r} has {thing.voxels.shape}: load it with the resolution"
            " that the field was predicted at"
        )


def surface(voxels: Voxels) -> np.ndarray:
    """Which voxels are at the surface, (nx, ny, nz) bool: those with something inside, and outside in or beside them."""
    occupancy = voxels.occupancy
    around = np.pad(occupancy, 1)
    least = np.min([np.roll(around, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (-1, 1)], axis=0)
    return (occupancy > _EMPTY) & ((occupancy < _FULL) | (least < _FULL))


def contact_frequency(young: float, poisson: float, mass: float, radius: float) -> float:
    """Of the spring that is in contact as long as a ball that hits a rigid wall at `SPEED` (rad/s).

    The ball has a Young's modulus (Pa), a Poisson's ratio, a mass (kg) and a radius (m). The contact takes
    2.87 (m² / (R E*² v))^(1/5), E* = E / (1 - nu²) (Johnson 1985, "Contact Mechanics", eq. 11.24, after Hertz 1882); that of a
    spring is half a period.
    """
    modulus = young / (1 - poisson**2)
    return math.pi / (2.87 * (mass**2 / (radius * modulus**2 * SPEED)) ** 0.2)


def covered(thing: Object) -> tuple[np.ndarray, ...]:
    """For each hull the surface voxels that it covers, or where it covers none the nearest one: (n, 3) indices each."""
    at_surface = np.argwhere(surface(thing.voxels))
    centers = thing.voxels.origin + thing.voxels.size * (at_surface + 0.5)
    found = []
    for hull in thing.hulls:
        outside = (centers @ hull.planes[:, :3].T + hull.planes[:, 3]).max(1)
        found.append(at_surface[outside <= max(thing.voxels.size / 2, outside.min())])
    return tuple(found)


def flowing(thing: Object, field: MaterialField) -> dict[str, float]:
    """Of sand, snow and fluids what share of its volume they are, where that is more than a little."""
    volumes = thing.voxels.moments[..., 0]
    likeliest = field.classes.argmax(-1)
    shares = {m.name: float(volumes[likeliest == i].sum() / volumes.sum()) for i, m in enumerate(CLASSES) if not m.rigid}
    return {name: share for name, share in shares.items() if share > _SOME}


def _told_rigid(thing: Object, field: MaterialField) -> tuple[str, ...]:
    """Notes on the parts of the object that are rigid here and nowhere else, of which it warns."""
    notes = tuple(
        f"{share:.0%} of it is {name}, which is simulated as a rigid body: it won't flow or be dented"
        for name, share in flowing(thing, field).items()
    )
    for note in notes:
        warnings.warn(f"{thing.name!r}: {note}", stacklevel=3)
    return notes


def _made(thing: Object, field: MaterialField, places: tuple[np.ndarray, ...], timestep: float) -> Object:
    made = replace(thing, inertial=inertial_of(walled(thing, field), field.unit(DENSITY)))
    radius = (3 * thing.solid.volume / (4 * math.pi)) ** (1 / 3)
    contacts = []
    for place in places:
        mean = field.mean[tuple(place.T)].mean(0)
        friction, young, poisson, restitution = (
            float(prop.to_unit(mean[INDEX[prop]])) for prop in (FRICTION, YOUNG, POISSON, RESTITUTION)
        )
        frequency = contact_frequency(young, poisson, made.inertial.mass, radius)
        usual = Contact()
        solref = bouncing(restitution, frequency, timestep)
        contacts.append(replace(usual, friction=(friction, *usual.friction[1:]), solref=solref, priority=1))
    return made.with_contact(tuple(contacts))
