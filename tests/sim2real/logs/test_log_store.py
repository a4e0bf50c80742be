"""A stored log comes back bit for bit, is read piece by piece, shows in others' tools, and tells what is wrong with it."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp
from mcap.reader import make_reader
from mcap.records import Chunk, MessageIndex
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from sim2real.logs import store, wire
from sim2real.logs.robot_log import KINDS, Event, LogInfo, RobotLog, RobotLogError, Stream
from sim2real.logs.salvage import salvage
from sim2real.logs.store import open_log, read_stored, write_log

JOINTS = ("hip", "knee")


def width_of(name: str, joints: int = len(JOINTS)) -> int:
    width = KINDS[name].width
    return joints if width == "joints" else width or 5


def make_log(samples: int = 500, names=("position", "velocity", "stiffness", "contact"), seed: int = 0) -> RobotLog:
    rng = np.random.default_rng(seed)
    streams = {
        name: Stream(np.cumsum(rng.integers(1, 10**7, samples)), rng.normal(size=(samples, width_of(name))), f"clock of {name}")
        for name in names
    }
    info = LogInfo("leg", JOINTS, "A 7", 0.25, "chirp", False, "nominal", "MIT", "bench")
    return RobotLog(info, streams, (Event(17, "begin"), Event(10**9, "Ende – größer \n as a line")))


def same_bits(a: RobotLog, b: RobotLog) -> bool:
    def bits(log: RobotLog) -> dict:
        return {name: (s.clock, s.stamps.tobytes(), s.values.shape, s.values.tobytes()) for name, s in log.items()}

    return bits(a) == bits(b) and a.info == b.info and a.events == b.events


@pytest.fixture
def stored(tmp_path) -> Path:
    path = tmp_path / "log.mcap"
    write_log(make_log(), path)
    return path


@st.composite
def logs(draw) -> RobotLog:
    joints = tuple(draw(st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True)))
    any_float = st.floats(width=64, allow_nan=True, allow_infinity=True)
    streams = {}
    for name in draw(st.lists(st.sampled_from(list(KINDS)), unique=True, max_size=5)):
        samples = draw(st.integers(0, 20))
        stamps = draw(hnp.arrays(np.int64, samples, elements=st.integers(0, 2**31 * 10**9 - 1)))
        values = draw(hnp.arrays(np.float64, (samples, width_of(name, len(joints))), elements=any_float))
        streams[name] = Stream(stamps, values, draw(st.text(max_size=5)))
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    events = draw(st.lists(st.builds(Event, st.integers(0, 2**31 * 10**9 - 1), texts), max_size=4))
    info = LogInfo(
        draw(texts), joints, draw(texts), draw(st.floats(0, 1e3)), draw(texts), draw(st.booleans()), "measured", "", ""
    )
    return RobotLog(info, streams, tuple(events))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(log=logs())
def test_every_log_comes_back_bit_for_bit(tmp_path, log: RobotLog):
    path = tmp_path / "log.mcap"
    path.unlink(missing_ok=True)
    write_log(log, path)
    again = open_log(path)
    assert same_bits(log, again)
    assert again.content_hash == log.content_hash == read_stored(path).content_hash


def test_nan_keeps_its_payload(tmp_path):
    odd = np.frombuffer(struct.pack("<2Q", 0x7FF8DEADBEEF0001, 0x8000000000000000)).reshape(1, 2)
    write_log(RobotLog(LogInfo("leg", JOINTS), {"position": Stream(np.array([5]), odd)}), tmp_path / "log.mcap")
    assert open_log(tmp_path / "log.mcap")["position"].values.tobytes() == odd.tobytes()


def test_only_the_stream_that_is_asked_for_is_read(tmp_path, monkeypatch):
    path = tmp_path / "log.mcap"
    write_log(make_log(20_000), path)
    read: list[int] = []
    real = store.unpack
    monkeypatch.setattr(store, "unpack", lambda chunk: read.append(len(chunk.data)) or real(chunk))
    log = open_log(path)
    assert list(log) == ["position", "velocity", "stiffness", "contact"]
    assert "position" in log.streams
    events = len(read)
    assert events == 1  # they are part of what a file says of itself
    velocity = read_stored(path).streams["velocity"]
    read.clear()
    log["velocity"]
    log["velocity"]
    assert len(read) == len(velocity.chunks) > 1


def test_each_chunk_holds_one_stream_and_the_index_says_where(stored):
    with stored.open("rb") as file:
        summary = make_reader(file).get_summary()
        file.seek(0)
        records = list(StreamReader(file, emit_chunks=True, validate_crcs=True).records)
    assert all(len(chunk.message_index_offsets) == 1 for chunk in summary.chunk_indexes)
    assert sum(isinstance(record, Chunk) for record in records) == len(summary.chunk_indexes)
    told = sum(len(record.records) for record in records if isinstance(record, MessageIndex))
    assert told == summary.statistics.message_count == 4 * 500 + 2
    channels = {channel.topic: channel.metadata for channel in summary.channels.values()}
    assert channels["/velocity"] == {"clock": "clock of velocity", "unit": "rad/s", "width": "2"}


def test_what_a_file_says_of_itself_is_what_is_in_it(stored):
    told, log = read_stored(stored), make_log()
    assert told.info == log.info
    for name, stream in log.items():
        found = told.streams[name]
        assert (found.samples, found.width, found.clock) == (500, stream.values.shape[1], stream.clock)
        assert (found.first, found.last) == (stream.stamps.min(), stream.stamps.max())
        assert found.rate == pytest.approx(499 / (stream.seconds[-1] - stream.seconds[0]))
    assert told.seconds == pytest.approx(log.seconds)


def test_the_mcap_tools_read_every_sample(stored):
    log = make_log()
    with stored.open("rb") as file:
        messages = list(make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()]).iter_decoded_messages())
    for name, stream in log.items():
        found = [message for message in messages if message.channel.topic == f"/{name}"]
        assert [list(message.decoded_message.values) for message in found] == stream.values.tolist()
        stamps = [m.decoded_message.stamp.sec * 10**9 + m.decoded_message.stamp.nanosec for m in found]
        assert stamps == [message.message.log_time for message in found] == stream.stamps.tolist()
    told = [message.decoded_message for message in messages if message.channel.topic == "/rosout"]
    assert [(message.msg, message.level) for message in told] == [(event.text, 20) for event in log.events]


def test_rosbags_reads_every_sample(stored):
    log = make_log()
    with AnyReader([stored], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        found: dict[str, list] = {}
        for connection, _, raw in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(raw, connection.msgtype))
    assert [message.values.tolist() for message in found["/position"]] == log["position"].values.tolist()
    assert [message.msg for message in found["/rosout"]] == [event.text for event in log.events]


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "log.mcap"
    path.write_text("mine")
    with pytest.raises(RobotLogError, match="exists already"):
        write_log(make_log(), path)
    assert path.read_text() == "mine"
    unknown = RobotLog(LogInfo("leg", JOINTS), {"position": Stream(np.array([2**62]), np.zeros((1, 2)))})
    with pytest.raises(RobotLogError, match=r"'position' has a stamp of .* are its stamps ns"):
        write_log(unknown, tmp_path / "other.mcap")
    wide = RobotLog(LogInfo("leg", JOINTS), {"contact": Stream(np.array([2]), np.zeros((1, 5000)))})
    with pytest.raises(RobotLogError, match="5000 columns"):
        write_log(wide, tmp_path / "other.mcap")
    assert [file.name for file in tmp_path.iterdir()] == ["log.mcap"]


def test_where_it_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RobotLogError, match=r"cannot write .*--out"):
        write_log(make_log(), tmp_path / "file" / "log.mcap")


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "is empty"),
        (b"not a log at all", "is no MCAP file.*reads other formats"),
        (b"\x89MCAP0\r\n", "breaks off.*zerogap logs import"),
        (b"\x89MCAP0\r\n" + bytes(200), "breaks off"),
        (b"\x89MCAP0\r\n" + bytes(200) + b"\x89MCAP0\r\n", "is damaged"),
    ],
)
def test_what_is_no_log_is_told_so(tmp_path, content, expected):
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(RobotLogError, match=rf"x\.mcap {expected}"):
        open_log(path)


def test_a_file_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(RobotLogError, match=r"cannot read the log .*gone\.mcap: No such file"):
        open_log(tmp_path / "gone.mcap")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 0.9999), flip=st.integers(1, 255), cut=st.booleans())
def test_a_cut_or_damaged_file_raises_only_errors_of_ours(stored, share: float, flip: int, cut: bool):
    content = bytearray(stored.read_bytes())
    place = int(share * len(content))
    path = stored.with_name("bad.mcap")
    if cut:
        path.write_bytes(content[:place])
    else:
        content[place] ^= flip
        path.write_bytes(content)
    told = [error_of(lambda: [open_log(path), *open_log(path).values()]), error_of(lambda: salvage(path))]
    assert all("bad.mcap" in text for text in told if text is not None)
    assert told[0] or not cut  # a byte may have meant nothing, or nothing but a text


def error_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except RobotLogError as error:
        return str(error)
    return None


def test_what_is_whole_in_a_torn_file_is_saved(tmp_path):
    log, path = make_log(20_000), tmp_path / "log.mcap"
    write_log(log, path)
    chunks = read_stored(path).streams["velocity"].chunks
    end = chunks[1].chunk_start_offset + chunks[1].chunk_length + 40  # within the record after it
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(path.read_bytes()[:end])
    saved, problem = salvage(torn)
    assert problem is not None
    assert "torn.mcap breaks off" in problem
    assert saved.info == log.info
    assert saved.events == log.events
    assert list(saved) == ["position", "velocity"]
    assert saved["position"].values.tobytes() == log["position"].values.tobytes()
    kept = len(saved["velocity"])
    assert 0 < kept < 20_000
    assert saved["velocity"].values.tobytes() == log["velocity"].values[:kept].tobytes()
    assert saved["velocity"].clock == "clock of velocity"


def test_a_whole_file_is_saved_whole(stored):
    saved, problem = salvage(stored)
    assert problem is None
    assert same_bits(saved, make_log())


def test_a_file_cut_before_its_first_stream_has_nothing_to_save(stored):
    torn = stored.with_name("torn.mcap")
    torn.write_bytes(stored.read_bytes()[:600])
    with pytest.raises(RobotLogError, match=r"torn\.mcap breaks off before"):
        salvage(torn)


def rewritten(
    path: Path, change=lambda name, told: told, info=None, mixed: bool = False, topic=lambda name: f"/{name}"
) -> Path:
    """The log of `make_log` by the format's own writer, with something else in it than ours writes."""
    log = make_log(50)
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.ZSTD)
        writer.start(profile="ros2")
        told = {"format": "1", "info": json.dumps(vars(log.info)) if info is None else info, "content_hash": log.content_hash}
        writer.add_metadata(store.METADATA, told)
        schema = writer.register_schema(wire.SAMPLE_NAME, "ros2msg", wire.SAMPLE.encode())
        for name, stream in log.items():
            metadata = {"clock": stream.clock, "unit": KINDS[name].unit, "width": str(stream.values.shape[1])}
            channel = writer.register_channel(topic(name), "cdr", schema, change(name, metadata))
            for stamp, message in zip(stream.stamps.tolist(), wire.encode(stream), strict=True):
                writer.add_message(channel, stamp, message.tobytes(), stamp)
            if not mixed:
                writer.flush()
        writer.finish()
    return path


