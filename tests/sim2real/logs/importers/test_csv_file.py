"""Any CSV file by its mapping: every entry does what it says, and what is wrong is told by file, line and column."""

import math
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from assets.robots import GO2, SO101
from sim2real.logs.importers import csv_file, go2_csv
from sim2real.logs.importers.csv_file import UNITS
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import KINDS, RobotLog, RobotLogError

ARM = """
robot = "so101"
[time]
column = "t"
unit = "ms"
[streams.position]
columns = "q{}"
"""
HEADER = "t," + ",".join(f"q{i}" for i in range(6))
ROWS = "10,0,1,2,3,4,5\n20,6,7,8,9,10,11\n"


def files(folder: Path, mapping: str = ARM, table: str = f"{HEADER}\n{ROWS}") -> tuple[Path, Wanted]:
    (folder / "map.toml").write_text(mapping)
    (folder / "log.csv").write_text(table)
    return folder / "log.csv", Wanted(map=folder / "map.toml")


def read(folder: Path, mapping: str = ARM, table: str = f"{HEADER}\n{ROWS}") -> RobotLog:
    (log,) = csv_file.read(*files(folder, mapping, table))
    return log


def test_columns_become_streams(tmp_path):
    log = read(tmp_path)
    assert log["position"].values.tolist() == np.arange(12.0).reshape(2, 6).tolist()
    assert log["position"].stamps.tolist() == [10_000_000, 20_000_000]
    assert log.info.joints == SO101.joints
    assert log.info.time_base == "measured"


def test_decimals_may_follow_a_comma_where_semicolons_part_the_cells(tmp_path):
    table = HEADER.replace(",", ";") + "\n10,5;0,25;1;2;3;4;-5\n"
    log = read(tmp_path, table=table)
    assert log["position"].values.tolist() == [[0.25, 1, 2, 3, 4, -5]]
    assert log["position"].stamps.tolist() == [10_500_000]


def test_the_go2_s_format_can_be_said_as_a_mapping(tmp_path, shared):
    """Both ways give the same log."""
    real = shared("logs/unitree_go2_in_air/motor_response_200hz.csv")
    mapping = """
        robot = "go2"
        [time]
        rate = 200.0
        [streams]
        position = { columns = "jpos{}" }
        velocity = { columns = "jvel{}" }
        target = { columns = "jpos{}_des" }
        stiffness = { columns = "kp" }
        damping = { columns = "kd" }
    """
    _, wanted = files(tmp_path, mapping)
    (by_map,) = csv_file.read(real, wanted)
    (by_format,) = go2_csv.read(real, Wanted())
    assert by_map.content_hash == by_format.content_hash


def test_units_signs_scales_and_offsets_are_applied_in_that_order(tmp_path):
    entries = 'unit = "deg"\nsign = { "*" = 1, "wrist_*" = -1 }\nscale = 2.0\noffset = { gripper = 0.5 }\n'
    log = read(tmp_path, ARM + entries)
    expected = np.deg2rad(2.0 * np.array([0, 1, 2, -3, -4, 5])) + np.array([0, 0, 0, 0, 0, 0.5])
    np.testing.assert_allclose(log["position"].values[0], expected, rtol=1e-15)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6), sign=st.sampled_from([1, -1]), offset=st.floats(-3, 3))
def test_what_was_written_in_another_frame_comes_back(tmp_path, values, sign, offset):
    cells = [math.degrees((value - offset) / sign) for value in values]
    entries = f'unit = "deg"\nsign = {sign}\noffset = {offset!r}\n'
    log = read(tmp_path, ARM + entries, f"{HEADER}\n0,{','.join(map(repr, cells))}\n")
    np.testing.assert_allclose(log["position"].values[0], values, atol=1e-9)


def test_every_unit_is_one_of_a_stream():
    assert set(UNITS) <= {kind.unit for kind in KINDS.values()}
    for unit, known in UNITS.items():
        assert known[unit] == 1.0


