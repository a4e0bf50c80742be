"""Calibration of an ensemble on samples that it was not trained on.

    predictor = calibrated(predictor, data, calibration)

Standard deviations are multiplied so that nine of ten intervals hold the truth (split conformal prediction with the error over
the expected one as its score; Angelopoulos and Bates, A gentle introduction to conformal prediction, 2021, section 2.3), for
each predicted class where there are objects enough. Classes get the temperature of the least cross entropy (Guo et al., On
calibration of modern neural networks, 2017).
"""

import math
from collections.abc import Callable

import numpy as np

from assets.materials.believed import INTERVAL
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.errors import MaterialError
from assets.materials.model.predictor import Predictor
from assets.materials.properties import PROPERTIES

LEVEL = 0.9
"""Share of intervals that are to hold the truth."""

_VOXELS = 128  # of each object
_ENOUGH = 60  # objects of a class for widths of its own


def calibrated(
    predictor: Predictor, data: Data, indices: np.ndarray, tell: Callable[[int], None] = lambda done: None
) -> Predictor:
    """The same members, with the temperature and widths that fit those samples; `tell` is called with the number done."""
    classes, labels, scores, objects = [], [], [], []
    rng = np.random.default_rng(0)
    for done, index in enumerate(indices):
        believed = predictor.uncalibrated(data.seen(index))
        chosen = rng.integers(0, len(believed.mean), _VOXELS)
        truth = data.truth(index)[chosen]
        classes.append(believed.classes[chosen])
        labels.append(truth[:, 0])
        scores.append(np.abs(believed.mean[chosen] - truth[:, 1:]) / believed.std[chosen])
        objects.append(np.full(_VOXELS, index))
        tell(done + 1)
    if not objects:
        raise MaterialError("calibration needs at least one sample")
    odds, label, score, thing = (np.concatenate(rows) for rows in (classes, labels, scores, objects))
    everywhere = _widths(score, len(indices))
    widths = np.tile(everywhere, (len(CLASSES), 1))
    predicted = odds.argmax(1)
    for number in range(len(CLASSES)):
        own = predicted == number
        count = len(np.unique(thing[own]))
        if count >= _ENOUGH:
            widths[number] = _widths(score[own], count)
    return Predictor(predictor.card, predictor.members, predictor.scales, _temperature(odds, label), widths)


def _widths(score: np.ndarray, count: int) -> np.ndarray:
    """(properties,). The quantile is that of as many independent objects, a little above the level."""
    level = min(1.0, math.ceil((count + 1) * LEVEL) / count)
    told = [column[~np.isnan(column)] for column in score.T]
    found = [np.quantile(column, level) / INTERVAL if len(column) else 1.0 for column in told]
    assert len(found) == len(PROPERTIES)
    return np.maximum(np.array(found), 1e-3)


def _temperature(odds: np.ndarray, label: np.ndarray) -> float:
    known = ~np.isnan(label) & (label >= 0)
    if not known.any():
        return 1.0
    log, label = np.log(np.maximum(odds[known], 1e-9)), label[known].astype(int)

    def entropy(temperature: float) -> float:
        warm = log / temperature
        warm = warm - warm.max(1, keepdims=True)
        return float((np.log(np.exp(warm).sum(1)) - warm[np.arange(len(label)), label]).mean())

    return float(min(np.exp(np.linspace(math.log(0.3), math.log(4.0), 60)), key=entropy))
