from pathlib import Path

import numpy as np
import pytest

from assets.materials.classes import CLASSES
from assets.materials.data.shards import Data, write_shards
from assets.materials.errors import MaterialError
from assets.materials.pixie import (
    BACKGROUND,
    RANGES,
    SIDE,
    FeatureGrid,
    MaterialGrid,
    Scaling,
    read_features,
    read_material_grid,
    read_prediction,
    read_scaling,
    write_features,
    write_material_grid,
    write_prediction,
)
from assets.materials.pixie_field import Pixie, class_of, field_of, grid_of, read_sample
from assets.materials.pixie_points import MaterialPoints, read_points, write_points
from assets.materials.properties import FILL, FRICTION, INDEX, YOUNG
from assets.materials.providers import PIXIE_CLIP
from assets.materials.seen import KNOWN, OCCUPANCY
from assets.objects.voxels import Voxels


@pytest.fixture(scope="module")
def grid() -> MaterialGrid:
    """A ball, its lower half of metal and its upper half of jelly."""
    x, y, z = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
    inside, up = x * x + y * y + z * z < 24**2, z > 0
    values = np.zeros((SIDE, SIDE, SIDE, 4), np.float32)
    values[..., 3] = BACKGROUND
    values[inside & up] = (1032.7, 3.1e4, 0.47, 0)
    values[inside & ~up] = (7801.3, 1.93e11 / 3, 0.29, 1)
    return MaterialGrid(*np.moveaxis(values, -1, 0))


@pytest.fixture(scope="module")
def voxels(grid: MaterialGrid) -> Voxels:
    """Those of which the grid's points are the centres."""
    size = 0.01
    moments = np.zeros((SIDE, SIDE, SIDE, 10))
    moments[..., 0] = grid.mask * size**3
    return Voxels(np.zeros(3), size, moments)


def test_a_material_grid_survives_bit_for_bit(grid: MaterialGrid, tmp_path: Path):
    write_material_grid(tmp_path / "a.npy", grid)
    write_material_grid(tmp_path / "b.npy", read_material_grid(tmp_path / "a.npy"))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert np.load(tmp_path / "a.npy")[0, 0, 0].tolist() == [0, 0, 0, 7]
    with pytest.raises(MaterialError, match="exists already"):
        write_material_grid(tmp_path / "a.npy", grid)


def test_a_grid_comes_back_from_our_field(grid: MaterialGrid, voxels: Voxels):
    field = field_of(grid)
    again = grid_of(field, voxels)
    middle = (slice(20, 44),) * 3
    for name, tolerance in (("density", 1e-4), ("young", 1e-4), ("poisson", 1e-5), ("material", 0)):
        np.testing.assert_allclose(getattr(again, name)[middle], getattr(grid, name)[middle], rtol=tolerance)
    assert (again.mask == grid.mask).mean() > 0.95
    assert (field.std[..., INDEX[YOUNG]][grid.mask] == 0).all()
    assert (field.std[..., INDEX[FRICTION]][grid.mask] > 0.05).all(), "Pixie tells no friction"


def test_a_prediction_is_normalised_hard_and_channel_first(grid: MaterialGrid, tmp_path: Path):
    write_prediction(tmp_path / "pred.npy", tmp_path / "mask.npy", grid)
    raw = np.load(tmp_path / "pred.npy")
    assert raw.shape == (11, SIDE, SIDE, SIDE)
    assert set(np.unique(raw[3:])) == {0.0, 1.0}
    assert np.abs(raw[:3]).max() <= 1.0
    low, high = 3.0183, 10.8817  # its statistics' 1st and 99th percentile of log10 E
    assert raw[1, 31, 31, 40] == pytest.approx(2 * (np.log10(3.1e4) - low) / (high - low) - 1, abs=1e-5)
    again = read_prediction(tmp_path / "pred.npy", tmp_path / "mask.npy")
    np.testing.assert_array_equal(again.material, grid.material)
    upper = grid.material == 0
    np.testing.assert_allclose(again.young[upper], grid.young[upper], rtol=1e-4)
    assert again.density[grid.material == 1].max() == pytest.approx(10**3.8714, rel=1e-4), "cut off where its range ends"