def test_the_format_s_own_writer_makes_the_same_log(tmp_path):
    assert (
        open_log(rewritten(tmp_path / "x.mcap")).content_hash == RobotLog(make_log(50).info, make_log(50).streams).content_hash
    )


def test_streams_in_one_chunk_are_refused_and_saved_by_importing(tmp_path):
    path = rewritten(tmp_path / "x.mcap", mixed=True)
    with pytest.raises(RobotLogError, match=r"x\.mcap.*another programme has rewritten.*zerogap logs import"):
        open_log(path)
    log, problem = salvage(path)
    assert problem is None
    assert same_bits(RobotLog(log.info, log.streams, make_log(50).events), make_log(50))


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"unit": "deg"}, "'position' is in 'deg', expected 'rad'"),
        ({"width": "3"}, "'position' has 3 columns, expected 2"),
        ({"width": "99999999999999"}, "a width of '99999999999999'"),
        ({"width": "-2"}, "a width of '-2'"),
        ({"width": "²"}, "a width of '²'"),
    ],
)
def test_a_stream_of_wrong_unit_or_width_is_told(tmp_path, changed, expected):
    path = rewritten(tmp_path / "x.mcap", lambda name, told: told | (changed if name == "position" else {}))
    with pytest.raises(RobotLogError, match=rf"x\.mcap.*{expected}"):
        open_log(path)


