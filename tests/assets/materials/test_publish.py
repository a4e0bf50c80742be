"""Files that are whole or not there."""

from pathlib import Path

import pytest

from assets.materials.errors import MaterialError
from assets.materials.publish import publish, publish_anew


def test_what_fails_halfway_leaves_what_was_there_and_nothing_else(tmp_path: Path):
    path = tmp_path / "deep" / "grid.npy"
    publish(path, lambda file: file.write(b"first"))

    def breaks(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(MaterialError, match=r"cannot write .*grid\.npy: No space left on device"):
        publish_anew(path, breaks)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]
    publish_anew(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second"


def test_a_file_that_is_there_is_kept(tmp_path: Path):
    path = tmp_path / "grid.npy"
    path.write_bytes(b"mine")
    with pytest.raises(MaterialError, match="exists already"):
        publish(path, lambda file: file.write(b"other"))
    assert path.read_bytes() == b"mine"
