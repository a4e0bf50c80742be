"""The terrain that the built-in tasks walk on: six kinds of ground in five levels.

Level n (from 0) has slopes of 3.75 (n + 1) degrees, steps and risers of 2 (n + 1) cm, rough ground of as much, and gaps of
5 (n + 1) cm: level 3 is the one with slopes of 15 degrees and steps of 8 cm.
"""

import functools
import math

from assets.terrains import tiles
from assets.terrains.terrain import Terrain

SLOPE = math.radians(3.75)
STEP = 0.02
GAP = 0.05


@functools.cache
def rough_terrain(num_levels: int = 5) -> Terrain:
    """Five levels lead from what a robot hardly notices to stairs of 10 cm and slopes of 19 degrees."""
    kinds = {
        "slope_up": lambda level: tiles.slope(SLOPE * (level + 1), up=True),
        "slope_down": lambda level: tiles.slope(SLOPE * (level + 1), up=False),
        "steps": lambda level: tiles.steps(STEP * (level + 1)),
        "stairs": lambda level: tiles.stairs(STEP * (level + 1)),
        "rough": lambda level: tiles.rough(STEP * (level + 1), seed=level),
        "gaps": lambda level: tiles.gaps(GAP * (level + 1)),
    }
    return Terrain.of(kinds, num_levels, tiles.PLATFORM)
