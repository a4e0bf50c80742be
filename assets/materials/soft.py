"""Soft objects as MuJoCo's flex: a lattice of tetrahedra with an object's mass, Young's modulus, Poisson's ratio and yield.

    cushion = soften(load_object("cushion.obj"), predicted) # raises where it is not soft, which is 10 MPa and more
    cushion.attach(scene, pos=(0.5, 0.0, 0.1))              # a body "cushion" with a free point at each corner of the lattice
    write_soft_mjcf(cushion, Path("cushion"))               # cushion/cushion.xml

A flex has one material, so it is the mean over the object's volume, of logarithms where the property is believed in them. A
hollow is as soft as an open foam of that fill: E = E_s f² (Gibson & Ashby 1997, "Cellular Solids", eq. 5.6a). The lattice's
corners weigh what the density field says, so mass and centre of mass are the object's; its outline is that of boxes.

A scene with a flex needs the integrator `discrete`, which `attach` sets. What yields (a strain of yield stress over E, where
that is less than `MOST_YIELD`) does so in the native engine alone; others refuse it: soften it with `yields=False` for them.
MJX-JAX has no flex at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from scipy.ndimage import label
from scipy.spatial import KDTree

from assets.materials.embody import check_grid, flowing, surface
from assets.materials.errors import MaterialError
from assets.materials.field import MaterialField
from assets.materials.properties import DENSITY, FILL, FRICTION, INDEX, POISSON, RESTITUTION, YIELD, YOUNG, Property
from assets.objects.errors import ObjectError
from assets.objects.mjcf import Place, compiled, publish
from assets.objects.object import AS_WATER, Object

SOFT = 1e7
"""Young's modulus below which an object may be soft (Pa)."""

NEEDS_DISCRETE = 'a scene with it needs <option integrator="discrete"/>, which attaching it does not bring along'
"""Told with what is written."""

MOST_YIELD = 0.5
"""Strain: what would yield only beyond it is elastic, as rubber is."""

_LEAST_SHARE = 0.5  # of a box that is inside, for it to be one of the lattice
_LEAST_MASS = 0.01  # of a point, in means
_LOOSE = 0.5  # share of what flows from which on it is that
_INCOMPRESSIBLE = 0.45  # tetrahedra lock above it
_TETRAHEDRA = np.array([(0, 1, 3, 7), (0, 3, 2, 7), (0, 2, 6, 7), (0, 6, 4, 7), (0, 4, 5, 7), (0, 5, 1, 7)])
"""A box in six, all around its diagonal, so that those of neighbours meet; corners count x first in bits 4, 2, 1."""


