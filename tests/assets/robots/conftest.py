"""Where the vendors' models lie: the checkout that MENAGERIE_ROOT names, or `shared/menagerie` beside the repository."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def menagerie_folder() -> Path:
    root = Path(os.environ.get("MENAGERIE_ROOT") or Path(__file__).parents[3].parent / "shared" / "menagerie")
    if not root.is_dir():
        pytest.skip(f"no vendors' models: {root} does not exist; set MENAGERIE_ROOT to a checkout of MuJoCo Menagerie")
    return root


@pytest.fixture
def menagerie(menagerie_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, made known to `mujoco_menagerie`, so that nothing is downloaded."""
    monkeypatch.setenv("MENAGERIE_ROOT", str(menagerie_folder))
    return menagerie_folder
