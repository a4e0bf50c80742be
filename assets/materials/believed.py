"""What is believed of an object's voxels, and whoever believes it: the predictor, and what it is compared with."""

from typing import NamedTuple, Protocol

import numpy as np

from assets.materials.seen import Seen

INTERVAL = 1.6448536269514722
"""Standard deviations to either side of the mean that hold nine values of ten."""


class Believed(NamedTuple):
    classes: np.ndarray
    """Probability of each of CLASSES, (v, classes)."""
    mean: np.ndarray
    """Of PROPERTIES, on their scales, (v, properties)."""
    std: np.ndarray
    """Likewise."""


class Believer(Protocol):
    def believe(self, seen: Seen) -> Believed:
        """Of each of the object's voxels, in the order of `seen.voxel`."""
        ...
