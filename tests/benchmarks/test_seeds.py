"""Benchmarks over seeds: one that was stopped goes on where it was, and only with what it began with."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.seeds import keep_for, seed_by_seed, seed_count
from rl.run import RunError


class Seeds:
    """Figures of a seed, which stop coming at one of them."""

    def __init__(self, until: int = 100):
        self.until, self.asked = until, []

    def __call__(self, seed: int) -> dict[str, Any]:
        if seed == self.until:
            raise KeyboardInterrupt
        self.asked.append(seed)
        return {"seed": seed, "value": seed / 3}


def run(partial: Path, seeds: Seeds, count: int, **same: Any) -> dict[str, Any]:
    return seed_by_seed(partial, same, count, seeds, lambda told: f"value {told['value']:.2f}")


def test_a_benchmark_that_was_stopped_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    partial, first, second = tmp_path / "x.partial.json", Seeds(until=2), Seeds()
    with pytest.raises(KeyboardInterrupt):
        run(partial, first, 4, gap=(0.1, 0.2))
    figures = run(partial, second, 4, gap=(0.1, 0.2))
    assert (first.asked, second.asked) == ([0, 1], [2, 3])
    assert figures["runs"] == run(tmp_path / "y.partial.json", Seeds(), 4, gap=(0.1, 0.2))["runs"]
    assert figures["gap"] == [0.1, 0.2]
    assert figures["machine"]
    assert json.loads(partial.read_text()) == figures
    assert "seed 3: value 1.00" in capsys.readouterr().err


def test_seeds_of_another_setting_are_not_mixed_in(tmp_path: Path):
    partial, again = tmp_path / "x.partial.json", Seeds()
    run(partial, Seeds(), 3, latency=0.01)
    assert [r["seed"] for r in run(partial, again, 2, latency=0.02)["runs"]] == again.asked == [0, 1]


def test_more_seeds_than_are_asked_for_are_kept(tmp_path: Path):
    run(tmp_path / "x.json", Seeds(), 3)
    assert len(run(tmp_path / "x.json", Seeds(until=0), 2)["runs"]) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"runs": 3}', '{"runs": [1'])
def test_what_is_stored_and_damaged_is_named(tmp_path: Path, content: str):
    (tmp_path / "x.partial.json").write_text(content)
    with pytest.raises(RunError, match=r"x\.partial\.json is damaged.*remove it"):
        run(tmp_path / "x.partial.json", Seeds(), 1)


def test_the_number_of_seeds_can_be_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOME_SEEDS", raising=False)
    assert seed_count("SOME_SEEDS", 5) == 5
    monkeypatch.setenv("SOME_SEEDS", "2")
    assert seed_count("SOME_SEEDS", 5) == 2
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("SOME_SEEDS", wrong)
        with pytest.raises(RunError, match="SOME_SEEDS"):
            seed_count("SOME_SEEDS", 5)


def test_a_folder_of_trainings_is_for_one_setting(tmp_path: Path):
    folder = tmp_path / "runs"
    keep_for(folder, {"task": "reach", "sizes": (1, 2)})
    (folder / "seed-0").mkdir()
    keep_for(folder, {"task": "reach", "sizes": (1, 2)})
    with pytest.raises(RunError, match=r"holds trainings with another sizes: choose another --out"):
        keep_for(folder, {"task": "reach", "sizes": (1, 3)})
    assert json.loads((folder / "settings.json").read_text()) == {"task": "reach", "sizes": [1, 2]}


def test_a_folder_that_does_not_say_its_settings_is_refused(tmp_path: Path):
    (tmp_path / "seed-0").mkdir()
    with pytest.raises(RunError, match="does not say its settings"):
        keep_for(tmp_path, {"task": "reach"})
    assert not (tmp_path / "settings.json").exists()
