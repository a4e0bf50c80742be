"""A contender's process: what it times, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2
from benchmarks import contender
from envs.registry import make_task

# A contender whose library prints where the answers go, as some do when they are imported or stepped.
NOISY = """
import os, sys
sys.path.insert(0, sys.argv[1])
import contender

def noisy(steps):
    print("welcome")
    os.write(1, b"from C\\n")
    return {"envs": 3}, int(steps), lambda: print("stepping")

contender.KINDS["noisy"] = noisy
contender.main(["noisy", "30"])
"""


@pytest.fixture
def ticking(monkeypatch):
    """A clock that moves on by a second whenever a call is made."""
    now = [100.0]
    monkeypatch.setattr(contender.time, "perf_counter", lambda: now[0])

    def call() -> None:
        now[0] += 1.0

    return call


def test_stepping_goes_on_until_the_time_is_up_and_counts_whole_calls(ticking):
    assert contender.stepped(2.5, 40, ticking) == (120, 3.0)
    assert contender.stepped(3.0, 40, ticking) == (120, 3.0)
    assert contender.stepped(0.0, 40, ticking) == (40, 1.0)


def test_what_a_library_prints_is_no_answer():
    folder = str(Path(contender.__file__).parent)
    asked = '{"seconds": 0.01}\n{"seconds": 0.02}\n'
    child = subprocess.run(
        [sys.executable, "-c", NOISY, folder], input=asked, capture_output=True, text=True, timeout=60, check=True
    )
    told, *answers = [json.loads(line) for line in child.stdout.splitlines()]
    assert told == {"envs": 3}
    assert len(answers) == 2
    for answer, seconds in zip(answers, (0.01, 0.02), strict=True):
        assert answer["seconds"] >= seconds
        assert answer["steps"] % 30 == 0
        assert answer["steps"] > 0
    assert "from C" in child.stderr


@pytest.mark.parametrize(
    "arguments, remedy",
    [
        (("envpool", "Go1JoystickFlatTerrain-v1"), "pip install 'envpool"),
        (("playground", "Go1", "4"), "pip install 'playground"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_its_remedy(arguments, remedy):
    # Without site-packages, and from anywhere: the file needs nothing but the standard library.
    command = [sys.executable, "-I", "-S", contender.__file__, *arguments]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=os.path.sep)
    assert remedy in json.loads(child.stdout)["absent"]


@pytest.mark.parametrize("touching", ["all", "feet"])
def test_a_robot_collides_with_all_of_it_or_with_its_feet(touching):
    task = make_task("go2-velocity-flat")
    model = contender.scene_of(task, 0.004, touching).compile()
    colliding = {model.geom(int(i)).name for i in np.flatnonzero(model.geom_conaffinity)}
    assert colliding >= set(GO2.feet)
    assert (colliding == set(GO2.feet)) == (touching == "feet")
    assert model.geom_contype.any()
    assert model.opt.timestep == 0.004
