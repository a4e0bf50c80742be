"""An SO-101's motion: what its files become, in whose frame it is, what is wrong with a bad one."""

import csv
import json
from pathlib import Path

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, SO101
from sim2real.logs.importers import so101_csv
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import Event, RobotLog, RobotLogError

JOINTS = ("Rotation", "Pitch", "Elbow", "Wrist_Pitch", "Wrist_Roll", "Jaw")


def read(folder: Path) -> RobotLog:
    (log,) = so101_csv.read(folder, Wanted())
    return log


def write(folder: Path, joints=JOINTS, control: str | None = None, state: str | None = None) -> Path:
    folder.mkdir()
    numbers = json.dumps([float(i) for i in range(len(joints))])
    (folder / "joint_list.txt").write_text("\n".join(joints))
    (folder / "control.csv").write_text(
        control or f'type,timestamp,positions\nCONTROL,5.25,"{numbers}"\nCONTROL,20000.5,"{numbers}"\n'
    )
    head = "type,timestamp,positions,velocities,torques\n"
    (folder / "state_motor.csv").write_text(state or head + f'STATE_MOTOR,7,"{numbers}","{numbers}","{numbers}"\n')
    return folder


def fails(folder: Path, *expected: str, wanted: Wanted | None = None) -> None:
    with pytest.raises(RobotLogError) as raised:
        so101_csv.read(folder, wanted or Wanted())
    for text in (str(folder), *expected):
        assert text in str(raised.value)


@pytest.fixture(scope="module")
def elbow(shared) -> Path:
    return shared("logs/so101/single_joint_elbow")


def test_a_real_log_is_what_its_files_say(elbow):
    assert so101_csv.recognises(elbow)
    log = read(elbow)
    assert (log.info.robot, log.info.joints, log.info.excitation) == ("so101", SO101.joints, "single_joint_elbow")
    assert log.info.time_base == "measured"
    assert set(log) == {"position", "velocity", "current", "target"}  # no gains, and no torque
    for file, streams in (("control.csv", {"target": "positions"}), ("state_motor.csv", {"position": "positions"})):
        with (elbow / file).open() as opened:
            rows = list(csv.DictReader(opened))
        for name, column in streams.items():
            assert log[name].values.tolist() == [json.loads(row[column]) for row in rows]
            assert np.abs(log[name].stamps - [1e3 * float(row["timestamp"]) for row in rows]).max() <= 0.5
    counts = log["current"].values / 0.0065
    assert np.abs(counts - np.rint(counts)).max() < 1e-6
    assert [event.text for event in log.events] == ["CONTROL_MODE_ENABLE", "MOTION_START", "DISABLE"]
    assert log.events[2].stamp == pytest.approx(log["position"].stamps[-1], abs=1)


@pytest.mark.parametrize("motion, joints", [("friction_gravity", (1, 2, 3)), ("single_joint_elbow", (1, 2))])
def test_the_joints_turn_as_ours_do(shared, motion, joints):
    """They draw more current where they move against our model's gravity than where they move with it."""
    log = read(shared(f"logs/so101/{motion}"))
    model = SO101.spec().compile()
    data = mujoco.MjData(model)
    gravity = []
    for position in log["position"].values:
        data.qpos[:] = position
        mujoco.mj_forward(model, data)
        gravity.append(-data.qfrc_bias)
    for joint in joints:
        speed = log["velocity"].values[:, joint]
        along = speed * np.array(gravity)[:, joint]
        current = log["current"].values[:, joint]
        against, down = current[(along < 0) & (np.abs(speed) > 0.05)], current[(along > 0) & (np.abs(speed) > 0.05)]
        assert min(len(against), len(down)) > 100
        assert against.mean() > 2 * down.mean()


def test_columns_follow_the_list_of_joints(tmp_path):
    log = read(write(tmp_path / "waving", tuple(reversed(JOINTS))))
    assert log["position"].values.tolist() == [[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]]
    assert log["target"].stamps.tolist() == [5250, 20_000_500]
    assert log["position"].stamps.tolist() == [7000]
    assert log.info.excitation == "waving"
    assert log.events == ()


def test_our_own_names_of_joints_are_understood(tmp_path):
    assert read(write(tmp_path / "a", SO101.joints)).info.joints == SO101.joints


def test_velocities_and_currents_may_be_missing(tmp_path):
    state = 'timestamp,positions\r\n7,"[0, 1, 2, 3, 4, 5]"\r\n20007,"[0, 1, 2, 3, 4, 5]"\r\n'
    log = read(write(tmp_path / "a", state=state))
    assert set(log) == {"position", "target"}
    assert log["position"].values.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]] * 2


