"""The predictor without eyes: the same network, trained and asked without colours."""

from dataclasses import dataclass, replace

import numpy as np

from assets.materials.believed import Believed, Believer
from assets.materials.data.shards import Data
from assets.materials.seen import ALPHA, COLOUR, KNOWN, SPREAD, Seen

_GREY = 128


def without_looks(data: Data) -> Data:
    """The same objects, all grey and opaque."""
    return replace(data, values=_grey(data.values))


@dataclass(frozen=True)
class GeometryOnly:
    """A predictor that was trained on data without looks."""

    believer: Believer

    def believe(self, seen: Seen) -> Believed:
        return self.believer.believe(replace(seen, values=_grey(seen.values)))


def _grey(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[:, COLOUR], values[:, SPREAD], values[:, ALPHA], values[:, KNOWN] = _GREY, 0, 255, 255
    return values
