"""What objects are made of: the predictor beside simpler ways to tell, on made objects of families that it has never seen.

For each of three seeds other families of shapes and textures and other combinations of materials are held out, and all are
trained anew on what is left:

predictor       the ensemble, calibrated
class_mean      everything is what things are on average
nearest         each voxel as the voxels most alike
per_point       a network that sees each voxel alone
geometry_only   the ensemble without colours

`gains` are what the predictor is better by than each of them, with 95 % intervals of a paired bootstrap over the objects. Some
of the objects slide, are pushed, dropped, tilted and squeezed in simulation, as they are and as they are believed to be:
`probes` are medians of relative errors. By the way the network is timed, and all the way from a mesh to an MJCF file; and where
ZEROGAP_MATERIALS_MESHES names a folder of real objects with `mass_kg.json`, their masses are predicted, each seed's predictor
for itself. Scores on made objects do not promise skill on real ones.

`reached` has a row for each figure that was asked for: true, false, or null where this run has not measured it. That of
`panda_push` is what `zerogap bench push` has found, if its figures are in the same folder. Predictors are kept, each in a
folder that is named by what it was trained with: a stopped benchmark goes on, and none is taken for another's.

The sizes are those of the model that comes with zerogap; ZEROGAP_MATERIALS_SEEDS, _OBJECTS, _SAMPLES and _MEMBERS make it less.
"""

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from assets.json_file import write_json
from assets.materials.baselines.class_mean import ClassMean
from assets.materials.baselines.geometry_only import GeometryOnly, without_looks
from assets.materials.baselines.nearest import Nearest
from assets.materials.baselines.per_point import PerPoint
from assets.materials.believed import Believer
from assets.materials.data.shards import Data, Procedural, write_shards
from assets.materials.data.split import Split
from assets.materials.embody import embody
from assets.materials.metrics import Scores, figures, score
from assets.materials.model.card import FORMAT
from assets.materials.model.fit import PREDICTOR, fit
from assets.materials.model.predictor import Predictor, load_predictor
from assets.materials.model.train import TrainConfig
from assets.materials.predict import predict_object
from assets.materials.properties import INDEX, PROPERTIES, YOUNG
from assets.materials.weigh import weigh
from assets.objects.errors import ObjectError
from assets.objects.mjcf import write_mjcf
from assets.objects.object import load_object
from benchmarks.probes import PROBES, probed
from benchmarks.seeds import seed_by_seed, seed_count

SEEDS, OBJECTS, SAMPLES, MEMBERS = 3, 65_536, 256_000, 3
LEAST_TESTED, MOST_TESTED = 500, 1_500
PROBED = 100
_DRAWS = 2000  # of the bootstrap
_MESHES = 5  # that are timed

TARGETS = {
    "class_accuracy": 0.85,
    "mean_iou": 0.70,
    "error_young": 0.4,
    "error_density": 0.15,
    "error_poisson": 0.03,
    "error_friction": 0.10,
    "error_restitution": 0.08,
    "mass_alde": 0.35,
    "mass_mnre": 0.75,
    "class_calibration_error": 0.05,
    "surest_half_class": 0.30,
    "surest_half_young": 0.30,
    "surest_half_density": 0.30,
    "surest_half_poisson": 0.30,
    "surest_half_friction": 0.30,
    "surest_half_restitution": 0.30,
    "seconds_network": 0.5,
    "seconds_mesh_to_mjcf": 5.0,
    "real_mass_alde": 0.77,
    "real_mass_mnre": 0.54,
}
"""To be reached: accuracy, IoU, MnRE and by how much the surest half is better or more, the others or less."""

_MORE = ("class_accuracy", "mean_iou", "mnre", "surest_half")
"""Beginnings and ends of the names of what is to be more."""

COVERAGE = (0.87, 0.93)
"""Of 90 % intervals."""

MOST_WRONG = 0.25
"""Of what probes measure, and at most half as wrong as the class mean."""

_console = Console(stderr=True)


