"""Tiles: slopes, steps, stairs, rough ground and gaps around a platform, each of a given size.

    slope(math.radians(15), up=True)      # lengths in m, angles in rad
    steps(0.08)

Steps and gaps surround the platform as squares, so that whoever walks off it crosses them whatever the direction. Slopes and
stairs run along x only, and are met uphill, downhill and athwart. Up and down are as seen from the platform.
"""

import math

import numpy as np

from assets.terrains.terrain import TILE_SIZE, Box, Tile

PLATFORM = 0.5
"""Half the width of the flat middle (m)."""

_HALF = TILE_SIZE / 2
_RIM = 0.5  # flat border of a tile whose edge would be high or deep


def slope(angle: float, up: bool) -> Tile:
    """A valley (up) or a ridge (down) along y with sides of an angle (rad)."""
    rise = math.tan(angle) * (1 if up else -1)
    end = _HALF - _RIM
    top = rise * (end - PLATFORM)
    full = (-_HALF, _HALF)
    return (
        Box((-_HALF, -end), full, top),
        Box((-end, -PLATFORM), full, top / 2, -rise),
        Box((-PLATFORM, PLATFORM), full, 0.0),
        Box((PLATFORM, end), full, top / 2, rise),
        Box((end, _HALF), full, top),
    )


def stairs(riser: float, tread: float = 0.3) -> Tile:
    """Two flights from the platform to the rims, one up and one down, each step `riser` high (m)."""
    starts = np.arange(PLATFORM, _HALF - _RIM + 1e-9, tread).tolist()
    ends = [*starts[1:], _HALF]
    full = (-_HALF, _HALF)
    up = [Box((a, b), full, (i + 1) * riser) for i, (a, b) in enumerate(zip(starts, ends, strict=True))]
    down = [Box((-b, -a), full, -(i + 1) * riser) for i, (a, b) in enumerate(zip(starts, ends, strict=True))]
    return (*reversed(down), Box((-PLATFORM, PLATFORM), full, 0.0), *up)


def steps(height: float, width: float = 0.4, pitch: float = 1.2) -> Tile:
    """Square sills, `height` high and `width` wide, one every `pitch` (m): each is a step up and a step down."""
    starts = np.arange(PLATFORM + 0.1, _HALF - _RIM, pitch).tolist()
    return (*_rings([(start, start + width) for start in starts], height), _square(_HALF, 0.0))


def gaps(width: float, pitch: float = 1.0, depth: float = 0.3) -> Tile:
    """Square trenches, `width` wide, one every `pitch` (m)."""
    starts = np.arange(PLATFORM, _HALF - _RIM, pitch).tolist()
    banks = [(start + width, end) for start, end in zip(starts, [*starts[1:], _HALF], strict=True)]
    return (*_rings(banks, 0.0), _square(PLATFORM, 0.0), _square(_HALF, -depth))


def rough(amplitude: float, seed: int, width: float = 0.5) -> Tile:
    """A weave of beams along x and along y, in turns low and high, each in its own third of (-amplitude, 0) m: squares of
    `width`, no two alike, of which a quarter are pits.

    So many squares take as few boxes as the sum of rows and columns, not the product.
    """
    edges = np.arange(-_HALF, _HALF + width / 2, width)
    draw = np.random.default_rng(seed).random((2, len(edges) - 1))
    heights = -amplitude * (draw + 2 * (np.arange(len(edges) - 1) % 2)) / 3
    beams = [
        Box((a, b), (-_HALF, _HALF), top) if along_y else Box((-_HALF, _HALF), (a, b), top)
        for along_y, tops in enumerate(heights)
        for a, b, top in zip(edges[:-1], edges[1:], tops.tolist(), strict=True)
    ]
    return (*beams, _square(PLATFORM, 0.0))


def _square(half: float, top: float) -> Box:
    return Box((-half, half), (-half, half), top)


def _rings(bounds: list[tuple[float, float]], top: float) -> Tile:
    """What lies between squares, for each inner and outer half width: side by side."""
    return (
        *(Box((-outer, outer), (inner, outer), top) for inner, outer in bounds),
        *(Box((-outer, outer), (-outer, -inner), top) for inner, outer in bounds),
        *(Box((inner, outer), (-inner, inner), top) for inner, outer in bounds),
        *(Box((-outer, -inner), (-inner, inner), top) for inner, outer in bounds),
    )
