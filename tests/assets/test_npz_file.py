"""Archives from elsewhere are data: whatever is in them, they are read or refused."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.npz_file import NpzError, read_npz

MOST = 10_000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("arrays") / "model.npz"
    np.savez_compressed(path, weights=np.tile(np.arange(50.0), 40), scale=np.ones(3))
    return path


def test_all_or_some_arrays_are_read(written: Path):
    assert set(read_npz(written, MOST)) == {"weights", "scale"}
    (scale,) = read_npz(written, MOST, ["scale"]).values()
    np.testing.assert_array_equal(scale, np.ones(3))
    with pytest.raises(NpzError, match="bias"):
        read_npz(written, MOST, ["bias"])


def test_sizes_are_bounded_packed_and_unpacked(written: Path, tmp_path: Path):
    with pytest.raises(NpzError, match="at most 100 are read"):
        read_npz(written, 100)
    np.savez_compressed(tmp_path / "bomb.npz", zeros=np.zeros(10**6))
    with pytest.raises(NpzError, match="it unpacks to 8000"):
        read_npz(tmp_path / "bomb.npz", MOST)


def test_a_pickle_is_not_opened(tmp_path: Path):
    np.savez(tmp_path / "pickle.npz", things=np.array([{"a": 1}], object))
    with pytest.raises(NpzError, match="allow_pickle"):
        read_npz(tmp_path / "pickle.npz", MOST)


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path: Path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("huge.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(NpzError):
        read_npz(tmp_path / "huge.npz", MOST)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), length=st.sampled_from([1.0, 1.0, 1.0, 0.7]))
def test_a_damaged_one_is_read_or_refused(written: Path, tmp_path: Path, place: float, value: int, length: float):
    content = bytearray(written.read_bytes())
    content[int(place * len(content))] ^= value
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[: max(1, int(length * len(content)))])
    with contextlib.suppress(NpzError):  # nothing else may come of it
        read_npz(path, MOST)
