"""Files of JSON: whole, or as before."""

import json
from pathlib import Path

import pytest

from assets.json_file import JsonFileError, write_json


def test_a_file_is_made_with_its_folder_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "a" / "b.json"
    write_json(path, {"x": [1.5, None]})
    assert json.loads(path.read_text()) == {"x": [1.5, None]}
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_told_in_json_leaves_the_file_that_was_there(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, object())
    assert [p.read_text() for p in tmp_path.iterdir()] == ["1\n"]


def test_a_folder_in_the_way_is_told_of(tmp_path: Path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(JsonFileError, match=r"cannot write .*a\.json"):
        write_json(tmp_path / "a.json", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
