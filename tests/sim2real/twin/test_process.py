"""The twin as a process: `zerogap twin` beside a driver, in real time or not, and how it ends."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2, SO101
from rl.stop import Stop
from sim2real.drivers.twin import TwinDriver
from sim2real.realtime import Precedence
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.gap import Fault, Gap, Messages
from sim2real.twin.process import Lateness, TwinLoop, make_server
from sim2real.twin.server import TwinError
from sim2real.twin.simulated import SimulatedRobot
from sim2real.twin.truth import TruthLog
from tests.processes import ROOT
from tests.sim2real.twin.robot_commands import hold

SECONDS = 300.0  # what anything may take on a machine that has much else to do


class Bench:
    """A server without a bus: gives one command, keeps what is published."""

    address = "the bench"

    def __init__(self, command: RobotCommand | None = None):
        self.wish = command
        self.obeyed = int(command is not None)
        self.sent: list[RobotState] = []

    def command(self) -> RobotCommand | None:
        return self.wish

    def publish(self, state: RobotState) -> None:
        self.sent.append(state)

    def events(self) -> list[str]:
        return []

    def close(self) -> None: ...


@contextmanager
def twin(*options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A twin in a process of its own, and its address."""
    command = [sys.executable, "-m", "zerogap", "twin", *options, "--address", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r" at (127\.0\.0\.1:\d+): ", line):
                yield process, found[1]
                return
        pytest.fail(f"no address: {''.join(lines)}")
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(scope="module")
def crouched() -> SimulatedRobot:
    return SimulatedRobot(SO101, rate=100.0, physics_step=0.002, start="standing")


def test_a_driver_moves_the_twin_which_ends_whole_on_sigterm(tmp_path: Path) -> None:
    log, told = tmp_path / "truth.npz", tmp_path / "told.json"
    with twin("so101", "--start", "standing", "--log", str(log), "--json", str(told)) as (process, address):
        driver = TwinDriver(address)
        driver.connect()
        assert driver.robot is SO101
        driver.acquire()
        target = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.5])

        def moved() -> bool:
            driver.write(hold(SO101, target))
            return bool(np.abs(driver.read().position - target)[[0, 5]].max() < 0.02)

        until(moved)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=SECONDS)
        driver.close()
    assert process.returncode == 0, output
    figures = json.loads(told.read_text())
    assert figures["robot"] == "so101"
    assert figures["commands"] > 0
    with np.load(log) as truth:
        about = json.loads(str(truth["about"]))
        assert about["joints"] == list(SO101.joints)
        assert len(truth["time"]) == round(figures["simulated_seconds"] * 500)
        assert truth["qpos"][-1, 0] == pytest.approx(0.3, abs=0.05)
        assert (np.diff(truth["stamp_ns"]) > 0).all()
        assert truth["command"].max() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["told.json", "truth.npz"]


def test_a_stopped_twin_falls_silent_and_goes_on(tmp_path: Path) -> None:
    with twin("so101", "--start", "standing") as (process, address):
        driver = TwinDriver(address)
        driver.connect()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.05)
        before = driver.read()
        time.sleep(0.2)
        assert driver.read() is before
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: driver.read().sequence > before.sequence)
        driver.close()


def test_faults_reach_a_driver_in_another_process(tmp_path: Path) -> None:
    gap = tmp_path / "gap.toml"
    gap.write_text('[[fault]]\nkind = "checksum"\nat = 0.1\nseconds = 1e3\nsince = "command"\n')
    with twin("so101", "--start", "standing", "--gap", str(gap)) as (_, address):
        driver = TwinDriver(address)
        driver.connect()
        assert driver.read().intact

        def broken() -> bool:
            driver.write(hold(SO101))
            return not driver.read().intact

        until(broken)
        driver.close()


