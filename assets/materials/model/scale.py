"""The scales on which the network believes: properties less CENTER, over SPREAD, so that all are about one."""

import numpy as np

from assets.materials.kinds import KINDS
from assets.materials.properties import FILL, INDEX, PROPERTIES


def _of_kinds() -> tuple[np.ndarray, np.ndarray]:
    middles = np.array([kind.limits.mean(0) for kind in KINDS.values()])
    center, spread = np.zeros(len(PROPERTIES)), np.ones(len(PROPERTIES))
    center[: middles.shape[1]], spread[: middles.shape[1]] = middles.mean(0), middles.std(0)
    center[INDEX[FILL]], spread[INDEX[FILL]] = -0.35, 0.45  # of hollow and solid parts, about as many of each
    return center.astype(np.float32), spread.astype(np.float32)


CENTER, SPREAD = _of_kinds()
"""On the properties' own scales, (properties,)."""
