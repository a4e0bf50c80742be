"""The README's own driver, taken from the README as a reader would, against a board in another process."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2
from sim2real.drivers.driver import Driver, DriverError
from sim2real.drivers.registry import make_driver
from sim2real.robot_io import RobotCommand, RobotState

PATIENCE = 60.0


@pytest.fixture(scope="module")
def reference(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`module:attribute` of the driver that the README shows, in a folder of its own, which is the working directory."""
    section = (repository / "README.md").read_text().split("## Your own driver\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (name,) = re.findall(r"saved as\s`(\w+\.py)`", section)
    (reference,) = re.findall(r"--driver (\w+:\w+)", section)
    folder = tmp_path_factory.mktemp("driver")
    (folder / name).write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield reference


@pytest.fixture
def driver(reference: str, repository: Path) -> Iterator[Driver]:
    command = [sys.executable, "-m", "tests.udp_board"]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as board:
        assert board.stdout is not None
        port = board.stdout.readline().strip()
        made = make_driver(reference, {"address": f"127.0.0.1:{port}"})
        made.connect()
        made.acquire()
        yield made
        made.close()
        board.kill()


def until(driver: Driver, holds) -> RobotState:
    deadline = time.monotonic() + PATIENCE
    while not holds(state := driver.read()):
        assert time.monotonic() < deadline, f"still {state}"
        time.sleep(0.005)
    return state


def test_it_moves_the_robot_and_lets_it_sink(driver: Driver) -> None:
    zero = np.zeros(GO2.num_joints)
    first = driver.read()
    target = np.array(GO2.default_pose) + 0.2
    driver.write(RobotCommand(0, target, zero, zero, np.array(GO2.stiffness), np.array(GO2.damping)))
    reached = until(driver, lambda state: np.abs(state.position - target).max() < 0.1)
    assert reached.sequence > first.sequence
    assert np.abs(reached.position - first.position).max() > 0.1
    driver.damp()
    until(driver, lambda state: np.abs(state.position - target).max() > 0.3)  # the legs hang


def test_a_board_that_is_not_there_is_told_so(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = make_driver(reference, {"address": "127.0.0.1:9"})
    with pytest.raises(DriverError, match="is it on"):
        driver.connect()
    driver.close()
