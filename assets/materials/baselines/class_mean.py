"""Everything is what things are on average: the commonest classes, and their mean properties."""

from dataclasses import dataclass

import numpy as np

from assets.materials.believed import Believed
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.properties import PROPERTIES
from assets.materials.seen import Seen


@dataclass(frozen=True, eq=False)
class ClassMean:
    classes: np.ndarray
    """How often each is, (classes,)."""
    mean: np.ndarray
    """(properties,)"""
    std: np.ndarray

    @classmethod
    def fit(cls, data: Data, indices: np.ndarray) -> "ClassMean":
        """Of those samples, each of the same weight. Raises ValueError where there are none."""
        classes, total, squares, count = np.zeros(len(CLASSES)), *np.zeros((3, len(PROPERTIES)))
        for index in indices:
            truth = data.truth(index)
            known = truth[:, 0] >= 0
            classes += np.bincount(truth[known, 0].astype(int), minlength=len(CLASSES)) / max(known.sum(), 1)
            values, told = truth[:, 1:], ~np.isnan(truth[:, 1:])
            count += told.mean(0)
            total += np.where(told, values, 0).mean(0)
            squares += (np.where(told, values, 0).astype(float) ** 2).mean(0)
        mean = total / np.maximum(count, 1e-9)
        variance = np.maximum(squares / np.maximum(count, 1e-9) - mean**2, 1e-8)
        return cls(classes / classes.sum(), mean, np.sqrt(variance))

    def believe(self, seen: Seen) -> Believed:
        rows = (len(seen.voxel), 1)
        return Believed(np.tile(self.classes, rows), np.tile(self.mean, rows), np.tile(self.std, rows))
