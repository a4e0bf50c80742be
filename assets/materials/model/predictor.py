"""The trained predictor: an ensemble, calibrated, in one file of a few MB.

    predictor = load_predictor()                            # that which comes with zerogap, or one's own: load_predictor(path)
    believed = predictor.believe(seen)

Members differ by their first weights and the order of their samples. The mean is theirs together; the variance is what each
expects, and how far they are apart. Calibration then widens or narrows it, for each class, till nine of ten intervals hold the
truth, and cools or heats the probabilities of classes.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from assets.materials.believed import Believed
from assets.materials.classes import CLASSES
from assets.materials.errors import MaterialError
from assets.materials.model.arrays import filled, named, read_arrays, write_arrays
from assets.materials.model.card import Card
from assets.materials.model.encoding import Inputs, Scales, encode, scaled
from assets.materials.model.network import Belief, Network
from assets.materials.model.scale import CENTER, SPREAD
from assets.materials.properties import PROPERTIES
from assets.materials.seen import CHANNELS, Seen

DEFAULT = Path(__file__).parent / "default.npz"

_FEWEST = 1024  # voxels that are encoded at once: so many, or a power of two times as many, for few compilations
_MOST = 1024  # of which the network is asked about at once: what it makes of them fits into a cache


class Predictor:
    def __init__(
        self, card: Card, members: Sequence[Any], scales: Scales, temperature: float = 1.0, widths: np.ndarray | None = None
    ):
        """`members` are the networks' parameters, `scales` those of their inputs; standard deviations are multiplied with
        `widths`, (classes, properties)."""
        self.card, self.members, self.scales, self.temperature = card, tuple(members), scales, temperature
        self.widths = np.ones((len(CLASSES), len(PROPERTIES))) if widths is None else widths
        self.network = Network(base=card.base)

    @cached_property
    def _apply(self) -> Any:
        return jax.jit(self.network.apply)

    def believe(self, seen: Seen) -> Believed:
        """See `believed.Believer`. Raises MaterialError where the cube is of another resolution than the model's."""
        classes, mean, std = self.uncalibrated(seen)
        warm = np.log(np.maximum(classes, 1e-9)) / self.temperature
        warm = np.exp(warm - warm.max(1, keepdims=True))
        classes = warm / warm.sum(1, keepdims=True)
        return Believed(classes, mean, std * self.widths[classes.argmax(1)])

    def uncalibrated(self, seen: Seen) -> Believed:
        """What the members make of it together."""
        if seen.resolution != self.card.resolution:
            raise MaterialError(f"this model is for cubes of {self.card.resolution} voxels, found {seen.resolution}")
        if seen.extra.shape[1] != self.card.extra:
            self.card.expect_provider("another provider", seen.extra.shape[1])
        r, count = seen.resolution, len(seen.voxel)
        extra = np.zeros((r**3, self.card.extra), np.float16)
        extra[seen.voxel] = seen.extra
        asked = max(_FEWEST, 1 << (count - 1).bit_length())
        voxel = np.resize(seen.voxel.astype(np.int32), asked)
        values, size = jnp.asarray(seen.dense()[None]), jnp.asarray([seen.size], jnp.float32)
        cube = jnp.asarray(extra.reshape(1, r, r, r, -1))
        inputs = scaled(encode(values, size, cube, jnp.asarray(voxel[None])), self.scales)
        told = [self._told(params, inputs, count) for params in self.members]
        logits, means, variances = (np.stack([np.asarray(t[i], np.float64) for t in told]) for i in range(3))
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        classes = (odds / odds.sum(-1, keepdims=True)).mean(0)
        variance = np.exp(variances).mean(0) + means.var(0)
        return Believed(classes, means.mean(0) * SPREAD + CENTER, np.sqrt(variance) * SPREAD)

    def _told(self, params: Any, inputs: Inputs, count: int) -> list[np.ndarray]:
        """`Belief` of one member about the first so many voxels, some at a time."""
        told: list[Belief] = []
        for start in range(0, count, _MOST):
            own, cell, within = (x[:, start : start + _MOST] for x in (inputs.own, inputs.cell, inputs.within))
            told.append(self._apply(params, inputs.cells, inputs.there, own, cell, within))
        return [np.concatenate(jax.device_get(parts), 1)[0, :count] for parts in zip(*told, strict=True)]

    def write(self, path: Path) -> None:
        """Raises MaterialError where there is such a file already, or it can't be written."""
        arrays = {
            f"member_{i}/{name}": leaf.astype(np.float16) for i, p in enumerate(self.members) for name, leaf in named(p).items()
        }
        arrays |= {f"scales/{name}": scale for name, scale in self.scales._asdict().items()}
        write_arrays(path, self.card.text(), arrays | {"temperature": np.array(self.temperature), "widths": self.widths})


def load_predictor(path: Path | None = None) -> Predictor:
    """From its file, or that which comes with zerogap. Raises MaterialError where it can't be read or is another version's."""
    if path is None and not DEFAULT.exists():
        raise MaterialError(
            "this installation has no trained model: make one with `zerogap materials train`, and give its file"
        )
    path = path or DEFAULT
    text, arrays = read_arrays(path)
    card = Card.parsed(text, str(path))
    like = jax.eval_shape(Network(base=card.base).init, jax.random.key(0), *shapes_of(card))
    members = []
    for i in range(card.members):
        own = {name.removeprefix(f"member_{i}/"): leaf for name, leaf in arrays.items() if name.startswith(f"member_{i}/")}
        members.append(filled(like, own, f"{path}, member {i}"))
    inputs = shapes_of(card)
    empty = Scales(*(jax.ShapeDtypeStruct((2, x.shape[-1]), np.float32) for x in (inputs.cells, inputs.own)))  # pyright: ignore[reportArgumentType]
    told = {name.removeprefix("scales/"): leaf for name, leaf in arrays.items() if name.startswith("scales/")}
    scales = filled(empty, told, f"{path}, scales")
    widths, temperature = arrays.get("widths"), arrays.get("temperature")
    shape = (len(CLASSES), len(PROPERTIES))
    if (
        widths is None
        or temperature is None
        or widths.shape != shape
        or temperature.shape != ()
        or not 0.01 < temperature < 100
    ):
        raise MaterialError(f"{path}: its calibration is absent or damaged; train it anew")
    if not (np.isfinite(widths).all() and (widths > 0).all()):
        raise MaterialError(f"{path}: its calibration has widths that are not positive; train it anew")
    return Predictor(card, members, scales, float(temperature), widths.astype(float))


def shapes_of(card: Card) -> Inputs:
    """What the network of that card is called with, for one object and one voxel."""
    r = card.resolution
    cube = jax.ShapeDtypeStruct((1, r, r, r, CHANNELS), jnp.uint8)
    extra = jax.ShapeDtypeStruct((1, r, r, r, card.extra), jnp.float16)
    size, voxel = jax.ShapeDtypeStruct((1,), jnp.float32), jax.ShapeDtypeStruct((1, 1), jnp.int32)
    encoded = jax.eval_shape(encode, cube, size, extra, voxel)
    scales = Scales(*(np.ones((2, x.shape[-1]), np.float32) for x in (encoded.cells, encoded.own)))
    return jax.eval_shape(scaled, encoded, scales)
