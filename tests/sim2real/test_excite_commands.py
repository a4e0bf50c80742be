"""`zerogap excite` as a user types it, and what `zerogap deploy` says to a motion that it cannot play."""

import json
from pathlib import Path

import pytest

import zerogap

MADE = ["excite", "so101", "--kind", "multisine", "--seconds", "12", "--joints", "wrist_*", "--amplitude", "0.1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With a motion, its picture and its figures."""
    path = tmp_path_factory.mktemp("excite")
    files = ["--out", str(path / "m.csv"), "--plot", str(path / "m.png"), "--json", str(path / "m.json")]
    assert zerogap.main([*MADE, *files]) == 0
    return path


def test_it_explains_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        zerogap.main(["excite", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "Example: zerogap excite" in told
    assert "zerogap deploy" in told


def test_figures_tell_joints_limits_and_band(folder):
    told = json.loads((folder / "m.json").read_text())
    assert [joint["joint"] for joint in told["joints"]] == ["wrist_flex", "wrist_roll"]
    for joint in told["joints"]:
        assert 0 < joint["velocity"] < joint["velocity_limit"]
        assert 0 < joint["torque"] < joint["torque_limit"]
        assert -0.11 < joint["lowest"] < joint["highest"] < 0.11
    low, high = told["excited"]
    assert told["band"][0] <= low < high <= told["band"][1]


def test_the_picture_is_one(folder):
    assert (folder / "m.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in folder.iterdir()) == ["m.csv", "m.json", "m.png"]


def test_a_file_that_is_there_is_never_overwritten(fails, folder):
    before = (folder / "m.csv").read_bytes()
    fails([*MADE, "--out", str(folder / "m.csv")], "m.csv exists already", "--out")
    fails([*MADE, "--out", str(folder / "n.csv"), "--plot", str(folder / "m.png")], "m.png exists already", "--plot")
    assert (folder / "m.csv").read_bytes() == before
    assert not (folder / "n.csv").exists()


def test_another_name_than_csv_is_refused(fails, tmp_path):
    fails([*MADE, "--out", str(tmp_path / "m.txt")], "m.txt", ".csv")


def test_deploy_refuses_a_motion_with_a_command_and_one_that_hits_the_floor(fails, folder, tmp_path):
    fails(["deploy", str(folder / "m.csv"), "--driver", "twin", "--command", "1"], "--command", "takes no command")
    rows = "".join(f"{i / 50},{0.02 * i}\n" for i in range(60))
    (tmp_path / "down.csv").write_text(f'# robot = "so101"\n# rate = 50.0\nseconds,shoulder_lift\n{rows}')
    fails(["deploy", str(tmp_path / "down.csv"), "--driver", "twin"], "floor", "after", " s ")
    fails(["deploy", str(tmp_path / "none.csv"), "--driver", "twin"], "none.csv", "zerogap excite")
