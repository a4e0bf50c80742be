"""Folders of unfinished work: gone on with by the same work only, and never written over."""

from pathlib import Path

import pytest

from sim2real.unfinished import UnfinishedError, begin, expect_new

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


def test_a_folder_that_cannot_be_made_is_told_before_the_work_and_one_that_can_is_not_made_yet(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UnfinishedError, match=r"cannot write to .*mine.txt/a/out: .*mine.txt: Not a directory; choose another"):
        expect_new(tmp_path / "mine.txt" / "a" / "out")
    expect_new(tmp_path / "a" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