# github.com/vlongle/pixie, normalization_stats/normalization_ranges.yaml
PIXIES = (
    '{"density_min": 1.7031893730163574, "density_max": 3.871432304382324, "E_min": 3.0183002948760986, "E_max": '
    '10.881680488586426, "nu_min": 0.21027633547782898, "nu_max": 0.4492689371109009, "density_p1": 1.7031893730163574, '
    '"density_p99": 3.871432304382324, "E_p1": 3.0183002948760986, "E_p99": 10.881680488586426, "nu_p1": '
    '0.21027633547782898, "nu_p99": 0.4492689371109009}'
)


def test_the_statistics_file_lies_beside_predictions_and_is_what_they_are_read_by(grid: MaterialGrid, tmp_path: Path):
    write_prediction(tmp_path / "a_pred.npy", tmp_path / "a_mask.npy", grid)
    write_prediction(tmp_path / "b_pred.npy", tmp_path / "b_mask.npy", grid)
    assert (tmp_path / RANGES).read_text() == PIXIES, "bit for bit as Pixie's own"
    wide = Scaling(density=(1.0, 4.0), young=(2.0, 12.0), poisson=(0.1, 0.5))
    with pytest.raises(MaterialError, match="choose another folder"):
        write_prediction(tmp_path / "c_pred.npy", tmp_path / "c_mask.npy", grid, wide)
    assert not (tmp_path / "c_pred.npy").exists()
    write_prediction(tmp_path / "wide" / "pred.npy", tmp_path / "wide" / "mask.npy", grid, wide)
    assert read_scaling(tmp_path / "wide" / RANGES) == wide
    again = read_prediction(tmp_path / "wide" / "pred.npy", tmp_path / "wide" / "mask.npy")
    np.testing.assert_allclose(again.density[grid.mask], grid.density[grid.mask], rtol=1e-4)  # nothing is cut off
    np.testing.assert_allclose(again.poisson[grid.mask], grid.poisson[grid.mask], rtol=1e-4)


def test_a_statistics_file_in_lines_is_read_and_a_damaged_one_refused(tmp_path: Path):
    lines = "density_p1: 1.5\ndensity_p99: 4\nE_p1: 3\nE_p99: 1.1e1\nnu_p1: .2\nnu_p99: 0.45\n"
    (tmp_path / RANGES).write_text(lines)
    assert read_scaling(tmp_path / RANGES) == Scaling((1.5, 4.0), (3.0, 11.0), (0.2, 0.45))
    for text, told in ((lines.replace("nu_p1", "mu_p1"), "nu_p1 and nu_p99"), (lines.replace("1.5", "5"), "must be below")):
        (tmp_path / RANGES).write_text(text)
        with pytest.raises(MaterialError, match=told):
            read_scaling(tmp_path / RANGES)
    with pytest.raises(MaterialError, match="No such file"):
        read_scaling(tmp_path / "absent.yaml")


def test_points_survive_bit_for_bit_with_and_without_confidence(tmp_path: Path):
    rng = np.random.default_rng(0)
    xyz, rgba = rng.normal(size=(50, 3)).astype("f4"), rng.integers(0, 255, (50, 4)).astype("u1")
    rows = [rng.integers(0, 7, 50).astype("i4"), *rng.random((3, 50)).astype("f4"), rng.integers(0, 7, 50).astype("i4")]
    for name, conf in (("labels", None), ("predicted", np.ones(50, "f4"))):
        write_points(tmp_path / f"{name}.ply", MaterialPoints(xyz, rgba, *rows, conf))
        found = read_points(tmp_path / f"{name}.ply")
        write_points(tmp_path / f"{name}2.ply", found)
        assert (tmp_path / f"{name}.ply").read_bytes() == (tmp_path / f"{name}2.ply").read_bytes()
        np.testing.assert_array_equal(found.xyz, xyz)
        assert (found.conf is None) == (conf is None)
    trimesh = pytest.importorskip("trimesh")
    np.testing.assert_allclose(trimesh.load(tmp_path / "labels.ply").vertices, xyz, rtol=1e-6)


