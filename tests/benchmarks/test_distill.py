"""The whole benchmark, on a task and for a time that are small."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchmarks.distill as benchmark
from rl.run import Run

pytestmark = pytest.mark.long("it compiles and trains three policies")

SMALL = {"TASK": "tests.rl.hidden:hidden_task", "SEEDS": 1, "MINUTES": 0.02, "HISTORY": 5, "ROBOTS": 8, "SECONDS": 1.0}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A benchmark's folder; it stays small while the tests run."""
    out = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "DEFAULT_NUM_ENVS", dict.fromkeys(("native", "mjx", "warp"), 16))
        for name, value in SMALL.items():
            patch.setattr(benchmark, name, value)
        benchmark.run(out)
        yield out


def test_student_and_direct_policy_see_the_same_for_equal_time(out):
    told = json.loads((out / "distill.json").read_text())
    assert (out / "distill.png").stat().st_size > 1000
    teacher, student, direct = (Run.open(out / "distill" / "seed-0" / kind) for kind in benchmark.COST)
    assert student.distillation is not None
    assert student.distillation.teacher_hash == teacher.hash
    assert student.make_task().observation_history == direct.make_task().observation_history == 5
    assert (teacher.ppo.actor_observation, direct.ppo.actor_observation) == ("critic", "policy")
    (seed,) = told["runs"]
    minutes = {kind: seed[kind]["curve"]["minutes"][-1] for kind in benchmark.COST}
    assert minutes["teacher"] + minutes["student"] == pytest.approx(minutes["direct"], abs=0.03)
    for kind in minutes:
        assert seed[kind]["robots"] == 8
        assert told["mean"][kind] == {name: seed[kind][name] for name in ("falls", "return_per_second", "error")}


def test_a_benchmark_that_was_interrupted_goes_on(out, monkeypatch):
    told = json.loads((out / "distill.json").read_text())
    (out / "distill.partial.json").write_text(json.dumps(told))
    monkeypatch.setattr(benchmark, "train_in_all", lambda *_: pytest.fail("trained again"))
    assert benchmark.run(out)["runs"] == told["runs"]
    assert not (out / "distill.partial.json").exists()
    # Where the figures are lost, the runs are not.
    monkeypatch.setattr(benchmark, "train_in_all", lambda *_: True)
    (again,), (first,) = benchmark.run(out)["runs"], told["runs"]
    assert {kind: again[kind]["return_per_second"] for kind in returns(first)} == returns(first)


def returns(seed):
    return {kind: seed[kind]["return_per_second"] for kind in benchmark.COST}
