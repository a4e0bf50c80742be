"""A deployment's log as a log for calibration: what was measured, what was sent, and whether anything was sent at all."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2, SO101
from sim2real.deploy.deployment import deploy
from sim2real.deploy.header import Header
from sim2real.deploy.log_reader import read_log
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.records import Sent, cycle_dtype, decision_dtype
from sim2real.deploy.sources import Constant
from sim2real.drivers.twin import TwinDriver
from sim2real.logs.importers import mcap_file
from sim2real.logs.importers.importer import Wanted
from sim2real.logs.robot_log import Event, LogInfo, RobotLog, RobotLogError, Stream
from sim2real.logs.store import open_log, write_log
from tests.sim2real.deploy.robots import Swaying
from tests.sim2real.deploy.test_deploy_faults import ROBOT, TIMES, Peer
from tests.sim2real.deploy.test_recorder import HEADER

BEGIN = 10**9
PERIOD = 2_000_000


def cycle(number: int, what: Sent = Sent.COMMAND, **changed) -> bytes:
    record = np.zeros(1, cycle_dtype(12))[0]
    now = BEGIN + PERIOD * number
    record["number"], record["now_ns"], record["stamp_ns"], record["sent_ns"] = number, now, now - 300_000, now + 50_000
    record["what"], record["intact"], record["sequence"] = what, True, number
    for place, name in enumerate(name for name in record.dtype.names if record[name].ndim):
        record[name] = number + 100 * place + 0.01 * np.arange(len(record[name]))
    for name in ("stiffness", "damping"):
        record[f"sent_{name}"] = 20.0
    if what is not Sent.COMMAND:
        for name in ("position", "velocity", "torque", "stiffness", "damping"):
            record[f"sent_{name}"] = np.nan
    for name, value in changed.items():
        record[name] = value
    return record.tobytes()


def record(path: Path, cycles: list[bytes], provenance: dict | None = None) -> Path:
    header = Header.from_json(json.dumps(HEADER.to_json() | {"provenance": provenance or {}}))
    with Recorder(path, header.to_json()) as recorder:
        recorder.event("warning", "start", "no realtime", BEGIN)
        for content in cycles:
            recorder.cycle(content)
        decided = np.zeros(1, decision_dtype(12, 1))[0]
        decided["now_ns"], decided["command"], decided["action"] = BEGIN + 5, 0.5, np.arange(12)
        recorder.decision(decided.tobytes())
    return path


def read(path: Path, **told) -> RobotLog:
    (log,) = mcap_file.read(path, Wanted(**told))
    return log


def test_what_was_measured_and_sent_becomes_streams(tmp_path):
    path = record(tmp_path / "x.mcap", [cycle(i) for i in range(20)])
    assert mcap_file.recognises(path)
    log = read(path)
    expected = np.frombuffer(b"".join(cycle(i) for i in range(20)), cycle_dtype(12))
    assert (log.info.robot, log.info.joints) == ("go2", GO2.joints)
    assert (log.info.excitation, log.info.is_suspended, log.info.time_base) == ("policy", False, "measured")
    for name in ("position", "velocity", "torque", "temperature", "quaternion", "angular_velocity", "acceleration"):
        assert np.array_equal(log[name].values, expected[name])
        assert np.array_equal(log[name].stamps, expected["stamp_ns"])
    for name, sent in (("target", "position"), ("target_velocity", "velocity"), ("feedforward", "torque")):
        assert np.array_equal(log[name].values, expected[f"sent_{sent}"])
        assert np.array_equal(log[name].stamps, expected["sent_ns"])
    assert log["stiffness"].values.tolist() == [[20.0] * 12]
    assert log["stiffness"].stamps.tolist() == [expected["sent_ns"][0]]
    assert log["action"].values.tolist() == [list(range(12))]
    assert log["command"].values.tolist() == [[0.5]]
    assert log["action"].stamps.tolist() == [BEGIN + 5]
    assert log.events == (Event(BEGIN, "start: no realtime"),)


def test_while_nothing_is_commanded_the_commands_are_nan(tmp_path):
    whats = [Sent.NOTHING] * 3 + [Sent.COMMAND] * 4 + [Sent.DAMPING] * 3
    log = read(record(tmp_path / "x.mcap", [cycle(i, what) for i, what in enumerate(whats)]))
    target, gains = log["target"], log["stiffness"]
    assert np.isnan(target.values).all(axis=1).tolist() == [True, False, False, False, False, True]
    assert target.stamps[[0, -1]].tolist() == [BEGIN, BEGIN + 7 * PERIOD]
    held = gains.held_at(log["position"].stamps)[:, 0]
    assert np.isnan(held).tolist() == [True] * 4 + [False] * 4 + [True] * 2  # a state is older than what it led to
    assert len(log["position"]) == 10


@pytest.mark.parametrize("what", [Sent.WITHHELD, Sent.COMMAND])  # the second is what older versions wrote
def test_a_dry_run_has_no_commands(tmp_path, what):
    said: list[str] = []
    path = record(tmp_path / "x.mcap", [cycle(i, what) for i in range(5)], {"dry_run": True, "excitation": "chirp"})
    log = read(path, say=said.append)
    assert set(log.streams) == {*("position", "velocity", "torque", "temperature"), *mcap_file._IMU}
    assert len(log["position"]) == 5
    assert log.info.excitation == ""
    (told,) = said
    assert "x.mcap is of a dry run: nothing was sent to the robot" in told


def test_a_state_that_several_cycles_looked_at_is_one_sample(tmp_path):
    log = read(record(tmp_path / "x.mcap", [cycle(i, stamp_ns=BEGIN + i // 3, sequence=i // 3) for i in range(9)]))
    assert log["position"].stamps.tolist() == [BEGIN, BEGIN + 1, BEGIN + 2]
    assert log["position"].values[:, 0].tolist() == [0.0, 3.0, 6.0]
    assert len(log["target"]) == 9


def test_what_the_robot_does_not_measure_is_left_out(tmp_path):
    log = read(record(tmp_path / "x.mcap", [cycle(i, torque=np.nan, temperature=np.nan) for i in range(3)]))
    assert "torque" not in log.streams
    assert "temperature" not in log.streams


def test_what_the_runtime_says_of_the_motion_is_kept(tmp_path):
    told = {"excitation": "chirp", "is_suspended": True}
    log = read(record(tmp_path / "x.mcap", [cycle(0)], told))
    assert (log.info.excitation, log.info.is_suspended) == ("chirp", True)


def test_a_log_whose_writer_died_is_read_as_far_as_it_goes(tmp_path):
    path = record(tmp_path / "x.mcap", [cycle(i) for i in range(1000)])
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said: list[str] = []
    log = read(torn, say=said.append)
    whole = read(path)
    kept = len(log["position"])
    assert 0 < kept < 1000
    assert np.array_equal(log["position"].values, whole["position"].values[:kept])
    assert len(said) == 1
    assert "torn.mcap breaks off" in said[0]


def test_a_deployment_on_the_twin_is_imported_whole(tmp_path):
    """The robot is simulated in another process; its log is written by a third."""
    path, peer = tmp_path / "walk.mcap", Peer()
    try:
        pilot, times = Swaying(), replace(TIMES, policy=0.6)
        source, driver = Constant((0.2,), pilot.commands.names), TwinDriver(peer.address, ROBOT)
        deploy(pilot, driver, source, path, times, provenance={"excitation": "multisine"}, say=lambda _: None)
    finally:
        peer.process.kill()
        peer.process.wait()
    log, told = read(path), read_log(path)
    write_log(log, tmp_path / "log.mcap")
    again = open_log(tmp_path / "log.mcap")
    assert again.content_hash == log.content_hash
    assert again.info.excitation == "multisine"
    sent = [one.sent.position for one in told.cycles if one.what is Sent.COMMAND and one.sent is not None]
    commanded = again["target"].values[~np.isnan(again["target"].values).any(axis=1)]
    assert np.array_equal(commanded, sent)
    assert len(sent) > 30
    assert np.isnan(again["target"].values[-1]).all()  # it was damped in the end
    assert np.array_equal(again["action"].values, [decision.action for decision in told.decisions])
    assert len({text for text in (event.text for event in again.events) if text.startswith("phase: ")}) >= 3
    # By one clock: commands and events lie among states.
    position, target = again["position"], again["target"]
    assert (np.diff(position.stamps) > 0).all()
    assert position.stamps[0] <= target.stamps[0] < target.stamps[-1] <= position.stamps[-1] + 10**9
    assert all(-10 < 1e-9 * (event.stamp - position.stamps[0]) < 600 for event in again.events)
    stamps = dict.fromkeys(one.state.stamp_ns for one in told.cycles)
    assert position.stamps.tolist() == list(stamps)


def test_a_stored_log_is_read_as_it_is(tmp_path):
    log = RobotLog(LogInfo("go2", GO2.joints), {"position": Stream(np.arange(5), np.zeros((5, 12)))}, (Event(1, "x"),))
    write_log(log, tmp_path / "log.mcap")
    assert mcap_file.recognises(tmp_path / "log.mcap")
    assert read(tmp_path / "log.mcap").content_hash == log.content_hash


def test_a_recording_of_another_robot_is_told_so(tmp_path):
    path = record(tmp_path / "x.mcap", [cycle(0)])
    with pytest.raises(RobotLogError, match=r"x\.mcap is a recording of 'go2', expected 'so101'"):
        read(path, robot=SO101)
    assert read(path, robot=GO2).info.robot == "go2"


def test_a_deployment_without_a_state_is_told_so(tmp_path):
    with pytest.raises(RobotLogError, match="holds no cycle"):
        read(record(tmp_path / "x.mcap", []))


@pytest.mark.parametrize(
    "content, expected", [(b"", "is empty"), (b"text", "is no MCAP file"), (b"\x89MCAP0\r\n", "breaks off")]
)
def test_what_is_no_log_is_told_so(tmp_path, content, expected):
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    assert not mcap_file.recognises(path)
    with pytest.raises(RobotLogError, match=expected):
        read(path)


def test_another_programme_s_file_is_told_so(tmp_path):
    from mcap.writer import Writer

    with (tmp_path / "x.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.finish()
    with pytest.raises(RobotLogError, match=r"another programme.*--format ros2"):
        read(tmp_path / "x.mcap")