@dataclass(frozen=True)
class Sizes:
    objects: int
    samples: int
    members: int

    @classmethod
    def asked(cls) -> "Sizes":
        return cls(
            seed_count("ZEROGAP_MATERIALS_OBJECTS", OBJECTS),
            seed_count("ZEROGAP_MATERIALS_SAMPLES", SAMPLES),
            seed_count("ZEROGAP_MATERIALS_MEMBERS", MEMBERS),
        )


def run(out: Path) -> dict[str, Any]:
    sizes, seeds = Sizes.asked(), seed_count("ZEROGAP_MATERIALS_SEEDS", SEEDS)
    folder = out / "materials.data"
    for made in write_shards(folder, Procedural(sizes.objects), jobs=os.cpu_count() or 1):
        _console.print(f"{made} of {sizes.objects} objects", highlight=False)
    data = Data.read(folder, sizes.objects)
    same = {"data": data.digest, "samples": sizes.samples, "members": sizes.members, "targets": TARGETS}
    told = seed_by_seed(out / "materials.partial.json", same, seeds, lambda seed: _one(data, sizes, seed, out), _told)
    told["summary"] = summary(told["runs"], pushed(out))
    write_json(out / "materials.json", told)
    _plot(told, out / "materials.png")
    (out / "materials.partial.json").unlink(missing_ok=True)
    for name, value in told["summary"].items():
        print(f"{name:28} {value}")
    return told


def _one(data: Data, sizes: Sizes, seed: int, out: Path) -> dict[str, Any]:
    split = Split.drawn(data.tags, seed)
    train, _, test = split.parts(data)
    test = np.random.default_rng(seed).permutation(test)[:MOST_TESTED]
    predictor = fitted(data, split, sizes, seed, out)
    blind = fitted(without_looks(data), split, sizes, seed, out)
    believers: dict[str, Believer] = {
        "predictor": predictor,
        "class_mean": ClassMean.fit(data, train),
        "nearest": Nearest.fit(data, train, seed),
        "per_point": PerPoint.fit(data, train, seed),
        "geometry_only": GeometryOnly(blind),
    }
    scores: dict[str, Scores] = {}
    for name, believer in believers.items():
        _console.print(f"seed {seed}: {name} on {len(test)} held-out objects", highlight=False)
        scores[name] = score(believer, data, test)
    row: dict[str, Any] = {"seed": seed, "held_out": split.held_out, "tested": len(test)}
    row["enough"] = len(test) >= LEAST_TESTED
    row["figures"] = {name: figures(found) for name, found in scores.items()}
    row["by_reason"] = _by_reason(scores["predictor"], data, test, split)
    row["gains"] = {name: gains(scores["predictor"], found, seed) for name, found in scores.items() if name != "predictor"}
    row["probes"] = _probes(data, test, {name: believers[name] for name in ("predictor", "class_mean")}, seed)
    row["seconds_network"] = _seconds(predictor, data, test)
    row["seconds_mesh_to_mjcf"] = seconds_to_mjcf(predictor)
    meshes = os.environ.get("ZEROGAP_MATERIALS_MESHES")
    if meshes:
        row["real"] = weigh(Path(meshes), predictor, predictor.card.resolution)
    return row


def fitted(data: Data, split: Split, sizes: Sizes, seed: int, out: Path) -> Predictor:
    """Trained, or as it was trained with all the same before."""
    config = TrainConfig(samples=sizes.samples, seed=100 * seed)
    folder = out / f"materials.seed{seed}-{content_hash(data, split, config, sizes.members)}"
    if (folder / PREDICTOR).exists():
        return load_predictor(folder / PREDICTOR)

    def tell(what: str, done: int, of: int, losses: dict[str, float]) -> None:
        if (losses and done % 500 == 0) or done == of:
            right = f", {losses['accuracy']:.1%} right" if losses else ""
            _console.print(f"{folder.name}, {what}: {done} of {of}{right}", highlight=False)

    return fit(data, split, folder, config, sizes.members, tell, os.cpu_count() or 1)


def content_hash(data: Data, split: Split, config: TrainConfig, members: int) -> str:
    """Of all that a predictor is made of: it differs where that does."""
    told = {"data": data.digest, "held_out": split.held_out, "split_seed": split.seed, "members": members, "format": FORMAT}
    return hashlib.sha256(json.dumps(told | asdict(config), sort_keys=True).encode()).hexdigest()[:12]


