"""What an object weighs: mass, centre of mass and full inertia from the density in each voxel.

    voxels = voxelise(solid)
    field = uniform(voxels, 700.0)                          # kg/m³ in each cube: any array (nx, ny, nz) is a field
    inertial = inertial_of(voxels, field)                   # .mass (kg), .com (m), .inertia (kg m²) about it
    inertial = with_mass(inertial, 0.35)                    # as distributed, but weighed

A cube counts with its own inertia (m h²/6 about each axis, where it is full) and, at the surface, with its part that is inside.
"""

import math
from dataclasses import replace

import numpy as np

from assets.objects.errors import ObjectError
from assets.objects.voxels import Voxels
from assets.robots.primitives import Inertial

LIGHTEST, HEAVIEST = 1.0, 25_000.0
"""Densities that are taken for right (kg/m³): aerogel weighs a few, osmium 22,600."""


def uniform(voxels: Voxels, density: float) -> np.ndarray:
    """The same density (kg/m³) everywhere."""
    return np.full(voxels.shape, _checked(density))


def inertial_of(voxels: Voxels, field: np.ndarray) -> Inertial:
    """Mass, centre of mass and inertia of a density field, (nx, ny, nz) kg/m³."""
    if field.shape != voxels.shape:
        raise ObjectError(f"the density field has shape {field.shape}, expected that of the voxels, {voxels.shape}")
    if not np.isfinite(field).all() or (field < 0).any():
        raise ObjectError("the density field has values below zero, or not finite; expected kg/m³")
    moments = np.einsum("xyz,xyzm->xyzm", field, voxels.moments)
    mass, first, second = moments[..., 0], moments[..., 1:4], moments[..., 4:]
    total = float(mass.sum())
    if not total > 0:
        raise ObjectError("the density field is zero wherever the object is: it would have no mass")
    center = voxels.centers
    com = (center * mass[..., None] + first).sum((0, 1, 2)) / total
    arm = center - com
    i, j = np.array([(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]).T
    about_com = (
        mass[..., None] * arm[..., i] * arm[..., j] + arm[..., i] * first[..., j] + arm[..., j] * first[..., i] + second
    ).sum((0, 1, 2))
    xx, yy, zz, xy, xz, yz = (float(value) for value in about_com)
    return Inertial(total, (float(com[0]), float(com[1]), float(com[2])), (yy + zz, xx + zz, xx + yy, -xy, -xz, -yz))


def with_mass(inertial: Inertial, mass: float) -> Inertial:
    """The same distribution, of that mass (kg)."""
    if not 0 < mass < math.inf:
        raise ObjectError(f"the mass must be positive (kg), found {mass:g}")
    scale = mass / inertial.mass
    xx, yy, zz, xy, xz, yz = (scale * value for value in inertial.inertia)
    return replace(inertial, mass=mass, inertia=(xx, yy, zz, xy, xz, yz))


def _checked(density: float) -> float:
    if not LIGHTEST <= density <= HEAVIEST:
        raise ObjectError(f"a density of {density:g} kg/m³ is no material's; expected {LIGHTEST:g} to {HEAVIEST:g} kg/m³")
    return float(density)
