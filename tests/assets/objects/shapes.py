"""Solids whose mass and inertia are known from formulas, as meshes: what the tests of objects measure against."""

import math
from dataclasses import dataclass

import numpy as np
import trimesh
from trimesh import creation


@dataclass(frozen=True)
class Known:
    """A solid of density 1 kg/m³ about its centre, along its axes."""

    mesh: trimesh.Trimesh
    volume: float
    moments: tuple[float, float, float]
    """Of inertia, over density (m⁵)."""


def box(a: float, b: float, c: float) -> Known:
    """Edges in m."""
    volume = a * b * c
    return Known(
        creation.box((a, b, c)),
        volume,
        (volume * (b * b + c * c) / 12, volume * (a * a + c * c) / 12, volume * (a * a + b * b) / 12),
    )


def sphere(radius: float) -> Known:
    volume = 4 / 3 * math.pi * radius**3
    return Known(creation.icosphere(4, radius), volume, (0.4 * volume * radius**2,) * 3)


def cylinder(radius: float, length: float) -> Known:
    volume = math.pi * radius**2 * length
    across = volume * (3 * radius**2 + length**2) / 12
    return Known(creation.cylinder(radius, length, sections=128), volume, (across, across, volume * radius**2 / 2))


def capsule(radius: float, length: float) -> Known:
    """`length` between the centres of its ends."""
    mesh = creation.capsule(length, radius, count=[64, 64])
    mesh.apply_translation(-mesh.bounds.mean(0))
    rod, ball = math.pi * radius**2 * length, 4 / 3 * math.pi * radius**3
    along = rod * radius**2 / 2 + 0.4 * ball * radius**2
    across = rod * (3 * radius**2 + length**2) / 12 + ball * (0.4 * radius**2 + length**2 / 4 + 3 / 8 * length * radius)
    return Known(mesh, rod + ball, (across, across, along))


def torus(major: float, minor: float) -> Known:
    volume = 2 * math.pi**2 * major * minor**2
    across = volume * (major**2 / 2 + 5 / 8 * minor**2)
    return Known(creation.torus(major, minor, 96, 64), volume, (across, across, volume * (major**2 + 0.75 * minor**2)))


def hollow_sphere(outer: float, inner: float, faces_inwards: bool = True) -> Known:
    """As two surfaces, the inner one of which faces inwards as it should, or not."""
    cavity = creation.icosphere(4, inner)
    if faces_inwards:
        cavity.invert()
    mesh = trimesh.util.concatenate([creation.icosphere(4, outer), cavity])
    return less(Known(mesh, *_measures(sphere(outer))), sphere(inner))


def less(whole: Known, part: Known) -> Known:
    """What is left of `whole`, and its mesh, without `part` in its middle."""
    moments = np.subtract(whole.moments, part.moments)
    return Known(whole.mesh, whole.volume - part.volume, (float(moments[0]), float(moments[1]), float(moments[2])))


def _measures(known: Known) -> tuple[float, tuple[float, float, float]]:
    return known.volume, known.moments
