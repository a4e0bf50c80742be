"""The SO-101's driver and a twin of the arm in another process, over the servos' protocol."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from assets.robots.so101 import SO101
from sim2real.drivers.driver import DriverError
from sim2real.drivers.feetech import bus as feetech_bus
from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.calibration import nominal_calibration
from sim2real.drivers.so101 import So101Driver
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.feetech_servo import Servo
from sim2real.twin.so101_serial import So101SerialServer
from tests.sim2real.so101_twin import PATIENCE, TwinProcess

# Slower than the arm's own rate, so that a busy machine answers in time.
RATE = 2.0
HOME = np.array([0.0, -0.4, 0.2, 0.3, 0.0, 0.2])
OUTSTRETCHED = np.array([0.0, 0.6, -1.2, 0.0, 0.0, 0.0])
ZERO = np.zeros(6)


def command(position: np.ndarray) -> RobotCommand:
    return RobotCommand(0, position, ZERO, ZERO, np.array(SO101.stiffness), np.array(SO101.damping))


def until(driver: So101Driver, holds: Callable[[RobotState], bool], act: Callable[[], None] = lambda: None) -> RobotState:
    """Read, and act each time, until a state is as it must become."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = driver.read()
        if holds(state):
            return state
        act()
        time.sleep(0.01)
    raise AssertionError(f"it never came: the last was {state}")


def move(driver: So101Driver, position: np.ndarray) -> RobotState:
    """Until the arm is there, and at rest."""
    arrived = lambda s: np.abs(s.position - position).max() < 0.015 and np.abs(s.velocity).max() < 0.01  # noqa: E731
    return until(driver, arrived, lambda: driver.write(command(position)))


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    with TwinProcess(tmp_path_factory.mktemp("so101") / "port") as process:
        yield process


@pytest.fixture
def driver(twin: TwinProcess) -> Iterator[So101Driver]:
    driver = So101Driver(twin.port, rate=RATE)
    driver.connect()
    driver.acquire()
    yield driver
    driver.close()


def test_each_joint_moves_alone_and_where_it_is_told(driver: So101Driver):
    move(driver, HOME)
    for joint in range(6):
        target = HOME + 0.3 * (np.arange(6) == joint)
        state = move(driver, target)
        assert np.abs(state.position - target).max() < 0.015, SO101.joints[joint]
    move(driver, HOME)


def test_a_state_tells_the_torque_that_holds_the_arm(driver: So101Driver):
    first = move(driver, HOME)
    rests = lambda s: s.sequence > first.sequence + 3 and not s.velocity.any()  # noqa: E731 - what still creeps is pushed harder
    state = until(driver, rests, lambda: driver.write(command(HOME)))
    model = SO101.spec().compile()
    data = mujoco.MjData(model)
    data.qpos[:] = state.position
    mujoco.mj_forward(model, data)
    friction = model.dof_frictionloss
    assert np.all(np.abs(state.torque - data.qfrc_bias) < friction + 0.01)
    assert np.abs(data.qfrc_bias).max() > 0.2  # there is something to be held


def test_a_state_says_what_an_arm_knows_and_nothing_more(driver: So101Driver):
    first = driver.read()
    state = until(driver, lambda s: s.sequence > first.sequence)
    assert state.stamp_ns > first.stamp_ns
    assert np.all((state.temperature >= 24) & (state.temperature < 60))
    for unknown in (state.quaternion, state.angular_velocity, state.acceleration):
        assert np.isnan(unknown).all()


def test_an_outstretched_arm_sinks_slowly_when_damped_and_falls_when_limp(driver: So101Driver):
    """And what is left in damping holds the arm where a hand's breadth lower would need less."""
    lift = SO101.joints.index("shoulder_lift")
    start = move(driver, OUTSTRETCHED).position[lift]
    fastest = {"damped": 0.0, "limp": 0.0}

    def note(how: str) -> Callable[[RobotState], bool]:
        def sunk(state: RobotState) -> bool:
            fastest[how] = max(fastest[how], abs(state.velocity[lift]))
            return abs(state.position[lift] - start) > 0.15

        return sunk

    limp = replace(command(OUTSTRETCHED), stiffness=ZERO, damping=ZERO)
    until(driver, note("limp"), lambda: driver.write(limp))
    driver.acquire()
    start = move(driver, OUTSTRETCHED).position[lift]
    until(driver, note("damped"), driver.damp)
    assert 0.0 < fastest["damped"] < 0.5 * fastest["limp"]
    with pytest.raises(DriverError, match="acquire"):
        driver.write(command(HOME))
    driver.acquire()
    move(driver, HOME)


