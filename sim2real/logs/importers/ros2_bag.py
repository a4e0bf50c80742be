"""`--format ros2`: a ROS 2 bag, a folder of sqlite3 or MCAP storage or a single file of either.

state      sensor_msgs/JointState                                   position, velocity, torque
target     sensor_msgs/JointState, trajectory_msgs/JointTrajectory   target, target velocity, feed-forward
imu        sensor_msgs/Imu                                           quaternion, angular velocity, acceleration

Which topic is what is told by `--topic state=/NAME`; else the usual names are looked for. Stamps are those in the messages'
headers (clock "ros"), or the bag's own where a header has none (clock "bag"). Joints that the robot lacks, such as wheels, are
passed over; messages with none of its joints too. A point of a trajectory is a sample at the time it is due, unless another
trajectory came before: how its controller goes from one to the next is not in the bag, nor are its gains.
"""

import itertools
import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from assets.errors import UserError
from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot
from sim2real.logs.importers.importer import Wanted, order_of
from sim2real.logs.robot_log import LogInfo, RobotLog, RobotLogError, Stream

DESCRIPTION = "a ROS 2 bag with JointState, JointTrajectory and Imu messages"

TOPICS = {
    "state": ("/joint_states",),
    "target": (
        "/joint_commands",
        "/joint_command",
        "/joint_trajectory",
        "/joint_trajectory_controller/joint_trajectory",
        "/position_controller/joint_trajectory",
    ),
    "imu": ("/imu", "/imu/data"),
}
"""The usual names."""
_STATE, _TRAJECTORY, _IMU = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/Imu"
_TYPES = {"state": (_STATE,), "target": (_STATE, _TRAJECTORY), "imu": (_IMU,)}
_SECOND = 1_000_000_000
_MAX_NUMBERS = 2**27
_TOLD_EVERY = 5000
_LOOKED_AT = 200


def recognises(path: Path, /) -> bool:
    return (path / "metadata.yaml").is_file() or (path.is_file() and path.suffix in (".mcap", ".db3"))


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    with _opened(path) as bag:
        topics = _choose(path, {c.topic: c.msgtype for c in bag.connections}, wanted.topics)
        robot = wanted.robot or _robot_with(path, _names(bag, topics["state"]))
        made = {topic: _MAKERS[role](path, topic, robot) for role, topic in topics.items()}
        for number, (topic, stamp, message) in enumerate(_messages(bag, made)):
            made[topic].take(stamp, message)
            if number % _TOLD_EVERY == 0:
                wanted.advance(number / max(bag.message_count, 1))
                if sum(maker.size for maker in made.values()) > _MAX_NUMBERS:
                    raise RobotLogError(f"{path} has more than {_MAX_NUMBERS} numbers, expected fewer: split it")
    streams = {name: stream for maker in made.values() for name, stream in maker.streams().items()}
    if "position" not in streams:
        raise RobotLogError(f"{path}: the messages on {topics['state']} have none of {robot.name!r}'s joints or no positions")
    return [RobotLog(LogInfo(robot.name, robot.joints, is_suspended=not robot.is_floating, source=str(path)), streams)]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The bag; whatever its library raises is told as RobotLogError."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ModuleNotFoundError as error:
        raise RobotLogError(f"reading ROS 2 bags needs the package rosbags: pip install 'zerogap[logs]' ({error})") from error
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as bag:
            if not bag.is2:
                raise RobotLogError(f"{path} is a bag of ROS 1: convert it with `rosbags-convert`")
            yield bag
    except UserError:
        raise
    except Exception as error:  # of the bag's storages and decoders, which share no base
        if isinstance(error, OSError) and error.strerror:
            raise RobotLogError(f"cannot read {path}: {error.strerror}") from error
        raise RobotLogError(
            f"{path} is no whole ROS 2 bag: {type(error).__name__}: {error}. Was it closed properly?"
            " `ros2 bag reindex` mends one that was not"
        ) from error


def _choose(path: Path, there: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """The topic of each role. Raises RobotLogError where there is none for the state, or one of another type."""
    listed = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(there.items())[:20]) or "none"
    for role in told:
        if role not in TOPICS:
            raise RobotLogError(f"--topic {role}=...: expected one of {', '.join(TOPICS)}")
    chosen = {}
    for role, usual in TOPICS.items():
        topic = told.get(role) or next((name for name in usual if there.get(name) in _TYPES[role]), None)
        if topic is None:
            continue
        if topic not in there:
            raise RobotLogError(f"{path}: there is no topic {topic}; there are: {listed}")
        if there[topic] not in _TYPES[role]:
            raise RobotLogError(f"{path}: {topic} is of {there[topic]}, expected {' or '.join(_TYPES[role])} for {role}")
        chosen[role] = topic
    if "state" not in chosen:
        raise RobotLogError(
            f"{path}: there is no topic {' or '.join(TOPICS['state'])} of {_STATE}; name it with --topic state=/NAME."
            f" There are: {listed}"
        )
    return chosen


def _messages(bag: Any, topics: Collection[str]) -> Iterator[tuple[str, int, Any]]:
    chosen = [connection for connection in bag.connections if connection.topic in topics]
    for connection, stamp, raw in bag.messages(chosen):
        yield connection.topic, stamp, bag.deserialize(raw, connection.msgtype)


