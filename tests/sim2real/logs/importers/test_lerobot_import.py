"""LeRobot v3 data sets, in their published layout: episodes, units, and what is wrong with a bad one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from assets.robots import GO2, SO101
from sim2real.drivers.feetech.calibration import MotorCalibration, load_calibration, make_calibration, nominal_calibration
from sim2real.logs.importers import lerobot
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import RobotLog, RobotLogError

FPS = 30
NAMES = [f"{joint}.pos" for joint in SO101.joints]
RANGES = [(800, 3295), (914, 3181), (950, 3145), (971, 3124), (200, 3895), (1426, 2669)]
CALIBRATION = make_calibration(SO101, tuple(MotorCalibration(i + 1, i % 2, 37, *both) for i, both in enumerate(RANGES)), "arm")

DEGREES = nominal_calibration(SO101).lerobot_values


def angles(rows: int, seed: int = 0) -> np.ndarray:
    low, high = 0.8 * SO101.joint_ranges().T
    return np.random.default_rng(seed).uniform(low, high, (rows, 6))


def write(
    folder: Path, episodes: dict[tuple[int, int], list[tuple[int, np.ndarray, np.ndarray]]], fixed: bool = False, **changed: Any
) -> Path:
    """Episodes, each a number, state and action in the data set's units, by the chunk and file that they lie in."""
    feature = {"dtype": "float32", "shape": [6], "names": NAMES}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "so101_follower",
        "fps": FPS,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "features": {"observation.state": feature, "action": feature},
    }
    meta = folder / "meta" / "episodes" / "chunk-000"
    meta.mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info | changed))
    rows: list[dict[str, Any]] = []
    kind = pa.list_(pa.float32(), 6) if fixed else pa.list_(pa.float32())
    begin = 0
    for (chunk, file), inside in episodes.items():
        columns: dict[str, list] = {name: [] for name in ("observation.state", "action")}
        frames, numbers = [], []
        for number, state, action in inside:
            columns["observation.state"] += state.astype(np.float32).tolist()
            columns["action"] += action.astype(np.float32).tolist()
            frames += range(len(state))
            numbers += [number] * len(state)
            place = {"data/chunk_index": chunk, "data/file_index": file}
            span = {"dataset_from_index": begin, "dataset_to_index": begin + len(state)}
            rows.append({"episode_index": number, "tasks": ["wave"], "length": len(state), **place, **span})
            begin += len(state)
        data = {
            **{name: pa.array(values, kind) for name, values in columns.items()},
            "timestamp": pa.array(np.array(frames, np.float32) / np.float32(FPS)),
            "frame_index": pa.array(frames, pa.int64()),
            "episode_index": pa.array(numbers, pa.int64()),
            "index": pa.array(range(len(frames)), pa.int64()),
            "task_index": pa.array([0] * len(frames), pa.int64()),
        }
        path = folder / "data" / f"chunk-{chunk:03d}" / f"file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(data), path)
    parquet.write_table(pa.Table.from_pylist(rows), meta / "file-000.parquet")
    return folder


def simple(folder: Path, to_units=DEGREES, **changed: Any) -> tuple[Path, np.ndarray]:
    truth = angles(40)
    path = write(folder, {(0, 0): [(0, np.array([to_units(row) for row in truth]), np.zeros((40, 6)))]}, **changed)
    return path, truth


def read(folder: Path, **told: Any) -> list[RobotLog]:
    return lerobot.read(folder, Wanted(**{"units": "degrees", **told}))


@pytest.mark.parametrize("fixed", [False, True])
def test_state_and_action_become_positions_and_targets(tmp_path, fixed):
    state, action = angles(40), angles(40, 1)
    path = write(tmp_path / "set", {(0, 0): [(0, DEGREES(state), DEGREES(action))]}, fixed)
    assert lerobot.recognises(path)
    (log,) = read(path)
    assert (log.info.robot, log.info.joints) == ("so101", SO101.joints)
    np.testing.assert_allclose(log["position"].values, state, atol=2e-7)
    np.testing.assert_allclose(log["target"].values, action, atol=2e-7)
    np.testing.assert_allclose(log["position"].seconds, np.arange(40) / FPS, atol=1e-6)


def test_stamps_that_follow_from_the_frame_s_number_are_nominal(tmp_path):
    (log,) = read(simple(tmp_path / "a")[0])
    assert log.info.time_base == "nominal"
    path, _ = simple(tmp_path / "b")
    file = path / "data/chunk-000/file-000.parquet"
    table = parquet.read_table(file)
    jitter = np.random.default_rng(0).uniform(0, 0.004, 40).astype(np.float32)
    stamps = pa.array(table["timestamp"].to_numpy() + jitter)
    parquet.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", stamps), file)
    (log,) = read(path)
    assert log.info.time_base == "measured"


@pytest.mark.parametrize("units", ["degrees", "normalised"])
def test_a_calibrated_arm_s_units_come_back_as_angles(tmp_path, units):
    """The numbers are those that LeRobot would have given of the servos' steps."""
    steps = np.random.default_rng(0).uniform([a for a, _ in RANGES], [b for _, b in RANGES], (40, 6))
    share = (steps - [a for a, _ in RANGES]) / np.diff(RANGES, axis=1).T[0]
    against = np.array([motor.drive_mode for motor in CALIBRATION.motors], bool)
    values = np.where(against, -1, 1) * (200 * share - 100)
    values[:, 5] = np.where(against[5], 100 - 100 * share[:, 5], 100 * share[:, 5])
    if units == "degrees":
        values[:, :5] = ((steps - np.mean(RANGES, axis=1)) * 360 / 4095)[:, :5]
    CALIBRATION.save(tmp_path / "arm.json")
    path = write(tmp_path / "set", {(0, 0): [(0, values, values)]})
    (log,) = read(path, units=units, calibration=tmp_path / "arm.json")
    np.testing.assert_allclose(log["position"].values, load_calibration(tmp_path / "arm.json", SO101).angles(steps), atol=1e-6)