@dataclass(frozen=True, eq=False)
class Soft:
    """A lattice of tetrahedra in the frame of its object (m)."""

    name: str
    points: np.ndarray
    """(n, 3) m"""
    masses: np.ndarray
    """Of the points, (n,) kg."""
    tetrahedra: np.ndarray
    """(m, 4) int"""
    young: float
    """Pa"""
    poisson: float
    yield_strain: float
    """0 where it does not yield."""
    damping: float
    """Rayleigh's, of stiffness (s)."""
    friction: float
    rgba: tuple[float, float, float, float]
    notes: tuple[str, ...] = ()
    """What was done to the object that its maker should know."""

    def spec(self) -> mujoco.MjSpec:
        """A fresh model of it alone."""
        spec = mujoco.MjSpec()
        spec.modelname = self.name
        self.attach(spec)
        return spec

    def attach(self, scene: mujoco.MjSpec, pos: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Add it to a scene, its frame at `pos` (m), and let the scene be integrated as flexes need it.

        Raises ObjectError where the scene has a body of its name.
        """
        if any(body.name == self.name for body in scene.bodies):
            raise ObjectError(f"the scene has a body {self.name!r} already: give this one another name")
        scene.option.integrator = mujoco.mjtIntegrator.mjINT_DISCRETE
        frame = scene.worldbody.add_body(name=self.name, pos=pos)
        names = []
        for i, (point, mass) in enumerate(zip(self.points, self.masses, strict=True)):
            names.append(f"{self.name}_{i}")
            small = max(mass * 1e-6, 1e-12)  # which a point has not, but the compiler wants it to
            body = frame.add_body(name=names[-1], pos=point, mass=mass, ipos=(0, 0, 0), explicitinertial=True)
            body.fullinertia = (small, small, small, 0, 0, 0)
            for axis in np.eye(3):
                body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
        flex = scene.add_flex(name=self.name, dim=3, vertbody=names, elem=self.tetrahedra.ravel().tolist())
        flex.young, flex.poisson, flex.damping = self.young, self.poisson, self.damping
        flex.stressyield[0] = self.yield_strain
        flex.friction[0], flex.priority, flex.condim = self.friction, 1, 3
        flex.radius, flex.rgba = 0.0, self.rgba
        flex.selfcollide = mujoco.mjtFlexSelf.mjFLEXSELF_NONE


def soften(thing: Object, field: MaterialField, *, boxes: int = 6, yields: bool = True) -> Soft:
    """The object as a lattice with `boxes` along its longest edge, of the mean of its material.

    Raises MaterialError where it is not soft, is mostly sand, snow or fluids, or the field is of another grid.
    """
    loose = flowing(thing, field)
    if sum(loose.values()) > _LOOSE:
        raise MaterialError(
            f"{thing.name!r} is mostly {' and '.join(loose)}, which flows, and a flex springs back: embody it as a rigid object"
        )
    soft = lattice(thing, field, boxes=boxes, yields=yields)
    if soft.young >= SOFT:
        raise MaterialError(
            f"{thing.name!r} has a Young's modulus of {soft.young:.2g} Pa; soft is what has less than {SOFT:.0e} Pa: embody it"
            " as a rigid object"
        )
    return soft


def lattice(thing: Object, field: MaterialField, *, boxes: int = 6, yields: bool = True) -> Soft:
    """The same, however hard it is: the harder, the shorter are the time steps with which it can be simulated."""
    check_grid(thing, field)
    if not 1 <= boxes <= 12:
        raise MaterialError(f"expected 1 to 12 boxes along the longest edge, found {boxes}")
    volumes = thing.voxels.moments[..., 0]

    def mean(prop: Property) -> float:
        return float(prop.to_unit(np.average(field.mean[..., INDEX[prop]], weights=volumes)))

    young, strain = mean(YOUNG) * mean(FILL) ** 2, mean(YIELD) / mean(YOUNG)
    made = _boxes(thing, boxes)
    friction = float(FRICTION.to_unit(field.mean[surface(thing.voxels)][:, INDEX[FRICTION]].mean()))
    longest = float(np.ptp(thing.solid.bounds, axis=0).max())
    return Soft(
        name=thing.name,
        points=made.low + made.edge * made.points,
        masses=_masses(thing, field.mass_density, made),
        tetrahedra=made.corners[:, _TETRAHEDRA].reshape(-1, 4),
        young=young,
        poisson=min(mean(POISSON), _INCOMPRESSIBLE),
        yield_strain=strain if yields and strain < MOST_YIELD else 0.0,
        damping=_damping(mean(RESTITUTION), math.pi / longest * math.sqrt(young / (mean(DENSITY) * mean(FILL)))),
        friction=friction,
        rgba=thing.looks[0].rgba if thing.looks else (0.7, 0.7, 0.7, 1.0),
        notes=(
            *(note for note in thing.notes if note != AS_WATER),
            *(
                f"{share:.0%} of it is {name}, which springs back with the rest"
                for name, share in flowing(thing, field).items()
            ),
        ),
    )


def _notes(thing: Object, field: MaterialField) -> tuple[str, ...]:
    loose = flowing(thing, field).items()
    return (
        *(note for note in thing.notes if note != AS_WATER),
        *(f"{share:.0%} of it is {name}, which springs back with the rest" for name, share in loose),
    )


def write_soft_mjcf(soft: Soft, out: Path) -> Path:
    """As `assets.objects.mjcf.write_mjcf`."""
    place = Place.of(out, soft.name)
    spec = soft.spec()
    compiled(spec, soft.name)
    return publish(place, spec.to_xml().replace("<mujoco ", f"<!-- {NEEDS_DISCRETE} -->\n<mujoco ", 1), {})


def _damping(restitution: float, frequency: float) -> float:
    """With which the slowest vibration, of that frequency (rad/s), has this share of its speed left after half a period."""
    decay = -math.log(min(max(restitution, 0.05), 0.98))
    return 2 * decay / math.hypot(math.pi, decay) / frequency


@dataclass(frozen=True, eq=False)
class _Boxes:
    """What the lattice is made of."""

    low: np.ndarray
    """Lowest corner of the box around the object, (3,) m."""
    edge: np.ndarray
    """Of each box, (3,) m."""
    kept: np.ndarray
    """Boxes that are inside, (n, 3) numbers along each axis."""
    points: np.ndarray
    """Distinct corners, (m, 3) numbers."""
    corners: np.ndarray
    """Of each box, (n, 8) of `points`."""


_CORNERS = np.array([(i >> 2 & 1, i >> 1 & 1, i & 1) for i in range(8)])


def _boxes(thing: Object, count: int) -> _Boxes:
    """Those that are mostly inside and hang together."""
    low, high = thing.solid.bounds
    extent = high - low
    counts = np.maximum(np.round(count * extent / extent.max()), 1).astype(int)
    edge = extent / counts
    share = np.zeros(tuple(counts))
    np.add.at(share, tuple(_box_of(thing, low, edge, counts).T), thing.voxels.moments[..., 0].ravel() / edge.prod())
    pieces: Any = label(share >= min(_LEAST_SHARE, share.max()))[0]  # pyright: ignore[reportIndexIssue]
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    kept = np.argwhere(pieces == largest)
    points, number = np.unique((kept[:, None] + _CORNERS).reshape(-1, 3), axis=0, return_inverse=True)
    return _Boxes(low, edge, kept, points, number.reshape(-1, 8))


def _box_of(thing: Object, low: np.ndarray, edge: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """That of each voxel, (voxels, 3)."""
    return np.clip(np.floor((thing.voxels.centers.reshape(-1, 3) - low) / edge).astype(int), 0, counts - 1)


def _masses(thing: Object, density: np.ndarray, boxes: _Boxes) -> np.ndarray:
    """Each voxel's mass, shared among the corners of the nearest box so that its centre stays where it is, (points,) kg."""
    moments = thing.voxels.moments.reshape(-1, 10)
    some = moments[:, 0] > 0
    volume = moments[some, 0]
    mass = density.reshape(-1)[some] * volume
    center = thing.voxels.centers.reshape(-1, 3)[some] + moments[some, 1:4] / volume[:, None]
    place = (center - boxes.low) / boxes.edge
    _, nearest = KDTree((boxes.kept + 0.5) * boxes.edge).query(place * boxes.edge)
    along = np.clip(place - boxes.kept[nearest], 0, 1)
    weights = np.prod(np.where(_CORNERS[None] == 1, along[:, None], 1 - along[:, None]), axis=2)
    masses = np.bincount(boxes.corners[nearest].ravel(), (mass[:, None] * weights).ravel(), len(boxes.points))
    masses = np.maximum(masses, _LEAST_MASS * mass.sum() / len(masses))
    return masses * mass.sum() / masses.sum()