def _names(bag: Any, topic: str) -> list[str]:
    """Of all joints of which the first messages on a topic speak."""
    some = itertools.islice(_messages(bag, (topic,)), _LOOKED_AT)
    return list(dict.fromkeys(name for _, _, message in some for name in message.name))


def _robot_with(path: Path, names: Sequence[str]) -> Robot:
    """The one robot whose joints are among these."""
    found = []
    for make in ROBOTS.values():
        try:
            robot = make()
        except UserError:  # its model is not at hand
            continue
        if set(robot.joints) <= set(names):
            found.append(robot)
    if len(found) != 1:
        raise RobotLogError(
            f"{path} does not say of which robot it is, and its joints, {', '.join(names[:20]) or 'none'}, are those of"
            f" {' and '.join(robot.name for robot in found) or 'none'} of {', '.join(ROBOTS)}: name it with --robot"
        )
    return found[0]


@dataclass
class _Column:
    stamps: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("d"))


class _Maker:
    """The streams of one topic, message by message."""

    def __init__(self, path: Path, topic: str, robot: Robot):
        self.path, self.topic, self.robot = path, topic, robot
        self._columns: dict[str, _Column] = {}
        self._has_stamps = True
        self._orders: dict[tuple[str, ...], list[int] | None] = {}

    @property
    def size(self) -> int:
        return sum(len(column.values) for column in self._columns.values())

    def take(self, stamp: int, message: Any) -> None:
        raise NotImplementedError

    def streams(self) -> dict[str, Stream]:
        made = {}
        for name, column in self._columns.items():
            stamps = np.array(column.stamps, np.int64)
            values = np.array(column.values).reshape(len(stamps), -1)
            made[name] = Stream(stamps, values, "ros" if self._has_stamps else "bag")
        return made

    def _stamp(self, bag_stamp: int, message: Any) -> int:
        stamp = message.header.stamp.sec * _SECOND + message.header.stamp.nanosec
        if stamp == 0 and self._has_stamps:
            if self._columns:
                raise RobotLogError(
                    f"{self.path}: on {self.topic} some messages have a stamp in their header and some have none"
                )
            self._has_stamps = False
        return stamp if self._has_stamps else bag_stamp

    def _put(self, name: str, stamp: int, values: Sequence[float]) -> None:
        column = self._columns.setdefault(name, _Column())
        column.stamps.append(stamp)
        column.values.extend(values)

    def _order(self, names: Sequence[str]) -> list[int] | None:
        """Where the robot's joints are among the names; None where none of them is."""
        key = tuple(names)
        if key not in self._orders:
            known = [name for name in names if name in self.robot.joints]
            if known and not set(self.robot.joints) <= set(names):
                order_of(self.path, f"a message on {self.topic}", names, self.robot)
            self._orders[key] = [key.index(joint) for joint in self.robot.joints] if known else None
        return self._orders[key]

    def _put_joints(self, stamp: int, order: list[int], columns: Mapping[str, Sequence[float]], names: Sequence[str]) -> None:
        for name, values in columns.items():
            if len(values) == len(names):
                self._put(name, stamp, [values[i] for i in order])
            elif len(values):
                raise RobotLogError(
                    f"{self.path}: a message on {self.topic} has {len(values)} numbers for {name}, expected {len(names)}, one"
                    " for each of its joints, or none"
                )


class _State(_Maker):
    columns: tuple[str, ...] = ("position", "velocity", "torque")

    def take(self, stamp: int, message: Any) -> None:
        if (order := self._order(message.name)) is not None:
            values = (message.position, message.velocity, message.effort)
            told = dict(zip(self.columns, values, strict=True))
            self._put_joints(self._stamp(stamp, message), order, told, message.name)


class _Target(_State):
    columns: tuple[str, ...] = ("target", "target_velocity", "feedforward")

    def __init__(self, path: Path, topic: str, robot: Robot):
        super().__init__(path, topic, robot)
        self._due: list[tuple[int, dict[str, Sequence[float]], list[int], list[str]]] = []

    def take(self, stamp: int, message: Any) -> None:
        if not hasattr(message, "points"):
            super().take(stamp, message)
            return
        if (order := self._order(message.joint_names)) is None:
            return
        begin = self._stamp(stamp, message)
        self._settle(begin)
        for point in message.points:
            due = begin + point.time_from_start.sec * _SECOND + point.time_from_start.nanosec
            told = dict(zip(self.columns, (point.positions, point.velocities, point.effort), strict=True))
            self._due.append((due, told, order, message.joint_names))

    def streams(self) -> dict[str, Stream]:
        self._settle(math.inf)
        return super().streams()

    def _settle(self, until: float) -> None:
        """The points that came due before another trajectory did."""
        for due, told, order, names in self._due:
            if due < until:
                self._put_joints(due, order, told, names)
        self._due = []


class _Imu(_Maker):
    def take(self, stamp: int, message: Any) -> None:
        at, turn = self._stamp(stamp, message), message.orientation
        if message.orientation_covariance[0] != -1.0:  # which says that there is no orientation
            self._put("quaternion", at, (turn.w, turn.x, turn.y, turn.z))
        for name, vector in (("angular_velocity", message.angular_velocity), ("acceleration", message.linear_acceleration)):
            self._put(name, at, (vector.x, vector.y, vector.z))


_MAKERS = {"state": _State, "target": _Target, "imu": _Imu}
