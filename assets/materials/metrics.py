"""How well materials are told: `score(believer, data, indices)`, object by object, and figures over them.

    scores = score(predictor, data, test)
    figures(scores)["class_accuracy"]

Each object counts the same, whatever its number of voxels. Of what the data tell nothing, as PixieVerse's of friction, there
are no figures: `figures` names it under "unlabelled". ALDE is the mean |ln p - ln g|, MnRE the mean of min(p/g, g/p).
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
    """Mean absolute error of PROPERTIES, (n, properties): on their scales, but of friction itself; NaN where not known."""
    held: np.ndarray
    """Share of voxels whose 90 % interval holds the truth, (n, properties); NaN where the truth is not known."""
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
        held = np.abs(mean - target) <= INTERVAL * std  # nowhere where the target is not known
        counted = ~np.isnan(target)
        np.add.at(by_class, label[known].astype(int), np.stack([held[known].mean(1), counted[known].mean(1)], 1))
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
        mean_error, share = (_means(values, counted) for values in (error, held))
        rows.append((np.array(accuracy), mean_error, share, std.mean(0), np.array(classes.max(1).mean()), mass))
        tell(done + 1)
    accuracy, error, held, doubt, sure, mass = (np.stack(column) for column in zip(*rows, strict=True))
    return Scores(accuracy, error, held, doubt, sure, mass, confusion, np.concatenate(told), by_class)


def _means(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Of columns, over the rows that count; NaN where none does."""
    count = counted.sum(0)
    return np.where(count > 0, np.where(counted, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def figures(scores: Scores) -> dict[str, Any]:
    """The benchmark's, of those objects."""
    labelled = [i for i in range(len(PROPERTIES)) if not np.isnan(scores.error[:, i]).all()]
    names = [PROPERTIES[i].name for i in labelled]
    told: dict[str, Any] = {"objects": len(scores.accuracy)}
    told["unlabelled"] = [prop.name for prop in PROPERTIES if prop.name not in names]
    there = scores.confusion.sum(1) > 0
    if there.any():
        told |= _class_figures(scores, there)
    else:
        told["unlabelled"].insert(0, "class")
    if names:
        held = scores.held[:, labelled]
        told["interval_coverage"] = float(np.nanmean(held))
        told["interval_coverage_by_property"] = dict(zip(names, map(float, np.nanmean(held, axis=0)), strict=True))
    told["error"] = {name: float(np.nanmean(scores.error[:, i])) for name, i in zip(names, labelled, strict=True)}
    pairs = {"class": (1 - scores.accuracy, -scores.sure)} if there.any() else {}
    pairs |= {name: (scores.error[:, i], scores.doubt[:, i]) for name, i in zip(names, labelled, strict=True)}
    told["surest_half"] = {name: _surest_half(error, doubt) for name, (error, doubt) in pairs.items()}
    return told | mass_figures(scores.mass[:, 0], scores.mass[:, 1])


def _class_figures(scores: Scores, there: np.ndarray) -> dict[str, Any]:
    union = scores.confusion.sum(0) + scores.confusion.sum(1) - np.diag(scores.confusion)
    iou = np.diag(scores.confusion)[there] / union[there]
    each = zip(_there(there), scores.held_by_class[there], strict=True)
    return {
        "class_accuracy": float(np.nanmean(scores.accuracy)),
        "mean_iou": float(iou.mean()),
        "iou": {material.name: float(v) for material, v in zip(_there(there), iou, strict=True)},
        "interval_coverage_by_class": {material.name: float(held / of) for material, (held, of) in each if of > 0},
        "class_calibration_error": calibration_error(scores.told),
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


def _surest_half(error: np.ndarray, doubt: np.ndarray) -> float:
    """By how much the error is less over the surest half of the objects whose truth is known."""
    known = ~np.isnan(error)
    error, doubt = error[known], doubt[known]
    surest = np.argsort(doubt, kind="stable")[: max(1, len(doubt) // 2)]
    return float(1 - error[surest].mean() / error.mean()) if error.mean() > 0 else 0.0


def _there(mask: np.ndarray) -> list[Any]:
    return [material for material, there in zip(CLASSES, mask, strict=True) if there]
