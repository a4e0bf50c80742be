"""What a user installs: the wheel's contents and metadata, and the locked versions."""

import configparser
import email
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = ("assets", "sim", "envs", "rl", "sim2real")
LOCKS = {"3.11": "py311.txt", "3.12": "py312.txt", "3.13": "py313.txt"}


def source_files(root: Path) -> set[str]:
    """The modules and data files of the packages below a checkout's root, without what running them left there."""
    found = {"zerogap.py"}
    for package in PACKAGES:
        for path in (root / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                found.add(path.relative_to(root).as_posix())
    return found


@pytest.fixture(scope="module")
def source(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that nothing is built inside it, with a data file and with bytecode."""
    copy = tmp_path_factory.mktemp("source") / "zerogap"
    copy.mkdir()
    for name in (*PACKAGES, "benchmarks", "tests"):
        shutil.copytree(repository / name, copy / name, ignore=shutil.ignore_patterns(".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "zerogap.py"):
        shutil.copy(repository / name, copy)
    data = copy / "assets" / "packaged" / "deeper" / "cube.obj"
    data.parent.mkdir(parents=True)
    data.write_text("v 0 0 0\n")
    bytecode = copy / "assets" / "__pycache__" / "gone.cpython-311.pyc"
    bytecode.parent.mkdir(exist_ok=True)
    bytecode.write_bytes(b"")
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    expected = source_files(source)
    program = "import setuptools.build_meta as backend; backend.build_wheel('dist')"
    build = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=source, capture_output=True, text=True, timeout=120
    )
    assert build.returncode == 0, build.stderr
    assert source_files(source) == expected, "building wrote into the packages"
    (path,) = (source / "dist").glob("zerogap-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def dist_info(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [member for member in archive.namelist() if re.fullmatch(rf"zerogap-[^/]+\.dist-info/{name}", member)]
        return archive.read(member).decode()


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    return email.message_from_string(dist_info(wheel, "METADATA"))


def test_wheel_holds_every_module_and_data_file_and_nothing_else(names: set[str], source: Path) -> None:
    assert {name for name in names if ".dist-info/" not in name} == source_files(source)
    assert "assets/packaged/deeper/cube.obj" in names


def test_wheel_installs_the_command(wheel: Path) -> None:
    scripts = configparser.ConfigParser()
    scripts.read_string(dist_info(wheel, "entry_points.txt"))
    assert dict(scripts["console_scripts"]) == {"zerogap": "zerogap:main"}


def test_wheel_states_its_license(wheel: Path, metadata: Message, repository: Path) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert dist_info(wheel, "licenses/LICENSE") == (repository / "LICENSE").read_text()


def test_wheel_asks_for_tools_of_development_only_as_extra(metadata: Message) -> None:
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    plain = {canonicalize_name(need.name) for need in required if need.marker is None}
    assert {"jax", "mujoco", "mujoco-mjx", "flax", "optax"} <= plain
    assert plain.isdisjoint(
        {"brax", "hypothesis", "mujoco-warp", "pyright", "pytest", "ruff", "setuptools", "viser", "warp-lang"}
    )


@pytest.fixture(scope="module", params=LOCKS, ids=lambda version: f"python{version}")
def lock(request: pytest.FixtureRequest, repository: Path) -> str:
    return (repository / "requirements" / LOCKS[request.param]).read_text()


def test_lock_pins_what_pyproject_asks_for(lock: str, repository: Path) -> None:
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", lock, re.MULTILINE)
    pins = {canonicalize_name(name): version for name, version in found}
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needs = [
        Requirement(text)
        for text in (*project["dependencies"], *(need for name in ("dev", "warp", "brax", "view") for need in extras[name]))
    ]
    stale = [
        f"{need} (locked: {pins.get(canonicalize_name(need.name), 'not at all')})"
        for need in needs
        if need.name != project["name"] and pins.get(canonicalize_name(need.name), "0") not in need.specifier
    ]
    assert not stale, f"run `make lock`: {', '.join(stale)}"


def test_lock_gives_a_hash_for_each_package_and_no_place_to_fetch_it_from(lock: str) -> None:
    requirements = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]
    assert all(re.match(r"\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", requirement) for requirement in requirements)
    assert not re.search(r"://|^-|index-url|find-links", lock, re.MULTILINE)
