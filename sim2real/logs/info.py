"""`LogInfo` as text, and back: `info_from_json`, which trusts nothing."""

import json
from dataclasses import fields
from typing import Any, get_args

from sim2real.logs.robot_log import LogInfo, RobotLogError, TimeBase

_MAX_JOINTS = 1024
_MAX_PAYLOAD = 1e6


def info_from_json(text: str) -> LogInfo:
    """What `json.dumps(asdict(info))` gave. Raises RobotLogError where it is something else."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RobotLogError(f"its description is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise RobotLogError(f"its description is a {type(told).__name__}, expected one entry for each field")
    known = {field.name: field for field in fields(LogInfo)}
    for name in told:
        if name not in known:
            raise RobotLogError(f"its description has an unknown entry {name!r}; there may be: {', '.join(known)}")
    lacking = [name for name in known if name not in told]
    if lacking:
        raise RobotLogError(f"its description lacks {lacking[0]!r}")
    joints = told["joints"]
    if not isinstance(joints, list) or len(joints) > _MAX_JOINTS or not all(isinstance(name, str) for name in joints):
        raise RobotLogError(f"its description's joints are {joints!r:.80}, expected a list of names")
    if len(set(joints)) < len(joints):
        raise RobotLogError("its description names a joint twice")
    payload = told["payload"]
    if not isinstance(payload, int | float) or isinstance(payload, bool) or not 0.0 <= payload <= _MAX_PAYLOAD:
        raise RobotLogError(f"its payload is {payload!r:.80}, expected 0 to {_MAX_PAYLOAD:g} kg")
    if not isinstance(told["is_suspended"], bool):
        raise RobotLogError(f"its description's is_suspended is {told['is_suspended']!r:.80}, expected true or false")
    for name in ("robot", "serial", "excitation", "time_base", "licence", "source"):
        if not isinstance(told[name], str):
            raise RobotLogError(f"its description's {name} is {told[name]!r:.80}, expected a text")
    if told["time_base"] not in get_args(TimeBase):
        raise RobotLogError(f"its time base is {told['time_base']!r}, expected one of {', '.join(get_args(TimeBase))}")
    return LogInfo(**told | {"joints": tuple(joints), "payload": float(payload)})
