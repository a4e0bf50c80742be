import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from trimesh import creation

from assets.materials.data.sample import make_sample
from assets.materials.errors import MaterialError
from assets.materials.pixie import SIDE, FeatureGrid, write_features
from assets.materials.predict import seen_object
from assets.materials.providers import CallableFeatures, OnnxFeatures, PixieFeatures, with_features
from assets.materials.seen import COLOUR, KNOWN
from assets.objects.mesh_file import Look
from assets.objects.object import Object
from tests.assets.objects.made import made


@pytest.fixture(scope="module")
def halves() -> Object:
    """A bar along x, red below x = 0.1 and blue above."""
    red, blue = creation.box((0.1, 0.06, 0.06)), creation.box((0.1, 0.06, 0.06))
    red.apply_translation([0.05, 0, 0])
    blue.apply_translation([0.15, 0, 0])
    plain = made("halves", red, blue)
    looks = tuple(
        Look(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32), rgba=rgba)
        for mesh, rgba in ((red, (1.0, 0.0, 0.0, 1.0)), (blue, (0.0, 0.0, 1.0, 1.0)))
    )
    return Object(plain.name, looks, plain.solid, plain.hulls, plain.voxels, plain.inertial)


@pytest.fixture(scope="module")
def pooling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _pooling(tmp_path_factory.mktemp("onnx") / "pooling.onnx", None)


def _pooling(path: Path, at_once: int | None) -> Path:
    """A network that gives the mean colour of each 8 x 8 pixels, as an encoder gives features of patches."""
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [at_once, 3, 224, 224])
    patches = helper.make_tensor_value_info("patches", TensorProto.FLOAT, [at_once, 3, 28, 28])
    node = helper.make_node("AveragePool", ["pictures"], ["patches"], kernel_shape=[8, 8], strides=[8, 8])
    model = helper.make_model(
        helper.make_graph([node], "pooling", [pictures], [patches]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    onnx.save(model, path)
    return path


def test_voxels_have_the_features_of_the_pictures_that_show_them(halves: Object, pooling: Path):
    provider = OnnxFeatures(pooling, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert provider.channels == 3
    seen, cube, _ = seen_object(halves, 32, provider)
    assert seen.extra.shape == (len(seen.voxel), 3)
    x = cube.centers(seen.voxel.astype(int))[:, 0]
    outside = seen.values[:, KNOWN] > 0
    left, right = (seen.extra[outside & side].astype(float).mean(0) for side in (x < 0.07, x > 0.13))
    assert left[0] - left[2] > 0.4
    assert right[2] - right[0] > 0.4


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_network_that_always_takes_as_many_pictures_gives_the_same(
    halves: Object, pooling: Path, tmp_path: Path, at_once: int
):
    (any_number, *_), (so_many, *_) = (
        seen_object(halves, 32, OnnxFeatures(path)) for path in (pooling, _pooling(tmp_path / "fixed.onnx", at_once))
    )
    np.testing.assert_array_equal(so_many.extra, any_number.extra)


def test_numbers_that_no_network_wants_are_refused(pooling: Path):
    for told in ({"std": (0.2, 0.0, 0.2)}, {"mean": (0.5, float("nan"), 0.5)}):
        with pytest.raises(MaterialError, match="three above zero"):
            OnnxFeatures(pooling, **told)


def test_a_network_is_known_by_what_it_holds_and_survives_the_way_to_another_process(pooling: Path, tmp_path: Path):
    provider, copied = OnnxFeatures(pooling), tmp_path / "elsewhere" / "pooling.onnx"
    copied.parent.mkdir()
    copied.write_bytes(pooling.read_bytes())
    assert provider.name.startswith("onnx:pooling-")
    assert OnnxFeatures(copied).name == provider.name
    assert OnnxFeatures(pooling, mean=(0.0, 0.0, 0.0)).name != provider.name, "it is given other numbers"
    copied.write_bytes(pooling.read_bytes() + b"\0")
    assert OnnxFeatures(copied).name != provider.name
    assert provider.channels == 3, "it has run here"
    there = pickle.loads(pickle.dumps(provider))
    assert (there.name, there.channels) == (provider.name, 3)


def test_made_objects_are_looked_at_from_all_sides_and_are_the_same_objects(pooling: Path):
    plain, featured = make_sample(5, 3), make_sample(5, 3, encoder=OnnxFeatures(pooling, (0.0,) * 3, (1.0,) * 3))
    np.testing.assert_array_equal(featured.seen.values, plain.seen.values)
    np.testing.assert_array_equal(featured.materials, plain.materials)
    assert featured.seen.extra.shape == (len(plain.seen.voxel), 3)
    shown = plain.seen.values[:, KNOWN] > 0
    seen, colour = featured.seen.extra[shown].astype(float), plain.seen.values[shown, COLOUR] / 255
    assert np.abs(seen - colour).mean() < 0.25, "mean colours of pictures, white around the object"
    assert np.isfinite(featured.seen.extra).all()


def test_a_function_of_pictures_is_asked_with_all_sides(halves: Object):
    asked = []

    def encode(pictures: np.ndarray) -> np.ndarray:
        asked.append(pictures.shape)
        return np.ones((len(pictures), 7, 7, 2))

    seen, _, _ = seen_object(halves, 32, CallableFeatures("ones", 2, encode))
    assert asked == [(6, 224, 224, 3)]
    assert (seen.extra == 1).all()


def test_what_a_provider_promises_is_checked(halves: Object, tmp_path: Path):
    seen, cube, surface = seen_object(halves, 32)
    with pytest.raises(MaterialError, match=r"expected \(6, rows, columns, 5\)"):
        with_features(seen, CallableFeatures("short", 5, lambda pictures: np.ones((6, 7, 7, 2))), surface, cube)
    with pytest.raises(MaterialError, match="not all finite"):
        with_features(seen, CallableFeatures("nan", 1, lambda pictures: np.full((6, 7, 7, 1), np.nan)), surface, cube)
    (tmp_path / "no.onnx").write_bytes(b"no network")
    with pytest.raises(MaterialError, match=r"no\.onnx"):
        OnnxFeatures(tmp_path / "no.onnx").channels  # noqa: B018
    with pytest.raises(MaterialError, match="no such file"):
        OnnxFeatures(tmp_path / "absent.onnx").channels  # noqa: B018


def test_features_that_pixie_stored_lie_where_the_object_is(halves: Object, tmp_path: Path):
    mask = np.zeros((SIDE,) * 3, bool)
    mask[2:62, 23:41, 23:41] = True
    values = np.where(np.arange(SIDE)[:, None, None, None] < 32, [1.0, 0.0], [0.0, 1.0]) * np.ones((SIDE, SIDE, SIDE, 1))
    grid = FeatureGrid(np.full(3, -0.5), np.full(3, 0.5), values, mask)
    write_features(tmp_path, grid, np.zeros((SIDE, SIDE, SIDE, 3)), np.ones((SIDE, SIDE, SIDE, 1)))
    seen, cube, _ = seen_object(halves, 32, PixieFeatures(tmp_path))
    x = cube.centers(seen.voxel.astype(int))[:, 0]
    assert (seen.extra[x < 0.095, 0] == 1).all()
    assert (seen.extra[x > 0.105, 1] == 1).all()