def test_joints_in_another_order_are_put_into_ours(tmp_path):
    joints = list(reversed(SO101.joints))
    log = read(tmp_path, f"joints = {joints!r}\n{ARM}")
    assert log["position"].values[0].tolist() == [5, 4, 3, 2, 1, 0]
    names = [f"q{i}" for i in (3, 1, 2, 0, 5, 4)]
    log = read(tmp_path, ARM.replace('"q{}"', repr(names)))
    assert log["position"].values[0].tolist() == [3, 1, 2, 0, 5, 4]


def test_one_column_for_all_and_a_value_without_a_column(tmp_path):
    log = read(tmp_path, ARM + '[streams.stiffness]\ncolumns = "t"\n[streams.damping]\nvalue = { "*" = 1.5, gripper = 2.5 }\n')
    assert log["stiffness"].values.tolist() == [[10.0] * 6, [20.0] * 6]
    assert log["damping"].values.tolist() == [[1.5] * 5 + [2.5]]
    assert log["damping"].stamps.tolist() == [10_000_000]


def test_streams_that_are_no_joints_have_columns_of_their_own(tmp_path):
    entries = (
        '[streams.angular_velocity]\ncolumns = ["q2", "q0", "q1"]\nunit = "deg/s"\n[streams.contact]\ncolumns = ["q5", "q4"]\n'
    )
    log = read(tmp_path, ARM + entries)
    np.testing.assert_allclose(log["angular_velocity"].values[1], np.deg2rad([8, 6, 7]))
    assert log["contact"].values.tolist() == [[5, 4], [11, 10]]


def test_rows_are_left_out(tmp_path):
    table = f"{HEADER}\n" + "".join(f"{i},{i % 2},{i},0,0,0,0\n" for i in range(10))
    log = read(tmp_path, ARM.replace("[time]", "[rows]\nfirst = 2\nlast = 7\nonly = { q0 = 1 }\n[time]"), table)
    assert log["position"].values[:, 1].tolist() == [3, 5, 7]
    assert log["position"].stamps.tolist() == [3_000_000, 5_000_000, 7_000_000]


def test_a_stream_of_another_rate_has_only_its_own_rows(tmp_path):
    table = f"{HEADER},i\n1,0,0,0,0,0,0,\n2,0,0,0,0,0,0,4\n3,,,,,,,5\n"
    log = read(tmp_path, ARM + '[streams.contact]\ncolumns = ["i"]\n', table)
    assert log["position"].stamps.tolist() == [1_000_000, 2_000_000]
    assert log["contact"].values.tolist() == [[4], [5]]
    assert log["contact"].stamps.tolist() == [2_000_000, 3_000_000]


def test_a_rate_instead_of_stamps_is_nominal(tmp_path):
    mapping = ARM.replace('column = "t"\nunit = "ms"', "rate = 50")
    log = read(tmp_path, mapping)
    assert log["position"].stamps.tolist() == [0, 20_000_000]
    assert log.info.time_base == "nominal"


def test_what_is_known_of_the_recording_is_kept(tmp_path):
    log = read(tmp_path, 'excitation = "chirp"\nlicence = "MIT"\nis_suspended = false\n' + ARM)
    assert (log.info.excitation, log.info.licence, log.info.is_suspended) == ("chirp", "MIT", False)


def test_the_robot_may_be_named_on_the_command_line(tmp_path):
    path, wanted = files(tmp_path, ARM.replace('robot = "so101"', ""))
    (log,) = csv_file.read(path, Wanted(robot=SO101, map=wanted.map))
    assert log.info.robot == "so101"
    with pytest.raises(RobotLogError, match="does not say of which robot"):
        csv_file.read(path, wanted)
    path, wanted = files(tmp_path)
    with pytest.raises(RobotLogError, match="'so101', expected 'go2'"):
        csv_file.read(path, Wanted(robot=GO2, map=wanted.map))


