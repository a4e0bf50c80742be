"""Contenders in processes of their own, taking turns."""

import json
import math
import subprocess
import sys

import pytest

from benchmarks.peers import Contender, PeerError, Process, interpreters, measure, paired_ratio
from tests.rl.tracking import tracking_task

pytestmark = pytest.mark.long("it builds and steps several contenders")

TASK = tracking_task()
OURS = ("zerogap", f"{__name__}:TASK", "8", "0.004")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> str:
    """An interpreter that has no packages."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def figures(bare, tmp_path_factory):
    out = tmp_path_factory.mktemp("peers")
    contenders = (
        Contender("native_go2_4ms", "one joint", OURS),
        Contender("envpool_go1", "EnvPool Go1", ("envpool", "Go1JoystickFlatTerrain-v1")),
        Contender("native_panda_reach", "no such task", ("zerogap", "pandda-reach", "8", "0.005")),
    )
    measure(out, contenders, (bare,), turns=3, seconds=0.05)
    assert (out / "peers.png").stat().st_size > 1000
    return json.loads((out / "peers.json").read_text())


def test_steps_a_second_are_the_median_of_the_turns(figures):
    turns = figures["native_go2_4ms_steps_per_s_all"]
    assert len(turns) == 3
    assert all(math.isfinite(rate) and rate > 0 for rate in turns)
    assert figures["native_go2_4ms_steps_per_s"] == sorted(turns)[1]


def test_the_contender_tells_its_substeps(figures):
    told = figures["contenders"]["native_go2_4ms"]
    assert (told["envs"], told["substeps"], told["timestep"]) == (8, 5, 0.004)


def test_an_absent_peer_is_told_with_how_to_install_it(figures, bare):
    told = figures["envpool_go1_absent"]
    assert bare in told
    assert "pip install 'envpool" in told
    assert "envpool_go1_steps_per_s" not in figures
    assert "native_over_envpool_go1" not in figures


def test_a_contender_that_fails_tells_why_and_the_others_go_on(figures):
    assert "panda-reach" in figures["native_panda_reach_absent"]
    assert figures["native_go2_4ms_steps_per_s"] > 0


def test_a_contender_that_does_not_answer_in_time_is_ended():
    with pytest.raises(PeerError, match=r"had not answered after 0\.1 s"):
        Process(sys.executable, OURS, ready_seconds=0.1)


def test_a_contender_that_ends_between_turns_is_told():
    process = Process(sys.executable, OURS)
    try:
        assert process.steps_per_s(0.01) > 0
        process._process.kill()
        with pytest.raises(PeerError, match="ended with status -9"):
            process.steps_per_s(0.01)
    finally:
        process.close()


def test_an_interpreter_that_is_none_is_named(tmp_path):
    with pytest.raises(PeerError, match=r"python9.*ZEROGAP_PEERS_PYTHON"):
        Process(str(tmp_path / "python9"), OURS)


def test_ratios_are_taken_within_a_turn():
    assert paired_ratio([10, 40, 30], [10, 10, 5]) == 4  # of the medians: 3


def test_the_interpreters_are_those_that_the_user_names(monkeypatch):
    monkeypatch.setenv("ZEROGAP_PEERS_PYTHON", "/a/python:/b/python")
    assert interpreters() == ("/a/python", "/b/python")
    monkeypatch.delenv("ZEROGAP_PEERS_PYTHON")
    assert interpreters() == (sys.executable,)
