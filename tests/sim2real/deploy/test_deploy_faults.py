"""Whatever goes wrong with the robot, a simulated one in another process, ends in DAMP in time, with its cause in the log."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from assets.robots import GO2
from sim2real.deploy.deployment import deploy
from sim2real.deploy.log_reader import Log, read_log
from sim2real.deploy.loop import DeployError
from sim2real.deploy.machine import Phase, Timetable
from sim2real.deploy.records import Sent
from sim2real.deploy.replay import replay
from sim2real.drivers.twin import TwinDriver
from sim2real.export.policy import PolicyError
from sim2real.robot_io import RobotCommand
from tests.sim2real.deploy.robots import Swaying

ROOT = Path(__file__).parents[3]
RATE = 100.0  # of the robot: half of the work of 500 Hz is not the physics'
STALE = 2.0  # s: a busy machine may stop a process for a while
JUMP = 1.0  # rad: and the robot then makes up for the time that it lost
ROBOT = replace(GO2, safety=replace(GO2.safety, stale_seconds=STALE, jump=JUMP))
TIMES = Timetable(settle=0.05, unwell=60.0, stand=0.4, stand_speed=4.0, policy=30.0, damp=0.1)

# A robot that goes wrong in the way, and for as long, as a line of its input says: "nan 0.5".
PEER = f"""
import os, select, sys, time
from assets.robots import GO2
from sim2real.twin.faults import Faults
from sim2real.twin.gap import Fault, Gap
from sim2real.twin.local import LocalServer
from sim2real.twin.simulated import SimulatedRobot
simulated = SimulatedRobot(GO2, Gap(), rate={RATE})
server = LocalServer(GO2, {RATE}, "127.0.0.1:0")
faults = Faults(GO2, ())
print(server.address, flush=True)
due = time.monotonic()
while True:
    if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        line = sys.stdin.readline().split()
        if not line:
            break
        size = float(line[2]) if len(line) > 2 else None
        faults = Faults(GO2, (Fault(kind=line[0], at=simulated.time + 0.03, seconds=float(line[1]), size=size),))
    if (now := time.monotonic()) < due:
        continue
    due = max(due + {1 / RATE}, now - 0.1)
    for message in faults.messages(simulated.step(server.command()), simulated.time, None):
        server.publish(message)
