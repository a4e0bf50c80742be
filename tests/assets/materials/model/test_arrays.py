"""Files of arrays from elsewhere are data: whatever is in them, they are read or refused."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.materials.errors import MaterialError
from assets.materials.model.arrays import read_arrays, write_arrays


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("arrays") / "model.npz"
    write_arrays(path, "a card", {"weights": np.tile(np.arange(50.0), 40), "scale": np.ones(3)})
    return path


def test_what_is_written_is_read(written: Path):
    card, arrays = read_arrays(written)
    assert card == "a card"
    np.testing.assert_array_equal(arrays["weights"], np.tile(np.arange(50.0), 40))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), length=st.sampled_from([1.0, 1.0, 1.0, 0.7]))
def test_a_damaged_file_is_refused_in_our_words(written: Path, tmp_path: Path, place: float, value: int, length: float):
    content = bytearray(written.read_bytes())
    content[int(place * len(content))] ^= value
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[: max(1, int(length * len(content)))])
    with contextlib.suppress(MaterialError):  # nothing else may come of it
        read_arrays(path)
