"""The Go2's side of the protocol, in another process: what it refuses, and what it says of it."""

import itertools
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from assets.robots.go2 import GO2
from sim2real.drivers.driver import DriverError
from sim2real.drivers.unitree.crc import is_intact, seal
from sim2real.drivers.unitree.dds import Address, Inbox, Network, Outbox
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import (
    COMMAND_TOPIC,
    HEAD,
    LOW_LEVEL,
    POSITION_OFF,
    SERVO_MODE,
    STATE_TOPIC,
    VELOCITY_OFF,
    LowCmd_,
    LowState_,
)
from sim2real.drivers.unitree.motion_switcher import CHECK_MODE, SELECT_MODE, SWITCHER, MotionSwitcher
from sim2real.drivers.unitree.rpc import Service
from tests.sim2real.go2_peer import Go2Peer, until

COMMANDS, STATES = Layout(LowCmd_), Layout(LowState_)


class Bench:
    """Raw messages to and from a peer."""

    def __init__(self, peer: Go2Peer, network: Network):
        self.peer, self.network = peer, network
        self.commands: Outbox = network.publish(COMMAND_TOPIC, LowCmd_)
        self.states: Inbox = network.subscribe(STATE_TOPIC, LowState_)
        self.switcher = MotionSwitcher(network)
        self.modes = Service(network, SWITCHER)
        until(self.commands.has_subscriber)

    def answer(self, struct: bytes, event: str) -> None:
        """Send a command until the peer says what is expected of it."""

        def said() -> bool:
            self.commands.send(COMMANDS.to_cdr(struct))
            return any(event in said for said in self.peer.ask()["events"])

        until(said)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Go2Peer() as peer, Network(Address.parse(peer.address)) as network:
        yield Bench(peer, network)


def command() -> np.ndarray:
    """One without fault: every joint is held at the default pose."""
    record = COMMANDS.new()
    record["head"], record["level_flag"] = HEAD, LOW_LEVEL
    motors = record["motor_cmd"]
    motors["mode"], motors["q"], motors["dq"] = SERVO_MODE, POSITION_OFF, VELOCITY_OFF
    for motor, pose in zip(GO2.motors, GO2.default_pose, strict=True):
        motors[motor.index] = (SERVO_MODE, pose, 0.0, 0.0, 35.0, 0.7, (0, 0, 0))
    return record


def sealed(change: Callable[[np.ndarray], None] = lambda record: None) -> bytes:
    record = command()
    change(record)
    return seal(record.tobytes())


def test_commands_are_refused_until_the_sport_mode_is_released(bench: Bench) -> None:
    assert json.loads(bench.modes.call(CHECK_MODE)) == {"form": "0", "name": "normal"}
    bench.answer(sealed(), "mode 'normal' has the motors")
    assert bench.peer.ask()["gains"][0] == [60.0] * 12
    bench.switcher.release()
    assert bench.switcher.mode() == ""

    def obeyed() -> bool:
        bench.commands.send(COMMANDS.to_cdr(sealed()))
        return bench.peer.ask()["obeyed"] > 0

    until(obeyed)


def motor(field: str, value: float, index: int = 4) -> Callable[[np.ndarray], None]:
    def change(record: np.ndarray) -> None:
        record["motor_cmd"][field][index] = value

    return change


def frame(field: str, value: object) -> Callable[[np.ndarray], None]:
    def change(record: np.ndarray) -> None:
        record[field] = value

    return change


