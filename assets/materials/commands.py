"""The verbs of the command line that concern materials: `zerogap materials make-data | train | predict | eval`.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from assets.materials.model.predictor import Predictor
    from assets.materials.providers import FeatureProvider

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

GROUP = "What objects are made of: data, training, prediction, and how good it is."


def make_data(
    out: Path,
    samples: int = 32_768,
    seed: int = 0,
    resolution: Literal[32, 64] = 32,
    jobs: int = 1,
    onnx: Path | None = None,
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
        onnx: an encoder of pictures, such as one's own CLIP, whose features each voxel gets, 2 bytes each; a model that is
            trained with them takes no others.
        pixie: a folder of Pixie's with those of its objects; all that have material labels are taken, none is made.
        pixie_size: of an object's cube (m), which Pixie does not tell.
        pixie_features: keep its CLIP features, for a model that is trained with them.
        json_file: write the figures to this file.
    """
    from rich.progress import Progress

    from assets.materials.data.shards import Procedural, write_shards
    from assets.materials.errors import MaterialError
    from assets.materials.pixie_field import Pixie
    from assets.materials.providers import OnnxFeatures

    if onnx is not None and pixie is not None:
        raise MaterialError("--onnx gives features to objects that are made; PixieVerse's have their own: --pixie-features")
    if pixie is not None:
        source = Pixie.found(pixie, pixie_size, resolution, pixie_features)
    else:
        encoder = None if onnx is None else OnnxFeatures(onnx)
        if encoder is not None:
            print(f"features   {encoder.name}, {encoder.channels} a voxel")  # it fails now or never
        source = Procedural(samples, seed, resolution, encoder)
    made = 0
    with Progress() as bar:
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
    samples: int = 120_000,
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
    from rich.progress import Progress

    from assets.materials.data.shards import Data
    from assets.materials.data.split import Split
    from assets.materials.model.fit import PREDICTOR, fit
    from assets.materials.model.train import TrainConfig

    config = TrainConfig(samples=samples, batch=batch, rate=rate, base=base, seed=seed)
    read = Data.read(data, objects)
    split = Split.drawn(read.tags, split_seed)
    with Progress() as bar:
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


