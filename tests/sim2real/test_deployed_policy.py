"""`zerogap deploy` of an exported policy, end to end: the SO-101's servos answer on their bus in another process."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import zerogap
from assets.robots import SO101
from sim2real.deploy.log_reader import read_log
from sim2real.deploy.machine import Phase
from sim2real.deploy.records import Sent
from sim2real.deploy.replay import replay
from sim2real.drivers.so101 import So101Driver
from sim2real.export.export import export
from sim2real.export.policy import Policy, readings
from sim2real.robot_io import RobotCommand
from tests.sim2real.export.exportable import fresh_run
from tests.sim2real.so101_twin import TwinProcess

STALE = 5.0  # s: a busy machine may stop a process for a while
LAST = 130  # commands, when the policy has begun


class Arm(So101Driver):
    """One whose states may be late."""

    def __init__(self, address: str):
        super().__init__(address, robot=replace(SO101, safety=replace(SO101.safety, stale_seconds=STALE)))


class Unplugged(Arm):
    """The process with the servos is gone after so many commands."""

    def __init__(self, address: str, process: int):
        super().__init__(address)
        self._process, self._left = process, LAST

    def write(self, command: RobotCommand) -> None:
        super().write(command)
        self._left -= 1
        if self._left == 0:
            os.kill(self._process, signal.SIGKILL)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reach")
    export(fresh_run(folder / "run", "so101-reach"), folder / "reach.onnx", observations=20)
    return folder / "reach.onnx"


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinProcess]:
    with TwinProcess(tmp_path / "port") as process:
        yield process


def deploy(policy: Path, twin: TwinProcess, folder: Path, driver: type[Arm], *more: str) -> int:
    files = ["--log", str(folder / "log.mcap"), "--json", str(folder / "told.json")]
    named = ["--driver", f"{__name__}:{driver.__name__}", "--address", twin.port]
    return zerogap.main(["deploy", str(policy), *named, *files, *more])


def test_what_acts_on_the_robot_is_the_exported_policy_and_asked_is_its_default(policy, twin, tmp_path, capsys):
    assert deploy(policy, twin, tmp_path, Arm, "--seconds", "1") == 0
    told, log, exported = json.loads((tmp_path / "told.json").read_text()), read_log(tmp_path / "log.mcap"), Policy.load(policy)
    assert told["cause"] == "the time is up"
    assert "ended      the time is up" in capsys.readouterr().out
    cycles, history = {cycle.number: cycle for cycle in log.cycles}, exported.begin()
    assert len(log.decisions) == told["decisions"] > 10
    for decision in log.decisions:
        assert decision.command == pytest.approx(exported.spec.default_command, abs=1e-6)
        step = exported.step(readings(cycles[decision.number].state, np.array(decision.command)), history)
        assert decision.targets == step.target.tolist()
        history = step.history
    sent = [cycle for cycle in log.cycles if cycle.what is Sent.COMMAND]
    assert len(sent) == told["sent"]
    assert np.abs(log.cycles[-1].state.position - sent[-1].sent.position).max() < 0.2  # the arm is where it was told to be
    assert replay(log).same == replay(log).commands >= len(sent)


def test_where_the_bus_is_lost_the_figures_are_told_and_the_log_is_whole(policy, twin, tmp_path, capsys):
    option = f"process={twin.pid}"
    assert deploy(policy, twin, tmp_path, Unplugged, "--option", option) == 2
    out, err = capsys.readouterr()
    assert "is gone" in " ".join(err.split())
    assert out.startswith("ended      error: DriverError")
    for name in ("period", "latency", "inference", "overruns"):
        assert f"\n{name} " in out
    told, log = json.loads((tmp_path / "told.json").read_text()), read_log(tmp_path / "log.mcap")
    assert told["tripped"]
    assert told["sent"] == LAST
    assert log.is_complete
    last = [cycle.number for cycle in log.cycles if cycle.what is Sent.COMMAND][-1]
    after = [cycle for cycle in log.cycles if cycle.number > last]
    assert after[0].phase is Phase.DAMP
    assert {cycle.what for cycle in after} == {Sent.DAMPING}
    assert any(event.kind == "damp" and "is gone" in event.text for event in log.events)
