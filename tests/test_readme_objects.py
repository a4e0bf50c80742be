"""The README's lines about objects of known materials, taken from the README as a reader would."""

import re
from pathlib import Path
from typing import Any

import mujoco
import pytest


def test_the_lines_about_objects_make_cubes_that_might_be_of_that_wood(repository: Path, capsys: pytest.CaptureFixture[str]):
    section = (repository / "README.md").read_text().split("## Objects, and what they are made of\n")[1].split("\n## ")[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    made: dict[str, Any] = {}
    exec(compile(found.group(1), "README.md", "exec"), made)
    mass = float(capsys.readouterr().out)
    assert 0.3e3 < mass / 0.07**3 < 1.3e3  # of hardwood, kg/m³
    masses = {thing.inertial.mass for thing in made["shelf"].objects}
    assert len(masses) == 32
    scene = mujoco.MjSpec()
    made["shelf"].attach(scene, pos=(0.0, 0.0, 0.1))
    assert scene.compile().nbody == 2
