"""The twin's own protocol, between a server and drivers on sockets, some in processes of their own."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.robots import GO2, SO101
from sim2real.drivers.driver import DriverError
from sim2real.drivers.twin import TwinDriver
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin import packets
from sim2real.twin.local import COMMAND_SECONDS, LocalServer
from sim2real.twin.packets import Kind, PacketError, pack, unpack
from sim2real.twin.server import TwinError
from tests.processes import ROOT

SECONDS = 60.0  # what anything may take on a machine that has much else to do


class Clock:
    """Time stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[LocalServer]:
    server = LocalServer(GO2, 500.0, "127.0.0.1:0", clock)
    yield server
    server.close()


def state(sequence: int = 1, **changed: object) -> RobotState:
    rng = np.random.default_rng(sequence)
    arrays = {name: rng.normal(size=12) for name in ("position", "velocity", "torque", "temperature")}
    imu = {"quaternion": rng.normal(size=4), "angular_velocity": rng.normal(size=3), "acceleration": rng.normal(size=3)}
    return RobotState(**{"stamp_ns": 0, "sequence": sequence, **arrays, **imu, **changed})


def command(sequence: int = 1) -> RobotCommand:
    return RobotCommand(sequence, *np.random.default_rng(sequence).uniform(0.0, 9.0, (5, 12)))


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


def connect(server: LocalServer, driver: TwinDriver) -> TwinDriver:
    """Connected, though driver and server share a thread: the server's part happens between the driver's looks."""
    receive = driver._receive

    def serve_and_receive() -> None:
        server.command()
        server.publish(state())
        receive()

    driver._receive = serve_and_receive
    driver.connect()
    driver._receive = receive
    return driver


def test_states_and_commands_arrive_to_the_last_bit(server: LocalServer) -> None:
    driver = connect(server, TwinDriver(server.address))
    assert driver.robot is GO2
    assert driver.rate == 500.0
    sent = state(7)
    server.publish(sent)
    until(lambda: driver.read().sequence == 7)
    for name in ("position", "velocity", "torque", "temperature", "quaternion", "angular_velocity", "acceleration"):
        np.testing.assert_array_equal(getattr(driver.read(), name), getattr(sent, name))
    wish = command()
    driver.write(wish)
    until(lambda: server.command() is not None)
    got = server.command()
    assert got is server.command()
    for name in ("position", "velocity", "torque", "stiffness", "damping"):
        np.testing.assert_array_equal(getattr(got, name), getattr(wish, name))
    driver.close()
    driver.close()


def test_a_state_has_the_time_at_which_it_was_heard_not_read(server: LocalServer) -> None:
    driver = connect(server, TwinDriver(server.address))
    server.publish(state(7))
    time.sleep(0.02)
    driver.listen()
    heard = time.monotonic_ns()
    time.sleep(0.02)
    found = driver.read()
    assert found.sequence == 7
    assert found.stamp_ns <= heard


def test_states_that_come_between_two_reads_are_counted(server: LocalServer) -> None:
    driver = connect(server, TwinDriver(server.address))
    for sequence in (7, 8, 9):
        server.publish(state(sequence))
    until(lambda: driver.read().sequence == 9)
    assert driver.read().overtaken == 2
    server.publish(state(10))
    until(lambda: driver.read().sequence == 10)
    assert driver.read().overtaken == 0


def test_a_command_holds_for_a_while_only(server: LocalServer, clock: Clock) -> None:
    driver = connect(server, TwinDriver(server.address))
    driver.write(command())
    until(lambda: server.command() is not None)
    clock.now += COMMAND_SECONDS - 0.001
    assert server.command() is not None
    clock.now += 0.002
    assert server.command() is None


def test_damping_is_what_the_driver_sends_to_let_the_robot_sink(server: LocalServer) -> None:
    driver = connect(server, TwinDriver(server.address))
    driver.damp()
    until(lambda: server.command() is not None)
    got = server.command()
    assert got is not None
    assert not got.stiffness.any()
    np.testing.assert_array_equal(got.damping, GO2.damping)
    np.testing.assert_array_equal(got.velocity, 0.0)


def test_a_wrong_checksum_is_told_of_and_changes_nothing_else(server: LocalServer) -> None:
    driver = connect(server, TwinDriver(server.address))
    server.publish(state(9, intact=False))
    until(lambda: driver.read().sequence == 9)
    assert not driver.read().intact
    server.publish(state(10))
    until(lambda: driver.read().sequence == 10)
    assert driver.read().intact


