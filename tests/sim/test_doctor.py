"""The examination of an installation finds what is wrong, says what to do, and survives it."""

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import mujoco
import pytest

from sim import doctor, render
from sim.doctor import Finding
from sim.engine import make_physics
from sim.physics import PhysicsError


def test_an_exception_in_one_part_is_its_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Finding:
        raise OSError("libcuda.so.1 has gone\nsecond line")

    for name in ("check_engine", "check_rendering", "check_jax"):
        monkeypatch.setattr(doctor, name, broken)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert len(findings) == 12
    for name in ("engine native", "engine mjx", "engine warp", "rendering", "JAX"):
        assert findings[name].ok is False
        assert findings[name].detail == "OSError: libcuda.so.1 has gone"
        assert findings[name].remedy
    assert findings["python"].ok is True
    assert f"jax {jax.__version__}" in findings["packages"].detail


def test_an_engine_is_well_only_if_a_ball_falls_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_engine("native").ok is True
    monkeypatch.setattr(doctor, "_BALL", doctor._BALL.replace("<option ", '<option gravity="0 0 -1.62" '))
    finding = doctor.check_engine("native")
    assert finding.ok is False
    assert "expected 0.24850 m" in finding.detail


def test_without_warp_its_engine_is_absent_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    finding = doctor.check_engine("warp")
    assert finding.ok is None
    assert "zerogap[warp]" in finding.remedy


def test_where_jax_computes_on_a_gpu_the_native_engine_is_absent_and_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    finding = doctor.check_engine("native")
    assert finding.ok is None
    assert "JAX_PLATFORMS=cpu" in finding.remedy
    model = mujoco.MjModel.from_xml_string(doctor._BALL)
    with pytest.raises(PhysicsError, match="JAX_PLATFORMS=cpu"):
        make_physics(model, 2, "native")


def test_a_missing_package_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name in ("optax", "warp-lang"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "3.8.0" if name == "mujoco" and old else version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    old = False
    finding = doctor.check_packages()
    assert (finding.ok, finding.remedy) == (False, "pip install optax")
    monkeypatch.setattr(doctor, "_NEEDED", ("mujoco",))
    finding = doctor.check_packages()
    assert (finding.ok, "zerogap[warp]" in finding.remedy) == (True, True)
    old = True
    finding = doctor.check_packages()
    assert (finding.ok, "mujoco>=4" in finding.remedy) == (False, True)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a package into a folder of its own, in front of all on the path."""

    def put(folder: str, package: str) -> Path:
        root = tmp_path / folder
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").touch()
        monkeypatch.syspath_prepend(root)
        return root

    return put


def test_a_package_of_the_same_name_in_front_is_found(
    install: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = install("zerogap", "some_sim")
    monkeypatch.setattr(doctor, "_ROOT", ours)
    monkeypatch.setattr(doctor, "_PACKAGES", ("some_sim",))
    assert doctor.check_import_names().ok is True
    theirs = install("simulators", "some_sim")
    finding = doctor.check_import_names()
    assert finding.ok is False
    assert f"`import some_sim` finds {theirs / 'some_sim'}, expected {ours / 'some_sim'}" in finding.detail
    assert "remove or rename" in finding.remedy


def test_a_distribution_that_installs_one_of_the_names_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"sim": ["zerogap", "simulators"], "envs": ["zerogap"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: owners)
    finding = doctor.check_import_names()
    assert finding.ok is False
    assert finding.detail == "distribution simulators installs a top-level 'sim', too"


def test_every_import_package_is_this_checkouts() -> None:
    if "site-packages" in str(doctor._ROOT):
        pytest.skip("an installed zerogap")
    assert doctor.check_import_names() == Finding(
        "import names", True, f"assets, sim, envs, rl, sim2real, benchmarks, zerogap: all of {doctor._ROOT}"
    )


def test_no_renderer_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    finding = doctor.check_rendering()
    assert finding.ok is None
    assert finding.detail == "nothing to render with (raycast: MuJoCo Warp is not installed)"
    assert "libosmesa6" in finding.remedy


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    (tmp_path / "file").touch()
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "file" / "cache"))
        assert doctor.check_compilation_cache().ok is False
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "new" / "cache"))
        assert doctor.check_compilation_cache().detail == f"{tmp_path / 'new' / 'cache'}: 0 programs, 0 MiB"
        jax.config.update("jax_compilation_cache_dir", None)
        assert doctor.check_compilation_cache().ok is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_fewer_processors_than_there_seem_to_be_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(doctor, "_cpu_quota", lambda: 2.5)
    finding = doctor.check_processors()
    assert finding.ok is None
    assert "num_threads=2" in finding.remedy


def test_a_menagerie_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path / "nowhere"))
    assert doctor.check_menagerie().ok is False
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    (tmp_path / "unitree_go2").mkdir()
    assert "1 of them in MENAGERIE_ROOT" in doctor.check_menagerie().detail


def test_python_itself_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_python().ok is True
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert doctor.check_python().ok is False
