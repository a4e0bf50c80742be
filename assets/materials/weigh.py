"""Predicted masses against weighed ones: a folder of objects with `mass_kg.json`.

told = weigh(Path("objects/ycb"), load_predictor())
told["alde"], told["mnre"], told["objects"]["mug"], told["refused"]
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assets.materials.believed import Believer
from assets.materials.classes import CLASSES
from assets.materials.errors import MaterialError
from assets.materials.metrics import mass_figures
from assets.materials.predict import believed_field, seen_object
from assets.materials.providers import FeatureProvider
from assets.objects.density import inertial_of
from assets.objects.errors import ObjectError
from assets.objects.mesh_file import FORMATS
from assets.objects.object import Object, load_object

MASSES = "mass_kg.json"


def weigh(
    folder: Path,
    believer: Believer,
    resolution: int = 32,
    tell: Callable[[str], None] = lambda name: None,
    features: Callable[[str], FeatureProvider | None] = lambda name: None,
) -> dict[str, Any]:
    """For each object that the folder's `mass_kg.json` names: a mesh of its name, or a folder with one mesh, in metres.
    `features` gives an object's provider, where the believer was trained with one.

    What can't be weighed, as its mesh is missing or refused, is in no figure but under "refused", with the reason. Raises
    MaterialError where that is all, or there are no masses.
    """
    masses = read_masses(folder)
    objects: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name, mass in masses.items():
        tell(name)
        began = time.perf_counter()
        try:
            thing = load_object(_mesh_of(folder, name), units="m")
            predicted, likely = _weighed(thing, believer, resolution, features(name))
        except (MaterialError, ObjectError) as error:
            refused[name] = str(error)
            continue
        objects[name] = {"mass": mass, "predicted": predicted, "ratio": predicted / mass, "class": likely}
        objects[name]["seconds"] = time.perf_counter() - began
    if not objects:
        raise MaterialError(
            f"none of the {len(masses)} objects of {folder} can be weighed; the first: {next(iter(refused.values()))}"
        )
    pairs = np.array([(row["predicted"], row["mass"]) for row in objects.values()])
    figures = mass_figures(pairs[:, 0], pairs[:, 1])
    return {"alde": figures["mass_alde"], "mnre": figures["mass_mnre"], "objects": objects, "refused": refused}


def _weighed(thing: Object, believer: Believer, resolution: int, provider: FeatureProvider | None) -> tuple[float, str]:
    """kg, and the class that most of it is."""
    seen, cube, _ = seen_object(thing, resolution, provider)
    field = believed_field(thing, believer, seen, cube)
    volume = thing.voxels.occupancy[..., None]
    likely = CLASSES[int((field.classes * volume).sum((0, 1, 2)).argmax())].name
    return float(inertial_of(thing.voxels, field.mass_density).mass), likely


def read_masses(folder: Path) -> dict[str, float]:
    """By the objects' names, kg."""
    path = folder / MASSES
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MaterialError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}; expected masses by name, in kg"
        ) from error
    sound = isinstance(told, dict) and told and all(isinstance(m, int | float) and 0 < m < math.inf for m in told.values())
    if not sound:
        raise MaterialError(f"{path}: expected positive masses in kg by the names of objects, such as {{'mug': 0.118}}")
    return {str(name): float(mass) for name, mass in told.items()}


def _mesh_of(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise MaterialError(f"{folder / MASSES}: {name!r} is no name of an object in this folder")
    inside = sorted(folder.joinpath(name).iterdir()) if (folder / name).is_dir() else []
    found = [folder / f"{name}.{kind}" for kind in FORMATS if (folder / f"{name}.{kind}").is_file()]
    found = found or [path for path in inside if path.suffix.lower().removeprefix(".") in FORMATS]
    if len(found) != 1:
        told = ", ".join(path.name for path in found) or "none"
        raise MaterialError(f"{folder}: expected one mesh of {name!r}, as {name}.obj or in a folder {name}, found {told}")
    return found[0]
