"""What one simulated servo does when its registers are written."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.registers import Register
from sim2real.twin.feetech_servo import Servo

ZERO = 2047.5
PERIOD = 0.01


def servo(**kept: int) -> Servo:
    made = Servo(1, ZERO, 1.0, {r.MIN_POSITION: 700, r.MAX_POSITION: 3400, **{getattr(r, k): v for k, v in kept.items()}})
    made.measure(0.0, 0.0, 0.0, 25.0, PERIOD)
    return made


def put(made: Servo, register: Register, value: int) -> None:
    made.write(register.address, register.encode(value))


def position(made: Servo) -> float:
    demand = made.control(PERIOD)
    assert demand is not None
    return ZERO + demand.position * r.STEPS_PER_RADIAN


def test_a_servo_is_limp_until_its_torque_is_on_and_then_holds_its_place():
    made = servo()
    assert made.control(PERIOD) is None
    put(made, r.TORQUE_ENABLE, 1)
    assert position(made) == pytest.approx(made[r.PRESENT_POSITION])
    put(made, r.TORQUE_ENABLE, 0)
    assert made.control(PERIOD) is None


def test_it_holds_its_last_goal_for_ever():
    made = servo()
    put(made, r.TORQUE_ENABLE, 1)
    put(made, r.GOAL_POSITION, 2500)
    assert [position(made) for _ in range(1000)] == pytest.approx([2500.0] * 1000)


def test_a_goal_outside_the_limits_is_cut_and_flagged():
    made = servo()
    put(made, r.TORQUE_ENABLE, 1)
    assert made.status == 0
    put(made, r.GOAL_POSITION, 4000)
    assert made.status == r.ANGLE_FLAG == made.read(r.STATUS.address, 1)[0]
    assert position(made) == pytest.approx(3400)
    put(made, r.GOAL_POSITION, 3000)
    assert made.status == 0


@settings(max_examples=30)
@given(st.integers(700, 3400), st.integers(500, 3400), st.integers(20, 254))
def test_it_moves_no_faster_and_no_quicker_than_it_may_and_arrives(goal: int, fastest: int, quickest: int):
    made = servo()
    put(made, r.TORQUE_ENABLE, 1)
    put(made, r.GOAL_VELOCITY, fastest)
    put(made, r.ACCELERATION, quickest)
    put(made, r.GOAL_POSITION, goal)
    path = [float(made[r.PRESENT_POSITION])]
    for _ in range(10_000):
        path.append(position(made))
        if path[-1] == pytest.approx(goal):
            break
    assert path[-1] == pytest.approx(goal)
    speeds = [(b - a) / PERIOD for a, b in itertools.pairwise(path)]
    assert max(map(abs, speeds)) <= fastest + 1e-6
    starts = [abs(b) - abs(a) for a, b in zip([0.0, *speeds], speeds, strict=False)]
    assert max(starts) <= quickest * r.ACCELERATION_UNIT * PERIOD + 1e-6


def test_the_lock_decides_what_outlives_a_loss_of_power():
    made = servo()
    before = made.stored
    put(made, r.LOCK, 1)
    put(made, r.P_COEFFICIENT, 5)
    assert made[r.P_COEFFICIENT] == 5
    assert made.stored == before
    put(made, r.LOCK, 0)
    put(made, r.P_COEFFICIENT, 6)
    assert made.stored[r.P_COEFFICIENT.address] == 6


def test_what_it_measures_cannot_be_written():
    made = servo()
    before = made.read(0, 71)
    made.write(0, bytes(5))
    made.write(r.PRESENT_POSITION.address, b"\1" * 15)
    assert made.read(0, 71) == before


@pytest.mark.parametrize("angle", [-1.0, 0.3, 1.2])
def test_a_homing_offset_moves_the_readings_and_the_goals_alike(angle: float):
    made = servo(HOMING_OFFSET=-120)
    made.measure(angle, -0.5, 0.0, 25.0, PERIOD)
    assert made[r.PRESENT_POSITION] == round(ZERO + angle * r.STEPS_PER_RADIAN + 120)
    assert made[r.PRESENT_VELOCITY] == round(-0.5 * r.STEPS_PER_RADIAN)
    put(made, r.TORQUE_ENABLE, 1)
    assert position(made) == pytest.approx(ZERO + angle * r.STEPS_PER_RADIAN, abs=0.51)


def test_an_overload_makes_it_give_way_until_its_torque_is_enabled_anew():
    made = servo()
    put(made, r.TORQUE_ENABLE, 1)
    for _ in range(198):
        made.measure(0.0, 0.0, 0.9, 25.0, PERIOD)
    assert made.status == 0
    for _ in range(4):
        made.measure(0.0, 0.0, 0.9, 25.0, PERIOD)
    assert made.status == 0x20
    demand = made.control(PERIOD)
    assert demand is not None
    assert demand.torque == pytest.approx(0.2)
    put(made, r.TORQUE_ENABLE, 1)
    assert made.status == 0


def test_heat_switches_it_off_and_a_broken_sensor_is_told():
    made = servo()
    put(made, r.TORQUE_ENABLE, 1)
    made.measure(0.0, 0.0, 0.0, 90.0, PERIOD)
    assert made.status == 0x04
    assert made.control(PERIOD) is None
    made.measure(0.0, 0.0, 0.0, 40.0, PERIOD)
    assert made.control(PERIOD) is not None
    made.measure(math.nan, 0.0, 0.0, 40.0, PERIOD)
    assert made.status == 0x02


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=1, max_size=40)), max_size=20))
def test_no_write_can_break_it(writes: list[tuple[int, bytes]]):
    made = servo()
    for address, data in writes:
        made.write(address, data)
        made.measure(0.1, 5.0, -1.0, 30.0, PERIOD)
        demand = made.control(PERIOD)
        assert demand is None or (math.isfinite(demand.position) and 0 <= demand.torque <= 1)
        assert len(made.read(address, 60)) == 60
