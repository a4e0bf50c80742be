"""A Go2's recording in the air: what its columns become, what is wrong with a bad one."""

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


def write(path: Path, text: list[str]) -> Path:
    path.write_text("\n".join(text) + "\n")
    return path


def read(path: Path) -> RobotLog:
    (log,) = go2_csv.read(path, Wanted())
    return log


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


def test_a_cell_that_is_no_number_is_told_by_line_and_column(tmp_path):
    rows = [line.split(",") for line in lines()]
    rows[3][5] = "oops"
    fails(write(tmp_path / "a.csv", [",".join(row) for row in rows]), "line 4", "'jpos4'", "'oops' is no number")


def test_an_empty_cell_within_a_stream_is_no_number(tmp_path):
    rows = [line.split(",") for line in lines()]
    rows[2][14] = ""
    fails(write(tmp_path / "a.csv", [",".join(row) for row in rows]), "line 3", "'jvel1'")


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
