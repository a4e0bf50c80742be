"""Features besides colour, for models that are trained with them: `FeatureProvider`.

    CallableFeatures("dino", channels=384, encode=encode)   # a function of pictures
    OnnxFeatures(Path("clip.onnx"))                         # the same, from a file
    PixieFeatures(Path("render_outputs/tree"))              # a grid that Pixie has stored

A provider gives each voxel features of its own. Those that look at pictures get parallel views of the coloured surface from all
sides; a voxel has the mean over the views that show it, and one that none shows has that of the nearest which is shown. A model
tells whose features it was trained on, and refuses others.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.spatial import KDTree

from assets.materials.errors import MaterialError
from assets.materials.seen import Cube, Seen
from assets.materials.surface import Surface
from assets.materials.views import AROUND, View

PIXELS = 224
"""Of the views' edges."""

MAX_CHANNELS = 4096

PIXIE_CLIP = "pixie-clip"


class FeatureProvider(Protocol):
    @property
    def name(self) -> str:
        """Of the features, such as "clip-vit-b16": models remember it."""
        ...

    @property
    def channels(self) -> int:
        """Features of a voxel."""
        ...

    def features(self, surface: Surface, centers: np.ndarray) -> np.ndarray:
        """Of voxels by their centres (v, 3) m, in the frame of the surface, (v, channels)."""
        ...


def with_features(seen: Seen, provider: FeatureProvider, surface: Surface, cube: Cube) -> Seen:
    """The same object, its voxels with the provider's features. Raises MaterialError where those are not what it promised."""
    found = np.asarray(provider.features(surface, cube.centers(seen.voxel.astype(np.int64))))
    expected = (len(seen.voxel), provider.channels)
    if found.shape != expected:
        raise MaterialError(f"the features of {provider.name!r} have shape {found.shape}, expected {expected}")
    if not np.isfinite(found).all():
        raise MaterialError(f"the features of {provider.name!r} are not all finite")
    return replace(seen, extra=found.astype(np.float16))


@dataclass(frozen=True)
class CallableFeatures:
    """Those of a function of pictures, such as a user's own CLIP or DINO."""

    name: str
    channels: int
    encode: Callable[[np.ndarray], np.ndarray]
    """Of pictures (n, PIXELS, PIXELS, 3), sRGB in [0, 1], features on a grid, (n, rows, columns, channels)."""

    def features(self, surface: Surface, centers: np.ndarray) -> np.ndarray:
        views = [View.towards(sight, surface.points, PIXELS) for sight in AROUND]
        pictures = np.stack([view.picture(surface.rgba[:, :3]) for view in views]).astype(np.float32)
        grid = np.asarray(self.encode(pictures), np.float32)
        if grid.ndim != 4 or len(grid) != len(views) or grid.shape[3] != self.channels:
            raise MaterialError(
                f"{self.name!r} gave features of shape {grid.shape} for {len(views)} pictures, expected"
                f" ({len(views)}, rows, columns, {self.channels})"
            )
        return _gathered(views, grid, surface.points, centers)