"""


class Peer:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PEER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def do(self, kind: str, seconds: float) -> None:
        """`kind` may be followed by a size."""
        assert self.process.stdin is not None
        name, *size = kind.split()
        print(name, seconds, *size, file=self.process.stdin, flush=True)


@pytest.fixture(scope="module")
def peer():
    started = Peer()
    yield started
    started.process.kill()
    started.process.wait()


class Trigger:
    """A command of zeros that does something once, shortly after the policy began."""

    is_ended = False

    def __init__(self, act: Callable[[], object]):
        self._act: Callable[[], object] | None = act

    def read(self, seconds: float) -> np.ndarray:
        if seconds > 0.1 and self._act is not None:
            self._act()
            self._act = None
        return np.zeros(1)

    def close(self) -> None: ...


def run(peer: Peer, path: Path, act: Callable[[], object], **options: Any) -> tuple[dict[str, Any], Log]:
    told = deploy(Swaying(), TwinDriver(peer.address, ROBOT), Trigger(act), path, TIMES, say=lambda _: None, **options)
    return told, read_log(path)


def assert_damped_in_time(told: dict[str, Any], log: Log, cause: str) -> None:
    assert told["tripped"]
    assert cause in told["cause"]
    assert any(event.kind == "damp" and event.level == "error" and cause in event.text for event in log.events)
    index = next(i for i, cycle in enumerate(log.cycles) if cycle.what is Sent.DAMPING)
    before, damped = log.cycles[index - 1], log.cycles[index]
    assert before.phase is Phase.POLICY
    good = before.state.stamp_ns if before.state.intact else log.cycles[index - 2].state.stamp_ns
    # The stale limit plus one period: by the clock of this process, which the machine may have made late for this cycle.
    period = max(1.0 / RATE, 1e-9 * (damped.sent_ns - before.now_ns))
    assert 1e-9 * (damped.sent_ns - good) <= STALE + period
    assert all(cycle.what is Sent.DAMPING for cycle in log.cycles[index:])
    for cycle in log.cycles[index:]:
        assert cycle.sent is None
        assert cycle.damping is not None
        np.testing.assert_array_equal(cycle.damping.damping, ROBOT.damping)
        assert not np.any([cycle.damping.stiffness, cycle.damping.torque, cycle.damping.velocity])
    again = replay(log)
    assert again.same == again.commands


@pytest.mark.parametrize(
    "kind, cause",
    [
        ("nan", "state_not_finite"),
        ("jump 3", "joint_range"),  # in the time that a busy machine may let pass, a joint could have gone that far
        ("tilt", "tilt"),
        ("hot", "temperature"),
        ("freeze", "repeated"),
        ("duplicate", "repeated"),
        ("reorder", "reordered"),
        ("checksum", "corrupt"),
        ("rival", "rival"),
        ("silence", "stale"),
    ],
)
def test_each_fault_of_the_messages_ends_in_damp(peer, tmp_path, kind, cause):
    told, log = run(peer, tmp_path / "log.mcap", lambda: peer.do(kind, 3.0 if kind == "silence" else 0.3))
    assert_damped_in_time(told, log, cause)


def test_a_second_program_that_commands_ends_in_damp(peer, tmp_path):
    rival = TwinDriver(peer.address, ROBOT)
    rival.connect()
    zero = np.zeros(12)
    told, log = run(peer, tmp_path / "log.mcap", lambda: rival.write(RobotCommand(0, zero, zero, zero, zero, zero)))
    rival.close()
    assert_damped_in_time(told, log, "rival")


def test_a_dry_run_sends_nothing_and_logs_what_it_would(peer, tmp_path):
    def stop() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "log.mcap"
    told, log = run(peer, path, stop, dry_run=True)
    assert told["dry_run"]
    assert (told["sent"], told["damped"]) == (0, 0)
    assert told["withheld"] == sum(cycle.what is Sent.WITHHELD for cycle in log.cycles) > 10
    assert {cycle.what for cycle in log.cycles} == {Sent.NOTHING, Sent.WITHHELD}
    assert all(cycle.sent is not None for cycle in log.cycles if cycle.what is Sent.WITHHELD)
    assert replay(log).same == replay(log).commands >= told["withheld"]
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:  # nor do other tools see commands
        assert {"/withheld"} == {c.topic for c in reader.connections} & {"/withheld", "/joint_commands"}
    assert told["cause"] == "it was stopped"
    assert not told["tripped"]
    assert log.header.provenance["dry_run"]
    lying = np.array(GO2.default_pose)
    assert np.abs(log.cycles[-1].state.position - lying).max() > 0.5  # it never stood up


def test_what_was_measured_is_told_where_an_error_ends_it_too(peer, tmp_path):
    def fail() -> None:
        raise OSError("the gamepad is gone")

    told: list[dict[str, Any]] = []
    with pytest.raises(OSError, match="the gamepad is gone"):
        run(peer, tmp_path / "log.mcap", fail, report=told.append)
    (figures,) = told
    assert figures["cause"] == "error: OSError: the gamepad is gone"
    assert figures["tripped"]
    assert 0 < figures["latency"]["count"] <= figures["sent"]
    assert figures["period_error"]["p99_ms"] is not None
    assert figures["damped"] == sum(cycle.what is Sent.DAMPING for cycle in read_log(tmp_path / "log.mcap").cycles)


def test_a_driver_whose_states_are_of_another_robot_is_refused(peer, tmp_path):
    class Short(TwinDriver):
        def read(self):
            return replace(super().read(), torque=np.zeros(6))

    with pytest.raises(DeployError, match=r"Short gives a torque of shape \(6,\), expected \(12,\)"):
        deploy(Swaying(), Short(peer.address, ROBOT), Trigger(lambda: None), tmp_path / "log.mcap", TIMES)
    assert not (tmp_path / "log.mcap").exists()


def test_a_policy_that_reads_what_the_robot_does_not_measure_is_refused_before_anything_is_sent(peer, tmp_path):
    class Balancing(Swaying):
        def decide(self, state, command):
            if np.isnan(state.quaternion).any():
                raise PolicyError("'imu_quaternion' is no number")
            return super().decide(state, command)

    blind = TwinDriver(peer.address, replace(ROBOT, imu_site=None))
    with pytest.raises(PolicyError, match="imu_quaternion"):
        deploy(Balancing(), blind, Trigger(lambda: None), tmp_path / "log.mcap", TIMES)
    assert not (tmp_path / "log.mcap").exists()


def test_ctrl_c_lets_the_robot_down(peer, tmp_path):
    told, log = run(peer, tmp_path / "log.mcap", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert told["cause"] == "it was stopped"
    assert not told["tripped"]
    assert log.cycles[-1].what is Sent.DAMPING
    assert log.is_complete


def test_another_robot_s_policy_is_refused_before_anything_is_sent(peer, tmp_path):
    class Other(Swaying):
        joints = tuple(reversed(GO2.joints))

    with pytest.raises(DeployError, match="trained for another robot"):
        deploy(Other(), TwinDriver(peer.address, ROBOT), Trigger(lambda: None), tmp_path / "log.mcap", TIMES)
    assert not (tmp_path / "log.mcap").exists()


def test_a_policy_that_thinks_too_long_is_refused(peer, tmp_path):
    import time

    class Slow(Swaying):
        def decide(self, state, command):
            time.sleep(0.02)
            return super().decide(state, command)

    with pytest.raises(DeployError, match="smaller network"):
        deploy(Slow(), TwinDriver(peer.address, ROBOT), Trigger(lambda: None), tmp_path / "log.mcap", TIMES)


def test_a_stopped_peer_ends_in_damp(peer, tmp_path):
    told, log = run(peer, tmp_path / "log.mcap", lambda: os.kill(peer.process.pid, signal.SIGSTOP))
    os.kill(peer.process.pid, signal.SIGCONT)
    assert_damped_in_time(told, log, "stale")


def test_a_killed_peer_ends_in_damp(peer, tmp_path):
    told, log = run(peer, tmp_path / "log.mcap", peer.process.kill)
    assert_damped_in_time(told, log, "stale")


def test_a_driver_that_does_not_say_what_it_drives_is_refused(tmp_path):
    class Nameless(TwinDriver):
        def connect(self):
            self.robot, self.rate = None, 500.0

    with pytest.raises(DeployError, match="has the robot None"):
        deploy(Swaying(), Nameless("127.0.0.1:1"), Trigger(lambda: None), tmp_path / "log.mcap", TIMES)
    assert not list(tmp_path.iterdir())
