"""The verbs of the command line that concern materials: `zerogap materials make-data | train | predict | eval`.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from assets.materials.encoder_arguments import NO_ENCODER, Encoder, EncoderArguments
from assets.materials.predict_command import predict

if TYPE_CHECKING:
    from assets.materials.model.predictor import Predictor
    from assets.materials.providers import FeatureProvider

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

GROUP = "What objects are made of: data, training, prediction, and how good it is."


def make_data(
    out: Path,
    samples: int = 65_536,
    seed: int = 0,
    resolution: Literal[32, 64] = 32,
    jobs: int = 1,
    encoder: EncoderArguments = NO_ENCODER,
    pixie: Path | None = None,
    pixie_size: float = 0.5,
    pixie_features: bool = False,
    json_file: Json = None,
) -> dict[str, Any]:
    """Make objects of known materials by rule, for training and testing a predictor; or take PixieVerse's.

    Example: zerogap materials make-data --out data/materials --jobs 2

    Example: zerogap materials make-data --out data/clip --samples 2000 --onnx clip.onnx

    Example: zerogap materials make-data --out data/pixie --pixie render_outputs --resolution 64

    Stopped, it goes on where it was when it is called again. The same seed makes the same files.

    Args:
        out: the folder of the shards.
        samples: objects, some 40 kB each.
        seed: of all that is drawn.
        resolution: voxels along the edge of the cube.
        jobs: processes.
        encoder: whose features each voxel gets, 2 bytes each; a model that is trained with them takes no others.
        pixie: a folder of Pixie's with those of its objects; all that have material labels are taken, none is made.
        pixie_size: of an object's cube (m), which Pixie does not tell.
        pixie_features: keep its CLIP features, for a model that is trained with them.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from assets.materials.data.shards import Procedural, write_shards
    from assets.materials.errors import MaterialError
    from assets.materials.pixie_field import Pixie

    features = encoder.features()
    if features is not None and pixie is not None:
        raise MaterialError("--onnx gives features to objects that are made; PixieVerse's have their own: --pixie-features")
    if pixie is not None:
        source = Pixie.found(pixie, pixie_size, resolution, pixie_features)
    else:
        if features is not None:
            print(f"features   {features.name}, {features.channels} a voxel")  # it fails now or never
        source = Procedural(samples, seed, resolution, features)
    made = 0
    with Bars() as bar:
        task = bar.add_task("objects", total=source.count)
        for made in write_shards(out, source, jobs):
            bar.update(task, completed=made)
    print(f"data       {out}, {made} objects")
    told = {"folder": str(out), "source": source.name, "samples": made, "resolution": resolution}
    return told | {"provider": source.provider}


def train(
    data: tyro.conf.Positional[Path],
    /,
    out: Path,
    samples: int = 256_000,
    members: int = 3,
    batch: int = 16,
    rate: float = 3e-3,
    base: int = 24,
    jobs: int = os.cpu_count() or 1,
    seed: int = 0,
    split_seed: int = 0,
    objects: int | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Train a predictor of materials; stopped, it goes on when it is called again with the same settings.

    Example: zerogap materials train data/materials --out runs/materials

    A family of shapes, some of textures and some combinations of materials are held out, for `zerogap materials eval`; of
    scans, as PixieVerse's, a fifth of the objects. With features of another network in the data, `predict` and `eval` need
    it as well.

    Args:
        data: the folder that `make-data` wrote.
        out: the folder of the trainings and of the predictor, predictor.npz.
        samples: that each member passes; the data are gone through several times, turned at random.
        members: of the ensemble.
        batch: samples a step.
        rate: of learning, at its highest.
        base: the network's channels: twice as many at the finest level, four times as many below.
        jobs: members that are trained at once, each on one core.
        seed: of the first member's weights and order; the others follow.
        split_seed: which families are held out.
        objects: use the first so many of the data.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from assets.materials.data.shards import Data
    from assets.materials.data.split import Split
    from assets.materials.model.fit import PREDICTOR, fit
    from assets.materials.model.train import TrainConfig

    config = TrainConfig(samples=samples, batch=batch, rate=rate, base=base, seed=seed)
    read = Data.read(data, objects)
    split = Split.drawn(read.tags, split_seed)
    with Bars() as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int, losses: dict[str, float]) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            text = f"{what}, entropy {losses['entropy']:.3f}, right {losses['accuracy']:.1%}" if losses else what
            bar.update(tasks[what], completed=done, description=text)

        predictor = fit(read, split, out, config, members, tell, jobs)
    size = (out / PREDICTOR).stat().st_size
    print(f"predictor  {out / PREDICTOR}, {size / 1e6:.1f} MB")
    print(f"held out   {split.text}")
    told = {"file": str(out / PREDICTOR), "bytes": size, "temperature": predictor.temperature, "held_out": split.held_out}
    return told | {"samples": samples, "members": members, "provider": read.provider}


