"""Files that are whole or not there, whatever happens while they are written."""

import os
from pathlib import Path

import pytest

from assets.whole_file import new_file, whole_file


class WriteError(RuntimeError):
    """A caller's own."""


def test_a_file_is_made_with_its_folder_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "deep" / "grid.npy"
    with whole_file(path, WriteError) as partial:
        partial.write_bytes(b"whole")
        assert partial.suffix == ".npy"  # whoever writes may go by it
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("written", [whole_file, lambda path, error: new_file(path, error, "take another")])
def test_what_fails_halfway_leaves_nothing(tmp_path: Path, written):
    path = tmp_path / "grid.npy"

    def write(failure: Exception) -> None:
        with written(path, WriteError) as partial:
            partial.write_bytes(b"half")
            raise failure

    with pytest.raises(ZeroDivisionError):
        write(ZeroDivisionError())
    with pytest.raises(WriteError, match=r"cannot write .*grid\.npy: No space left"):
        write(OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "grid.npy"
    path.write_bytes(b"first")
    with whole_file(path, WriteError) as partial:
        partial.write_bytes(b"second")
        assert path.read_bytes() == b"first"
    assert path.read_bytes() == b"second"


def test_a_new_file_never_takes_the_place_of_one(tmp_path: Path):
    path = tmp_path / "log.mcap"
    path.write_bytes(b"mine")
    with pytest.raises(WriteError, match=r"log\.mcap exists already: take another"), new_file(path, WriteError, "take another"):
        raise AssertionError("not to be reached")
    assert path.read_bytes() == b"mine"


def test_a_new_file_never_takes_the_place_of_one_that_comes_meanwhile(tmp_path: Path):
    path = tmp_path / "log.mcap"

    def write() -> None:
        with new_file(path, WriteError, "take another") as partial:
            partial.write_bytes(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(WriteError, match=r"log\.mcap exists already: take another"):
        write()
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with new_file(tmp_path / "a.txt", WriteError, "take another") as partial:
        partial.write_text("text")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"]


def test_a_folder_in_the_way_is_told_of(tmp_path: Path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(WriteError, match=r"cannot write .*a\.json"), whole_file(tmp_path / "a.json", WriteError) as partial:
        partial.write_text("1")
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot write"), whole_file(tmp_path / "file" / "b.json", WriteError) as partial:
        partial.write_text("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "file"]
