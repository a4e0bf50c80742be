"""Joints of which a stream says nothing: `check_unknown(log)` finds them; `filled(log, robot)` and `told(log)` leave numbers
only, for the checks that compare them."""

from dataclasses import replace

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.check import Finding
from sim2real.logs.robot_log import KINDS, RobotLog, Stream

_NEEDED = ("position", "target")


def check_unknown(log: RobotLog) -> list[Finding]:
    """Joints' streams without a single number for a joint."""
    found = []
    for name in log:
        if KINDS[name].width != "joints" or not len(log[name]):
            continue
        for joint in _unknown(log, name):
            text = f"{name} has no number for {log.info.joints[joint]}"
            cause = "nothing can be told of this joint: record it, or see how its column was imported"
            severity = "error" if name in _NEEDED else "warning"
            found.append(Finding("unknown joint", severity, name, log.info.joints[joint], text, cause))
    return found


def filled(log: RobotLog, robot: Robot | None) -> RobotLog:
    """With joints that are not known at rest: where the description has them, or at 0."""
    rest = np.array(robot.default_pose) if robot is not None else np.zeros(len(log.info.joints))
    unknown = _unknown(log, "position")
    streams = {}
    for name in log:
        stream = log[name]
        joints = np.union1d(_unknown(log, name), unknown).astype(int) if KINDS[name].width == "joints" else []
        if len(joints) and len(stream):
            values = stream.values.copy()
            values[:, joints] = rest[joints] if name in _NEEDED else 0.0
            stream = Stream(stream.stamps, values, stream.clock)
        streams[name] = stream
    return replace(log, streams=streams)


def told(log: RobotLog) -> RobotLog:
    """Of positions, velocities and commands only the samples that have a number for every joint."""
    streams = {}
    for name in log:
        stream = log[name]
        if name in ("position", "velocity") or KINDS[name].held:
            known = np.isfinite(stream.values).all(axis=1)
            stream = stream if known.all() else Stream(stream.stamps[known], stream.values[known], stream.clock)
        streams[name] = stream
    return replace(log, streams={name: stream for name, stream in streams.items() if len(stream) or not len(log[name])})


def _unknown(log: RobotLog, name: str) -> np.ndarray:
    """Indices of joints."""
    return np.flatnonzero(~np.isfinite(log[name].values).any(axis=0))
