"""A Go2's recording in the air: what its columns become, what is wrong with a bad one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2, SO101
from sim2real.logs.importers import go2_csv
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import RobotLog, RobotLogError

COLUMNS = [
    "state",
    *(f"jpos{i}" for i in range(12)),
    *(f"jvel{i}" for i in range(12)),
    *(f"jpos{i}_des" for i in range(12)),
    "kp",
    "kd",
]


def lines(rows: int = 4) -> list[str]:
    """Every cell is another number."""
    return [",".join(COLUMNS), *(",".join(str(100 * row + column) for column in range(len(COLUMNS))) for row in range(rows))]


def write(path: Path, text: list[str], end: str = "\n", mark: str = "") -> Path:
    path.write_bytes((mark + end.join(text) + end).encode())
    return path


def read(path: Path, say: Callable[[str], None] = lambda text: None) -> RobotLog:
    (log,) = go2_csv.read(path, Wanted(say=say))
    return log


def with_column(text: list[str], name: str, cells: list[str]) -> list[str]:
    """Before the others."""
    return [f"{cell},{line}" for cell, line in zip([name, *cells], text, strict=True)]


def without_columns(text: list[str], *names: str) -> list[str]:
    kept = [i for i, name in enumerate(text[0].split(",")) if not name.startswith(names)]
    return [",".join(np.array(line.split(","))[kept]) for line in text]


def fails(path: Path, *expected: str, wanted: Wanted | None = None) -> None:
    with pytest.raises(RobotLogError) as raised:
        go2_csv.read(path, wanted or Wanted())
    for text in (str(path), *expected):
        assert text in str(raised.value)


@pytest.fixture(scope="module")
def real(shared) -> Path:
    return shared("logs/unitree_go2_in_air/motor_response_200hz.csv")


def test_the_real_log_is_what_its_file_says(real):
    assert go2_csv.recognises(real)
    log = read(real)
    told = np.genfromtxt(real, delimiter=",", names=True)
    assert log.info.robot == "go2"
    assert log.info.joints == GO2.joints
    assert log.info.time_base == "nominal"
    assert log.info.is_suspended
    for name, column in (("position", "jpos{}"), ("velocity", "jvel{}"), ("target", "jpos{}_des")):
        expected = np.stack([told[column.format(i)] for i in range(12)], axis=1)
        assert np.array_equal(log[name].values, expected)
        assert np.array_equal(log[name].stamps, 5_000_000 * np.arange(8056))
    assert log["stiffness"].held_at(log["position"].stamps).tolist() == [[20.0] * 12] * 8056
    assert np.unique(log["damping"].values) == 0.5
    assert "torque" not in log.streams


def test_the_real_log_lies_within_the_robot_s_joint_ranges(real):
    """But for a stop's give; with a leg's joints in another order it would not."""
    position = read(real)["position"].values
    low, high = GO2.joint_ranges().T
    assert (position >= low - 0.05).all()
    assert (position <= high + 0.05).all()


def test_columns_are_taken_by_name_not_by_place(tmp_path):
    straight = read(write(tmp_path / "a.csv", lines()))
    turned = read(write(tmp_path / "b.csv", [",".join(reversed(line.split(","))) for line in lines()]))
    for name in straight:
        assert np.array_equal(straight[name].values, turned[name].values)
    assert straight["position"].values[2].tolist() == [201.0 + i for i in range(12)]


def test_gains_that_change_are_kept_where_they_do(tmp_path):
    rows = [line.split(",") for line in lines(5)]
    for row, gain in zip(rows[1:], ("20", "20", "30", "30", "20"), strict=True):
        row[-2], row[-1] = gain, "0.5"
    log = read(write(tmp_path / "a.csv", [",".join(row) for row in rows]))
    assert log["stiffness"].stamps.tolist() == [0, 10_000_000, 20_000_000]
    assert log["stiffness"].held_at(log["position"].stamps)[:, 0].tolist() == [20, 20, 30, 30, 20]
    assert len(log["damping"]) == 1


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    fails(
        write(tmp_path / "a.csv", [line.replace("jpos3,", "jpos_3,") for line in lines()]), "'jpos3'", "did you mean", "jpos_3"
    )
    fails(write(tmp_path / "b.csv", [line.replace("jpos0,", "JPOS0,") for line in lines()]), "'jpos0'", "did you mean 'JPOS0'?")


def test_a_cell_that_is_no_number_is_told_by_line_and_column(tmp_path):
    rows = [line.split(",") for line in lines()]
    rows[3][5] = "oops"
    fails(write(tmp_path / "a.csv", [",".join(row) for row in rows]), "line 4", "'jpos4'", "'oops' is no number")


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity"])
def test_a_cell_that_says_that_it_is_no_number_is_not_measured_and_its_line_is_told(tmp_path, cell):
    rows = [line.split(",") for line in lines(9)]
    rows[4][3] = cell
    said: list[str] = []
    log = read(write(tmp_path / "a_200hz.csv", [",".join(row) for row in rows]), said.append)
    assert np.argwhere(~np.isfinite(log["position"].values)).tolist() == [[3, 2]]
    assert not np.isinf(log["position"].values).any()
    assert len(said) == 1
    assert "line 5: cells of stream 'position' hold no number, the first in column 'jpos2' of line 5" in said[0]


def test_an_empty_cell_is_not_measured_and_its_line_is_told(tmp_path):
    rows = [line.split(",") for line in lines(9)]
    for line, column in ((2, 14), (3, 1), (4, 1), (8, 14)):
        rows[line][column] = ""
    said: list[str] = []
    log = read(write(tmp_path / "a_200hz.csv", [",".join(row) for row in rows]), said.append)
    whole = read(write(tmp_path / "b_200hz.csv", lines(9)))
    assert np.argwhere(np.isnan(log["velocity"].values)).tolist() == [[1, 1], [7, 1]]
    assert np.argwhere(np.isnan(log["position"].values)).tolist() == [[2, 0], [3, 0]]
    for name in ("position", "velocity"):
        known = np.isfinite(log[name].values)
        np.testing.assert_array_equal(log[name].values[known], whole[name].values[known])
    assert len(said) == 2
    assert all(str(tmp_path / "a_200hz.csv") in text for text in said)
    assert "lines 4 to 5" in said[0]
    assert "'jpos0' of line 4" in said[0]
    assert "lines 3, 9" in said[1]
    assert "'jvel1' of line 3" in said[1]


@pytest.mark.parametrize(
    "name, second", [("time", 1.0), ("t", 1e3), ("timestamp", 1e6), ("stamp", 1e9), ("time_ms", 1e3), ("Timestamp (us)", 1e6)]
)
def test_stamps_of_the_file_count_in_their_unit(tmp_path, name, second):
    stamps = [f"{second * (3.0 + 0.004 * row + 0.0001 * (row % 2)):.9g}" for row in range(8)]
    log = read(write(tmp_path / "x_200hz.csv", with_column(lines(8), name, stamps)))
    assert log.info.time_base == "measured"
    expected = 3.0 + 0.004 * np.arange(8) + 0.0001 * (np.arange(8) % 2)
    np.testing.assert_allclose(log["position"].seconds, expected, atol=1e-7)
    assert np.array_equal(log["target"].stamps, log["position"].stamps)


def test_a_column_that_counts_no_time_is_told_and_not_used(tmp_path):
    said: list[str] = []
    log = read(write(tmp_path / "x_50hz.csv", with_column(lines(8), "time", ["0"] * 8)), said.append)
    assert log.info.time_base == "nominal"
    assert any("'time' steps by 0" in text and "--map" in text for text in said)


@pytest.mark.parametrize("name, rate", [("walk_100hz", 100.0), ("a 62.5 Hz", 62.5), ("motor_response_50Hz_2", 50.0)])
def test_the_rate_is_that_of_the_files_name(tmp_path, name, rate):
    said: list[str] = []
    log = read(write(tmp_path / f"{name}.csv", lines(8)), said.append)
    np.testing.assert_allclose(np.diff(log["position"].seconds), 1 / rate)
    assert said == []


def test_a_file_that_says_nothing_of_its_rate_is_warned_of(tmp_path):
    said: list[str] = []
    log = read(write(tmp_path / "air.csv", lines(8)), said.append)
    np.testing.assert_allclose(np.diff(log["position"].seconds), 1 / 200)
    assert "air.csv has neither stamps nor a rate" in said[0]


def test_what_was_not_recorded_is_no_stream_and_gains_that_lack_are_asked_for(tmp_path):
    said: list[str] = []
    path = write(tmp_path / "x_200hz.csv", without_columns(lines(8), "kp", "jvel"))
    assert go2_csv.recognises(path)
    assert set(read(path, said.append)) == {"position", "target", "damping"}
    assert len(said) == 1
    assert "no column 'kp'" in said[0]
    assert "[streams.stiffness] value" in said[0]
    each = [
        f"{line},{','.join(cells)}"
        for line, cells in zip(
            without_columns(lines(3), "kp"),
            [[f"kp{i}" for i in range(12)], *[[str(20 + i) for i in range(12)]] * 3],
            strict=True,
        )
    ]
    assert read(write(tmp_path / "each_200hz.csv", each))["stiffness"].values.tolist() == [[20.0 + i for i in range(12)]]


@pytest.mark.parametrize(
    "end, mark, separator", [("\r\n", "", ","), ("\n", "\ufeff", ","), ("\r\n", "\ufeff", ";"), ("\n", "", "\t")]
)
def test_other_programmes_line_ends_marks_and_separators_are_read(tmp_path, end, mark, separator):
    text = [line.replace(",", separator) + separator for line in lines(8)]
    path = write(tmp_path / "x_200hz.CSV", text, end, mark)
    assert go2_csv.recognises(path)
    log, plain = read(path), read(write(tmp_path / "y_200hz.csv", lines(8)))
    for name in plain:
        np.testing.assert_array_equal(log[name].values, plain[name].values)


@pytest.mark.parametrize("old, new, lost", [("jvel", "JVEL", "velocity"), ("_des", "_target", "target")])
def test_columns_of_other_names_are_told_rather_than_lost(tmp_path, old, new, lost):
    said: list[str] = []
    log = read(write(tmp_path / "a_200hz.csv", [line.replace(old, new) for line in lines()]), said.append)
    assert lost not in log
    assert len(said) == 1
    assert "not read" in said[0]
    assert new in said[0]
    assert "--map" in said[0]
    said.clear()
    stamped = [f"elapsed,{lines()[0]}", *(f"{0.005 * i},{line}" for i, line in enumerate(lines()[1:]))]
    read(write(tmp_path / "b_200hz.csv", stamped), said.append)
    assert "'elapsed'. If they are stamps" in said[0]
    said.clear()
    read(write(tmp_path / "c_200hz.csv", lines()), said.append)
    assert not said


def test_columns_that_mean_nothing_here_are_left_alone(tmp_path):
    text = with_column(lines(8), "note", ["x", "", "y", "z", "", "", "", ""])
    np.testing.assert_array_equal(
        read(write(tmp_path / "x_200hz.csv", text))["target"].values,
        read(write(tmp_path / "y_200hz.csv", lines(8)))["target"].values,
    )


def test_a_row_of_another_length_is_told_by_its_line(tmp_path):
    text = lines()
    text[-1] = text[-1][: len(text[-1]) // 2]
    fails(write(tmp_path / "a.csv", text), "line 5", "expected 39", "cut off")


@pytest.mark.parametrize(
    "content, expected",
    [(b"", "is empty"), (b"\xff\xfe\x00\x01", "is no CSV"), (b"a,b\n1,2\n", "no column 'jpos0'")],
)
def test_what_is_no_such_file_is_told_so(tmp_path, content, expected):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert not go2_csv.recognises(path)
    fails(path, expected)


def test_a_header_without_rows_is_no_recording(tmp_path):
    fails(write(tmp_path / "a.csv", lines(0)), "no row")


def test_a_recording_of_another_robot_is_told_so(tmp_path):
    fails(write(tmp_path / "a.csv", lines()), "'go2'", "'so101'", wanted=Wanted(robot=SO101))


def test_a_file_that_is_not_there_is_told_so(tmp_path):
    fails(tmp_path / "gone.csv", "No such file")
