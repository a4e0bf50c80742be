"""A log outlives whoever writes it, and others' tools read it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from assets.robots import GO2
from envs.safety import Limits
from sim2real.deploy.header import Header, LogError
from sim2real.deploy.log_reader import read_log
from sim2real.deploy.log_writer import LogWriter
from sim2real.deploy.recorder import Recorder, RecorderError
from sim2real.deploy.records import Kind, Sent, cycle_dtype

ROOT = Path(__file__).parents[3]
SECONDS = 300.0
PERIOD = 0.002

HEADER = Header(
    robot="go2",
    joints=GO2.joints,
    has_imu=True,
    command_names=("sway (rad)",),
    period=PERIOD,
    limits=Limits.of(GO2),
    stiffness=GO2.stiffness,
    damping=GO2.damping,
    provenance={"driver": "none"},
)

# Writes a cycle each millisecond, whose joint positions are its number, and tells which it has handed over.
RUNTIME = """
import sys, time
from pathlib import Path
import numpy as np
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.records import cycle_dtype
import json
record = np.zeros(1, cycle_dtype(12))[0]
with Recorder(Path(sys.argv[1]), json.loads(sys.argv[2])) as recorder:
    print(recorder._process.pid, flush=True)
    recorder.event("info", "phase", "IDLE", time.monotonic_ns())
    for number in range(10**6):
        record["number"], record["now_ns"], record["position"] = number, time.monotonic_ns(), number
        recorder.cycle(record.tobytes())
        while recorder.num_queued:  # as on a machine that has time for both
            time.sleep(0.01)
            recorder._flush()
        if number % 50 == 0:
            print(number, flush=True)
        time.sleep(0.001)
"""


def record_of(number: int, what: Sent = Sent.COMMAND) -> bytes:
    rng = np.random.default_rng(number)
    record = np.zeros(1, cycle_dtype(12))[0]
    record["number"], record["now_ns"], record["stamp_ns"], record["sent_ns"] = number, 10**9 + number, 10**9, 10**9 + number
    record["what"], record["intact"], record["sequence"] = what, True, number
    for name in record.dtype.names:
        if record[name].ndim:
            record[name] = rng.normal(size=record[name].shape)
    return record.tobytes()


class Running:
    """A runtime in another process, and the writer that it started."""

    def __init__(self, path: Path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNTIME, str(path), json.dumps(HEADER.to_json())],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.writer = int(self.process.stdout.readline())
        self.path = path

    def run_until(self, size: int) -> int:
        """Until so many bytes are in the file; what was handed over last."""
        assert self.process.stdout is not None
        end = time.monotonic() + SECONDS
        number = 0
        while self.path.stat().st_size < size:
            number = int(self.process.stdout.readline())
            assert time.monotonic() < end
        return number

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def running(tmp_path):
    started = Running(tmp_path / "log.mcap")
    yield started
    started.kill()


def wait_for_end(pid: int) -> None:
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1][:3]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_runtime_that_is_killed_loses_nothing_and_leaves_a_whole_file(running):
    handed_over = running.run_until(60_000)
    running.kill()
    wait_for_end(running.writer)
    log = read_log(running.path)
    assert log.is_complete
    assert [c.number for c in log.cycles] == list(range(len(log.cycles)))
    assert len(log.cycles) > handed_over
    assert [e.text for e in log.events] == ["IDLE"]
    with running.path.open("rb") as file:
        messages = list(make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages(topics=["/joint_states"]))
    assert [message.decoded_message.position[3] for message in messages] == [c.number for c in log.cycles]
    with AnyReader([running.path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        (connection,) = [c for c in reader.connections if c.topic == "/joint_states"]
        positions = [reader.deserialize(raw, c.msgtype).position[3] for c, _, raw in reader.messages([connection])]
    assert positions == [c.number for c in log.cycles]


def test_a_writer_that_is_killed_leaves_all_but_the_last_second(running):
    handed_over = running.run_until(250_000)
    os.kill(running.writer, signal.SIGKILL)
    wait_for_end(running.writer)
    log = read_log(running.path)
    assert not log.is_complete
    assert handed_over > 1200, "or nothing is said of more than a second"
    assert len(log.cycles) > handed_over - 1000, "a cycle takes a millisecond or more"
    assert [c.number for c in log.cycles] == list(range(len(log.cycles)))


def test_a_chunk_is_complete_each_quarter_of_a_second(tmp_path):
    """However the cycles' numbers look: written one by one, the file grows by then."""
    with (tmp_path / "log.mcap").open("wb") as file:
        writer = LogWriter(HEADER.to_json() | {"epoch_ns": 0}, file)
        sizes = []
        for number in range(1000):
            writer.take(Kind.CYCLE, record_of(number))
            file.flush()
            sizes.append(file.tell())
        writer.finish()
    grew = np.flatnonzero(np.diff(sizes))
    assert np.diff([0, *grew]).max() * PERIOD <= 0.5


