"""Folders of unfinished work: gone on with by the same work only, and never written over."""

from pathlib import Path

import pytest

from sim2real.unfinished import UnfinishedError, begin

IDENTITY = {"task": "hinge", "seed": 1}


def test_the_same_work_goes_on_in_its_folder(tmp_path: Path):
    marker = tmp_path / "out" / "begun.json"
    begin(marker, IDENTITY)
    (tmp_path / "out" / "half.bin").write_bytes(b"x")
    begin(marker, IDENTITY)
    assert (tmp_path / "out" / "half.bin").read_bytes() == b"x"


@pytest.mark.parametrize("marked", ['{"task": "hinge", "seed": 2}', "{not JSON"])
def test_other_work_is_refused(tmp_path: Path, marked: str):
    marker = tmp_path / "begun.json"
    marker.write_text(marked)
    with pytest.raises(UnfinishedError, match="choose another --out"):
        begin(marker, IDENTITY)
    assert marker.read_text() == marked


def test_what_was_there_before_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UnfinishedError, match="not empty"):
        begin(tmp_path / "begun.json", IDENTITY)
    with pytest.raises(UnfinishedError, match="not empty"):
        begin(tmp_path / "mine.txt" / "begun.json", IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
