"""`--format mcap`: the log of a deployment (`zerogap deploy --log`), or a stored log (`zerogap logs import`), whole or torn.

Of a deployment become streams: what the robot measured (position, velocity, torque, temperature, IMU), with the stamps at
which its messages arrived; what was sent (target, target velocity, feed-forward, gains), with the stamps at which it was; and
what the policy was asked and decided. All are by the host's monotonic clock. While nothing was sent, or damping only, the
commands are NaN. A dry run sent nothing: only what the robot measured is of use.
A stored log is read as it is, so that what is known of it can be added to, or what is whole in it be saved.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from mcap.records import Metadata
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC

from sim2real.deploy import log_writer
from sim2real.deploy.log_reader import Cycle, Log, read_log
from sim2real.deploy.records import Sent
from sim2real.logs import store
from sim2real.logs.importers.csv_map import changes_of
from sim2real.logs.importers.importer import Wanted, robot_of
from sim2real.logs.robot_log import Event, LogInfo, RobotLog, RobotLogError, Stream
from sim2real.logs.salvage import salvage

DESCRIPTION = "a log of `zerogap deploy` or `zerogap logs import`"

_MEASURED = ("position", "velocity", "torque", "temperature")
_IMU = ("quaternion", "angular_velocity", "acceleration")
_COMMANDS = {
    "target": "position",
    "target_velocity": "velocity",
    "feedforward": "torque",
    "stiffness": "stiffness",
    "damping": "damping",
}
"""The streams of what was sent, by the names of `envs.safety.Targets`."""
_GAINS = ("stiffness", "damping")
_HEAD = 16  # records in which ours must be


def recognises(path: Path, /) -> bool:
    return path.is_file() and _writer_of(path) is not None


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    writer = _writer_of(path)
    if writer == store.METADATA:
        log = _stored(path, wanted)
    elif writer == log_writer.METADATA:
        log = _deployment(path, read_log(path, wanted.advance), wanted)
    else:
        with path.open("rb") as file:
            store.check_magic(path, file)
        raise RobotLogError(
            f"{path} is an MCAP file of another programme: expected {DESCRIPTION}. If it is a ROS 2 bag, import it with"
            " --format ros2"
        )
    if wanted.robot is not None:
        robot_of(path, log.info.robot, wanted)
        if wanted.robot.joints != log.info.joints:
            raise RobotLogError(
                f"{path} has the joints {', '.join(log.info.joints)}, and {wanted.robot.name!r} has"
                f" {', '.join(wanted.robot.joints)}: expected the same. Is it a recording of another robot?"
            )
    return [log]


def _writer_of(path: Path) -> str | None:
    """The name of the first metadata in a file, of those that are ours."""
    try:
        with path.open("rb") as file:
            if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
                return None
            file.seek(0)
            records = StreamReader(file, emit_chunks=True, record_size_limit=store.MAX_RECORD).records
            for record in itertools.islice(records, _HEAD):
                if isinstance(record, Metadata) and record.name in (store.METADATA, log_writer.METADATA):
                    return record.name
    except Exception:  # of the format's reader, which has no base: it is damaged, or none
        return None
    return None


def _stored(path: Path, wanted: Wanted) -> RobotLog:
    try:
        log = store.open_log(path)
        return RobotLog(log.info, dict(log.items()), log.events, log.file)
    except RobotLogError:
        log, problem = salvage(path)
        if problem is not None:
            wanted.say(f"warning: {problem}")
        return log


def _deployment(path: Path, log: Log, wanted: Wanted) -> RobotLog:
    if not log.cycles:
        raise RobotLogError(f"{path} holds no cycle: the deployment ended before the robot's first state")
    if not log.is_complete:
        wanted.say(f"warning: {path} breaks off: whoever wrote it died. What came before is imported")
    told, joints = log.header.provenance, len(log.header.joints)
    streams = _measured(log)
    if is_dry_run := told.get("dry_run") is True:
        wanted.say(f"warning: {path} is of a dry run: nothing was sent to the robot, and only what it measured is imported")
    else:
        streams |= _sent(log.cycles, joints)
    if log.decisions and not is_dry_run:
        stamps = np.array([decision.now_ns for decision in log.decisions], np.int64)
        streams["action"] = Stream(stamps, np.array([decision.action for decision in log.decisions]))
        if log.header.command_names:
            streams["command"] = Stream(stamps, np.array([decision.command for decision in log.decisions]))
    kind = told.get("excitation")
    info = LogInfo(
        robot=log.header.robot,
        joints=log.header.joints,
        excitation="" if is_dry_run else kind if isinstance(kind, str) else "policy",
        is_suspended=told.get("is_suspended") is True,
        source=str(path),
    )
    events = tuple(Event(max(event.time_ns - log.epoch_ns, 0), f"{event.kind}: {event.text}") for event in log.events)
    return RobotLog(info, streams, events)


def _measured(log: Log) -> dict[str, Stream]:
    """Each message of the robot once, however often a cycle looked at it. What it never measured is left out."""
    states = [cycle.state for cycle in log.cycles]
    marks = [(state.stamp_ns, state.sequence) for state in states]
    states = [state for state, mark, before in zip(states, marks, [None, *marks], strict=False) if mark != before]
    stamps = np.array([state.stamp_ns for state in states], np.int64)
    names = _MEASURED + (_IMU if log.header.has_imu else ())
    values = {name: np.array([getattr(state, name) for state in states]) for name in names}
    return {name: Stream(stamps, array) for name, array in values.items() if not np.isnan(array).all()}


def _sent(cycles: list[Cycle], joints: int) -> dict[str, Stream]:
    """Commands; where none was sent any more, or none yet, one of NaN."""
    told: list[tuple[int, Any]] = []
    was_commanded = True
    for cycle in cycles:
        is_commanded = cycle.what is Sent.COMMAND and cycle.sent is not None
        if is_commanded:
            told.append((cycle.sent_ns, cycle.sent))
        elif was_commanded:
            told.append((cycle.now_ns, None))
        was_commanded = is_commanded
    if not any(targets is not None for _, targets in told):
        return {}
    stamps, missing = np.array([stamp for stamp, _ in told], np.int64), np.full(joints, np.nan)
    made = {}
    for name, field in _COMMANDS.items():
        values = np.array([missing if targets is None else getattr(targets, field) for _, targets in told])
        stream = Stream(stamps, values)
        made[name] = changes_of(stream) if name in _GAINS else stream
    return made