def gains(better: Scores, than: Scores, seed: int) -> dict[str, list[float]]:
    """By how much accuracy is more and errors are less, with the ends of its 95 % interval: gain, low, high."""
    pairs = {"class_accuracy": better.accuracy - than.accuracy}
    pairs |= {f"error_{prop.name}": than.error[:, i] - better.error[:, i] for i, prop in enumerate(PROPERTIES)}
    wide = [np.abs(np.log(scores.mass[:, 0] / scores.mass[:, 1])) for scores in (than, better)]
    pairs["mass_alde"] = wide[0] - wide[1]
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(better.accuracy), (_DRAWS, len(better.accuracy)))
    told = {}
    for name, gain in pairs.items():
        low, high = np.nanquantile(np.nanmean(gain[chosen], axis=1), (0.025, 0.975))
        told[name] = [float(np.nanmean(gain)), float(low), float(high)]
    return told


def _by_reason(scores: Scores, data: Data, test: np.ndarray, split: Split) -> dict[str, dict[str, float]]:
    """Accuracy and error of log10 E over what was held out for its shape, its texture, its combination."""
    told = {}
    for reason in ("shape", "texture", "combination"):
        own = np.array([reason in split.why(data.tags[i]) for i in test])
        if own.any():
            accuracy, young = np.nanmean(scores.accuracy[own]), np.nanmean(scores.error[own, INDEX[YOUNG]])
            told[reason] = {"objects": int(own.sum()), "class_accuracy": float(accuracy), "error_young": float(young)}
    return told


def _probes(data: Data, test: np.ndarray, believers: dict[str, Believer], seed: int) -> dict[str, Any]:
    """Medians of relative errors by believer and probe, over some of the objects."""
    found: list[dict[str, dict[str, float]]] = []
    for index in test:
        if len(found) == PROBED:
            break
        try:
            found.append(probed(data, int(index), believers))
        except ObjectError:  # of too thin parts
            continue
        if len(found) % 20 == 0:
            _console.print(f"seed {seed}: {len(found)} of {PROBED} objects probed", highlight=False)
    medians = {name: {probe: float(np.median([row[name][probe] for row in found])) for probe in PROBES} for name in believers}
    return {"objects": len(found)} | medians


def _seconds(predictor: Predictor, data: Data, test: np.ndarray) -> float:
    """Median of the whole ensemble, one object at a time, compiled already."""
    taken = []
    for index in [*test[:10], *test[:10]]:
        began = time.perf_counter()
        predictor.believe(data.seen(index))
        taken.append(time.perf_counter() - began)
    return float(np.median(taken[10:]))


def seconds_to_mjcf(predictor: Predictor) -> float:
    """Median over some meshes, one at a time, compiled already: from a file of 16,000 coloured triangles, which are divided
    into convex parts, to an MJCF file of what is believed of it."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_MESHES + 1):
            path = Path(folder) / f"vase_{number}.ply"
            _vase(path)
            began = time.perf_counter()
            thing = load_object(path)
            write_mjcf(embody(thing, predict_object(thing, predictor)), Path(folder) / thing.name)
            taken.append(time.perf_counter() - began)
    return float(np.median(taken[1:]))


def _vase(path: Path) -> None:
    """Another one each time, so that its convex parts are in nobody's cache."""
    from trimesh import creation
    from trimesh.visual import ColorVisuals

    rng = np.random.default_rng()
    radius, wall = rng.uniform(0.03, 0.05), 0.004
    height = np.linspace(0, 0.2, 32)
    out = radius * (1 + 0.3 * np.sin(20 * height + rng.uniform(0, 2 * np.pi)))
    outside, inside = np.stack([out, height], 1), np.stack([out - wall, np.maximum(height, wall)], 1)[::-1]
    profile = np.concatenate([[[0, 0]], outside, inside, [[0, wall]]])
    mesh = creation.revolve(profile, sections=128)
    colours = rng.integers(0, 255, (len(mesh.vertices), 3), np.uint8)
    mesh.visual = ColorVisuals(mesh, vertex_colors=colours)
    mesh.export(path)


