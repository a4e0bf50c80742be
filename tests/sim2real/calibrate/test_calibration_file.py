"""calibration.json: kept whole, read back the same, and refused with its name where it is something else."""

import json
from pathlib import Path
from typing import Any

import pytest

from sim2real.calibrate.calibration import FILE, Calibration
from sim2real.calibrate.windows import CalibrationError
from tests.sim2real.calibrate.leg import made_up
from tests.sim2real.calibrate.made_calibration import calibration


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    calibration(made_up(), made_up(900)).save(tmp_path)
    return tmp_path / FILE


def test_it_is_read_back_as_it_was_written(kept: Path):
    assert Calibration.load(kept) == Calibration.load(kept.parent) == calibration(made_up(), made_up(900))


def test_the_errors_told_are_of_what_was_held_out(kept: Path):
    told = json.loads(kept.read_text())
    assert told["rmse_nominal_rad"] == pytest.approx(0.04)
    assert told["rmse_calibrated_rad_per_joint"] == pytest.approx(
        {"FL_hip_joint": 0.01, "FL_thigh_joint": 0.01, "FL_calf_joint": 0.02}
    )


def test_a_value_goes_by_its_name(kept: Path):
    found = Calibration.load(kept)
    assert found.value("delay all") == 0.012
    with pytest.raises(CalibrationError, match="no parameter 'delay'; it has delay all"):
        found.value("delay")


def _without(name: str) -> Any:
    return lambda told: {k: v for k, v in told.items() if k != name}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_without("estimates"), "estimates"),
        (lambda told: told | {"format": 99}, "format 99, expected 1"),
        (lambda told: told | {"draws": [[1.0]]}, "a draw has another length"),
        (lambda told: told | {"draws": [["x", 1.0]]}, "could not convert"),
        (lambda told: told | {"estimates": [told["estimates"][0] | {"quantity": "charm"}]}, "unknown quantity 'charm'"),
        (lambda told: told | {"estimates": [told["estimates"][0] | {"value": float("inf")}]}, "is not finite"),
        (lambda told: told | {"estimates": [told["estimates"][0] | {"colour": 1}]}, "colour"),
        (lambda told: told | {"logs": [1]}, "is no calibration"),
        (lambda told: [1, 2], "is no calibration"),
        (lambda told: None, "is no calibration"),
    ],
)
def test_what_is_no_calibration_is_refused_with_the_files_name(kept: Path, spoil: Any, message: str):
    kept.write_text(json.dumps(spoil(json.loads(kept.read_text()))))
    with pytest.raises(CalibrationError, match=FILE) as caught:
        Calibration.load(kept)
    assert message in str(caught.value)


def test_a_file_that_is_cut_off_is_refused(kept: Path):
    kept.write_text(kept.read_text()[:-40])
    with pytest.raises(CalibrationError, match="is no calibration"):
        Calibration.load(kept)


def test_a_file_that_is_not_text_is_refused(kept: Path):
    kept.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CalibrationError, match="is no calibration"):
        Calibration.load(kept)


def test_where_there_is_none_one_learns_how_to_make_one(tmp_path: Path):
    with pytest.raises(CalibrationError, match=r"cannot read .*calibration.json.*zerogap calibrate --out"):
        Calibration.load(tmp_path)
