"""Each voxel is what the most alike voxels of the training data are."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from assets.materials.baselines.point import drawn_points, point_features
from assets.materials.believed import Believed
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.model.scale import SPREAD
from assets.materials.seen import Seen

_EACH = 24  # voxels of each sample
_NEIGHBOURS = 9
_SURE = 0.05  # least standard deviation, of the scale's


@dataclass(frozen=True, eq=False)
class Nearest:
    tree: KDTree
    truth: np.ndarray
    """Of the tree's points, (n, 1 + properties)."""
    scale: np.ndarray
    """Of the features, (inputs,)."""

    @classmethod
    def fit(cls, data: Data, indices: np.ndarray, seed: int = 0) -> "Nearest":
        features, truth = drawn_points(data, indices, _EACH, seed)
        scale = features.std(0) + 1e-3
        return cls(KDTree(features / scale), truth, scale)

    def believe(self, seen: Seen) -> Believed:
        _, rows = self.tree.query(point_features(seen) / self.scale, k=_NEIGHBOURS)
        around = self.truth[np.asarray(rows)]
        number = around[..., 0]
        classes = np.stack([(number == i).mean(1) for i in range(len(CLASSES))], 1)
        classes = np.where(classes.sum(1, keepdims=True) > 0, classes, 1 / len(CLASSES))
        mean, std = np.nanmean(around[..., 1:], axis=1), np.nanstd(around[..., 1:], axis=1)
        return Believed(classes / classes.sum(1, keepdims=True), mean, np.maximum(std, _SURE * SPREAD))
