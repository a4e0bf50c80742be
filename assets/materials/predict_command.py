"""`zerogap materials predict`: what a mesh is made of, as a body for simulation, a picture and files for other programs.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from assets.materials.encoder_arguments import NO_ENCODER, EncoderArguments

if TYPE_CHECKING:
    from assets.materials.field import MaterialField
    from assets.objects.object import Object

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_DRAWS = 400  # of masses, to tell how far they go
_PROBABLY = (0.16, 0.84)  # quantiles, a standard deviation to either side


def predict(
    mesh: tyro.conf.Positional[Path],
    /,
    out: Path | None = None,
    picture: Path | None = None,
    field: Path | None = None,
    pixie_grid: Path | None = None,
    model: Path | None = None,
    name: str | None = None,
    units: Literal["m", "cm", "mm", "inch", "foot"] | None = None,
    scale: float = 1.0,
    up: Literal["y", "z"] | None = None,
    timestep: float = 0.002,
    soft: bool = False,
    encoder: EncoderArguments = NO_ENCODER,
    pixie: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Tell what a mesh is made of, from its shape, size and looks, and how sure that is.

    Example: zerogap materials predict mug/textured.obj --out objects/mug

    Example: zerogap materials predict sponge.obj --soft --out sponge.xml

    Example: zerogap materials predict mug/textured.obj --field mug.npz --pixie-grid mug/material_grid.npy

    The folder has an MJCF file of a free body with the predicted mass, inertia, friction, restitution and stiffness, and a
    picture of the object coloured by each property with its uncertainty. Two lines bring it into a scene: see
    `zerogap import-mesh --help`. A soft object is one of many bodies, and its scene needs the integrator "discrete".

    Args:
        mesh: an OBJ, PLY, STL or GLB file; textures are looked for in its folder.
        out: the folder to write, or an MJCF file, which ends in .xml; it must be new.
        picture: a PNG file for the picture; by default materials.png in the folder, or beside the file by its name.
        field: a new .npz file for what is believed of each voxel; what is in it is told in assets/materials/field_file.py.
        pixie_grid: a new .npy file for density, E, ν and class on 64³ points, as Pixie's particle simulator takes them.
        timestep: of the simulation that the object is for (s): the coarser, the softer are its contacts.
        soft: write a flex, which bends and may yield, in place of a rigid body; for what has less than 10 MPa.
        model: a file that `zerogap materials train` wrote; by default the one that comes with zerogap.
        name: of the body; by default that of the file, or of its folder where the file's says nothing.
        units: of the file's coordinates; without them it is taken to be in metres, which is refused where that is unlikely.
        scale: by which they are multiplied, besides.
        up: which of the file's axes is up; by default y of GLB files, as their standard has it, which are turned; z of others.
        encoder: that gives the features which the model was trained with.
        pixie: a folder of Pixie's with the object's features, likewise.
        json_file: write the figures to this file.
    """
    from rich.console import Console

    from assets.materials.embody import embody
    from assets.materials.errors import EXISTS, MaterialError
    from assets.materials.field_file import write_field
    from assets.materials.model.predictor import load_predictor
    from assets.materials.picture import draw
    from assets.materials.pixie import write_material_grid
    from assets.materials.pixie_field import grid_of
    from assets.materials.predict import predict_object
    from assets.materials.soft import NEEDS_DISCRETE, soften, write_soft_mjcf
    from assets.objects.mjcf import Place, write_mjcf
    from assets.objects.object import load_object
    from assets.whole_file import whole_file

    provider = encoder.provider(pixie)
    if not 0 < timestep < 1:
        raise MaterialError(f"the time step must be within 0 and 1 s, found {timestep:g}")
    if out is not None:  # before anything that takes its time
        Place.of(out, name or "")
    for path, ending in ((field, ".npz"), (pixie_grid, ".npy")):
        if path is not None and path.suffix != ending:
            raise MaterialError(f"{path} is to be a file that ends in {ending}")
        if path is not None and path.exists():
            raise MaterialError(f"{path} exists already: {EXISTS}")
    predictor = load_predictor(model)
    with Console(stderr=True).status("reading") as status, tempfile.TemporaryDirectory() as drawn:
        thing = load_object(mesh, name=name, units=units, scale=scale, up=up, tell=status.update)
        status.update("predicting")
        believed = predict_object(thing, predictor, provider)
        softened = soften(thing, believed) if soft else None
        with warnings.catch_warnings():  # which the notes tell
            warnings.simplefilter("ignore")
            made = embody(thing, believed, timestep=timestep)
        told = _told(made, believed, (softened or made).notes)
        if out is not None or picture is not None:
            status.update("drawing")
            draw(thing, believed, Path(drawn) / "picture.png")
        status.update("writing")
        if out is not None:
            file = write_mjcf(made, out) if softened is None else write_soft_mjcf(softened, out)
            told["file"] = str(file)
            print(f"object     {file}")
            if softened is not None:
                print(f"note       {NEEDS_DISCRETE}")
            picture = picture or (out / "materials.png" if out.is_dir() else out.with_name(f"{out.stem}_materials.png"))
        if picture is not None:
            with whole_file(picture, MaterialError) as partial:
                partial.write_bytes((Path(drawn) / "picture.png").read_bytes())
            told["picture"] = str(picture)
            print(f"picture    {picture}")
        if field is not None:
            write_field(field, believed, thing.voxels)
            told["field"] = str(field)
            print(f"field      {field}")
        if pixie_grid is not None:
            write_material_grid(pixie_grid, grid_of(believed, thing.voxels))
            told["pixie_grid"] = str(pixie_grid)
            print(f"grid       {pixie_grid}")
    return told


def _told(made: "Object", field: "MaterialField", notes: tuple[str, ...]) -> dict[str, Any]:
    """The figures, which are printed as well."""
    import numpy as np

    from assets.materials.classes import CLASSES
    from assets.materials.properties import PROPERTIES

    size = np.ptp(made.solid.bounds, axis=0).tolist()
    told: dict[str, Any] = {"name": made.name, "size": size, "mass": made.inertial.mass, "com": list(made.inertial.com)}
    volumes = made.voxels.moments[..., 0]
    low, high = (float(q) for q in np.quantile(field.masses(volumes, _DRAWS, seed=0), _PROBABLY))
    told |= {"inertia": list(made.inertial.inertia), "mass_low": low, "mass_high": high, "notes": list(notes)}
    weight = volumes / volumes.sum()
    share = (field.classes * weight[..., None]).sum((0, 1, 2))
    told["classes"] = {material.name: float(p) for material, p in zip(CLASSES, share, strict=True)}
    print(f"size       {' x '.join(f'{1e3 * edge:.1f}' for edge in size)} mm")
    print(f"mass       {made.inertial.mass:.4g} kg, probably {low:.3g} to {high:.3g}")
    print(f"class      {', '.join(f'{CLASSES[i].name} {share[i]:.0%}' for i in (-share).argsort()[:3])} of the volume")
    told["properties"] = {}
    for i, prop in enumerate(PROPERTIES):
        mean, std = float((field.mean[..., i] * weight).sum()), float((field.std[..., i] * weight).sum())
        low, value, high = (float(prop.to_unit(mean + away * std)) for away in (-1, 0, 1))
        told["properties"][prop.name] = {"value": value, "low": low, "high": high, "unit": prop.unit}
        print(f"{prop.name:10} {value:.3g} {prop.unit}, probably {low:.3g} to {high:.3g}")
    for note in notes:
        print(f"note       {note}")
    return told