def test_what_cannot_start_is_told_in_a_line(tmp_path: Path) -> None:
    gap = tmp_path / "gap.toml"
    gap.write_text("[motors]\n")
    command = [sys.executable, "-m", "zerogap", "twin", "go2", "--gap", str(gap)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "did you mean 'motor'" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_simulates_as_long_as_asked_as_fast_as_it_can(crouched: SimulatedRobot) -> None:
    lines: list[str] = []
    before, server = crouched.sequence, Bench(hold(SO101))
    told = TwinLoop(crouched, server, say=lines.append).run(Stop(), seconds=0.5, speed=math.inf)
    assert crouched.sequence - before == 50
    assert [state.sequence for state in server.sent] == list(range(before + 1, before + 51))
    assert (told.published, told.commands) == (50, 1)
    assert any("commands come" in line for line in lines)


def test_real_time_is_never_ahead_of_the_clock(crouched: SimulatedRobot) -> None:
    begin = time.monotonic()
    told = TwinLoop(crouched, Bench(), say=lambda _: None).run(Stop(), seconds=0.3, speed=2.0)
    assert time.monotonic() - begin >= 0.14
    assert told.wall_seconds >= 0.14
    assert told.late_p50_ms <= told.late_p99_ms


class Schedules:
    """Which scheduling each period was simulated under."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def add(self, simulated: SimulatedRobot, command: RobotCommand | None) -> None:
        self.seen.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)


@pytest.mark.skipif(sys.platform != "linux", reason="real-time scheduling is Linux's")
def test_a_twin_that_never_rests_lets_other_programs_go_first(crouched: SimulatedRobot) -> None:
    before = os.sched_getscheduler(0)
    with Precedence():
        permitted = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    rests, hurries = Schedules(), Schedules()
    TwinLoop(crouched, Bench(), (rests,), say=lambda _: None).run(Stop(), seconds=0.1, speed=0.5)
    TwinLoop(crouched, Bench(), (hurries,), say=lambda _: None).run(Stop(), seconds=1.0, speed=1e6)
    assert rests.seen[0] == hurries.seen[0] == permitted
    assert hurries.seen[40:] == [before] * len(hurries.seen[40:])
    assert os.sched_getscheduler(0) == before


def test_a_lost_state_is_not_sent_again() -> None:
    lossy = SimulatedRobot(SO101, Gap(state_messages=Messages(drop=0.5)), rate=100.0, physics_step=0.002, start="standing")
    server = Bench()
    TwinLoop(lossy, server, say=lambda _: None).run(Stop(), seconds=1.0, speed=math.inf)
    sequences = [state.sequence for state in server.sent]
    assert sorted(set(sequences)) == sequences
    assert 20 < len(sequences) < 80


def test_faults_are_told_when_they_come_and_go() -> None:
    gap = Gap(fault=(Fault("silence", at=0.1, seconds=0.1),))
    lines: list[str] = []
    server = Bench()
    robot = SimulatedRobot(SO101, gap, rate=100.0, physics_step=0.002, start="standing")
    TwinLoop(robot, server, say=lines.append).run(Stop(), seconds=0.5, speed=math.inf)
    told = [line.split("  ")[-1] for line in lines if "faults" in line]
    assert told == ["faults: silence", "faults: none"]
    assert len(server.sent) == 40


def test_a_fall_is_told() -> None:
    lines: list[str] = []
    robot = SimulatedRobot(GO2, physics_step=0.002, start="standing")
    TwinLoop(robot, Bench(hold(GO2, scale=0.05)), say=lines.append).run(Stop(), seconds=1.0, speed=math.inf)
    assert lines[0].endswith("standing")
    assert lines[-1].endswith("fallen")


def test_a_simulation_that_diverges_ends_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    robot = SimulatedRobot(SO101, rate=100.0, physics_step=0.002, start="standing")
    robot.data.qvel[0] = np.inf
    with pytest.raises(TwinError, match="diverged after"):
        TwinLoop(robot, Bench(), say=lambda _: None).run(Stop(), seconds=1.0, speed=math.inf)
    assert not list(tmp_path.iterdir())


def test_protocols_are_for_their_robots(crouched: SimulatedRobot) -> None:
    with pytest.raises(TwinError, match="that of the go2"):
        make_server("go2-dds", crouched)
    with pytest.raises(TwinError, match="there are: local"):
        make_server("carrier-pigeon", crouched)
    with closing(make_server("local", crouched, "127.0.0.1:0")) as server:
        assert server.command() is None


def test_what_makes_no_sense_is_refused(crouched: SimulatedRobot, tmp_path: Path) -> None:
    for settings in ({"speed": 0.0}, {"seconds": -1.0}, {"speed": math.nan}):
        with pytest.raises(TwinError, match="expected more than 0"):
            TwinLoop(crouched, Bench(), say=lambda _: None).run(Stop(), **settings)
    with pytest.raises(TwinError, match="rate"):
        SimulatedRobot(SO101, rate=0.0)
    with pytest.raises(TwinError, match="cannot hang"):
        SimulatedRobot(SO101, start="hanging")
    (tmp_path / "file").write_text("")
    with pytest.raises(TwinError, match="cannot write"):
        TruthLog(tmp_path / "file" / "truth.npz", crouched, 0)


def test_lateness_has_its_quantiles() -> None:
    lateness = Lateness(0.002)
    for seconds in np.linspace(0.0, 0.004, 1001):
        lateness.add(float(seconds))
    assert lateness.quantile(0.5) == pytest.approx(0.002, abs=2e-5)
    assert lateness.quantile(0.99) == pytest.approx(0.00396, abs=2e-5)
    assert lateness.largest == pytest.approx(0.004)
    assert lateness.overruns == 500
