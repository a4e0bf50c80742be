"""`--format lerobot`: a LeRobot v3 data set, a folder; a log for each episode, or the one of `--episode`.

meta/info.json                              version, robot, rate, the names of the joints
meta/episodes/chunk-*/file-*.parquet        which file holds an episode
data/chunk-*/file-*.parquet                 observation.state, action, timestamp, frame_index, episode_index

`observation.state` becomes `position`, `action` becomes `target`: LeRobot's arms are commanded by positions. The units are not
in the data set and must be told (`--units`):

degrees      of the joints, and 0 to 100 of an SO-100's or SO-101's gripper: LeRobot's `use_degrees`
normalised   -100 to 100 of each joint's calibrated range, and 0 to 100 of the gripper's; needs the arm's calibration
rad

What 0 to 100 of a gripper are depends on the arm's calibration (`--calibration`, the file that LeRobot keeps); in degrees,
without one, they are taken as the whole range of the robot's description. LeRobot computes a frame's time from its number
unless its recorder says otherwise: such a log has the time base "nominal".
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.robots.robot import Robot
from assets.robots.so101 import SO101
from sim2real.drivers.feetech.calibration import load_calibration, nominal_calibration
from sim2real.logs.importers.importer import Wanted, order_of, robot_of
from sim2real.logs.robot_log import LogInfo, RobotLog, RobotLogError, Stream

DESCRIPTION = "a LeRobot v3 data set"
UNITS = ("degrees", "normalised", "rad")

_ARMS = ("so101_follower", "so100_follower", "so_follower", "so101", "so100")
"""What LeRobot calls arms that are our `so101`, or move as it does."""
_INFO, _EPISODES, _DATA = "meta/info.json", "meta/episodes", "data/chunk-{:03d}/file-{:03d}.parquet"
_STATE, _ACTION = "observation.state", "action"
_MAX_INFO_BYTES = 16 * 2**20
_MAX_ROWS = 2**26
_MAX_SECONDS = 2**31
_STAMP_ERROR = 1e-6  # of a stamp that is a float32

Convert = Callable[[np.ndarray], np.ndarray]


def recognises(path: Path, /) -> bool:
    return (path / _INFO).is_file() and (path / "data").is_dir()


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    info = _info(path)
    robot = wanted.robot or robot_of(path, "so101" if info.get("robot_type") in _ARMS else "", wanted)
    orders = {
        name: order_of(path / _INFO, f"feature {name!r}", _joint_names(path, info, name), robot) for name in (_STATE, _ACTION)
    }
    convert = _converter(path, robot, wanted)
    places = _places(path, wanted.episode)
    logs = []
    for done, (file, episodes) in enumerate(places.items()):
        columns = _read_columns(file, (_STATE, _ACTION, "timestamp", "frame_index", "episode_index"))
        for episode in episodes:
            rows = np.flatnonzero(columns["episode_index"] == episode)
            if not len(rows):
                raise RobotLogError(f"{file}: there is no row of episode {episode}, which meta/episodes says is in it")
            picked = {name: values[rows] for name, values in columns.items()}
            logs.append(_log(path, robot, info, picked, episode, orders, convert))
        wanted.advance((done + 1) / len(places))
    return logs


def _info(path: Path) -> dict[str, Any]:
    file = path / _INFO
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_INFO_BYTES + 1)
        told = json.loads(content) if len(content) <= _MAX_INFO_BYTES else None
    except OSError as error:
        raise RobotLogError(f"cannot read {file}: {error.strerror or error}; expected {DESCRIPTION}") from error
    except (ValueError, RecursionError) as error:
        raise RobotLogError(f"{file} is no JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("features"), dict):
        raise RobotLogError(f"{file} has no features: expected {DESCRIPTION}")
    version = told.get("codebase_version")
    if not isinstance(version, str) or not version.startswith("v3."):
        raise RobotLogError(
            f"{file} is of version {version!r:.40}, expected v3: convert the data set with"
            " `python -m lerobot.datasets.v30.convert_dataset_v21_to_v30`"
        )
    return told


def _joint_names(path: Path, info: dict[str, Any], name: str) -> list[str]:
    """Of a feature: `shoulder_pan.pos` is `shoulder_pan`."""
    feature = info["features"].get(name)
    if not isinstance(feature, dict):
        raise RobotLogError(f"{path / _INFO} has no feature {name!r}; there are: {', '.join(info['features']) or 'none'}")
    names = feature.get("names")
    if isinstance(names, dict) and len(names) == 1:
        (names,) = names.values()
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise RobotLogError(f"{path / _INFO}: feature {name!r} does not name its numbers, expected a joint for each")
    return [one.removesuffix(".pos").removeprefix("main_") for one in names]


def _converter(path: Path, robot: Robot, wanted: Wanted) -> Convert:
    """From the data set's units to rad, (samples, joints) in policy order."""
    is_arm = robot.joints == SO101.joints
    if wanted.units is None:
        raise RobotLogError(
            f"{path} does not say its units: give --units degrees (LeRobot's use_degrees), --units normalised (-100 to 100,"
            " with --calibration FILE) or --units rad. Its numbers may look like any of them: ask who recorded it"
        )
    if wanted.units not in UNITS:
        raise RobotLogError(f"--units is {wanted.units!r}, expected one of {', '.join(UNITS)}")
    if wanted.units == "rad":
        return lambda values: values
    if wanted.units == "degrees" and not is_arm:
        return np.deg2rad
    if not is_arm:
        raise RobotLogError(f"--units normalised is known for the arms {', '.join(_ARMS)} only; {robot.name!r} is none")
    if wanted.calibration is not None:
        calibration = load_calibration(wanted.calibration, robot)
    elif wanted.units == "degrees":
        calibration = nominal_calibration(robot)
    else:
        raise RobotLogError(
            f"{path}: -100 to 100 of a joint's calibrated range is no angle without that range: give the arm's --calibration,"
            " which LeRobot keeps below ~/.cache/huggingface/lerobot/calibration/robots"
        )
    return calibration.angles_of_lerobot if wanted.units == "degrees" else calibration.angles_of_normalised


