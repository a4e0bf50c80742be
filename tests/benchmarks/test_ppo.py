"""Our PPO beside brax's: the clock, the arithmetic, and a whole comparison on a task that takes seconds."""

import dataclasses
import importlib.util
import json
import math

import pytest

pytest.importorskip("brax")

from benchmarks import ppo
from benchmarks.ppo import Course, Finished, Plan, compare, summary
from rl.run import RunError
from tests.rl.tracking import tracking_task

TASK = tracking_task(episode_seconds=0.4)
PLAN = Plan(
    task=f"{__name__}:TASK",
    num_envs=16,
    seeds=(0,),
    minutes=0.01,
    mjx_minutes=0.005,
    between_minutes=0.005,
    robots=8,
    seconds=0.4,
    hidden=(8,),
    brax_steps_per_epoch=2,
)


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def attend(course: Course, clock: Clock, chunks: list[float]) -> None:
    """Chunks of 100 steps that take so many seconds, each with what it learned: its number."""
    for i, seconds in enumerate(chunks, start=1):
        clock.now += seconds
        course(100 * i, "act", i)


@pytest.fixture
def course():
    """Two minutes of chunks of 20 s, the first of 80 s; every half a minute an evaluation that takes 1000 s."""
    clock = Clock()

    def evaluate(act, learned):
        clock.now += 1000.0
        return {"act": act, "learned": learned}

    course = Course(2.0, 0.5, evaluate, clock)
    with pytest.raises(Finished):
        attend(course, clock, [80.0] + [20.0] * 50)
    return course


def test_the_clock_stands_still_during_evaluation_and_compilation(course):
    assert course.steps == 600
    assert course.seconds == 120.0
    assert course.starting_seconds == 60.0
    assert course.steps_per_s == pytest.approx(5.0)


def test_policies_are_evaluated_after_the_first_chunk_that_reaches_the_time(course):
    told = [(row["after_minutes"], row["minutes"], row["steps"], row["learned"]) for row in course.evaluations]
    expected = [(0.5, 40 / 60, 200, 2), (1.0, 1.0, 300, 3), (1.5, 100 / 60, 500, 5), (2.0, 2.0, 600, 6)]
    assert told == [pytest.approx(row) for row in expected]


def test_a_chunk_that_passes_two_times_counts_for_the_later():
    clock = Clock()
    course = Course(1.0, 0.25, lambda act, learned: {}, clock)
    with pytest.raises(Finished):
        attend(course, clock, [20.0] * 9)
    assert [row["after_minutes"] for row in course.evaluations] == [0.5, 1.0]


def training(rate: float, returns: dict[float, float]) -> dict:
    return {"steps_per_s": rate, "evaluations": [{"after_minutes": m, "return_per_second": r} for m, r in returns.items()]}


def test_where_mjx_is_the_engine_there_is_one_learner_of_brax():
    runs = {"ours_mjx": [training(100, {1: 2.0})], "brax_mjx": [training(50, {1: 1.0})]}
    assert [learner.name for learner in ppo.learners("mjx")] == list(runs)
    figures = summary(runs, "mjx")
    assert figures["ours_over_brax_same_engine"] == figures["ours_over_brax_mjx"] == 2


def test_ratios_and_differences_are_taken_seed_by_seed():
    figures = summary(
        {
            "ours_native": [training(100, {1: 1.0, 2: 4.0}), training(40, {1: 3.0, 2: 5.0}), training(90, {1: 2.0, 2: 6.0})],
            "brax_native": [training(50, {1: 1.5, 2: 1.0}), training(40, {2: 2.0}), training(30, {1: 1.5, 2: 6.0})],
            "brax_mjx": [training(10, {1: 0.0}), training(10, {1: 0.0}), training(10, {1: 0.0})],
        },
        "native",
    )
    assert figures["ours_native_steps_per_s"] == 90
    assert figures["ours_over_brax_same_engine"] == 2
    assert figures["ours_over_brax_mjx"] == 9
    (row,) = figures["return_after_minutes"]  # not all were evaluated after the first minute
    assert row == {"minutes": 2, "ours_native": 5.0, "brax_native": 3.0, "differences": [3.0, 3.0, 0.0]}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """All three learners; the one on MJX-JAX on `native` as well, as brax's program takes a minute to compile there."""
    out = tmp_path_factory.mktemp("ppo")
    learners = tuple(dataclasses.replace(learner, engine="native") for learner in ppo.learners("native"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo, "learners", lambda engine: learners)
        compare(PLAN, out)
    return out


@pytest.mark.long("brax and we train")
def test_a_comparison_has_all_figures(compared):
    figures = json.loads((compared / "ppo.json").read_text())
    names = ("ours_over_brax_mjx", "ours_over_brax_same_engine")
    for name in (*names, *(f"{learner.name}_steps_per_s" for learner in ppo.learners("native"))):
        assert math.isfinite(figures[name])
        assert figures[name] > 0
    assert [row["minutes"] for row in figures["return_after_minutes"]][-1] == 0.01
    for learner in ppo.learners("native"):
        (told,) = figures["runs"][learner.name]
        last = told["evaluations"][-1]
        # The cost of an angle within +-1 rad that a policy knows nothing of is some -3 to -10 per second.
        assert -40 < last["return_per_second"] < 0
        assert last["falls"] == 0
        assert 0 < last["error"] < 2
        assert told["steps"] == last["steps"] > 0
    assert (compared / "ppo.png").stat().st_size > 1000
    assert not (compared / "ppo.partial.json").exists()


@pytest.fixture
def interrupted(compared, tmp_path, monkeypatch):
    """A directory in which all but brax on MJX is done, and the names of those that are trained in it from now on."""
    figures = json.loads((compared / "ppo.json").read_text())
    (mjx,) = figures["runs"]["brax_mjx"]
    stored = {"machine": figures["machine"], "plan": figures["plan"], "runs": figures["runs"] | {"brax_mjx": []}}
    (tmp_path / "ppo.partial.json").write_text(json.dumps(stored))
    trained = []

    def train(plan, learner, *rest):
        trained.append(learner.name)
        return mjx

    monkeypatch.setattr(ppo, "_train", train)
    return tmp_path, trained


@pytest.mark.long("brax and we train")
def test_an_interrupted_comparison_goes_on(compared, interrupted):
    out, trained = interrupted
    compare(PLAN, out)
    assert trained == ["brax_mjx"]
    told = [json.loads((folder / "ppo.json").read_text()) for folder in (compared, out)]
    assert told[0] == told[1]


@pytest.mark.long("brax and we train")
def test_another_plan_is_begun_anew(interrupted):
    out, trained = interrupted
    compare(dataclasses.replace(PLAN, minutes=0.02), out)
    assert trained == ["ours_native", "brax_native", "brax_mjx"]


@pytest.mark.parametrize("text", ["{", "[]", '{"plan": 1}', "null"])
def test_what_an_interrupted_one_left_damaged_is_told(tmp_path, text):
    (tmp_path / "ppo.partial.json").write_text(text)
    with pytest.raises(RunError, match=r"ppo\.partial\.json is damaged: .*remove it to begin anew"):
        compare(PLAN, tmp_path)


def test_without_brax_the_extra_is_named(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "brax" else found(name, *rest))
    with pytest.raises(RunError, match=r"zerogap\[brax\]"):
        compare(PLAN, tmp_path)
