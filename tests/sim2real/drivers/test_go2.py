"""The Go2's driver against a robot in another process that speaks its protocol strictly."""

import importlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from assets.robots.go2 import GO2
from sim2real.drivers.driver import DriverError
from sim2real.drivers.go2 import Go2Driver
from sim2real.drivers.unitree.dds import Address
from sim2real.robot_io import RobotCommand
from tests.sim2real.go2_peer import Go2Peer, free_domain, until

POSE = np.array(GO2.default_pose)


@pytest.fixture(scope="module")
def peer() -> Iterator[Go2Peer]:
    with Go2Peer() as peer:
        yield peer


@pytest.fixture(scope="module")
def driver(peer: Go2Peer) -> Iterator[Go2Driver]:
    driver = Go2Driver(peer.address)
    driver.connect()
    driver.acquire()
    yield driver
    driver.close()


def command(position: np.ndarray, sequence: int = 0, **quantities: np.ndarray) -> RobotCommand:
    zero = np.zeros(len(position))
    rest = {"velocity": zero, "torque": zero, "stiffness": zero + 35.0, "damping": zero + 0.7} | quantities
    return RobotCommand(sequence, position, **rest)


def move_to(driver: Go2Driver, position: np.ndarray) -> np.ndarray:
    """Where the peer's joints are by its states once they have had time to get there."""

    def arrived() -> bool:
        driver.write(command(position))
        return bool(np.abs(driver.read().position - position).max() < 1e-4)

    until(arrived)
    return driver.read().position


def test_the_robot_lies_down_and_its_sport_mode_is_released_before_the_first_command(peer: Go2Peer, driver: Go2Driver) -> None:
    assert peer.ask()["damped"]
    move_to(driver, POSE + 0.1)
    answer = peer.ask()
    assert answer["obeyed"]
    assert not any("refused" in event for event in answer["events"])


def test_each_joint_commanded_alone_moves_the_matching_one_at_the_robot(peer: Go2Peer, driver: Go2Driver) -> None:
    for i, joint in enumerate(GO2.joints):
        target = POSE.copy()
        target[i] += 0.2
        seen = move_to(driver, target)
        moved = dict(zip(GO2.joints, peer.ask()["position"], strict=True))
        assert [name for name in GO2.joints if abs(moved[name] - POSE[GO2.joints.index(name)]) > 0.1] == [joint]
        np.testing.assert_allclose(seen, target, atol=1e-4)


def test_a_state_has_the_time_at_which_it_was_heard_not_read(peer: Go2Peer, driver: Go2Driver) -> None:
    before = driver.read()
    peer.ask()  # answered once a turn, in which it sends a state
    peer.ask()
    os.kill(peer.process.pid, signal.SIGSTOP)
    try:
        time.sleep(0.05)
        driver.listen()
        heard = time.monotonic_ns()
        time.sleep(0.02)
        state = driver.read()
    finally:
        os.kill(peer.process.pid, signal.SIGCONT)
    assert state.sequence > before.sequence
    assert before.stamp_ns < state.stamp_ns <= heard


def test_states_that_come_between_two_reads_are_counted(driver: Go2Driver) -> None:
    def overtaken() -> int:
        time.sleep(0.05)
        return driver.read().overtaken

    until(overtaken)


def test_every_quantity_of_a_command_arrives_at_its_joint(peer: Go2Peer, driver: Go2Driver) -> None:
    i = np.arange(12)
    sent = command(POSE + 0.01 * i, velocity=0.1 * i, torque=-0.5 * i, stiffness=20.0 + i, damping=1.0 + 0.1 * i)

    def told() -> dict | None:
        driver.write(sent)
        answer = peer.ask()
        return answer if answer["gains"] and np.allclose(answer["gains"][0], sent.stiffness) else None

    answer = until(told)
    np.testing.assert_allclose(answer["target"], sent.position, rtol=1e-6)
    np.testing.assert_allclose(answer["gains"], [sent.stiffness, sent.damping, sent.torque], rtol=1e-6)


def test_every_quantity_of_a_state_arrives_at_its_joint(driver: Go2Driver) -> None:
    move_to(driver, POSE)
    state = driver.read()
    np.testing.assert_allclose(state.velocity, 10 * POSE, atol=1e-2)
    np.testing.assert_allclose(state.torque, 20 * POSE, atol=1e-2)
    np.testing.assert_allclose(state.temperature, 30.0 + np.arange(12))
    np.testing.assert_allclose(state.quaternion, [0.5, 0.1, -0.7, 0.5], rtol=1e-6)
    np.testing.assert_allclose(state.angular_velocity, [1, 2, 3])
    np.testing.assert_allclose(state.acceleration, [4, 5, 6])
    assert state.intact
    assert state.rivals == 0


def test_damping_takes_the_stiffness_away(peer: Go2Peer, driver: Go2Driver) -> None:
    def damped() -> bool:
        told = driver.damp()
        gains = peer.ask()["gains"]
        assert told is not None
        is_same = gains is not None and np.array_equal(gains[0], told.stiffness) and np.allclose(gains[1], told.damping)
        return is_same and not np.any(gains[0]) and min(gains[1]) > 0 and not np.any(gains[2])

    until(damped)