# Motor 4 is that of FL_thigh_joint.
@pytest.mark.parametrize(
    "change, event",
    [
        (frame("head", (0xFE, 0xEE)), "head fe ee, expected fe ef"),
        (frame("level_flag", 0xEE), "level_flag 0xee, expected 0xff"),
        (frame("gpio", 1), "gpio 1, expected 0"),
        (motor("mode", 0), "mode 0 of FL_thigh_joint, expected 1"),
        (motor("q", 3.6), "position of FL_thigh_joint beyond its limits"),
        (motor("q", POSITION_OFF), "position of FL_thigh_joint beyond its limits"),
        (motor("q", np.nan), "position of FL_thigh_joint beyond its limits"),
        (motor("dq", -31.0), "velocity of FL_thigh_joint beyond its limits"),
        (motor("tau", 24.0), "torque of FL_thigh_joint beyond its limits"),
        (motor("tau", np.nan), "torque of FL_thigh_joint beyond its limits"),
        (motor("kp", -1.0), "gain of FL_thigh_joint beyond its limits"),
        (motor("kd", np.inf), "gain of FL_thigh_joint beyond its limits"),
        (motor("kp", 1.0, index=12), "an unused motor with a target, a gain or a torque"),
        (motor("q", 0.0, index=19), "an unused motor with a target, a gain or a torque"),
    ],
)
def test_a_command_at_fault_is_refused_with_its_cause(bench: Bench, change: Callable[[np.ndarray], None], event: str) -> None:
    bench.answer(sealed(change), event)


def test_a_wrong_checksum_is_refused(bench: Bench) -> None:
    struct = sealed()
    bench.answer(struct[:-1] + bytes([struct[-1] ^ 0x80]), "wrong checksum")


def test_a_joint_without_gain_needs_no_target_within_its_limits(bench: Bench) -> None:
    def change(record: np.ndarray) -> None:
        record["motor_cmd"][4] = (SERVO_MODE, POSITION_OFF, VELOCITY_OFF, 1.0, 0.0, 0.0, (0, 0, 0))

    before = bench.peer.ask()["obeyed"]

    def obeyed() -> bool:
        bench.commands.send(COMMANDS.to_cdr(sealed(change)))
        return bench.peer.ask()["obeyed"] > before

    until(obeyed)


def test_more_commands_than_the_robot_can_take_are_refused(bench: Bench) -> None:
    """All at one time by its clock, which is given back its run afterwards."""
    bench.peer.tell(still=time.monotonic() + 1.0)
    bench.answer(sealed(), "more than 1000 a second")
    bench.peer.tell(still=None)
    obeyed = bench.peer.ask()["obeyed"]
    time.sleep(1.0)  # until the clock is where it stood
    until(lambda: (bench.commands.send(COMMANDS.to_cdr(sealed())), bench.peer.ask()["obeyed"] > obeyed)[1])


def test_states_are_sealed_and_their_ticks_advance(bench: Bench) -> None:
    seen: list[int] = []

    def enough() -> bool:
        for cdr in bench.states.take():
            struct = STATES.from_cdr(cdr)
            assert is_intact(struct)
            seen.append(int(STATES.record(struct)["tick"]))
        return len(seen) > 20

    until(enough)
    assert all(a < b for a, b in itertools.pairwise(seen))


def test_roll_pitch_and_yaw_are_those_of_the_quaternion(bench: Bench) -> None:
    record = STATES.record(STATES.from_cdr(until(bench.states.take)[-1]))
    roll, pitch, yaw = record["imu_state"]["rpy"]

    def about(axis: int, angle: float) -> np.ndarray:
        quaternion = np.zeros(4)
        quaternion[0], quaternion[1 + axis] = np.cos(angle / 2), np.sin(angle / 2)
        return quaternion

    def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        vector = a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
        return np.array([a[0] * b[0] - a[1:] @ b[1:], *vector])

    turned = times(about(2, yaw), times(about(1, pitch), about(0, roll)))
    np.testing.assert_allclose(abs(turned @ record["imu_state"]["quaternion"]), 1.0, atol=1e-5)


def test_services_refuse_what_they_do_not_know(bench: Bench) -> None:
    with pytest.raises(DriverError, match="refused request 4711 with code 3203"):
        bench.modes.call(4711)
    with pytest.raises(DriverError, match="refused request 1002 with code 3204"):
        bench.modes.call(SELECT_MODE, '["normal"]')


def test_the_sport_mode_can_be_put_in_charge_again(bench: Bench) -> None:
    bench.modes.call(SELECT_MODE, '{"name": "normal"}')
    assert bench.switcher.mode() == "normal"
    bench.answer(sealed(), "mode 'normal' has the motors")
    bench.switcher.stand_down()
    bench.switcher.release()
    assert bench.switcher.mode() == ""