def pushed(out: Path) -> bool | None:
    """Whether `zerogap bench push` has found what was asked for; None where its figures are not there."""
    path = out / "push.json"
    return bool(json.loads(path.read_text())["summary"]["reached"]) if path.is_file() else None


def summary(runs: list[dict[str, Any]], push: bool | None) -> dict[str, Any]:
    """Means over the seeds, beside what was to be reached: null where it was not measured."""
    rows = [_flat(run["figures"]["predictor"]) | _beside(run) for run in runs]
    told: dict[str, Any] = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    reached: dict[str, bool | None] = {"held_out_objects": all(run["enough"] for run in runs)}
    for name, target in TARGETS.items():
        more = name.startswith(_MORE) or name.endswith(_MORE)
        reached[name] = (told[name] >= target if more else told[name] <= target) if name in told else None
    reached["interval_coverage"] = COVERAGE[0] <= told["interval_coverage"] <= COVERAGE[1]
    for probe in PROBES:
        own, mean = (float(np.mean([run["probes"][name][probe] for run in runs])) for name in ("predictor", "class_mean"))
        told[f"probe_{probe}"], told[f"probe_{probe}_class_mean"] = own, mean
        reached[f"probe_{probe}"] = own <= MOST_WRONG and own <= mean / 2
    reached["baselines"] = all(gain[1] > 0 for run in runs for gain in _decisive(run))
    reached["panda_push"] = push
    told["reached"] = reached
    return told


def _beside(run: dict[str, Any]) -> dict[str, float]:
    """What is measured besides the figures of made objects."""
    told = {name: run[name] for name in ("seconds_network", "seconds_mesh_to_mjcf")}
    return told | {f"real_mass_{name}": run["real"][name] for name in ("alde", "mnre") if "real" in run}


def _decisive(run: dict[str, Any]) -> list[list[float]]:
    return [
        gain[name] for gain in run["gains"].values() for name in ("class_accuracy", "error_young", "error_density", "mass_alde")
    ]


def _flat(told: dict[str, Any]) -> dict[str, float]:
    row = {name: value for name, value in told.items() if isinstance(value, float)}
    row |= {f"error_{name}": value for name, value in told["error"].items()}
    return row | {f"surest_half_{name}": value for name, value in told["surest_half"].items()}


def _told(row: dict[str, Any]) -> str:
    best = row["figures"]["predictor"]
    return f"{best['class_accuracy']:.1%} right, IoU {best['mean_iou']:.2f}, mass ALDE {best['mass_alde']:.2f}"


def _plot(told: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    runs = told["runs"]
    names = list(runs[0]["figures"])
    panels = ["class_accuracy", "mean_iou", "error_density", "error_young", "error_friction", "error_restitution", "mass_alde"]
    figure, axes = pyplot.subplots(2, 4, figsize=(14, 6.5), layout="constrained")
    for axis, panel in zip(axes.flat, panels, strict=False):
        values = np.array([[_flat(run["figures"][name])[panel] for run in runs] for name in names])
        axis.barh(range(len(names)), values.mean(1), color=["#1f77b4", *["0.7"] * (len(names) - 1)])
        for place, row in enumerate(values):
            axis.plot(row, [place] * len(row), "k.", markersize=4)
        if panel in TARGETS:
            axis.axvline(TARGETS[panel], color="#d62728", linewidth=1)
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_title(panel.replace("_", " "), fontsize="medium")
    axis = axes.flat[-1]
    by_class = [run["figures"]["predictor"]["interval_coverage_by_class"] for run in runs]
    classes = sorted(set().union(*by_class))
    axis.barh(range(len(classes)), [np.mean([row[c] for row in by_class if c in row]) for c in classes], color="#1f77b4")
    axis.axvline(0.9, color="#d62728", linewidth=1)
    axis.set_yticks(range(len(classes)), classes, fontsize="x-small")
    axis.set_title("90 % intervals that hold, by class", fontsize="medium")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