def evaluate(
    data: Path | None = None,
    meshes: Path | None = None,
    model: Path | None = None,
    split_seed: int = 0,
    objects: int | None = None,
    encoder: EncoderArguments = NO_ENCODER,
    pixie: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Measure a predictor: on held-out made objects, or on real ones whose masses are known.

    Example: zerogap materials eval --meshes objects/ycb --json masses.json

    Example: zerogap materials eval --data data/materials --model runs/materials/predictor.npz

    A folder of real objects has `mass_kg.json`, masses by name, and for each name a mesh in metres or a folder with one. What
    can't be weighed is told and left out, and the command ends with an error after all the others. ALDE is the mean of
    |ln p - ln g|, the less the better; MnRE that of min(p/g, g/p), the more the better.

    Args:
        data: the folder that `make-data` wrote; what the model's training has held out is measured.
        meshes: the folder of real objects.
        model: a file that `zerogap materials train` wrote; by default the one that comes with zerogap.
        split_seed: the one that the model was trained with.
        objects: at most so many of the held-out objects.
        encoder: for real objects, where the model was trained with its features.
        pixie: a folder with one of Pixie's for each real object, by its name, likewise.
        json_file: write the figures to this file.
    """
    from assets.materials.errors import MaterialError
    from assets.materials.model.predictor import load_predictor

    if (data is None) == (meshes is None):
        raise MaterialError("give either --data, made objects, or --meshes, real ones")
    if data is not None and (encoder.onnx is not None or pixie is not None):
        raise MaterialError("--onnx and --pixie are for --meshes: data have their features with them")
    predictor = load_predictor(model)
    if data is not None:
        return _eval_data(data, predictor, split_seed, objects)
    assert meshes is not None
    told = _eval_meshes(meshes, predictor, encoder, pixie)
    if told["refused"]:
        if json_file is not None:
            from assets.json_file import write_json

            write_json(json_file, told)
        raise SystemExit(1)
    return told


def _eval_meshes(folder: Path, predictor: "Predictor", encoder: Encoder, pixie: Path | None) -> dict[str, Any]:
    from rich.console import Console

    from assets.materials.model.card import COLOUR
    from assets.materials.providers import PixieFeatures
    from assets.materials.weigh import weigh

    provider, card = encoder.provider(pixie), predictor.card
    # Of Pixie's folders each tells for itself how many features it has.
    channels = 0 if provider is None else card.extra if pixie is not None else provider.channels
    card.expect_provider(COLOUR if provider is None else provider.name, channels)

    def features(name: str) -> "FeatureProvider | None":
        return provider if pixie is None else PixieFeatures(pixie / name)

    with Console(stderr=True).status("weighing") as status:
        told = weigh(folder, predictor, card.resolution, lambda name: status.update(f"weighing {name}"), features)
    for name, row in told["objects"].items():
        print(f"{name:24} {row['predicted']:.4g} kg of {row['mass']:.4g}, {row['class']}")
    for name, reason in told["refused"].items():
        print(f"{name:24} refused: {reason}")
    print(f"ALDE       {told['alde']:.3f}\nMnRE       {told['mnre']:.3f}")
    return told


def _eval_data(folder: Path, predictor: "Predictor", split_seed: int, objects: int | None) -> dict[str, Any]:
    from assets.bars import Bars
    from assets.materials.data.shards import Data
    from assets.materials.data.split import Split
    from assets.materials.errors import MaterialError
    from assets.materials.metrics import figures, score

    if objects is not None and objects < 1:
        raise MaterialError(f"--objects is {objects}, expected at least 1")
    read = Data.read(folder)
    predictor.card.expect_provider(read.provider, read.extra.shape[1])
    split = Split.drawn(read.tags, split_seed)
    known = predictor.card.held_out
    if {what: set(names) for what, names in known.items()} != {what: set(names) for what, names in split.held_out.items()}:
        raise MaterialError(
            f"the model was trained with others held out ({_short(known)}) than split seed {split_seed} of these data gives"
            f" ({_short(split.held_out)}): give the data and the split seed of its training"
        )
    _, _, test = split.parts(read)
    test = test[:objects]
    with Bars() as bar:
        task = bar.add_task("objects", total=len(test))
        scores = score(predictor, read, test, lambda done: bar.update(task, completed=done))
    told = figures(scores)
    for name in (
        "objects",
        "class_accuracy",
        "mean_iou",
        "interval_coverage",
        "class_calibration_error",
        "mass_alde",
        "mass_mnre",
    ):
        if name in told:
            print(f"{name:24} {told[name]:.4g}")
    for name, value in told["error"].items():
        print(f"error of {name:15} {value:.4g}")
    if told["unlabelled"]:
        print(f"without labels           {', '.join(told['unlabelled'])}")
    return told


def _short(held_out: dict[str, list[str]]) -> str:
    return "; ".join(
        f"{what}: {', '.join(names[:_SHOWN])}{', ...' * (len(names) > _SHOWN)}" for what, names in held_out.items()
    )


_SHOWN = 12  # names of what is held out


COMMANDS: dict[str, Callable[..., Any]] = {
    "materials make-data": make_data,
    "materials train": train,
    "materials predict": predict,
    "materials eval": evaluate,
}
