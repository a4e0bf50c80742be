"""The servos on their pseudo-terminal, in another process, asked by Feetech's own SDK."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scservo_sdk as sdk

from assets.robots.so101 import SO101
from sim2real.drivers.feetech import registers as r
from sim2real.robot_io import RobotState
from sim2real.twin.feetech_bus import packet
from sim2real.twin.server import TwinError
from sim2real.twin.so101_serial import So101SerialServer
from tests.sim2real.so101_twin import PATIENCE, TwinProcess

IDS = range(1, 7)


class Peer:
    """The SDK on a port, with the patience that a busy machine needs."""

    def __init__(self, name: str):
        self.port = sdk.PortHandler(name)
        assert self.port.openPort()
        self.port.setPacketTimeout = lambda _: self.port.setPacketTimeoutMillis(1e3 * PATIENCE)
        self.packets = sdk.PacketHandler(0)

    def read(self, servo: int, register: r.Register) -> int:
        data, result, _ = self.packets.readTxRx(self.port, servo, register.address, register.size)
        assert result == sdk.COMM_SUCCESS
        return register.decode(bytes(data))

    def write(self, servo: int, register: r.Register, value: int) -> None:
        data = list(register.encode(value))
        assert self.packets.writeTxRx(self.port, servo, register.address, len(data), data) == (sdk.COMM_SUCCESS, 0)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with TwinProcess(tmp_path_factory.mktemp("so101") / "port") as twin:
        peer = Peer(twin.port)
        yield peer
        peer.port.closePort()


def test_every_servo_is_there_and_says_what_it_is(peer: Peer):
    assert [peer.packets.ping(peer.port, servo) for servo in IDS] == [(r.MODEL, sdk.COMM_SUCCESS, 0)] * 6


def test_what_is_written_is_read_back(peer: Peer):
    for servo in IDS:
        peer.write(servo, r.GOAL_VELOCITY, 100 * servo)
    group = sdk.GroupSyncRead(peer.port, peer.packets, r.GOAL_VELOCITY.address, 2)
    assert all(group.addParam(servo) for servo in IDS)
    assert group.txRxPacket() == sdk.COMM_SUCCESS
    assert [group.getData(servo, r.GOAL_VELOCITY.address, 2) for servo in IDS] == [100 * servo for servo in IDS]
    for servo in IDS:
        peer.write(servo, r.GOAL_VELOCITY, 0)


def test_a_registered_goal_waits_for_the_action(peer: Peer):
    before = peer.read(6, r.GOAL_POSITION)
    told = list(r.GOAL_POSITION.encode(before + 50))
    assert peer.packets.regWriteTxRx(peer.port, 6, r.GOAL_POSITION.address, 2, told) == (sdk.COMM_SUCCESS, 0)
    assert peer.read(6, r.GOAL_POSITION) == before
    assert peer.packets.action(peer.port, sdk.BROADCAST_ID) == sdk.COMM_SUCCESS
    assert peer.read(6, r.GOAL_POSITION) == before + 50


def test_a_goal_moves_its_joint_at_the_speed_that_is_set(peer: Peer):
    """Half a rad in about three seconds of the twin's own time; then it stays, though nobody says anything more."""
    for servo in IDS:
        peer.write(servo, r.TORQUE_ENABLE, 1)
    while any(peer.read(servo, r.PRESENT_VELOCITY) for servo in IDS):  # links that still swing would push the joint
        time.sleep(0.05)
    peer.write(1, r.GOAL_VELOCITY, 109)
    start = peer.read(1, r.PRESENT_POSITION)
    group = sdk.GroupSyncWrite(peer.port, peer.packets, r.GOAL_POSITION.address, 2)
    assert group.addParam(1, list(r.GOAL_POSITION.encode(start + 326)))
    assert group.txPacket() == sdk.COMM_SUCCESS
    path, speeds = [start], [0]
    while path[-1] < start + 324:
        path.append(peer.read(1, r.PRESENT_POSITION))
        speeds.append(peer.read(1, r.PRESENT_VELOCITY))
    assert len(path) > 10
    assert max(speeds) < 150
    assert all(b >= a - 2 for a, b in itertools.pairwise(path))
    assert abs(peer.read(1, r.PRESENT_POSITION) - start - 326) <= 4