def test_a_command_that_is_not_finite_is_not_sent(driver: Go2Driver) -> None:
    broken = POSE.copy()
    broken[3] = np.nan
    with pytest.raises(DriverError, match="not finite"):
        driver.write(command(broken))


def test_motors_go_limp_when_commands_stop(peer: Go2Peer, driver: Go2Driver) -> None:
    def holds() -> bool:
        driver.write(command(POSE))
        return peer.ask()["gains"] is not None

    until(holds)
    events: list[str] = []

    def is_limp() -> bool:
        answer = peer.ask()
        events.extend(answer["events"])
        return answer["gains"] is None

    until(is_limp)
    assert any("no command for 40 ms: the motors are limp" in event for event in events + peer.ask()["events"])


def test_a_state_whose_checksum_is_wrong_is_told(peer: Go2Peer, driver: Go2Driver) -> None:
    peer.tell(intact=False)
    until(lambda: not driver.read().intact)
    peer.tell(intact=True)
    until(lambda: driver.read().intact)


def test_a_tick_that_stands_still_gives_a_sequence_that_does(peer: Go2Peer, driver: Go2Driver) -> None:
    peer.tell(frozen=True)
    tick = peer.ask()["tick"]
    until(lambda: driver.read().sequence == tick)
    stamp = driver.read().stamp_ns
    until(lambda: driver.read().stamp_ns > stamp)
    assert driver.read().sequence == tick
    peer.tell(frozen=False)
    until(lambda: driver.read().sequence > tick)


def test_a_tick_that_goes_back_is_not_passed_over(peer: Go2Peer, driver: Go2Driver) -> None:
    last = driver.read().sequence
    peer.tell(back=100_000)

    def went_back() -> bool:
        nonlocal last
        before, last = last, driver.read().sequence
        return last < before

    until(went_back)
    until(lambda: driver.read().sequence > last)


def test_nothing_new_gives_the_state_of_the_call_before(driver: Go2Driver) -> None:
    states = [driver.read() for _ in range(50)]
    assert any(a is b for a, b in itertools.pairwise(states))
    assert all(a.stamp_ns <= b.stamp_ns for a, b in itertools.pairwise(states))


RIVAL = """
import sys, time
from sim2real.drivers.unitree.dds import Address, Network
from sim2real.drivers.unitree.messages import COMMAND_TOPIC, LowCmd_
with Network(Address.parse(sys.argv[1])) as network:
    rival = network.publish(COMMAND_TOPIC, LowCmd_)
    print("there", flush=True)
    sys.stdin.read()
"""


def test_a_second_publisher_is_told_and_refused(peer: Go2Peer, driver: Go2Driver) -> None:
    rival = subprocess.Popen(
        [sys.executable, "-c", RIVAL, peer.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        until(lambda: driver.read().rivals == 1)
        with pytest.raises(DriverError, match="1 other publisher of rt/lowcmd"):
            driver.acquire()
    finally:
        rival.communicate("")
    until(lambda: driver.read().rivals == 0)
    assert any("2 publishers" in event for event in peer.ask()["events"])


def test_rivals_that_the_simulation_tells_of_are_there(peer: Go2Peer, driver: Go2Driver) -> None:
    peer.tell(rivals=2)
    until(lambda: driver.read().rivals == 2)
    peer.tell(rivals=0)
    until(lambda: driver.read().rivals == 0)


def test_a_robot_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim2real.drivers.go2._PATIENCE", 0.3)
    driver = Go2Driver(f"lo/{free_domain()}")
    with pytest.raises(DriverError, match="no state on rt/lowstate at lo/"):
        driver.connect()


def test_a_driver_that_has_not_taken_command_sends_nothing() -> None:
    driver = Go2Driver(f"lo/{free_domain()}")
    driver.damp()
    with pytest.raises(DriverError, match="acquire"):
        driver.write(command(POSE))
    with pytest.raises(DriverError, match="connect"):
        driver.read()
    driver.close()
    driver.close()


def test_without_cyclone_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedds", None)
    with pytest.raises(DriverError, match=r"pip install 'zerogap\[go2\]'"):
        importlib.reload(sys.modules["sim2real.drivers.unitree"])


@pytest.mark.parametrize("address", ["", "/1", "lo/231", "lo/x", 'lo"/>', "lo/1/2", "a b"])
def test_an_address_that_makes_no_sense_is_refused(address: str) -> None:
    with pytest.raises(DriverError, match=r"expected one like|must be 0 to"):
        Go2Driver(address)


def test_an_interface_that_is_not_there_is_refused() -> None:
    with pytest.raises(DriverError, match="nonesuch0"):
        Go2Driver("nonesuch0/3").connect()


def test_the_simulators_domain_is_assumed_on_loopback_and_the_robots_elsewhere() -> None:
    assert Address.parse("lo") == Address("lo", 1)
    assert Address.parse("enp3s0") == Address("enp3s0", 0)
