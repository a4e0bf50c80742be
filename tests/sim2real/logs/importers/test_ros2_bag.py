"""ROS 2 bags that `rosbags` wrote, in both storages: what their messages become, what is wrong with a bad one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from assets.robots import GO2, SO101
from sim2real.logs.importers import ros2_bag
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import RobotLog, RobotLogError

STORE = get_typestore(Stores.ROS2_HUMBLE)
STATE, TRAJECTORY, IMU = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/Imu"
BEGIN = 1_700_000_000_000_000_000
LATE = 700_000  # ns from a message's stamp to its arrival in the bag
JOINTS = list(SO101.joints)


def make(name: str, *values: Any) -> Any:
    return STORE.types[name](*values)


def header(stamp: int) -> Any:
    return make("std_msgs/msg/Header", make("builtin_interfaces/msg/Time", *divmod(stamp, 10**9)), "")


def state(stamp: int, position, velocity=(), effort=(), names: Iterable[str] = JOINTS) -> Any:
    arrays = [np.array(values, np.float64) for values in (position, velocity, effort)]
    return make(STATE, header(stamp), list(names), *arrays)


def imu(stamp: int, w: float = 1.0, unknown: float = 0.0) -> Any:
    covariance = np.full(9, unknown)
    quaternion = make("geometry_msgs/msg/Quaternion", 0.1, 0.2, 0.3, w)
    turn, push = make("geometry_msgs/msg/Vector3", 1.0, 2.0, 3.0), make("geometry_msgs/msg/Vector3", 4.0, 5.0, 9.8)
    return make(IMU, header(stamp), quaternion, covariance, turn, covariance, push, covariance)


def trajectory(stamp: int, points: list[tuple[float, list[float]]], names: Iterable[str] = JOINTS) -> Any:
    none = np.zeros(0)
    made = []
    for seconds, positions in points:
        due = make("builtin_interfaces/msg/Duration", *divmod(round(1e9 * seconds), 10**9))
        made.append(make("trajectory_msgs/msg/JointTrajectoryPoint", np.array(positions), none, none, none, due))
    return make(TRAJECTORY, header(stamp), list(names), made)


def write(path: Path, messages: list[tuple[str, str, int, Any]], storage: StoragePlugin = StoragePlugin.SQLITE3) -> Path:
    """Messages as topic, type, time of arrival (ns) and the message."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, kind, when, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], when, STORE.serialize_cdr(message, kind))
    return path


def read(path: Path, **told: Any) -> RobotLog:
    (log,) = ros2_bag.read(path, Wanted(**told))
    return log


def recording(count: int = 50) -> tuple[list[tuple[str, str, int, Any]], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(count, 6)) for name in ("position", "velocity", "torque", "target")}
    arrays["stamps"] = BEGIN + 20_000_000 * np.arange(count)
    messages = []
    for i, stamp in enumerate(arrays["stamps"].tolist()):
        told = state(stamp, arrays["position"][i], arrays["velocity"][i], arrays["torque"][i])
        messages.append(("/joint_states", STATE, stamp + LATE, told))
        messages.append(("/joint_commands", STATE, stamp + LATE + 1, state(stamp + 5, arrays["target"][i])))
        messages.append(("/imu", IMU, stamp + LATE + 2, imu(stamp + 7)))
    return messages, arrays


@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_both_storages_give_what_was_written(tmp_path, storage):
    messages, arrays = recording()
    path = write(tmp_path / "bag", messages, storage)
    assert ros2_bag.recognises(path)
    log = read(path)
    assert (log.info.robot, log.info.joints, log.info.is_suspended) == ("so101", SO101.joints, True)
    for name in ("position", "velocity", "torque", "target"):
        assert np.array_equal(log[name].values, arrays[name])
        assert log[name].clock == "ros"
    assert np.array_equal(log["position"].stamps, arrays["stamps"])
    assert np.array_equal(log["target"].stamps, arrays["stamps"] + 5)
    assert log["quaternion"].values[0].tolist() == [1.0, 0.1, 0.2, 0.3]
    assert log["angular_velocity"].values[0].tolist() == [1.0, 2.0, 3.0]
    assert log["acceleration"].stamps.tolist() == (arrays["stamps"] + 7).tolist()
    assert "stiffness" not in log.streams  # a bag has no gains


def test_a_single_file_is_a_bag_too(tmp_path):
    messages, arrays = recording(5)
    (file,) = write(tmp_path / "bag", messages, StoragePlugin.MCAP).glob("*.mcap")
    assert ros2_bag.recognises(file)
    assert np.array_equal(read(file)["position"].values, arrays["position"])


def test_messages_without_a_stamp_have_the_bag_s(tmp_path):
    messages = [("/joint_states", STATE, BEGIN + i, state(0, np.arange(6.0))) for i in range(3)]
    log = read(write(tmp_path / "bag", messages))
    assert log["position"].stamps.tolist() == [BEGIN, BEGIN + 1, BEGIN + 2]
    assert log["position"].clock == "bag"


def test_joints_are_put_into_our_order_and_wheels_passed_over(tmp_path):
    names = ["wheel", *reversed(JOINTS)]
    messages = [
        ("/joint_states", STATE, BEGIN, state(BEGIN, np.arange(7.0), names=names)),
        ("/joint_states", STATE, BEGIN + 1, state(BEGIN + 1, [9.0], names=["wheel"])),
    ]
    log = read(write(tmp_path / "bag", messages))
    assert log["position"].values.tolist() == [[6, 5, 4, 3, 2, 1]]


