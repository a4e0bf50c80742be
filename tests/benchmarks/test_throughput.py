"""What is measured on which machine, and the figures that come of it."""

import math

import pytest

from benchmarks import throughput
from benchmarks.cases import Case, cases
from benchmarks.throughput import Contender, measure, on_accelerator, on_cpu
from sim.physics import PhysicsError


def test_a_cpu_has_one_case_and_an_accelerator_those_asked_for():
    assert cases("native") == (Case("native", 512),)
    assert [str(case) for case in cases("warp")] == ["warp-8192", "warp-4096", "mjx-8192", "mjx-4096"]
    assert [str(case) for case in cases("mjx")] == ["mjx-8192", "mjx-4096"]


def test_on_an_accelerator_each_engine_is_measured_alone_and_with_more_around_it():
    assert list(on_accelerator(Case("warp", 4096))) == ["warp_4096", "warp_4096_env", "warp_4096_train"]
    assert list(on_cpu()) == ["raw", "native", "mjx", "warp", "env", "train"]


def counted(rates: list[float]) -> Contender:
    left = iter(rates)
    return Contender(lambda: next(left), num_envs=3, compile_seconds=0.5, memory_bytes=7)


def test_medians_of_turns_and_of_what_was_measured_in_the_same_turn(monkeypatch):
    monkeypatch.setattr(throughput, "_TURNS", 3)
    told: list[str] = []
    plan = {"raw": lambda: counted([10, 20, 40]), "native": lambda: counted([9, 10, 36]), "mjx": lambda: counted([1, 2, 4])}
    figures = measure(plan, told.append)
    assert (figures["native_steps_per_s"], figures["native_steps_per_s_all"]) == (10, [9, 10, 36])
    assert (figures["native_envs"], figures["native_compile_seconds"], figures["native_memory_bytes"]) == (3, 0.5, 7)
    assert throughput._ratios(figures) == {"native_of_raw": 0.9, "native_over_mjx": 9.0}
    assert told[:4] == ["compiling raw", "compiling native", "compiling mjx", "measuring raw"]


def test_an_engine_that_is_not_there_is_told_as_absent(monkeypatch):
    monkeypatch.setattr(throughput, "_TURNS", 1)

    def absent() -> Contender:
        raise PhysicsError("no warp here: pip install it")

    figures = measure({"warp": absent, "raw": lambda: counted([5])}, lambda _: None)
    assert figures["warp_absent"] == "no warp here: pip install it"
    assert figures["raw_steps_per_s"] == 5
    assert "warp_steps_per_s" not in figures


@pytest.mark.long("it compiles an environment and a training")
def test_a_case_of_an_accelerator_has_all_figures(monkeypatch):
    monkeypatch.setattr(throughput, "_TURNS", 1)
    monkeypatch.setattr(throughput, "_SECONDS", 0.05)
    figures = measure(on_accelerator(Case("native", 16)), lambda _: None)
    for name in ("native_16", "native_16_env", "native_16_train"):
        assert figures[f"{name}_steps_per_s"] > 0
        assert figures[f"{name}_compile_seconds"] > 0
        assert figures[f"{name}_envs"] == 16
    assert figures["native_16_memory_bytes"] < figures["native_16_train_memory_bytes"]
    ratios = throughput._ratios(figures)
    assert set(ratios) == {"native_16_env_of_engine", "native_16_train_of_engine"}
    assert all(math.isfinite(value) for value in ratios.values())
