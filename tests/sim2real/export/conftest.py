from pathlib import Path

import pytest

import zerogap
from rl.run import Run
from tests.sim2real.export.exportable import HISTORY, made_run

OBSERVATIONS = 600


@pytest.fixture(scope="session")
def student(tmp_path_factory) -> Run:
    """A run that was distilled, of a policy with history."""
    return made_run(tmp_path_factory.mktemp("runs") / "student", "walking", student=True, history=HISTORY)


@pytest.fixture(scope="session")
def exported(student, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "deep" / "policy.onnx"
    assert zerogap.main(["export", str(student.directory), "--out", str(path), "--check", str(OBSERVATIONS)]) == 0
    return path
