"""An object coloured by what it is believed to be made of, with how sure that is: one picture, without a graphics card.

draw(thing, field, Path("mug.png"))
"""

from pathlib import Path

import numpy as np

from assets.materials.classes import CLASSES
from assets.materials.errors import MaterialError
from assets.materials.field import MaterialField
from assets.materials.properties import INDEX, PROPERTIES
from assets.materials.surface import surface_of
from assets.materials.views import View
from assets.objects.object import Object
from assets.whole_file import whole_file

_SIGHT = (-0.9, -0.75, -0.55)
_PIXELS = 360
_POINTS = 300  # along the object's longest edge

_COLOURS = (
    "#7f8c9b",
    "#a0672f",
    "#3d7ddb",
    "#2b2b2b",
    "#f2c14e",
    "#8fd6d2",
    "#e8e0d2",
    "#8a8378",
    "#c9a36b",
    "#b05fb5",
    "#58a83c",
    "#e4572e",
    "#e9d8a6",
    "#c7ddf2",
    "#7d4f50",
    "#1fb5e8",
)
"""Of CLASSES."""


def draw(thing: Object, field: MaterialField, path: Path) -> None:
    """Write a PNG, also over one of before. Raises MaterialError where it can't be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    edge = float(np.ptp(thing.solid.bounds, axis=0).max())
    surface = surface_of(thing.looks, edge / _POINTS)
    view = View.towards(_SIGHT, surface.points, _PIXELS)
    index = np.floor((surface.points - thing.voxels.origin) / thing.voxels.size).astype(int)
    index = np.clip(index, 0, np.array(thing.voxels.shape) - 1)
    cell = _nearest_inside(thing)[tuple(index.T)]
    shade = (0.75 + 0.25 * np.abs(surface.normals @ np.array(_SIGHT) / np.linalg.norm(_SIGHT)))[:, None]

    figure = Figure(figsize=(14, 14.4), layout="constrained")
    panels = figure.subplots(4, 4).ravel()
    for panel in panels:
        panel.set_axis_off()
    told = f"{thing.name}, {100 * edge:.3g} cm, {float(thing.with_density(field.mass_density).inertial.mass):.3g} kg"
    panels[0].imshow(view.picture(surface.rgba[:, :3]))
    panels[0].set_title(told)
    guess = field.classes.reshape(-1, len(CLASSES)).argmax(1)[cell]
    palette = np.array([to_rgb(colour) for colour in _COLOURS])
    panels[1].imshow(view.picture(palette[guess] * shade))
    share = np.bincount(guess, minlength=len(CLASSES)) / len(guess)
    most = [i for i in np.argsort(-share)[:5] if share[i] > 0.01]
    sure = field.classes.reshape(-1, len(CLASSES)).max(1)[cell].mean()
    patches = [Patch(color=_COLOURS[i], label=f"{CLASSES[i].name} {share[i]:.0%}") for i in most]
    panels[1].legend(handles=patches, loc="lower left", fontsize=8)
    panels[1].set_title(f"class, at the surface, {sure:.0%} sure")
    for prop in PROPERTIES:
        i = INDEX[prop]
        mean, std = field.unit(prop).ravel()[cell], field.std[..., i].ravel()[cell]
        doubt = 10**std if prop.log else std
        unit = f" ({prop.unit})" if prop.unit else ""
        way = "within a factor of" if prop.log else "give or take"
        for panel, value, title, colours, log in (
            (panels[2 + 2 * i], mean, f"{prop.name} {prop.symbol}{unit}", "viridis", prop.log),
            (panels[3 + 2 * i], doubt, f"{prop.name}: {way}", "magma", False),
        ):
            _map(figure, panel, view, value, colours, log)
            panel.set_title(title)
    FigureCanvasAgg(figure)
    with whole_file(path, MaterialError) as partial:
        figure.savefig(partial, format="png", dpi=70)


def _map(figure, panel, view: View, value: np.ndarray, colours: str, log: bool) -> None:
    from matplotlib.colors import LogNorm, Normalize

    low, high = (float(v) for v in np.quantile(value, (0.01, 0.99)))
    if high - low < 1e-3 * max(abs(high), 1e-6):
        low, high = low - 0.01 * max(abs(low), 1e-6), high + 0.01 * max(abs(high), 1e-6)
    scale = LogNorm(low, high) if log else Normalize(low, high)
    shown = view.picture(value[:, None], np.nan)[..., 0]
    image = panel.imshow(np.ma.masked_invalid(shown), cmap=colours, norm=scale)
    bar = figure.colorbar(image, ax=panel, orientation="horizontal", shrink=0.8, pad=0.01)
    middle = (low * high) ** 0.5 if log else (low + high) / 2
    bar.set_ticks([low, middle, high], labels=[f"{tick:.3g}" for tick in (low, middle, high)])
    bar.minorticks_off()


def _nearest_inside(thing: Object) -> np.ndarray:
    """For each voxel the flat number of the nearest that is inside the object, (nx, ny, nz)."""
    from scipy.ndimage import distance_transform_edt

    shape = thing.voxels.shape
    outside = thing.voxels.occupancy <= 0
    nearest = distance_transform_edt(outside, return_distances=False, return_indices=True)
    assert isinstance(nearest, np.ndarray)
    return np.asarray(np.ravel_multi_index(tuple(nearest), shape))