def test_numbers_that_are_blank_are_not_measured_and_their_lines_are_told(tmp_path):
    rows = ['7,"[0, 1, null, 3, 4, 5]"', ',"[0, 1, 2, 3, 4, 5]"', "20007,", '40007,"[0, 1, 2, 3, 4, 5]"']
    said: list[str] = []
    folder = write(tmp_path / "a", state="\n".join(["timestamp,positions", *rows]) + "\n")
    (log,) = so101_csv.read(folder, Wanted(say=said.append))
    assert log["position"].stamps.tolist() == [7000, 20_007_000, 40_007_000]
    assert np.isnan(log["position"].values).sum(axis=1).tolist() == [1, 6, 0]
    assert len(said) == 1
    assert "state_motor.csv, lines 2 to 4: numbers are lacking" in said[0]


def test_events_keep_their_times(tmp_path):
    folder = write(tmp_path / "a")
    (folder / "event.csv").write_text("type,timestamp,event\nEVENT,0,BEGIN\nEVENT,1500.5,END\n")
    assert read(folder).events == (Event(0, "BEGIN"), Event(1_500_500, "END"))


def test_stamps_that_repeat_or_run_back_are_kept(tmp_path):
    numbers = json.dumps([0.0] * 6)
    rows = "".join(f'CONTROL,{stamp},"{numbers}"\n' for stamp in (10, 10, 5))
    log = read(write(tmp_path / "a", control=f"type,timestamp,positions\n{rows}"))
    assert log["target"].stamps.tolist() == [10_000, 10_000, 5_000]


def test_a_joint_that_the_robot_lacks_is_told_with_the_nearest(tmp_path):
    fails(write(tmp_path / "a", (*JOINTS[:5], "gripperr")), "joint_list.txt", "'gripperr'", "lacks", "'gripper'")


def test_a_recording_of_another_robot_is_told_so(tmp_path):
    fails(write(tmp_path / "a", ("a1", "a2", "a3")), "joint_list.txt", "a1, a2, a3", "another robot?")
    fails(write(tmp_path / "b", JOINTS[:5]), "lacks gripper")
    fails(write(tmp_path / "c", (*JOINTS, "Neck")), "Neck", "another robot?")
    fails(write(tmp_path / "d"), "'so101'", "'go2'", wanted=Wanted(robot=GO2))


@pytest.mark.parametrize("name", ["joint_list.txt", "control.csv", "state_motor.csv"])
def test_a_missing_file_is_told(tmp_path, name):
    folder = write(tmp_path / "a")
    (folder / name).unlink()
    assert not so101_csv.recognises(folder)
    fails(folder, f"lacks {name}")


@pytest.mark.parametrize("name", ["joint_list.txt", "control.csv", "state_motor.csv"])
def test_an_empty_file_is_told(tmp_path, name):
    folder = write(tmp_path / "a")
    (folder / name).write_text("")
    fails(folder, name, "is empty")


@pytest.mark.parametrize(
    "rows, expected",
    [
        ("", "no row"),
        ('CONTROL,1,"[0, 0, 0, 0, 0, 0]"\nCONTROL,x,"[0, 0, 0, 0, 0, 0]"\n', "line 3, column 'timestamp': 'x' is no number"),
        ('CONTROL,nan,"[0, 0, 0, 0, 0, 0]"\n', "line 2: the stamp is nan"),
        ('CONTROL,-3,"[0, 0, 0, 0, 0, 0]"\n', "line 2: the stamp is -3"),
        ('CONTROL,1e30,"[0, 0, 0, 0, 0, 0]"\n', "line 2: the stamp is 1e+30"),
        ('CONTROL,1,"[0, 0, 0, 0, 0]"\n', "line 2, column 'positions': '[0, 0, 0, 0, 0]', expected a list of 6"),
        ('CONTROL,1,"[0, 0, 0, 0, 0, ""a""]"\n', "line 2, column 'positions'"),
        ('CONTROL,1,"[0, 0, 0\n', "line 2, column 'positions'"),
        ("CONTROL,1\n", "line 2: 2 cells, expected 3"),
    ],
)
def test_a_bad_row_is_told_by_its_line(tmp_path, rows, expected):
    fails(write(tmp_path / "a", control=f"type,timestamp,positions\n{rows}"), "control.csv", expected)
