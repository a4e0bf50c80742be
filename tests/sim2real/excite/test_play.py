"""A motion played by the runtime of `zerogap deploy` on twins in another process: no trip, and all of it in the log."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot
from sim2real.deploy.deployment import deploy
from sim2real.deploy.log_reader import Log, read_log
from sim2real.deploy.loop import DeployError
from sim2real.deploy.machine import Phase, Timetable
from sim2real.deploy.records import Sent
from sim2real.deploy.replay import replay
from sim2real.deploy.sources import Constant
from sim2real.drivers.twin import TwinDriver
from sim2real.excite.motion import Motion
from sim2real.excite.motion_file import load_motion, save_motion
from sim2real.excite.motion_pilot import MotionPilot
from sim2real.excite.rehearsal import Rehearsal
from tests.processes import ROOT
from tests.sim2real.excite.stages import RATES, made, stage

TIMES = Timetable(settle=0.05, unwell=60.0, stand=0.4, stand_speed=4.0, damp=0.1)
START = {"go2": "hanging", "so101": "standing"}

PEER = """
import os, sys, time
from assets.robots.built_in import ROBOTS
from sim2real.twin.gap import Gap
from sim2real.twin.local import LocalServer
from sim2real.twin.simulated import SimulatedRobot
robot, rate = ROBOTS[sys.argv[1]](), float(sys.argv[2])
simulated = SimulatedRobot(robot, Gap(), rate=rate, physics_step=0.001, start=sys.argv[3])
server = LocalServer(robot, rate, "127.0.0.1:0")
print(server.address, flush=True)
due, parent = time.monotonic(), os.getppid()
while os.getppid() == parent:
    server.publish(simulated.step(server.command()))
    due = max(due + 1 / rate, time.monotonic() - 0.1)
    time.sleep(max(0.0, due - time.monotonic()))
"""


def patient(robot: str) -> Robot:
    """The robot, whose states may be late: a busy machine may stop a process for a while."""
    own = ROBOTS[robot]()
    return replace(own, safety=replace(own.safety, stale_seconds=5.0))


class Played:
    def __init__(self, robot: str, motion: Motion, folder: Path, **changes: Any):
        peer = subprocess.Popen(
            [sys.executable, "-c", PEER, robot, str(RATES[robot]), START[robot]], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert peer.stdout is not None
            driver = TwinDriver(peer.stdout.readline().strip(), patient(robot))
            self.motion = motion
            pilot = MotionPilot(Rehearsal.of(motion, stage(robot)))
            path = folder / "log.mcap"
            self.told = deploy(pilot, driver, Constant((), ()), path, TIMES, provenance=pilot.provenance, say=lambda _: None)
            self.log: Log = read_log(path)
        finally:
            peer.kill()
            peer.wait()


@pytest.fixture(scope="module", params=["go2", "so101"])
def played(request, tmp_path_factory) -> Played:
    """A motion of a file, with gains of its own."""
    folder = tmp_path_factory.mktemp("played")
    kind = {"go2": "multisine", "so101": "chirp"}[request.param]
    motion = made(request.param, kind=kind, seconds=5.0, band=(0.5, 4.0), amplitude=0.15, stiffness=0.8, damping=1.2).motion
    save_motion(motion, folder / "m.csv")
    return Played(request.param, load_motion(folder / "m.csv", lambda name: ROBOTS[name]()), folder)


def test_it_is_played_to_its_end_without_a_trip(played):
    assert played.told["cause"] == "the motion is over"
    assert not played.told["tripped"]
    assert not played.told["warnings"] or all("gain" not in text for text in played.told["warnings"])
    assert [cycle.phase for cycle in played.log.cycles][-1] is Phase.DAMP


def test_the_log_holds_every_target_in_order_and_exactly(played):
    decided = np.array([decision.targets for decision in played.log.decisions])
    assert decided.tobytes() == played.motion.targets.tobytes()
    acting = [cycle for cycle in played.log.cycles if cycle.phase is Phase.POLICY and cycle.what is Sent.COMMAND]
    sent = np.array([cycle.sent.position for cycle in acting])
    changes = np.flatnonzero(np.any(np.diff(sent, axis=0) != 0, axis=1))
    kept = np.concatenate([sent[:1], sent[1:][changes]])
    wanted = played.motion.targets[np.append(True, np.any(np.diff(played.motion.targets, axis=0) != 0, axis=1))]
    assert kept.tobytes() == wanted.tobytes()


def test_the_log_tells_gains_and_excitation(played):
    header, motion = played.log.header, played.motion
    assert header.provenance["excitation"] == motion.kind
    assert header.provenance["motion_hash"] == motion.content_hash
    assert header.stiffness == motion.stiffness
    acting = next(cycle for cycle in played.log.cycles if cycle.phase is Phase.POLICY and cycle.sent)
    assert acting.sent.damping == pytest.approx(motion.damping)


def test_the_log_replays_bit_for_bit(played):
    again = replay(played.log)
    assert again.commands > len(played.motion.targets)
    assert again.same == again.commands


def test_steps_that_the_filter_would_cut_are_refused_before_anything_is_sent(tmp_path):
    """A motion at 50 Hz on a bus that takes 500 commands a second would move in jumps."""

    class Quick:
        robot, rate = ROBOTS["so101"](), 500.0
        written = 0

        def connect(self) -> None: ...

        def read(self) -> Any:
            raise AssertionError

        def close(self) -> None: ...

    pilot = MotionPilot(made("so101", kind="chirp", seconds=8.0, joints="gripper", amplitude=0.3).rehearsal)
    with pytest.raises(DeployError, match="--rate 500"):
        deploy(pilot, Quick(), Constant((), ()), tmp_path / "log.mcap", TIMES)  # type: ignore[arg-type]
    assert not (tmp_path / "log.mcap").exists()
