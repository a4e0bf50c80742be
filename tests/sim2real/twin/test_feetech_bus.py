"""The servos' side of the protocol: what they answer, and to what they keep silent."""

from hypothesis import given
from hypothesis import strategies as st

from sim2real.drivers.feetech import registers as r
from sim2real.twin.feetech_bus import ACTION, BROADCAST, PING, READ, REG_WRITE, SYNC_READ, SYNC_WRITE, WRITE, ServoBus, packet
from sim2real.twin.feetech_servo import Servo

RATE = 1_000_000
GOAL = r.GOAL_POSITION.address


def bus() -> ServoBus:
    return ServoBus([Servo(id, 2047.5, 1.0, {}) for id in (1, 2, 3)])


def ask(servos: ServoBus, request: bytes, now: float = 0.0) -> bytes:
    return servos.receive(request, now, RATE)


def test_the_examples_of_the_protocols_manual():
    """The manual's ping of servo 1, and its write of 1000 at a speed of 1000 to that servo."""
    servos = bus()
    assert ask(servos, bytes.fromhex("ffff010201fb")) == bytes.fromhex("ffff010200fc")
    assert ask(servos, bytes.fromhex("ffff0109032ae8030000e803f2")) == bytes.fromhex("ffff010200fc")
    assert servos.servos[0][r.GOAL_POSITION] == 1000
    assert servos.servos[0][r.GOAL_VELOCITY] == 1000


def test_a_broadcast_is_obeyed_by_all_and_answered_only_where_it_asks_who_is_there():
    servos = bus()
    assert ask(servos, packet(BROADCAST, WRITE, bytes([GOAL, 0x10, 0x04]))) == b""
    assert [servo[r.GOAL_POSITION] for servo in servos.servos] == [0x410] * 3
    assert ask(servos, packet(BROADCAST, PING)) == packet(1, 0) + packet(2, 0) + packet(3, 0)


def test_synchronous_reads_are_answered_in_the_order_that_was_asked():
    servos = bus()
    answer = ask(servos, packet(BROADCAST, SYNC_READ, bytes([r.ID.address, 1, 3, 9, 1])))
    assert answer == packet(3, 0, b"\3") + packet(1, 0, b"\1")


def test_synchronous_writes_reach_each_servo_with_its_own_value():
    servos = bus()
    assert ask(servos, packet(BROADCAST, SYNC_WRITE, bytes([GOAL, 2, 1, 10, 0, 3, 30, 0]))) == b""
    assert [servo[r.GOAL_POSITION] for servo in servos.servos] == [10, 0, 30]
    assert ask(servos, packet(BROADCAST, SYNC_WRITE, bytes([GOAL, 2, 1, 99, 0, 3, 99]))) == b""
    assert [servo[r.GOAL_POSITION] for servo in servos.servos] == [10, 0, 30]


def test_a_registered_write_waits_for_its_action():
    servos = bus()
    assert ask(servos, packet(2, REG_WRITE, bytes([GOAL, 77, 0]))) == packet(2, 0)
    assert servos.servos[1][r.GOAL_POSITION] == 0
    assert ask(servos, packet(2, READ, bytes([r.REGISTERED.address, 1]))) == packet(2, 0, b"\1")
    assert ask(servos, packet(BROADCAST, ACTION)) == b""
    assert servos.servos[1][r.GOAL_POSITION] == 77
    assert servos.servos[1][r.REGISTERED] == 0


def test_a_servo_told_to_keep_quiet_answers_reads_and_pings_alone():
    servos = bus()
    ask(servos, packet(1, WRITE, bytes([r.STATUS_LEVEL.address, 0])))
    assert ask(servos, packet(1, WRITE, bytes([GOAL, 1, 0]))) == b""
    assert ask(servos, packet(1, PING)) == packet(1, 0)


def test_a_wrong_checksum_is_met_with_silence_and_changes_nothing():
    servos = bus()
    request = packet(1, WRITE, bytes([GOAL, 1, 0]))
    assert ask(servos, request[:-1] + bytes([request[-1] ^ 1])) == b""
    assert servos.servos[0][r.GOAL_POSITION] == 0
    assert "checksum" in " ".join(servos.refused)


def test_another_baud_rate_is_noise():
    servos = bus()
    assert servos.receive(packet(1, PING), 0.0, 115_200) == b""
    assert servos.refused == ["6 bytes at 115200 baud, expected 1000000"]


def test_half_a_packet_is_forgotten_after_a_pause():
    servos = bus()
    request = packet(1, READ, bytes([r.ID.address, 1]))
    assert ask(servos, request[:4], 0.0) == b""
    assert ask(servos, request[4:], 0.01) == packet(1, 0, b"\1")
    assert ask(servos, request[:4], 1.0) == b""
    assert ask(servos, request, 2.0) == packet(1, 0, b"\1")


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=10))
def test_after_any_noise_and_a_pause_a_servo_is_heard_again(noise: bytes, cuts: list[int]):
    servos = bus()
    kept = [servo.stored for servo in servos.servos]
    at = 0
    for i, cut in enumerate(cuts):
        ask(servos, noise[at : at + cut], 0.001 * i)
        at += cut
    if [servo.stored for servo in servos.servos] == kept:  # unless the noise happened to write to them
        assert ask(servos, packet(2, PING), 10.0).startswith(b"\xff\xff\x02\x02")


@given(st.binary(min_size=0, max_size=12).filter(lambda noise: b"\xff" not in noise), st.integers(1, 3))
def test_a_question_within_noise_is_answered(noise: bytes, servo: int):
    assert packet(servo, 0) in ask(bus(), noise + packet(servo, PING) + noise)