def _places(path: Path, chosen: int | None) -> dict[Path, list[int]]:
    """The episodes in each data file. Raises RobotLogError where there are none, or not the chosen one."""
    files = sorted((path / _EPISODES).glob("chunk-*/file-*.parquet"))
    if not files:
        raise RobotLogError(f"{path / _EPISODES} has no chunk-*/file-*.parquet: the data set is not complete")
    places: dict[Path, list[int]] = {}
    known: list[int] = []
    for file in files:
        columns = _read_columns(file, ("episode_index", "data/chunk_index", "data/file_index"))
        for episode, chunk, number in np.stack([values.astype(np.int64) for values in columns.values()], axis=1).tolist():
            known.append(episode)
            if chosen in (None, episode):
                places.setdefault(path / _DATA.format(chunk, number), []).append(episode)
    if not places:
        some = f"0 to {max(known)}" if known else "none"
        raise RobotLogError(f"{path} has no episode {chosen}; there are {some}" if known else f"{path} has no episode")
    return places


def _read_columns(file: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a Parquet file as (rows,), or (rows, width) where they hold lists."""
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise RobotLogError("LeRobot's data sets need the package pyarrow: pip install 'zerogap[logs]'") from error
    try:
        with parquet.ParquetFile(file) as opened:
            there = opened.schema_arrow.names
            lacking = [name for name in names if name not in there]
            if lacking:
                raise RobotLogError(f"{file} has no column {lacking[0]!r}; it has: {', '.join(there)}")
            if opened.metadata.num_rows > _MAX_ROWS:
                raise RobotLogError(f"{file} has {opened.metadata.num_rows} rows, expected at most {_MAX_ROWS}")
            table = opened.read(columns=list(names))
        return {name: _array(file, name, table.column(name)) for name in names}
    except RobotLogError:
        raise
    except OSError as error:
        raise RobotLogError(f"cannot read {file}: {error.strerror or error}. Is the data set complete?") from error
    except Exception as error:  # of Arrow, whose errors share no base but this
        raise RobotLogError(f"{file} is no whole Parquet file: {type(error).__name__}: {error}") from error


def _array(file: Path, name: str, column: Any) -> np.ndarray:
    import pyarrow as pa

    if column.null_count:
        raise RobotLogError(f"{file}: column {name!r} has {column.null_count} empty cells, expected numbers")
    rows, kind = len(column), column.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        column = column.combine_chunks()
        lengths = {len(cell) for cell in column} if not pa.types.is_fixed_size_list(kind) else {kind.list_size}
        flat = column.flatten()
        if len(lengths) > 1 or flat.null_count:
            raise RobotLogError(f"{file}: column {name!r} has lists of {sorted(lengths)} numbers, expected all of one length")
        return np.asarray(flat.to_numpy(zero_copy_only=False), np.float64).reshape(rows, -1)
    return np.asarray(column.to_numpy())


def _log(
    path: Path,
    robot: Robot,
    info: dict[str, Any],
    columns: dict[str, np.ndarray],
    episode: int,
    orders: dict[str, list[int]],
    convert: Convert,
) -> RobotLog:
    seconds = columns["timestamp"].astype(np.float64)
    if not ((seconds >= 0.0) & (seconds < _MAX_SECONDS)).all():
        raise RobotLogError(f"{path}: episode {episode} has a timestamp that is no time in seconds")
    streams = {}
    for name, stream in ((_STATE, "position"), (_ACTION, "target")):
        values = columns[name]
        if values.ndim != 2 or values.shape[1] != len(orders[name]):
            raise RobotLogError(f"{path}: {name!r} has shape {values.shape}, expected ({len(seconds)}, {len(orders[name])})")
        streams[stream] = Stream(np.rint(1e9 * seconds).astype(np.int64), convert(values[:, orders[name]]))
    known = LogInfo(
        robot.name,
        robot.joints,
        is_suspended=not robot.is_floating,
        time_base="nominal" if _is_computed(seconds, columns["frame_index"], info.get("fps")) else "measured",
        source=f"{path} episode {episode}",
    )
    return RobotLog(known, streams)


def _is_computed(seconds: np.ndarray, frames: np.ndarray, rate: Any) -> bool:
    """Whether the stamps follow from the frames' numbers."""
    if not isinstance(rate, int | float) or rate <= 0:
        return False
    return bool(np.allclose(seconds, frames / rate, rtol=_STAMP_ERROR, atol=_STAMP_ERROR))