def test_radians_are_taken_as_they_are(tmp_path):
    path, truth = simple(tmp_path / "set", to_units=lambda row: row)
    (log,) = read(path, units="rad")
    np.testing.assert_allclose(log["position"].values, truth, atol=2e-7)


def test_units_must_be_told(tmp_path):
    path, _ = simple(tmp_path / "set")
    with pytest.raises(RobotLogError, match="does not say its units: give --units degrees"):
        read(path, units=None)
    with pytest.raises(RobotLogError, match="no angle without that range: give the arm's --calibration"):
        read(path, units="normalised")


def test_each_episode_is_a_log_wherever_it_lies(tmp_path):
    values = [np.full((5 + i, 6), 10.0 * i) for i in range(4)]
    places = {(0, 0): [(0, values[0], values[0]), (1, values[1], values[1])], (0, 1): [(2, values[2], values[2])]}
    path = write(tmp_path / "set", places | {(1, 0): [(3, values[3], values[3])]})
    logs = read(path)
    assert [len(log["position"]) for log in logs] == [5, 6, 7, 8]
    np.testing.assert_allclose([np.rad2deg(log["position"].values[0, 0]) for log in logs], [0, 10, 20, 30], atol=0.01)
    assert [log.info.source[-9:] for log in logs] == [f"episode {i}" for i in range(4)]
    (one,) = read(path, episode=2)
    assert one.content_hash == logs[2].content_hash
    with pytest.raises(RobotLogError, match="has no episode 9; there are 0 to 3"):
        read(path, episode=9)


def test_another_robot_s_names_are_told(tmp_path):
    feature = {"dtype": "float32", "shape": [6], "names": [*NAMES[:5], "griper.pos"]}
    path, _ = simple(tmp_path / "a", features={"observation.state": feature, "action": feature})
    with pytest.raises(
        RobotLogError, match=r"feature 'observation.state' has a joint 'griper', which 'so101' lacks; did you mean 'gripper'"
    ):
        read(path)
    path, _ = simple(tmp_path / "b")
    with pytest.raises(RobotLogError, match=r"info.json: .*shoulder_pan.*another robot"):
        read(path, robot=GO2)
    path, _ = simple(tmp_path / "c", robot_type="koch")
    with pytest.raises(RobotLogError, match="does not say of which robot it is: name it with --robot"):
        read(path)
    assert read(path, robot=SO101)[0].info.robot == "so101"


def test_names_in_a_dictionary_are_read_too(tmp_path):
    feature = {"dtype": "float32", "shape": [6], "names": {"motors": [f"main_{joint}" for joint in reversed(SO101.joints)]}}
    path, _ = simple(tmp_path / "set", to_units=lambda row: row, features={"observation.state": feature, "action": feature})
    (log,) = read(path, units="rad")
    np.testing.assert_allclose(log["position"].values, angles(40)[:, ::-1], atol=2e-7)


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"codebase_version": "v2.1"}, "is of version 'v2.1', expected v3: convert"),
        ({"features": {}}, "no feature 'observation.state'"),
        ({"features": []}, "has no features"),
        ({"features": {"observation.state": {"names": None}}}, "does not name its numbers"),
    ],
)
def test_what_is_wrong_with_its_description_is_told(tmp_path, changed, expected):
    path, _ = simple(tmp_path / "set", **changed)
    with pytest.raises(RobotLogError, match=expected):
        read(path)


def test_an_incomplete_data_set_is_told_so(tmp_path):
    path, _ = simple(tmp_path / "set")
    data, meta = path / "data/chunk-000/file-000.parquet", path / "meta/episodes/chunk-000/file-000.parquet"
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    with pytest.raises(RobotLogError, match=r"data/chunk-000/file-000\.parquet is no whole Parquet file"):
        read(path)
    data.unlink()
    with pytest.raises(RobotLogError, match=r"cannot read .*file-000\.parquet.*Is the data set complete"):
        read(path)
    meta.unlink()
    with pytest.raises(RobotLogError, match="the data set is not complete"):
        read(path)
    (path / "meta/info.json").write_text("{")
    with pytest.raises(RobotLogError, match="is no JSON"):
        read(path)


def test_empty_cells_and_lists_of_differing_length_are_told(tmp_path):
    path, _ = simple(tmp_path / "set")
    file = path / "data/chunk-000/file-000.parquet"
    table = parquet.read_table(file)
    place = table.schema.get_field_index("action")
    for cells, expected in (
        ([None, *[[0.0] * 6] * 39], "column 'action' has 1 empty cells"),
        ([[0.0] * 5, *[[0.0] * 6] * 39], r"lists of \[5, 6\] numbers"),
        ([[0.0] * 5] * 40, r"'action' has shape \(40, 5\), expected \(40, 6\)"),
    ):
        parquet.write_table(table.set_column(place, "action", pa.array(cells, pa.list_(pa.float32()))), file)
        with pytest.raises(RobotLogError, match=expected):
            read(path)
    parquet.write_table(table.drop_columns(["timestamp"]), file)
    with pytest.raises(RobotLogError, match=r"has no column 'timestamp'; it has: observation\.state"):
        read(path)
