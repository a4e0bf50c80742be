"""Dumps of diverged environments: what is saved comes back, and what is no dump is refused in words."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import crash as crash_module
from sim.crash import CrashError, load_crash, save_crash
from tests.sim.hopper import Crash


def test_what_is_saved_comes_back(crash: Crash, tmp_path: Path) -> None:
    path = tmp_path / "crashes" / "update-7.npz"
    save_crash(path, crash.record)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    loaded = load_crash(path)
    for name in ("task", "engine", "env", "when", "num_substeps", "mujoco_version"):
        assert getattr(loaded, name) == getattr(crash.record, name)
    for name in ("qpos", "qvel", "act", "ctrl"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(crash.record, name), strict=True)
    assert loaded.fields.keys() == crash.record.fields.keys()
    assert (loaded.model.xml, loaded.model.files) == (crash.record.model.xml, crash.record.model.files)
    np.testing.assert_array_equal(loaded.compile().body_inertia, crash.record.compile().body_inertia)


def test_the_model_is_the_environments_own(crash: Crash) -> None:
    model = crash.record.compile()
    assert model.dof_damping[6] == -3.0
    assert model.body_mass.sum() == pytest.approx(1.1 * (3.3333333333 + 0.4))
    assert model.body_subtreemass[0] == pytest.approx(model.body_mass.sum())  # what follows from the fields has followed


def test_pictures_have_a_sky_and_a_floor_to_see(crash: Crash) -> None:
    assert crash.record.compile_for_pictures().ntex == 2


@pytest.fixture
def entries(crash: Crash, tmp_path: Path) -> dict[str, Any]:
    """The entries of a good file, to be spoilt."""
    save_crash(tmp_path / "good.npz", crash.record)
    return dict(np.load(tmp_path / "good.npz"))


def _header(**changed: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(entries: dict[str, Any]) -> None:
        header = json.loads(entries["header"].tobytes()) | changed
        entries["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return spoil


_SPOILT: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "format": (lambda e: e.update(format=np.int64(99)), "its format is 99, expected 1: another version"),
    "no format": (lambda e: e.pop("format"), "'format' is missing"),
    "no states": (lambda e: e.pop("qpos"), "'qpos' is missing"),
    "no exact value": (lambda e: e.pop(next(n for n in e if n.endswith("/value"))), "/value' is missing"),
    "narrow": (lambda e: e.update(qpos=e["qpos"][:, 1:]), r"qpos has shape \(\d+, 7\), expected \(\d+, 8\)"),
    "short": (lambda e: e.update(ctrl=e["ctrl"][1:]), "ctrl has shape"),
    "few substeps": (lambda e: e.update(ctrl=e["ctrl"][:, :2]), r"ctrl has shape \(\d+, 2, 1\), expected \(\d+, 4, 1\)"),
    "no steps": (lambda e: e.update({n: e[n][:0] for n in ("qpos", "qvel", "act", "ctrl")}), "at least one step"),
    "text for numbers": (lambda e: e.update(qvel=np.array(["fast"])), "'qvel' holds <U4"),
    "field of no model": (lambda e: e.update({"field/body_wings": np.zeros(3)}), "no field 'body_wings'"),
    "field of another": (lambda e: e.update({"field/body_mass": np.zeros(9)}), r"has shape \(9,\), expected \(3,\)"),
    "model": (lambda e: e.update(xml=np.frombuffer(b"<mujoco", np.uint8)), "the model's text can't be read"),
    "header": (lambda e: e.update(header=np.frombuffer(b"{", np.uint8)), "JSONDecodeError"),
    "header entry": (_header(env="first"), "no 'env' that is a int"),
    "endless": (_header(num_substeps=10**9), "expected 1 to 10,000"),
}


@pytest.mark.parametrize("fault", _SPOILT)
def test_a_spoilt_file_is_refused_with_its_name_and_its_fault(fault: str, entries: dict[str, Any], tmp_path: Path) -> None:
    spoil, told = _SPOILT[fault]
    spoil(entries)
    path = tmp_path / "spoilt.npz"
    np.savez_compressed(path, allow_pickle=False, **entries)
    with pytest.raises(CrashError, match=rf"spoilt\.npz.*{told}"):
        load_crash(path)


def test_what_is_no_dump_is_refused(crash: Crash, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CrashError, match="is no file"):
        load_crash(tmp_path)
    other = tmp_path / "other.npz"
    other.write_text("a text")
    with pytest.raises(CrashError, match=r"no \.npz archive"):
        load_crash(other)
    np.savez(other, weights=np.zeros(3))
    with pytest.raises(CrashError, match="'format' is missing"):
        load_crash(other)
    with other.open("wb") as file:
        np.savez(file, format=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(CrashError, match="allow_pickle"):
        load_crash(other)
    save_crash(other, crash.record)
    whole = other.read_bytes()
    other.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CrashError, match="cut short"):
        load_crash(other)
    other.write_bytes(whole[:2000] + b"\0" * 100 + whole[2100:])
    with pytest.raises(CrashError, match=r"other\.npz"):
        load_crash(other)
    other.write_bytes(whole)
    monkeypatch.setattr(crash_module, "_MAX_BYTES", 1000)
    with pytest.raises(CrashError, match="unpacks to"):
        load_crash(other)


def test_a_record_that_contradicts_itself_is_not_saved(crash: Crash, tmp_path: Path) -> None:
    path = tmp_path / "crash.npz"
    with pytest.raises(CrashError, match="qvel has shape"):
        save_crash(path, dataclasses.replace(crash.record, qvel=crash.record.qvel[:1]))
    (tmp_path / "file").touch()
    with pytest.raises(CrashError, match="cannot write"):
        save_crash(tmp_path / "file" / "crash.npz", crash.record)
    assert not path.exists()
