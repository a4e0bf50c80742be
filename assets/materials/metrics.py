"""How well materials are told: `score(believer, data, indices)`, object by object, and figures over them.

    scores = score(predictor, data, test)
    figures(scores)["class_accuracy"]

Each object counts the same, whatever its number of voxels. ALDE is the mean |ln p - ln g|, MnRE the mean of min(p/g, g/p).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.materials.believed import INTERVAL, Believer
from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data
from assets.materials.properties import DENSITY, FILL, FRICTION, INDEX, PROPERTIES
from assets.materials.seen import OCCUPANCY

_VOXELS = 512  # of each object, for the calibration of classes
_BINS = 15


@dataclass(frozen=True, eq=False)
class Scores:
    """Of n objects."""

    accuracy: np.ndarray
    """Share of voxels of the right class, (n,)."""
    error: np.ndarray
    """Mean absolute error of PROPERTIES, (n, properties): on their scales, but of friction itself."""
    held: np.ndarray
    """Share of voxels whose 90 % interval holds the truth, (n, properties)."""
    doubt: np.ndarray
    """Mean standard deviation on the scales, (n, properties)."""
    sure: np.ndarray
    """Mean probability of the class that is told, (n,)."""
    mass: np.ndarray
    """Predicted and true, (n, 2) kg."""
    confusion: np.ndarray
    """Voxels by true and told class, each object with a weight of one, (classes, classes)."""
    told: np.ndarray
    """Probability of the told class and whether it was right, of some voxels of each object, (m, 2)."""
    held_by_class: np.ndarray
    """Sum of intervals that hold the truth and of all, by true class, (classes, 2)."""


def score(believer: Believer, data: Data, indices: np.ndarray, tell: Callable[[int], None] = lambda done: None) -> Scores:
    """Of those samples; `tell` is called with the number of samples done."""
    rows: list[tuple[np.ndarray, ...]] = []
    confusion, by_class = np.zeros((len(CLASSES), len(CLASSES))), np.zeros((len(CLASSES), 2))
    told, rng = [], np.random.default_rng(0)
    for done, index in enumerate(indices):
        seen, truth = data.seen(index), data.truth(index)
        classes, mean, std = believer.believe(seen)
        label, target = truth[:, 0], truth[:, 1:]
        guess, known = classes.argmax(1), truth[:, 0] >= 0
        right = guess == label
        np.add.at(confusion, (label[known].astype(int), guess[known]), 1 / max(known.sum(), 1))
        held = np.abs(mean - target) <= INTERVAL * std
        counted = ~np.isnan(target)
        np.add.at(by_class, label[known].astype(int), np.stack([(held & counted)[known].mean(1), counted[known].mean(1)], 1))
        chosen = rng.integers(0, len(guess), _VOXELS)
        told.append(np.stack([classes.max(1)[chosen], right[chosen]], 1)[known[chosen]])
        error = np.abs(mean - target)
        error[:, INDEX[FRICTION]] = np.abs(
            FRICTION.to_unit(mean[:, INDEX[FRICTION]]) - FRICTION.to_unit(target[:, INDEX[FRICTION]])
        )
        volume = seen.values[:, OCCUPANCY] / 255 * seen.size**3
        density = DENSITY.to_unit(mean[:, INDEX[DENSITY]]) * FILL.to_unit(mean[:, INDEX[FILL]])
        accuracy = right[known].mean() if known.any() else np.nan
        mass = np.array([(volume * density).sum(), data.mass[index]])
        with np.errstate(invalid="ignore"):
            mean_error = np.array(
                [np.nan if not counted[:, i].any() else np.nanmean(error[:, i]) for i in range(len(PROPERTIES))]
            )
        rows.append((np.array(accuracy), mean_error, held.mean(0), std.mean(0), np.array(classes.max(1).mean()), mass))
        tell(done + 1)
    accuracy, error, held, doubt, sure, mass = (np.stack(column) for column in zip(*rows, strict=True))
    return Scores(accuracy, error, held, doubt, sure, mass, confusion, np.concatenate(told), by_class)


def figures(scores: Scores) -> dict[str, Any]:
    """The benchmark's, of those objects."""
    names = [prop.name for prop in PROPERTIES]
    union = scores.confusion.sum(0) + scores.confusion.sum(1) - np.diag(scores.confusion)
    there = scores.confusion.sum(1) > 0
    iou = np.diag(scores.confusion)[there] / union[there]
    each = scores.held_by_class[there]
    return {
        "objects": len(scores.accuracy),
        "class_accuracy": float(np.nanmean(scores.accuracy)),
        "mean_iou": float(iou.mean()),
        "iou": {material.name: float(v) for material, v in zip(_there(there), iou, strict=True)},
        "error": dict(zip(names, (float(v) for v in np.nanmean(scores.error, axis=0)), strict=True)),
        "interval_coverage": float(scores.held.mean()),
        "interval_coverage_by_property": dict(zip(names, (float(v) for v in scores.held.mean(0)), strict=True)),
        "interval_coverage_by_class": {m.name: float(a / b) for m, (a, b) in zip(_there(there), each, strict=True)},
        "class_calibration_error": calibration_error(scores.told),
        "surest_half": {name: float(v) for name, v in zip(["class", *names], _surest_half(scores), strict=True)},
        **mass_figures(scores.mass[:, 0], scores.mass[:, 1]),
    }


def mass_figures(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Of masses (n,) kg."""
    ratio = predicted / true
    return {"mass_alde": float(np.abs(np.log(ratio)).mean()), "mass_mnre": float(np.minimum(ratio, 1 / ratio).mean())}


def calibration_error(told: np.ndarray) -> float:
    """Expected calibration error of probabilities and whether what they were given to was right, (m, 2), in 15 bins."""
    place = np.minimum((told[:, 0] * _BINS).astype(int), _BINS - 1)
    count = np.bincount(place, minlength=_BINS)
    gap = np.abs(np.bincount(place, told[:, 0], _BINS) - np.bincount(place, told[:, 1], _BINS))
    return float(gap.sum() / max(count.sum(), 1))


def _surest_half(scores: Scores) -> list[float]:
    """By how much the error is less over the surest half of the objects: of the class, then of PROPERTIES."""
    wrong = 1 - scores.accuracy
    pairs = [(wrong, -scores.sure), *zip(scores.error.T, scores.doubt.T, strict=True)]
    gains = []
    for error, doubt in pairs:
        surest = np.argsort(doubt, kind="stable")[: max(1, len(doubt) // 2)]
        whole = np.nanmean(error)
        gains.append(float(1 - np.nanmean(error[surest]) / whole) if whole > 0 else 0.0)
    return gains


def _there(mask: np.ndarray) -> list[Any]:
    return [material for material, there in zip(CLASSES, mask, strict=True) if there]