def test_each_who_commands_is_told_of_the_others(server: LocalServer, clock: Clock) -> None:
    first, second = (connect(server, TwinDriver(server.address)) for _ in range(2))
    second.acquire()  # nobody commands
    first.write(command())
    until(lambda: server.command() is not None)
    server.publish(state(3))
    until(lambda: second.read().sequence == 3 and first.read().sequence == 3)
    assert (first.read().rivals, second.read().rivals) == (0, 1)
    with pytest.raises(DriverError, match="another program commands"):
        second.acquire()
    clock.now += 1.0
    server.publish(state(4))
    until(lambda: second.read().sequence == 4)
    second.acquire()


@pytest.mark.parametrize(
    "content, told",
    [
        (b"hello", "5 bytes"),
        (b"\0" * 60, "begins with"),
        (pack(Kind.COMMAND, 12, 5, 1, 0, bytes(480), intact=False), "wrong checksum"),
        (pack(Kind.COMMAND, 6, 5, 1, 0, bytes(240)), "6 joints, expected 12"),
        (pack(Kind.COMMAND, 12, 5, 1, 0, np.full(60, np.nan).tobytes()), "not finite"),
        (pack(Kind.COMMAND, 12, 5, 1, 0, np.full(60, -1.0).tobytes()), "below zero"),
        (pack(Kind.STATE, 0, 0, 1, 0, bytes(82)), "expected a client's"),
        (pack(Kind.COMMAND, 12, 5, 1, 0, bytes(479)), "479 bytes, expected 480"),
    ],
)
def test_what_is_wrong_is_refused_by_name(server: LocalServer, content: bytes, told: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        host, port = server.address.split(":")
        stranger.sendto(content, (host, int(port)))
        events: list[str] = []
        until(lambda: server.command() is not None or events.extend(server.events()) or events)
    assert told in events[0]
    assert server.events() == []


def test_old_and_repeated_commands_are_refused(server: LocalServer) -> None:
    host, port = server.address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for sequence in (5, 5, 4, 6):
            body = packets.command_body(command(sequence))
            client.sendto(pack(Kind.COMMAND, 12, 8, sequence, 0, body), (host, int(port)))
        until(lambda: (got := server.command()) is not None and got.sequence == 6)
    (event,) = server.events()
    assert "older than" in event
    assert "(2 times)" in event


def test_a_missing_twin_and_a_taken_address_are_told(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TwinError, match="cannot listen"):
        LocalServer(GO2, 500.0, server.address)
    for wrong in ("5470", "127.0.0.1:", "127.0.0.1:99999", "no.such.host.invalid:5470"):
        with pytest.raises(TwinError, match="address"):
            LocalServer(GO2, 500.0, wrong)
    monkeypatch.setattr("sim2real.drivers.twin._CONNECT_SECONDS", 0.1)
    free = LocalServer(GO2, 500.0, "127.0.0.1:0")
    free.close()
    with pytest.raises(DriverError, match="zerogap twin"):
        TwinDriver(free.address).connect()


def test_a_twin_of_another_robot_is_refused(server: LocalServer) -> None:
    with pytest.raises(DriverError, match="not those of 'so101'"):
        connect(server, TwinDriver(server.address, SO101))


@given(st.binary(max_size=600))
def test_any_bytes_are_a_packet_or_refused(content: bytes) -> None:
    with pytest.raises(PacketError):
        unpack(content)


@given(st.integers(0, 479), st.integers(1, 255))
def test_a_damaged_packet_is_never_taken_for_whole(index: int, flip: int) -> None:
    content = bytearray(pack(Kind.COMMAND, 12, 3, 1, 2, packets.command_body(command())))
    content[index] ^= flip
    with contextlib.suppress(PacketError):
        assert not unpack(bytes(content)).intact


_PEER = """
import sys, time
import numpy as np
from assets.robots import GO2
from sim2real.robot_io import RobotState
from sim2real.twin.local import LocalServer
server = LocalServer(GO2, 500.0, "127.0.0.1:0")
print(server.address, flush=True)
sequence = 0
while True:
    command = server.command()
    sequence += 1
    echo = command.position if command else np.zeros(12)
    server.publish(RobotState(0, sequence, echo, *np.zeros((3, 12)), np.zeros(4), *np.zeros((2, 3))))
    time.sleep(0.002)
"""


def test_a_peer_in_another_process_answers_and_one_that_is_killed_falls_silent() -> None:
    peer = subprocess.Popen([sys.executable, "-c", _PEER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert peer.stdout is not None
        driver = TwinDriver(peer.stdout.readline().strip())
        driver.connect()
        driver.acquire()
        wish = command()

        def answered() -> bool:
            driver.write(wish)
            return bool(np.array_equal(driver.read().position, wish.position))

        until(answered)
        peer.kill()
        peer.wait()
        last = driver.read()
        driver.write(wish)
        assert driver.read() is last
        driver.damp()
        driver.close()
    finally:
        peer.kill()
        peer.wait()
        if peer.stdout is not None:
            peer.stdout.close()