def test_a_stream_that_is_not_as_wide_as_it_says_is_told(tmp_path):
    path = rewritten(tmp_path / "x.mcap", lambda name, told: told | ({"width": "7"} if name == "contact" else {}))
    with pytest.raises(RobotLogError, match=r"x\.mcap: stream 'contact'.*messages of 7 numbers"):
        open_log(path)["contact"]


def test_an_unknown_stream_is_told(tmp_path):
    path = rewritten(tmp_path / "x.mcap", topic=lambda name: "/positron" if name == "position" else f"/{name}")
    with pytest.raises(RobotLogError, match=r"x\.mcap: unknown stream 'positron'; there may be: position"):
        open_log(path)


@pytest.mark.parametrize(
    "info, expected",
    [
        ("{", "no JSON"),
        ("[1]", "is a list"),
        (json.dumps(vars(make_log(1).info) | {"joints": ["a", "a"]}), "joint twice"),
        (json.dumps(vars(make_log(1).info) | {"joints": "hip"}), "joints are 'hip'"),
        (json.dumps(vars(make_log(1).info) | {"payload": -1}), "payload is -1"),
        (json.dumps(vars(make_log(1).info) | {"payload": "much"}), "payload is 'much'"),
        (json.dumps(vars(make_log(1).info) | {"time_base": "felt"}), "time base is 'felt'"),
        (json.dumps(vars(make_log(1).info) | {"serial": 5}), "serial is 5"),
        (json.dumps(vars(make_log(1).info) | {"colour": "red"}), "unknown entry 'colour'"),
        (json.dumps({"robot": "go2"}), "lacks 'joints'"),
    ],
)
def test_a_damaged_description_is_told(tmp_path, info, expected):
    path = rewritten(tmp_path / "x.mcap", info=info)
    with pytest.raises(RobotLogError, match=rf"x\.mcap: its (description|payload|time base).*{expected.split(' is ')[-1]}"):
        open_log(path)