def test_a_trajectory_s_points_are_due_until_another_begins(tmp_path):
    first = trajectory(BEGIN, [(0.0, [0.0] * 6), (0.1, [1.0] * 6), (0.3, [3.0] * 6)])
    second = trajectory(BEGIN + 200_000_000, [(0.05, [5.0] * 6)])
    messages = [
        ("/joint_states", STATE, BEGIN, state(BEGIN, np.zeros(6))),
        ("/joint_trajectory", TRAJECTORY, BEGIN, first),
        ("/joint_trajectory", TRAJECTORY, BEGIN + 200_000_000, second),
    ]
    target = read(write(tmp_path / "bag", messages))["target"]
    assert target.values[:, 0].tolist() == [0.0, 1.0, 5.0]
    assert (target.stamps - BEGIN).tolist() == [0, 100_000_000, 250_000_000]


def test_an_imu_without_orientation_gives_none(tmp_path):
    messages = [("/joint_states", STATE, BEGIN, state(BEGIN, np.zeros(6))), ("/imu", IMU, BEGIN, imu(BEGIN, unknown=-1.0))]
    log = read(write(tmp_path / "bag", messages))
    assert "quaternion" not in log.streams
    assert len(log["angular_velocity"]) == 1


def test_what_came_before_the_first_joint_state_is_kept(tmp_path):
    messages = [
        ("/imu", IMU, BEGIN, imu(BEGIN)),
        ("/joint_states", STATE, BEGIN + 1, state(BEGIN + 1, [1.0], names=["wheel"])),
        ("/joint_commands", STATE, BEGIN + 2, state(BEGIN + 2, np.ones(6))),
        ("/joint_states", STATE, BEGIN + 3, state(BEGIN + 3, np.ones(6))),
    ]
    log = read(write(tmp_path / "bag", messages))
    assert log["acceleration"].stamps.tolist() == [BEGIN]
    assert log["target"].stamps.tolist() == [BEGIN + 2]
    assert log["position"].stamps.tolist() == [BEGIN + 3]


def test_topics_of_other_names_are_told(tmp_path):
    messages = [(f"/left{topic}", kind, when, message) for topic, kind, when, message in recording(5)[0]]
    path = write(tmp_path / "bag", messages)
    with pytest.raises(RobotLogError, match=r"no topic /joint_states.*--topic state=/NAME.*/left/joint_states"):
        read(path)
    log = read(path, topics={"state": "/left/joint_states", "target": "/left/joint_commands"})
    assert set(log) == {"position", "velocity", "torque", "target"}
    with pytest.raises(RobotLogError, match=r"no topic /right; there are: .*/left/imu"):
        read(path, topics={"state": "/right"})
    with pytest.raises(RobotLogError, match=r"/left/imu is of sensor_msgs/msg/Imu, expected sensor_msgs/msg/JointState"):
        read(path, topics={"state": "/left/imu"})
    with pytest.raises(RobotLogError, match=r"--topic gripper=.*: expected one of state, target, imu"):
        read(path, topics={"gripper": "/left/imu"})


def test_stamps_that_repeat_or_run_back_are_kept(tmp_path):
    stamps = [BEGIN, BEGIN, BEGIN - 5]
    messages = [("/joint_states", STATE, BEGIN + i, state(stamp, np.zeros(6))) for i, stamp in enumerate(stamps)]
    assert read(write(tmp_path / "bag", messages))["position"].stamps.tolist() == stamps


@pytest.mark.parametrize(
    "message, told, expected",
    [
        (
            state(BEGIN, np.zeros(6), names=[*JOINTS[:5], "gripperr"]),
            {"robot": SO101},
            "'gripperr', which 'so101' lacks; did you",
        ),
        (state(BEGIN, np.zeros(5), names=JOINTS[:5]), {"robot": SO101}, "lacks gripper of 'so101'"),
        (state(BEGIN, np.zeros(6)), {"robot": GO2}, "none of 'go2''s joints"),
        (state(BEGIN, np.zeros(2), names=["a", "b"]), {}, "joints, a, b, are those of none of go2, so101, panda.*--robot"),
        (state(BEGIN, np.zeros(4)), {}, "has 4 numbers for position, expected 6"),
        (state(BEGIN, []), {}, "no positions"),
    ],
)
def test_a_recording_of_another_robot_is_told_so(tmp_path, message, told, expected):
    path = write(tmp_path / "bag", [("/joint_states", STATE, BEGIN, message)])
    with pytest.raises(RobotLogError, match=expected) as raised:
        read(path, **told)
    assert str(path) in str(raised.value)


def test_some_stamps_and_some_not_is_told_so(tmp_path):
    messages = [("/joint_states", STATE, BEGIN + i, state(stamp, np.zeros(6))) for i, stamp in enumerate([BEGIN, 0])]
    with pytest.raises(RobotLogError, match="on /joint_states some messages have a stamp"):
        read(write(tmp_path / "bag", messages))


def test_a_bag_that_breaks_off_or_is_none_is_told_so(tmp_path):
    path = write(tmp_path / "bag", recording(200)[0], StoragePlugin.MCAP)
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(RobotLogError, match=r"bag is no whole ROS 2 bag: .*Was it closed properly"):
        read(path)
    (tmp_path / "x.db3").write_bytes(b"no data base")
    with pytest.raises(RobotLogError, match=r"x\.db3 is no whole ROS 2 bag"):
        read(tmp_path / "x.db3")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RobotLogError, match=r"folder is no whole ROS 2 bag"):
        read(tmp_path / "folder")


def test_a_bag_without_messages_is_told_so(tmp_path):
    with Writer(tmp_path / "bag", version=9) as writer:
        writer.add_connection("/joint_states", STATE, typestore=STORE)
    with pytest.raises(RobotLogError, match=r"its joints, none, are those of none"):
        read(tmp_path / "bag")
    with pytest.raises(RobotLogError, match=r"none of 'so101''s joints or no positions"):
        read(tmp_path / "bag", robot=SO101)