def test_other_tools_read_what_was_sent_and_measured(tmp_path):
    path = tmp_path / "log.mcap"
    with Recorder(path, HEADER.to_json()) as recorder:
        for number in range(20):
            recorder.cycle(record_of(number, Sent.COMMAND if number % 2 else Sent.NOTHING))
    assert recorder.problem is None
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        by_topic: dict[str, list] = {}
        for connection, _, raw in reader.messages():
            by_topic.setdefault(connection.topic, []).append(reader.deserialize(raw, connection.msgtype))
    assert {topic: len(messages) for topic, messages in by_topic.items()} == {
        "/joint_states": 20,
        "/imu": 20,
        "/joint_commands": 10,
        "/cycle": 20,
    }
    expected = np.frombuffer(record_of(7), cycle_dtype(12))[0]
    assert by_topic["/joint_states"][7].name == list(GO2.joints)
    assert by_topic["/joint_states"][7].velocity.tolist() == expected["velocity"].tolist()
    assert by_topic["/joint_commands"][3].position.tolist() == expected["sent_position"].tolist()
    assert by_topic["/cycle"][7].sent_stiffness.tolist() == expected["sent_stiffness"].tolist()
    orientation = by_topic["/imu"][7].orientation
    assert [orientation.w, orientation.x, orientation.y, orientation.z] == expected["quaternion"].tolist()


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "log.mcap"
    path.write_text("mine")
    with pytest.raises(RecorderError, match="exists already"):
        Recorder(path, HEADER.to_json())
    assert path.read_text() == "mine"


def test_where_no_log_can_be_written_the_reason_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecorderError, match="choose another file with --log"):
        Recorder(tmp_path / "file" / "log.mcap", HEADER.to_json())


def test_a_writer_that_dies_is_told_and_stops_no_robot(tmp_path):
    with Recorder(tmp_path / "log.mcap", HEADER.to_json()) as recorder:
        recorder._process.kill()
        recorder._process.wait()
        for number in range(3000):
            recorder.cycle(record_of(number))
    assert "is not complete" in (recorder.problem or "")


def test_the_header_keeps_every_digit():
    again = Header.from_json(json.dumps(HEADER.to_json()))
    assert again.limits.upright is not None
    for name, value in vars(HEADER.limits).items():
        assert np.array_equal(getattr(again.limits, name), value)
    assert again.stiffness == HEADER.stiffness


@pytest.mark.parametrize("content", [b"", b"not a log", b"\x89MCAP0\r\n" + bytes(200)])
def test_what_is_no_log_is_told_so(tmp_path, content):
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(LogError, match=r"x\.mcap is no log"):
        read_log(path)


def test_another_program_s_log_is_told_so(tmp_path):
    from mcap_ros2.writer import Writer

    stream = io.BytesIO()
    writer = Writer(stream)
    writer.finish()
    path = tmp_path / "x.mcap"
    path.write_bytes(stream.getvalue())
    with pytest.raises(LogError, match="no header"):
        read_log(path)


def test_a_damaged_header_is_told_so():
    with pytest.raises(LogError, match="damaged"):
        Header.from_json("{")
    with pytest.raises(LogError, match="format 99"):
        Header.from_json(json.dumps(HEADER.to_json() | {"format": 99}))