def test_a_file_of_a_later_version_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", 9)
    write_log(make_log(), tmp_path / "x.mcap")
    monkeypatch.undo()
    with pytest.raises(RobotLogError, match="its format is '9', expected 1: another version"):
        open_log(tmp_path / "x.mcap")


def test_another_programme_s_file_is_told_so(tmp_path):
    path = tmp_path / "x.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.finish()
    with pytest.raises(RobotLogError, match=r"no stored log.*zerogap logs import"):
        open_log(path)


def test_a_chunk_that_would_fill_the_memory_is_refused(stored):
    """A chunk says how large its content is; one that says a terabyte must not be believed."""
    content = bytearray(stored.read_bytes())
    index = read_stored(stored).streams["position"].chunks[0]
    struct.pack_into("<Q", content, index.chunk_start_offset + 9 + 16, 2**40)
    stored.write_bytes(content)
    with pytest.raises(RobotLogError, match=r"'position': a chunk holds 1099511627776 bytes, expected at most"):
        open_log(stored)["position"]
    with pytest.raises(RobotLogError, match=r"breaks off before its first stream is whole"):
        salvage(stored)


def test_a_changed_number_is_found_by_the_chunk_s_checksum(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CompressionType", type("None_", (), {"ZSTD": CompressionType.NONE}))
    path = tmp_path / "log.mcap"
    write_log(make_log(), path)
    monkeypatch.undo()
    content = bytearray(path.read_bytes())
    index = read_stored(path).streams["velocity"].chunks[0]
    content[index.chunk_start_offset + index.chunk_length - 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(RobotLogError, match=r"log\.mcap is damaged \(CRCValidationError"):
        open_log(path)["velocity"]
    assert len(open_log(path)["position"]) == 500