def test_pickles_and_wrong_files_are_refused(grid: MaterialGrid, tmp_path: Path):
    np.save(tmp_path / "pickle.npy", np.array({"run": "me"}), allow_pickle=True)
    with pytest.raises(MaterialError, match="can't be read"):
        read_material_grid(tmp_path / "pickle.npy")
    np.save(tmp_path / "small.npy", np.zeros((32, 32, 32, 4)))
    with pytest.raises(MaterialError, match="64 x 64 x 64 x 4"):
        read_material_grid(tmp_path / "small.npy")
    odd = grid.stacked.copy()
    odd[0, 0, 0, 3] = 9
    np.save(tmp_path / "odd.npy", odd)
    with pytest.raises(MaterialError, match="classes 0 to 7"):
        read_material_grid(tmp_path / "odd.npy")
    (tmp_path / "huge.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\nend_header\n")
    with pytest.raises(MaterialError, match="claims"):
        read_points(tmp_path / "huge.ply")
    with pytest.raises(MaterialError, match="no PLY"):
        read_points(tmp_path / "small.npy")


def _features(grid: MaterialGrid) -> FeatureGrid:
    index = np.moveaxis(np.indices((SIDE,) * 3), 0, -1).astype(np.float32)
    return FeatureGrid(np.full(3, -0.5), np.full(3, 0.5), index, grid.mask)


def test_features_lie_at_corners_not_centres(grid: MaterialGrid, tmp_path: Path):
    write_features(tmp_path, _features(grid), np.zeros((SIDE, SIDE, SIDE, 3)), np.ones((SIDE, SIDE, SIDE, 1)))
    found = read_features(tmp_path)
    ends = np.array([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5], [-0.5 + 10 / 63, 0.0, 0.5]])
    np.testing.assert_allclose(found.at(ends)[:, 0], [0, 63, 10])
    low, high = found.bounds_of_mask
    np.testing.assert_allclose(high - low, 47 / 63, atol=1e-9)  # 48 points have 47 steps between them


def test_its_objects_are_training_data(grid: MaterialGrid, tmp_path: Path):
    rgb = np.where((grid.material == 1)[..., None], [0.5, 0.5, 0.6], [0.9, 0.2, 0.2])
    write_features(tmp_path, _features(grid), rgb, np.ones((SIDE, SIDE, SIDE, 1)))
    write_material_grid(tmp_path / "sample_0" / "material_grid.npy", grid)
    for resolution in (64, 32):
        sample = read_sample(tmp_path, size=0.63, resolution=resolution)
        seen = sample.seen
        assert seen.size == pytest.approx(0.01 * 64 / resolution)
        top = seen.voxel % resolution > 0.6 * resolution
        names = [CLASSES[int(number)].name for number in sample.materials[sample.part, 0]]
        assert {name for name, up in zip(names, top, strict=True) if up} == {"jelly"}
        assert np.isnan(sample.materials[:, 1 + INDEX[FRICTION]]).all()
        assert (sample.materials[:, 1 + INDEX[FILL]] == 0).all(), "its densities are those of the whole"
        red = seen.values[top & (seen.values[:, KNOWN] > 0)][:, 1:4].mean(0)
        np.testing.assert_allclose(red, 255 * np.array([0.9, 0.2, 0.2]), atol=1)
        half = 2 / 3 * np.pi * 0.24**3
        assert sample.mass == pytest.approx(half * (1032.7 + 7801.3), rel=0.05)
    assert class_of(6) == class_of(BACKGROUND) == -1


@pytest.mark.parametrize("resolution", [64, 32])
def test_its_features_go_with_its_objects(grid: MaterialGrid, tmp_path: Path, resolution: int):
    tree = tmp_path / "verse" / "tree"
    write_features(tree, _features(grid), np.full((SIDE, SIDE, SIDE, 3), 0.5), np.ones((SIDE, SIDE, SIDE, 1)))
    write_material_grid(tree / "sample_0" / "material_grid.npy", grid)
    source = Pixie.found(tmp_path / "verse", 0.63, resolution, features=True)
    assert list(write_shards(tmp_path / "data", source)) == [1]
    data = Data.read(tmp_path / "data")
    seen = data.seen(0)
    place = np.stack(np.unravel_index(seen.voxel, (resolution,) * 3), 1)
    inner = seen.values[:, OCCUPANCY] == 255  # of which all points are the object's
    expected = place[inner] if resolution == 64 else 2 * place[inner] + 0.5
    np.testing.assert_allclose(seen.extra[inner], expected, atol=0.02)
    assert data.provider == data.only(np.array([0, 0])).provider == PIXIE_CLIP
    with pytest.raises(MaterialError, match="another folder"):
        list(write_shards(tmp_path / "data", Pixie.found(tmp_path / "verse", 0.5, resolution, features=True)))
    with pytest.raises(MaterialError, match="found none"):
        Pixie.found(tmp_path, 0.5)