def predict(
    mesh: tyro.conf.Positional[Path],
    /,
    out: Path | None = None,
    picture: Path | None = None,
    model: Path | None = None,
    name: str | None = None,
    units: Literal["m", "cm", "mm", "inch", "foot"] | None = None,
    scale: float = 1.0,
    up: Literal["y", "z"] | None = None,
    timestep: float = 0.002,
    soft: bool = False,
    onnx: Path | None = None,
    pixie: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Tell what a mesh is made of, from its shape, size and looks, and how sure that is.

    Example: zerogap materials predict mug/textured.obj --out objects/mug

    Example: zerogap materials predict sponge.obj --soft --out sponge.xml

    The folder has an MJCF file of a free body with the predicted mass, inertia, friction, restitution and stiffness, and a
    picture of the object coloured by each property with its uncertainty. Two lines bring it into a scene: see
    `zerogap import-mesh --help`.

    Args:
        mesh: an OBJ, PLY, STL or GLB file; textures are looked for in its folder.
        out: the folder to write, or an MJCF file, which ends in .xml; it must be new.
        picture: a PNG file for the picture; by default materials.png in the folder, or beside the file by its name.
        timestep: of the simulation that the object is for (s): the coarser, the softer are its contacts.
        soft: write a flex, which bends and may yield, in place of a rigid body; for what has less than 10 MPa.
        model: a file that `zerogap materials train` wrote; by default the one that comes with zerogap.
        name: of the body; by default that of the file, or of its folder where the file's says nothing.
        units: of the file's coordinates; without them it is taken to be in metres, which is refused where that is unlikely.
        scale: by which they are multiplied, besides.
        up: which of the file's axes is up; by default y of GLB files, as their standard has it, which are turned; z of others.
        onnx: an encoder of pictures that gives the features which the model was trained with.
        pixie: a folder of Pixie's with the object's features, likewise.
        json_file: write the figures to this file.
    """
    import numpy as np
    from rich.console import Console

    from assets.materials.classes import CLASSES
    from assets.materials.embody import embody
    from assets.materials.errors import MaterialError
    from assets.materials.model.predictor import load_predictor
    from assets.materials.picture import draw
    from assets.materials.predict import predict_object
    from assets.materials.properties import PROPERTIES
    from assets.materials.soft import soften, write_soft_mjcf
    from assets.objects.mjcf import Place, write_mjcf
    from assets.objects.object import load_object

    provider = _provider(onnx, pixie)
    if not 0 < timestep < 1:
        raise MaterialError(f"the time step must be within 0 and 1 s, found {timestep:g}")
    if out is not None:
        Place.of(out, name or "")  # before anything that takes its time
    predictor = load_predictor(model)
    with Console(stderr=True).status("reading") as status:
        thing = load_object(mesh, name=name, units=units, scale=scale, up=up, tell=status.update)
        status.update("predicting")
        field = predict_object(thing, predictor, provider)
        softened = soften(thing, field) if soft else None
        with warnings.catch_warnings():  # which the notes tell
            warnings.simplefilter("ignore")
            made = embody(thing, field, timestep=timestep)
    size = np.ptp(made.solid.bounds, axis=0).tolist()
    told: dict[str, Any] = {"name": made.name, "size": size, "mass": made.inertial.mass, "com": list(made.inertial.com)}
    volumes = made.voxels.moments[..., 0]
    low, high = (float(q) for q in np.quantile(field.masses(volumes, _DRAWS, seed=0), _PROBABLY))
    told |= {"inertia": list(made.inertial.inertia), "mass_low": low, "mass_high": high, "notes": list(made.notes)}
    weight = volumes / volumes.sum()
    share = (field.classes * weight[..., None]).sum((0, 1, 2))
    told["classes"] = {material.name: float(p) for material, p in zip(CLASSES, share, strict=True)}
    print(f"size       {' x '.join(f'{1e3 * edge:.1f}' for edge in size)} mm")
    print(f"mass       {made.inertial.mass:.4g} kg, probably {low:.3g} to {high:.3g}")
    print(f"class      {', '.join(f'{CLASSES[i].name} {share[i]:.0%}' for i in (-share).argsort()[:3])}")
    told["properties"] = {}
    for i, prop in enumerate(PROPERTIES):
        mean, std = float((field.mean[..., i] * weight).sum()), float((field.std[..., i] * weight).sum())
        low, value, high = (float(prop.to_unit(mean + away * std)) for away in (-1, 0, 1))
        told["properties"][prop.name] = {"value": value, "low": low, "high": high, "unit": prop.unit}
        print(f"{prop.name:10} {value:.3g} {prop.unit}, probably {low:.3g} to {high:.3g}")
    for note in made.notes:
        print(f"note       {note}")
    if out is not None:
        file = write_mjcf(made, out) if softened is None else write_soft_mjcf(softened, out)
        told["file"] = str(file)
        print(f"object     {file}")
        picture = picture or (out / "materials.png" if out.is_dir() else out.with_name(f"{out.stem}_materials.png"))
    if picture is not None:
        with Console(stderr=True).status("drawing"):
            draw(thing, field, picture)
        told["picture"] = str(picture)
        print(f"picture    {picture}")
    return told


def evaluate(
    data: Path | None = None,
    meshes: Path | None = None,
    model: Path | None = None,
    split_seed: int = 0,
    objects: int | None = None,
    onnx: Path | None = None,
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
        onnx: an encoder of pictures, for real objects where the model was trained with its features.
        pixie: a folder with one of Pixie's for each real object, by its name, likewise.
        json_file: write the figures to this file.
    """
    from assets.materials.errors import MaterialError
    from assets.materials.model.predictor import load_predictor

    if (data is None) == (meshes is None):
        raise MaterialError("give either --data, made objects, or --meshes, real ones")
    if data is not None and (onnx is not None or pixie is not None):
        raise MaterialError("--onnx and --pixie are for --meshes: data have their features with them")
    predictor = load_predictor(model)
    if data is not None:
        return _eval_data(data, predictor, split_seed, objects)
    assert meshes is not None
    told = _eval_meshes(meshes, predictor, onnx, pixie)
    if told["refused"]:
        if json_file is not None:
            from assets.json_file import write_json

            write_json(json_file, told)
        raise SystemExit(1)
    return told


def _provider(onnx: Path | None, pixie: Path | None) -> "FeatureProvider | None":
    from assets.materials.errors import MaterialError
    from assets.materials.providers import OnnxFeatures, PixieFeatures

    if onnx is not None and pixie is not None:
        raise MaterialError("give one source of features, --onnx or --pixie, not both")
    return OnnxFeatures(onnx) if onnx is not None else PixieFeatures(pixie) if pixie is not None else None


def _eval_meshes(folder: Path, predictor: "Predictor", onnx: Path | None, pixie: Path | None) -> dict[str, Any]:
    from rich.console import Console

    from assets.materials.model.card import COLOUR
    from assets.materials.providers import PixieFeatures
    from assets.materials.weigh import weigh

    provider, card = _provider(onnx, pixie), predictor.card
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
    from rich.progress import Progress

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
    with Progress() as bar:
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


_DRAWS = 400  # of masses, to tell how far they go
_PROBABLY = (0.16, 0.84)  # quantiles, a standard deviation to either side

COMMANDS: dict[str, Callable[..., Any]] = {
    "materials make-data": make_data,
    "materials train": train,
    "materials predict": predict,
    "materials eval": evaluate,
}
