"""What the network is given is a function of the object alone, and turns with it."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.model.batches import Encodings
from assets.materials.model.encoding import Scales, encode, scaled
from assets.materials.model.inputs import CELL, CELL_COLOUR, CELL_NORMAL, GRID, INPUTS, NORMAL
from assets.materials.seen import COLOUR, KNOWN, OCCUPANCY, Seen

_STEPS = slice(19, 22)  # of brightness: a pair of neighbours in two cells counts for the lower one, which turns do not keep


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data.of([make_sample(31, index) for index in range(6)], tmp_path_factory.mktemp("data"))


def _encoded(dense: np.ndarray, size: float, voxel: np.ndarray, extra: np.ndarray | None = None):
    extra = np.zeros((*dense.shape[:3], 0), np.float16) if extra is None else extra
    asked = jnp.asarray(voxel[None].astype(np.int32))
    return encode(jnp.asarray(dense[None]), jnp.asarray([size], jnp.float32), jnp.asarray(extra[None]), asked)


def _cell_of(seen: Seen) -> np.ndarray:
    place = np.stack([seen.voxel // 1024, seen.voxel // 32 % 32, seen.voxel % 32]) // (32 // GRID)
    return (place[0] * GRID + place[1]) * GRID + place[2]


def test_cells_tell_of_the_voxels_in_them(data: Data):
    seen = data.seen(1)
    cells = np.asarray(_encoded(seen.dense(), seen.size, seen.voxel[:4]).cells)[0].reshape(-1, CELL)
    own, values = _cell_of(seen), seen.values.astype(float) / 255
    for cell in np.unique(own)[::7]:
        inside = values[own == cell]
        weight = np.where(inside[:, KNOWN] > 0.5, 1.0, 0.05)
        mean = (weight[:, None] * inside[:, COLOUR]).sum(0) / weight.sum()
        deviation = np.sqrt((weight[:, None] * (inside[:, COLOUR] - mean) ** 2).sum(0) / weight.sum())
        assert cells[cell, 0] == pytest.approx(len(inside) / 64)
        assert cells[cell, 1] == pytest.approx(inside[:, KNOWN].mean(), abs=1e-5)
        np.testing.assert_allclose(cells[cell, CELL_COLOUR], mean, atol=1e-5)
        np.testing.assert_allclose(cells[cell, 14:17], 3 * deviation, atol=2e-3)
        assert cells[cell, 22] == pytest.approx(inside[:, OCCUPANCY].sum() / 64, abs=1e-5)
        assert cells[cell, 23] == pytest.approx(np.log10(seen.size * 32 / 0.1), abs=1e-5)
    empty = np.setdiff1d(np.arange(GRID**3), own)
    assert (cells[empty] == 0).all()


@pytest.mark.parametrize("axes, flip", [((1, 2, 0), (1, 0, 0)), ((0, 2, 1), (0, 1, 1)), ((2, 1, 0), (1, 1, 1))])
def test_an_object_that_is_turned_has_its_encoding_turned(data: Data, axes: tuple[int, ...], flip: tuple[int, ...]):
    seen = data.seen(2)
    voxel = seen.voxel[:: len(seen.voxel) // 40]
    straight = _encoded(seen.dense(), seen.size, voxel)
    lines = tuple(np.flatnonzero(flip))
    turned = np.flip(seen.dense().transpose(*axes, 3), lines)
    place = np.stack([voxel // 1024, voxel // 32 % 32, voxel % 32])[list(axes)]
    place = np.where(np.array(flip)[:, None] > 0, 31 - place, place)
    found = _encoded(np.ascontiguousarray(turned), seen.size, (place[0] * 32 + place[1]) * 32 + place[2])
    sign = np.where(flip, -1, 1)
    cells = np.flip(np.asarray(straight.cells)[0].transpose(*axes, 3), lines).copy()
    cells[..., CELL_NORMAL] = cells[..., CELL_NORMAL][..., list(axes)] * sign
    whole = np.setdiff1d(np.arange(CELL), np.arange(CELL)[_STEPS])
    np.testing.assert_allclose(np.asarray(found.cells)[0][..., whole], cells[..., whole], atol=2e-3)
    own = np.asarray(straight.own)[0].copy()
    own[:, NORMAL] = own[:, NORMAL][:, list(axes)] * sign
    np.testing.assert_allclose(np.asarray(found.own)[0], own, atol=1e-5)
    np.testing.assert_allclose(np.asarray(found.within)[0], np.asarray(straight.within)[0][:, list(axes)] * sign, atol=1e-6)


def test_batches_are_turned_objects(data: Data):
    """A batch's cells and voxels go together, whichever way they are turned: each voxel's colour is within its cell's."""
    encodings = Encodings.of(data, np.arange(6), seed=0)
    batch = encodings.batch(np.arange(6), np.random.default_rng(3))
    cells = np.asarray(batch.encoded.cells).reshape(6, GRID**3, CELL)
    chosen = np.take_along_axis(cells, np.asarray(batch.encoded.cell)[..., None], axis=1)
    own = np.asarray(batch.encoded.own)
    assert (chosen[..., 0] > 0).all()
    away = np.abs(own[..., 5:8] - chosen[..., CELL_COLOUR])
    assert (away <= 2.7 * chosen[..., 14:17] + 0.01).mean() > 0.97, "within eight deviations of the cell's mean"
    again = encodings.batch(np.arange(6), np.random.default_rng(3))
    np.testing.assert_array_equal(batch.encoded.cells, again.encoded.cells)
    other = encodings.batch(np.arange(6), np.random.default_rng(4))
    assert (np.asarray(other.encoded.cells) != np.asarray(batch.encoded.cells)).any()


def test_features_of_a_provider_have_their_mean_in_cells(data: Data):
    seen = data.seen(0)
    rng = np.random.default_rng(0)
    extra = np.zeros((32**3, 3), np.float16)
    extra[seen.voxel] = rng.normal(size=(len(seen.voxel), 3))
    found = _encoded(seen.dense(), seen.size, seen.voxel[:5], extra.reshape(32, 32, 32, 3))
    own = _cell_of(seen)
    cell = own[17]
    expected = extra[seen.voxel][own == cell].astype(float).mean(0)
    np.testing.assert_allclose(np.asarray(found.cells)[0].reshape(-1, CELL + 3)[cell, CELL:], expected, atol=2e-3)
    np.testing.assert_allclose(np.asarray(found.own)[0, :, INPUTS:], extra[seen.voxel[:5]], atol=1e-3)


def test_scaled_inputs_are_about_one_and_nothing_is_far(data: Data, tmp_path: Path):
    encodings = Encodings.of(data, np.arange(6), seed=0)
    encodings.write(tmp_path)
    scales = Encodings.read(tmp_path).scales
    for a, b in zip(scales, encodings.scales, strict=True):
        np.testing.assert_array_equal(a, b)
    inputs = scaled(encodings.batch(np.arange(6), np.random.default_rng(0)).encoded, scales)
    there = np.asarray(inputs.there)[..., 0] > 0
    assert np.asarray(inputs.cells)[there].std(0).mean() == pytest.approx(1.0, abs=0.3)
    assert (np.asarray(inputs.cells)[~there] == 0).all()
    narrow = Scales(scales.cells * [[1], [1e-6]], scales.own)
    far = scaled(encodings.batch(np.arange(6), np.random.default_rng(0)).encoded, narrow)
    assert np.abs(np.asarray(far.cells)).max() == pytest.approx(8.0)
