import json

import pytest

from rl.curve import plot_curve, read_progress, training_seconds
from rl.run import RunError


def write(path, rows, tail=""):
    (path / "progress.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)


def test_a_last_line_cut_short_is_left_out(tmp_path):
    write(tmp_path, [{"steps": 1, "seconds": 2.0}], tail='{"steps": 2, "sec')
    assert read_progress(tmp_path) == [{"steps": 1, "seconds": 2.0}]


@pytest.mark.parametrize("garbled", ["17", "null", '{"secon": 3.0}', "[]", '"steps"'])
def test_a_garbled_line_is_left_out(tmp_path, garbled):
    write(tmp_path, [{"steps": 1, "seconds": 2.0}], tail=garbled + "\n")
    assert read_progress(tmp_path) == [{"steps": 1, "seconds": 2.0}]
    assert plot_curve(tmp_path).is_file()


def test_every_start_of_a_run_counts_its_own_time(tmp_path):
    write(tmp_path, [{"steps": s, "seconds": t} for s, t in ((1, 2.0), (2, 30.0), (3, 1.0), (4, 5.0))])
    assert training_seconds(tmp_path) == [30.0, 5.0]


def test_a_curve_is_drawn_from_whatever_figures_there_are(tmp_path):
    write(tmp_path, [{"steps": 1000 * s, "metric/yaw_rate_error": 1 / (1 + s), "episode_seconds": 10.0} for s in range(20)])
    picture = plot_curve(tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_a_directory_without_figures_is_told_so(tmp_path):
    with pytest.raises(RunError, match=r"no progress\.jsonl"):
        plot_curve(tmp_path)