def test_an_arm_that_nobody_commands_any_more_stays_where_it_is(driver: So101Driver, twin: TwinProcess):
    """As real servos do: the goal outlives who gave it, though `close` leaves it little torque."""
    move(driver, HOME)
    driver.close()
    time.sleep(0.5)
    driver.connect()
    assert np.abs(driver.read().position - HOME).max() < 0.05
    driver.acquire()


@pytest.mark.parametrize(
    "change, told",
    [
        ({"torque": np.full(6, 0.1)}, "torque of 'shoulder_pan'"),
        ({"velocity": np.array([0, 0, 0, 0, 0.5, 0])}, "velocity of 'wrist_roll'"),
        ({"stiffness": np.full(6, 1e5)}, "stiffness of 100000"),
        ({"damping": np.full(6, -1.0)}, "damping of -1"),
        ({"position": np.full(6, np.nan)}, "position must be 6 finite numbers"),
        ({"position": np.zeros(5)}, "position must be 6 finite numbers"),
    ],
)
def test_what_position_servos_cannot_do_is_refused(driver: So101Driver, change: dict[str, np.ndarray], told: str):
    before = driver.read().position
    with pytest.raises(DriverError, match=told):
        driver.write(replace(command(before + 0.2), **change))
    time.sleep(0.3)
    assert np.abs(until(driver, lambda s: s.intact).position - before).max() < 0.05


def test_a_wrong_checksum_makes_a_state_that_is_not_intact(driver: So101Driver, twin: TwinProcess):
    before = driver.read()
    twin.tell("damaged")
    state = until(driver, lambda s: not s.intact)
    assert state.sequence > before.sequence
    assert np.isfinite(state.position).all()
    twin.tell("well")
    until(driver, lambda s: s.intact)


@pytest.mark.parametrize("trouble, told", [("blind", r"^servo 3 \(elbow_flex\).*sensor"), ("hot", "servo 6.*too hot")])
def test_a_fault_of_a_servo_is_told_once(driver: So101Driver, twin: TwinProcess, trouble: str, told: str):
    twin.tell(trouble)
    with pytest.raises(DriverError, match=told):
        until(driver, lambda _: False)
    first = driver.read()
    until(driver, lambda s: s.sequence > first.sequence + 2)
    twin.tell("well")
    until(driver, lambda _: not any(driver._faults.values()))


def test_a_stopped_arm_blocks_nobody_and_gives_no_news(driver: So101Driver, twin: TwinProcess):
    twin.stop()
    try:
        still = until(driver, lambda s: driver.read() is s)
        for _ in range(200):  # more than the terminal holds
            driver.write(command(still.position))
        assert driver.read() is still
    finally:
        twin.go_on()
    until(driver, lambda s: s.sequence > still.sequence + 2)


def test_a_killed_arm_is_told_and_can_be_damped_and_closed(tmp_path: Path):
    with TwinProcess(tmp_path / "port") as twin:
        driver = So101Driver(twin.port, rate=RATE)
        driver.connect()
        driver.acquire()
        twin.kill()
        with pytest.raises(DriverError, match="gone"):
            until(driver, lambda _: False)
        driver.damp()
        driver.close()
        driver.close()


# Connecting, against servos on a pseudo-terminal of this process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[So101SerialServer]:
    server = So101SerialServer(SO101, rate=100.0, address=str(tmp_path / "port"))
    yield server
    server.close()


def servos(server: So101SerialServer) -> list[Servo]:
    return server._bus.servos


