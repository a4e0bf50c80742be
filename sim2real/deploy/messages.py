"""The messages of a log, in ROS 2's own language: standard ones that every tool shows, and two of ours.

/joint_states    sensor_msgs/JointState     as measured: rad, rad/s, N m
/imu             sensor_msgs/Imu            as measured, where the robot has one
/joint_commands  sensor_msgs/JointState     targets and feed-forward torques that were sent
/damping         sensor_msgs/JointState     the driver's own that let the robot sink, where it tells them
/withheld        sensor_msgs/JointState     those that a dry run would have sent
/cycle           zerogap_msgs/Cycle         the rest of each cycle: what was wanted, gains, temperatures, counters, trips
/decision        zerogap_msgs/Decision      each step of the policy: command, raw action, targets
/rosout          rcl_interfaces/Log         events: phases, trips, warnings, errors
"""

from typing import Any

import numpy as np

_TIME = """
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""

_HEADER = f"""
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{_TIME}"""

JOINT_STATE = f"""std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort
{_HEADER}"""

IMU = f"""std_msgs/Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance
{_HEADER}
================================================================================
MSG: geometry_msgs/Quaternion
float64 x
float64 y
float64 z
float64 w

================================================================================
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
"""

LOG = f"""builtin_interfaces/Time stamp
uint8 level
string name
string msg
string file
string function
uint32 line
{_TIME}"""

CYCLE = """uint64 number
int64 now_ns
int64 sent_ns
int64 stamp_ns
int64 sequence
uint32 overtaken
int32 rivals
bool intact
uint8 phase
uint8 what
bool restarted
uint32 trips
float64[] temperature
float64[] wanted_position
float64[] wanted_velocity
float64[] wanted_torque
float64[] wanted_stiffness
float64[] wanted_damping
float64[] sent_stiffness
float64[] sent_damping
"""

DECISION = """uint64 number
int64 now_ns
int64 spent_ns
float64[] command
float64[] action
float64[] targets
"""

SCHEMAS = {
    "/joint_states": ("sensor_msgs/msg/JointState", JOINT_STATE),
    "/imu": ("sensor_msgs/msg/Imu", IMU),
    "/joint_commands": ("sensor_msgs/msg/JointState", JOINT_STATE),
    "/damping": ("sensor_msgs/msg/JointState", JOINT_STATE),
    "/withheld": ("sensor_msgs/msg/JointState", JOINT_STATE),
    "/cycle": ("zerogap_msgs/msg/Cycle", CYCLE),
    "/decision": ("zerogap_msgs/msg/Decision", DECISION),
    "/rosout": ("rcl_interfaces/msg/Log", LOG),
}
"""Type and definition by topic."""

LEVELS = {"info": 20, "warning": 30, "error": 40}
"""Of rcl_interfaces/Log."""

_CYCLE_ARRAYS = (
    "temperature",
    *(f"wanted_{name}" for name in ("position", "velocity", "torque", "stiffness", "damping")),
    "sent_stiffness",
    "sent_damping",
)
_CYCLE_NUMBERS = ("number", "now_ns", "sent_ns", "stamp_ns", "sequence", "overtaken", "rivals", "phase", "what", "trips")
_UNKNOWN_COVARIANCE = [0.0] * 9


def time(nanoseconds: int) -> dict[str, int]:
    """builtin_interfaces/Time."""
    return {"sec": nanoseconds // 1_000_000_000, "nanosec": nanoseconds % 1_000_000_000}


def joint_state(names: list[str], stamp: int, position: np.ndarray, velocity: np.ndarray, effort: np.ndarray) -> dict[str, Any]:
    return {
        "header": {"stamp": time(stamp), "frame_id": ""},
        "name": names,
        "position": position.tolist(),
        "velocity": velocity.tolist(),
        "effort": effort.tolist(),
    }


def imu(stamp: int, quaternion: np.ndarray, angular_velocity: np.ndarray, acceleration: np.ndarray) -> dict[str, Any]:
    """`quaternion` is w, x, y, z."""

    def vector(values: np.ndarray) -> dict[str, float]:
        return dict(zip("xyz", values.tolist(), strict=True))

    w, x, y, z = quaternion.tolist()
    return {
        "header": {"stamp": time(stamp), "frame_id": "imu"},
        "orientation": {"x": x, "y": y, "z": z, "w": w},
        "orientation_covariance": _UNKNOWN_COVARIANCE,
        "angular_velocity": vector(angular_velocity),
        "angular_velocity_covariance": _UNKNOWN_COVARIANCE,
        "linear_acceleration": vector(acceleration),
        "linear_acceleration_covariance": _UNKNOWN_COVARIANCE,
    }


def cycle(record: np.void) -> dict[str, Any]:
    """From a record of `records.cycle_dtype`."""
    numbers: dict[str, Any] = {name: int(record[name]) for name in _CYCLE_NUMBERS}
    flags = {name: bool(record[name]) for name in ("intact", "restarted")}
    return numbers | flags | {name: record[name].tolist() for name in _CYCLE_ARRAYS}


def decision(record: np.void) -> dict[str, Any]:
    """From a record of `records.decision_dtype`."""
    numbers = {name: int(record[name]) for name in ("number", "now_ns", "spent_ns")}
    return numbers | {name: record[name].tolist() for name in ("command", "action", "targets")}


def event(stamp: int, level: str, kind: str, text: str) -> dict[str, Any]:
    told = {"stamp": time(stamp), "level": LEVELS[level], "name": kind, "msg": text}
    return told | {"file": "", "function": "", "line": 0}