def _gathered(views: list[View], grid: np.ndarray, surface: np.ndarray, centers: np.ndarray) -> np.ndarray:
    total, count = np.zeros((len(centers), grid.shape[3])), np.zeros(len(centers))
    within = 2.0 * views[0].extent / views[0].pixels + _voxel_of(centers)
    for view, features in zip(views, grid, strict=True):
        seen = view.sees(centers, surface, within)
        column, row, _ = view.project(centers[seen])
        rows, columns = features.shape[:2]
        total[seen] += features[row * rows // view.pixels, column * columns // view.pixels]
        count[seen] += 1
    shown = count > 0
    if not shown.any():
        raise MaterialError("none of the object's voxels can be seen from any side")
    total[shown] /= count[shown, None]
    if not shown.all():
        _, nearest = KDTree(centers[shown]).query(centers[~shown])
        total[~shown] = total[shown][nearest]
    return total


def _voxel_of(centers: np.ndarray) -> float:
    """Edge of the voxels (m)."""
    lines = np.unique(np.round(centers[:, 0], 9))
    return float(np.diff(lines).min()) if len(lines) > 1 else 0.0


@dataclass(frozen=True)
class OnnxFeatures:
    """Those of a network in an ONNX file.

    It takes pictures (n, 3, height, width), any number n or always as many, and gives a grid (n, channels, rows, columns), or
    tokens (n, tokens, channels) of a square grid, perhaps with a token for the whole before them.
    """

    path: Path
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Taken off the sRGB values in [0, 1]: ImageNet's, as DINO has them."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Which they are then divided by."""

    def __post_init__(self) -> None:
        if not np.isfinite((self.mean, self.std)).all() or min(self.std) <= 0:
            raise MaterialError(
                "expected three numbers to take off red, green and blue, and three above zero to divide them by, found"
                f" {self.mean} and {self.std}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.mean, self.std)  # other processes open the file for themselves

    @property
    def name(self) -> str:
        return self._name

    @cached_property
    def _name(self) -> str:
        """Of the file, with a hash of what it holds and is given: another network by the same name is another provider."""
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise MaterialError(f"{self.path}: {error.strerror or error}; expected a network in ONNX format") from error
        digest.update(repr((self.mean, self.std)).encode())
        return f"onnx:{self.path.stem}-{digest.hexdigest()[:8]}"

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        if not self.path.is_file():
            raise MaterialError(f"{self.path}: there is no such file; expected a network in ONNX format")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors reach the caller as exceptions
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever it makes of a damaged file
            raise MaterialError(
                f"{self.path} is no ONNX network that can be run: {str(error).splitlines()[0][:200]}"
            ) from error

    @property
    def channels(self) -> int:
        return self._channels

    @cached_property
    def _channels(self) -> int:
        return self._encoded(np.zeros((1, PIXELS, PIXELS, 3), np.float32)).shape[3]

    def features(self, surface: Surface, centers: np.ndarray) -> np.ndarray:
        return CallableFeatures(self.name, self.channels, self._encoded).features(surface, centers)

    def _encoded(self, pictures: np.ndarray) -> np.ndarray:
        normal = (pictures - np.array(self.mean)) / np.array(self.std)
        feed = np.ascontiguousarray(normal.transpose(0, 3, 1, 2), np.float32)
        try:
            given = self._session.get_inputs()[0]
            at_once = given.shape[0] if given.shape and isinstance(given.shape[0], int) else len(feed)
            parts = [feed[i : i + at_once] for i in range(0, len(feed), at_once)]
            filled = [
                np.resize(part, (at_once, *part.shape[1:])) for part in parts
            ]  # what was exported for so many takes no less
            outs = [np.asarray(self._session.run(None, {given.name: part})[0]) for part in filled]
            out = np.concatenate(outs)[: len(feed)]
        except MaterialError:
            raise
        except Exception as error:
            raise MaterialError(
                f"{self.path} can't encode pictures of shape {feed.shape}: {str(error).splitlines()[0][:200]}"
            ) from error
        if out.ndim == 4 and out.shape[1] <= MAX_CHANNELS:
            return out.transpose(0, 2, 3, 1)
        side = int(np.sqrt(out.shape[1])) if out.ndim == 3 else 0
        if side and out.shape[1] in (side * side, side * side + 1) and out.shape[2] <= MAX_CHANNELS:
            return out[:, -side * side :].reshape(len(out), side, side, -1)
        raise MaterialError(
            f"{self.path} gives an output of shape {out.shape}, expected (n, channels, rows, columns), or (n, tokens, channels)"
            " of a square grid"
        )


@dataclass(frozen=True)
class PixieFeatures:
    """Those of a grid that Pixie has stored for the object, looked up at the nearest place; see `pixie`."""

    folder: Path
    name: str = PIXIE_CLIP

    @cached_property
    def _stored(self) -> Any:
        from assets.materials.pixie import read_features

        return read_features(self.folder)

    @property
    def channels(self) -> int:
        return int(self._stored.features.shape[3])

    def features(self, surface: Surface, centers: np.ndarray) -> np.ndarray:
        return self._stored.at(self._into_its_box(surface, centers))

    def _into_its_box(self, surface: Surface, centers: np.ndarray) -> np.ndarray:
        """Pixie centres objects in its cube and forgets their scale: what is opaque there is as large as the surface."""
        low, high = self._stored.bounds_of_mask
        start, end = surface.points.min(0), surface.points.max(0)
        return low + (centers - start) * (high - low) / np.maximum(end - start, 1e-9)
