"""Drivers by name: where they are found, how they are made, and what is told where they are not."""

from pathlib import Path

import pytest

from sim2real.drivers.driver import DriverError
from sim2real.drivers.registry import driver_names, make_driver, read_options

OWN = """
from pathlib import Path

class Mine:
    def __init__(self, address: str, speed: int = 3, gain: float | None = None, loud: bool = False, file: Path | None = None):
        self.given = (address, speed, gain, loud, file)
    def connect(self): ...
    def acquire(self): ...
    def read(self): ...
    def write(self, command): ...
    def damp(self): ...
    def close(self): ...

class Half:
    def connect(self): ...

def failing():
    raise ZeroDivisionError("oh")
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    """Of a user's own, in the working directory, and named by an installed distribution's entry point."""
    name = f"own_driver_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    info = tmp_path / "own-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[zerogap.drivers]\nmine-{tmp_path.name} = {name}:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return name


def test_our_own_come_first():
    assert driver_names()[:3] == ["twin", "go2", "so101"]


def test_options_become_what_the_annotations_say(module):
    options = read_options(("speed=7", "gain=0.5", "loud=yes", "file=a/b"), "here")
    assert make_driver(f"{module}:Mine", options).given == ("here", 7, 0.5, True, Path("a/b"))


def test_an_installed_distribution_brings_one(module, tmp_path):
    name = f"mine-{tmp_path.name}"
    assert name in driver_names()
    assert make_driver(name, {"address": "x"}).given[0] == "x"


def fails(name: str, options: dict[str, str], *told: str) -> None:
    with pytest.raises(DriverError) as error:
        make_driver(name, options)
    for text in told:
        assert text in str(error.value)


def test_an_unknown_driver_offers_the_nearest():
    fails("twim", {}, "did you mean 'twin'", "so101")


def test_what_is_wrong_with_the_options_is_told(module):
    fails(f"{module}:Mine", {}, "needs --address")
    fails(f"{module}:Mine", {"address": "x", "sped": "1"}, "did you mean 'speed'")
    fails(f"{module}:Mine", {"address": "x", "speed": "fast"}, "speed is 'fast'", "int")
    fails(f"{module}:Mine", {"address": "x", "loud": "perhaps"}, "true or false")
    with pytest.raises(DriverError, match="NAME=VALUE"):
        read_options(("speed",), None)
    with pytest.raises(DriverError, match="twice"):
        read_options(("address=y",), "x")


def test_what_is_no_driver_is_told(module):
    fails(f"{module}:Half", {}, "without acquire, read, write, damp, close")
    fails(f"{module}:Mnie", {}, "did you mean 'Mine'")
    fails(f"{module}:failing", {}, "ZeroDivisionError", "oh")
    fails("no_such_module_at_all:Driver", {}, "no_such_module_at_all")