@pytest.mark.parametrize(
    "change, expected",
    [
        (("[time]", "[tiem]"), "unknown entry 'tiem'; did you mean 'time'"),
        (('robot = "so101"', 'robot = "so102"'), "unknown robot 'so102': did you mean 'so101'"),
        (('robot = "so101"', "robot = 7"), "robot is 7, expected a text"),
        (("streams.position", "streams.positoin"), "unknown stream 'positoin'; did you mean 'position'"),
        (('"q{}"', '"p{}"'), "no column 'p0', which is to be stream 'position'"),
        (('"q{}"', '["q0"]'), r"\[streams.position\] columns are 1, expected 6"),
        (('"q{}"', "7"), r"\[streams.position\] columns is 7"),
        (('"q{}"', '"q{}"\nunit = "degree"'), "unit is 'degree', expected one of rad, deg"),
        (('"q{}"', '"q{}"\nsign = 2'), "sign is 2, expected 1 or -1"),
        (('"q{}"', '"q{}"\noffset = { grip = 1 }'), "no name matches 'grip'"),
        (('"q{}"', '"q{}"\nscale = "big"'), "scale is 'big', expected a number"),
        (('"q{}"', '"q{}"\nscala = 1'), r"unknown \[streams.position\] entry 'scala'; did you mean 'scale'"),
        (('columns = "q{}"', "value = 3"), r"value: a stream without a column must be one of target.*'position' is measured"),
        (('unit = "ms"', 'unit = "minutes"'), r"\[time\] unit is 'minutes'"),
        (('column = "t"', 'column = "time"'), "no column 'time'"),
        (('unit = "ms"', 'unit = "ms"\nrate = 5'), "must have either"),
        (("[time]", "[rows]\nfirst = -1\n[time]"), r"\[rows\] first is -1"),
        (("[time]", "[rows]\nonly = { q9 = 1 }\n[time]"), "no column 'q9'"),
        (('robot = "so101"', 'robot = "so101"\njoints = ["gripper", "neck"]'), "'neck'"),
        (('robot = "so101"', 'robot = "so101'), "is no TOML"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_told(tmp_path, change, expected):
    assert change[0] in ARM
    with pytest.raises(RobotLogError, match=expected) as raised:
        read(tmp_path, ARM.replace(*change))
    assert "map.toml" in str(raised.value) or "log.csv" in str(raised.value)


@pytest.mark.parametrize(
    "table, expected",
    [
        (f"{HEADER}\n10,0,1,2,3,4,5\nten,0,1,2,3,4,5\n", "log.csv, line 3, column 't': 'ten' is no number"),
        (f"{HEADER}\n10,0,1,2,3,4,5\n11,0,1,2,x,4,5\n", "log.csv, line 3, column 'q3': 'x' is no number"),
        (
            f"{HEADER}\n".replace(",", "\t") + "10\t0,5\t1\t2\t3\t4\t5\n",
            "line 2, column 'q0': '0,5' is no number: write decimals with a",
        ),
        (f"{HEADER}\n10,0,1,2,3,4\n", "log.csv, line 2: 6 cells, expected 7"),
        (f"{HEADER}\n-10,0,1,2,3,4,5\n", "line 2, column 't': the stamp is -0.01 s"),
        (f"{HEADER}\n1e15,0,1,2,3,4,5\n", "line 2, column 't': the stamp is 1e[+]12 s.*Is its unit right"),
        (f"{HEADER}\n", "no row"),
        (f"{HEADER.replace('q5', 'q4')}\n{ROWS}", "two columns 'q4'"),
        ('t,"q0\n', "there is no column 'q1'"),
    ],
)
def test_what_is_wrong_in_a_table_is_told(tmp_path, table, expected):
    with pytest.raises(RobotLogError, match=expected):
        read(tmp_path, table=table)


def test_without_a_mapping_it_is_asked_for(tmp_path):
    path, _ = files(tmp_path)
    with pytest.raises(RobotLogError, match="--map"):
        csv_file.read(path, Wanted())
    with pytest.raises(RobotLogError, match=r"cannot read .*gone\.toml"):
        csv_file.read(path, Wanted(map=tmp_path / "gone.toml"))