def test_noise_and_wrong_checksums_are_passed_over(peer: Peer):
    wrong = packet(1, 1)[:-1] + b"\x00"
    for noise in (b"\x00\x01\x02", b"\xff", wrong, b"\xff\xff\xff\xff", bytes(range(200))):
        peer.port.ser.write(noise)
        assert peer.packets.ping(peer.port, 3) == (r.MODEL, sdk.COMM_SUCCESS, 0)


# In this process: what a server does beside its bus


def state(position: np.ndarray, **changes) -> RobotState:
    zero, nothing = np.zeros(6), np.full(4, np.nan)
    told = {"velocity": zero, "torque": zero, "temperature": zero + 30.0, "quaternion": nothing}
    told |= {"angular_velocity": nothing[:3], "acceleration": nothing[:3]}
    return RobotState(0, 0, position, **(told | changes))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[So101SerialServer]:
    server = So101SerialServer(SO101, rate=100.0, address=str(tmp_path / "port"))
    yield server
    server.close()


def switch(server: So101SerialServer, values: dict[r.Register, int]) -> None:
    for servo in server._bus.servos:
        for register, value in values.items():
            servo.write(register.address, register.encode(value))


def test_an_arm_is_limp_until_its_torque_is_on_and_the_same_command_is_the_same_object(server: So101SerialServer):
    assert server.command() is None
    server.publish(state(np.full(6, 0.1)))
    switch(server, {r.P_COEFFICIENT: 16, r.TORQUE_ENABLE: 1})
    command = server.command()
    assert command is not None
    np.testing.assert_allclose(command.position, 0.1, atol=0.001)
    np.testing.assert_allclose(command.stiffness, SO101.stiffness)
    np.testing.assert_allclose(command.damping, SO101.damping)
    assert server.command() is command
    switch(server, {r.TORQUE_ENABLE: 0})
    assert server.command() is None


def test_a_torque_limit_is_kept(server: So101SerialServer):
    server.publish(state(np.zeros(6)))
    switch(server, {r.TORQUE_ENABLE: 1, r.TORQUE_LIMIT: 200, r.GOAL_POSITION: 2300})
    command = server.command()
    assert command is not None
    torque = command.stiffness * command.position
    np.testing.assert_allclose(torque, 0.2 * np.array(SO101.effort_limits))


def test_a_load_tells_torque_and_speed(server: So101SerialServer):
    switch(server, {r.TORQUE_ENABLE: 1})
    server.command()
    server.publish(state(np.zeros(6), torque=np.full(6, -0.67), velocity=np.full(6, 0.942)))
    for servo in server._bus.servos:
        assert servo[r.PRESENT_LOAD] == pytest.approx(-200 + 200, abs=1)
        assert servo[r.PRESENT_VELOCITY] == round(0.942 * r.STEPS_PER_RADIAN)
        assert servo[r.PRESENT_TEMPERATURE] == 30


def test_a_link_in_the_way_is_told_and_one_to_nowhere_is_replaced(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "left").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TwinError, match="there already"):
        So101SerialServer(SO101, 100.0, str(tmp_path / "file"))
    with pytest.raises(TwinError, match="cannot make the link"):
        So101SerialServer(SO101, 100.0, str(tmp_path / "absent" / "port"))
    server = So101SerialServer(SO101, 100.0, str(tmp_path / "left"))
    assert Path(server.address).resolve().is_char_device()
    with pytest.raises(TwinError, match="there already"):
        So101SerialServer(SO101, 100.0, str(tmp_path / "left"))
    server.close()
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_a_link_the_terminals_name_is_the_address():
    server = So101SerialServer(SO101, 100.0)
    assert os.isatty(os.open(server.address, os.O_RDWR | os.O_NOCTTY))
    server.close()
