import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data, Procedural, Tags, write_samples, write_shards
from assets.materials.data.split import Split
from assets.materials.errors import MaterialError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "made"
    assert list(write_shards(path, Procedural(40, seed=3))) == [40]
    return path


@pytest.fixture(scope="module")
def data(folder: Path) -> Data:
    return Data.read(folder)


def test_samples_come_back_as_they_were_made(data: Data):
    for index in (0, 17, 39):
        sample, seen = make_sample(3, index), data.seen(index)
        np.testing.assert_array_equal(seen.voxel, sample.seen.voxel)
        np.testing.assert_array_equal(seen.values, sample.seen.values)
        np.testing.assert_array_equal(data.part(index), sample.part)
        np.testing.assert_array_equal(data.truth(index), sample.materials[sample.part])
        assert data.mass[index] == sample.mass
        assert data.tags[index].combination == sample.combination


def test_making_goes_on_where_it_stopped_and_makes_the_same_files(folder: Path, tmp_path: Path):
    before = (folder / "00000.npz").stat().st_mtime_ns
    assert list(write_shards(folder, Procedural(40, seed=3))) == [40]
    assert (folder / "00000.npz").stat().st_mtime_ns == before
    list(write_shards(tmp_path / "again", Procedural(40, seed=3)))
    assert (tmp_path / "again" / "00000.npz").read_bytes() == (folder / "00000.npz").read_bytes()


def test_other_data_are_not_mixed_in(folder: Path, tmp_path: Path):
    with pytest.raises(MaterialError, match="another folder"):
        list(write_shards(folder, Procedural(40, seed=4)))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MaterialError, match="not empty"):
        list(write_shards(tmp_path, Procedural(8)))


def test_some_of_the_samples_are_those(data: Data):
    some = data.only(np.array([5, 31]))
    np.testing.assert_array_equal(some.seen(1).values, data.seen(31).values)
    assert some.tags == (data.tags[5], data.tags[31])
    assert len(Data.only(data, np.arange(3))) == 3


def test_voxels_stay_on_the_disk_and_nothing_is_left_there(folder: Path):
    before = sorted(folder.iterdir())
    data, some = Data.read(folder), Data.read(folder, 33)
    assert isinstance(data.values, np.memmap)
    assert sorted(folder.iterdir()) == before
    assert len(some) == 33
    assert len(some.values) == data.starts[33]
    np.testing.assert_array_equal(some.seen(32).values, data.seen(32).values)
    assert some.tags == data.tags[:33]


def test_shards_of_several_kinds_are_refused(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "data")
    sample = make_sample(3, 0)
    featured = replace(sample, seen=replace(sample.seen, extra=np.zeros((len(sample.seen.voxel), 2), np.float16)))
    write_samples(tmp_path / "data" / "00009.npz", [featured])
    with pytest.raises(MaterialError, match="several kinds of 'extra'"):
        Data.read(tmp_path / "data")


def test_a_damaged_shard_is_refused_by_name(folder: Path, tmp_path: Path):
    content = (folder / "00000.npz").read_bytes()
    (tmp_path / "00000.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(MaterialError, match=r"00000\.npz"):
        Data.read(tmp_path)
    with np.load(folder / "00000.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "00000.npz", **(arrays | {"part": arrays["part"] + 200}))
    with pytest.raises(MaterialError, match="don't fit"):
        Data.read(tmp_path)
    with pytest.raises(MaterialError, match="make-data"):
        Data.read(tmp_path / "nothing")


def test_what_a_class_mostly_is_is_not_held_out():
    def tags(texture: str, combination: str) -> Tags:
        return Tags("lump", ("ball",), (texture,), (combination,))

    wood = [tags("rings", "wood")] * 50 + [tags("stripes", "wood")] * 20 + [tags("plain", "wood")] * 10
    mixed = [Tags("stack", ("box",), ("plain",), ("metal", "wood"))] * 100
    drawn = {Split.drawn((*wood, *mixed, *[tags("rings", "metal")] * 60), seed).textures[0] for seed in range(40)}
    assert "rings" in drawn
    drawn = {Split.drawn((*wood, *mixed[:10]), seed).textures[0] for seed in range(40)}
    assert "rings" not in drawn
    assert "stripes" in drawn


def test_families_that_there_are_not_are_not_held_out(data: Data):
    of_several = [i for i, tag in enumerate(data.tags) if len(tag.combination) > 1]
    some = data.only(np.array([*of_several[:3], 0, 1]))
    for seed in range(10):
        split = Split.drawn(some.tags, seed)
        assert set(split.shapes) <= {family for tag in some.tags for family in tag.shapes}
        assert set(split.textures) <= {family for tag in some.tags for family in tag.textures}


def scans(data: Data, **counts: int) -> Data:
    """As PixieVerse's: of one material each, and of no family."""
    tags = tuple(Tags("pixie", ("scan",), ("photo",), (name,)) for name, count in counts.items() for _ in range(count))
    return replace(data.only(np.arange(len(tags))), tags=tags)


def test_scans_of_one_material_are_held_out_by_object_and_of_each_material(data: Data):
    some = scans(data, jelly=20, metal=11, snow=3)
    split = Split.drawn(some.tags, 0)
    train, calibration, test = split.parts(some)
    assert sorted([*train, *calibration, *test]) == list(range(34))
    assert sum(test < 20) == 4
    assert sum((test >= 20) & (test < 31)) == 2
    assert split.held_out == {"objects": [str(i) for i in test]}
    assert "6 objects, a fifth of those of each combination of materials" in split.text
    assert Split.drawn(some.tags, 0) == split
    assert len({Split.drawn(some.tags, seed).objects for seed in range(5)}) > 1
    with pytest.raises(MaterialError, match=r"of 7 objects at most 4 are of the same: give 5 or more of one"):
        Split.drawn(scans(data, jelly=4, metal=3).tags, 0)


def test_seeds_below_zero_are_refused(data: Data):
    with pytest.raises(MaterialError, match="seed of a split must be 0 or more, found -1"):
        Split.drawn(data.tags, -1)
    with pytest.raises(MaterialError, match="seed must be 0 or more, found -3"):
        Procedural(8, seed=-3)


def test_a_digest_tells_data_apart(data: Data, folder: Path):
    assert Data.read(folder).digest == data.digest
    values = data.values.copy()
    values[-1, 0] ^= 1
    for other in (data.only(np.arange(39)), replace(data, values=values), replace(data, provider="dino")):
        assert other.digest != data.digest


def test_nothing_held_out_is_trained_or_calibrated_on(data: Data):
    for seed in range(3):
        split = Split.drawn(data.tags, seed)
        train, calibration, test = split.parts(data)
        assert sorted([*train, *calibration, *test]) == list(range(len(data)))
        assert not any(split.why(data.tags[i]) for i in [*train, *calibration])
        for i in test:
            tag = data.tags[i]
            held = set(tag.shapes) & set(split.shapes) or set(tag.textures) & set(split.textures)
            assert held or tag.combination in split.combinations
    assert Split.drawn(data.tags, 0) == Split.drawn(data.tags, 0)
    assert len({Split.drawn(data.tags, seed) for seed in range(4)}) > 1