def set_registers(servo: Servo, values: dict[r.Register, int]) -> None:
    for register, value in values.items():
        servo._set(register, value)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({3: {r.ID: 9}}, r"no answer from servo 4 \(wrist_flex\)"),
        ({1: {r.MODEL_NUMBER: 1284}}, r"servo 2 \(shoulder_lift\) is of model 1284, expected 777"),
        ({i: {r.BAUD_RATE: 4} for i in range(6)}, "listen at 115200 baud"),
        ({0: {r.MIN_POSITION: 0, r.MAX_POSITION: 4095}}, "lerobot-calibrate"),
        ({5: {r.MIN_VOLTAGE: 130}}, r"servo 6 \(gripper\) reports a fault: its voltage"),
    ],
)
def test_an_arm_that_is_not_as_it_should_be_is_told_with_a_remedy(
    server: So101SerialServer, changes: dict[int, dict[r.Register, int]], told: str
):
    for index, values in changes.items():
        set_registers(servos(server)[index], values)
    with pytest.raises(DriverError, match=told):
        So101Driver(server.address, rate=RATE).connect()


def test_a_servo_in_another_mode_is_not_taken_command_of(server: So101SerialServer):
    set_registers(servos(server)[2], {r.OPERATING_MODE: 1})
    driver = So101Driver(server.address, rate=RATE)
    driver.connect()
    with pytest.raises(DriverError, match=r"servo 3 \(elbow_flex\) is in operating mode 1"):
        driver.acquire()
    driver.close()


def test_a_file_of_another_arm_is_told(server: So101SerialServer, tmp_path: Path):
    mine = tmp_path / "mine.json"
    nominal_calibration(SO101).save(mine)
    driver = So101Driver(server.address, mine, rate=RATE)
    driver.connect()
    driver.close()
    set_registers(servos(server)[4], {r.HOMING_OFFSET: -300})
    with pytest.raises(DriverError, match=r"mine.json: homing_offset -300, expected 0"):
        driver.connect()


def test_gains_are_written_to_no_eeprom(server: So101SerialServer):
    stored = [servo.stored for servo in servos(server)]
    driver = So101Driver(server.address, rate=RATE)
    driver.connect()
    driver.acquire()
    half = np.array(SO101.stiffness) / 2
    driver.write(replace(command(ZERO), stiffness=half))
    driver.read()
    assert [servo[r.P_COEFFICIENT] for servo in servos(server)] == [8] * 6
    assert [servo.stored for servo in servos(server)] == stored
    driver.close()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and servos(server)[5][r.TORQUE_LIMIT] != 150:
        time.sleep(0.01)
    assert [servo[r.TORQUE_LIMIT] for servo in servos(server)] == [150] * 6
    assert [servo[r.TORQUE_ENABLE] for servo in servos(server)] == [1] * 6


def test_a_port_is_for_one_program_alone(server: So101SerialServer):
    first = So101Driver(server.address, rate=RATE)
    first.connect()
    with pytest.raises(DriverError, match="another program"):
        So101Driver(server.address, rate=RATE).connect()
    first.close()


def test_a_port_without_an_arm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feetech_bus, "_PATIENCE", 0.01)
    monkeypatch.setattr(feetech_bus, "_SCAN_PATIENCE", 0.01)
    with pytest.raises(DriverError, match="no serial port"):
        So101Driver(str(tmp_path / "none")).connect()
    (tmp_path / "file").touch()
    with pytest.raises(DriverError, match="cannot be opened as a serial port"):
        So101Driver(str(tmp_path / "file")).connect()
    master, slave = os.openpty()
    with pytest.raises(DriverError, match="none of the servos 1 to 6 answers"):
        So101Driver(os.ttyname(slave)).connect()
    os.close(master)
    os.close(slave)


def test_a_calibration_file_is_read_before_anything_is_opened(tmp_path: Path):
    with pytest.raises(ValueError, match="cannot read the calibration"):
        So101Driver("/dev/null", tmp_path / "absent.json")


def test_what_is_not_connected_says_so():
    driver = So101Driver("/dev/null")
    for act in (driver.read, driver.acquire):
        with pytest.raises(DriverError, match="connect first"):
            act()
    driver.damp()
    driver.close()
