"""A leg that differs from its model as only its twin knows: what it differs in is found, and predicts another motion.

One short run each, at a coarse step: the figures are those of `zerogap bench recovery`.
"""

from dataclasses import replace

import numpy as np
import pytest

from sim2real.calibrate.calibrate import Settings, _kept, calibrate
from sim2real.calibrate.calibration import Calibration, Estimate
from sim2real.calibrate.identifiability import identifiability
from sim2real.calibrate.windows import CalibrationError
from sim2real.excite.motion import Motion
from sim2real.logs.robot_log import RobotLog
from sim2real.logs.split import split_tail
from sim2real.twin.gap import Gap
from sim2real.twin.recording import record
from tests.sim2real.calibrate.leg import ENCODER, GAP, LEG, recorded

QUANTITIES = ("delay", "armature", "damping", "frictionloss")
SETTINGS = Settings(quantities=QUANTITIES, timestep=0.002, starts=1, iterations=6)
HIDDEN = {"armature": 0.02, "damping": 0.2, "frictionloss": 0.36}


def at_rest() -> RobotLog:
    """Of a leg that its controllers hold where it is."""
    still = Motion(LEG.name, LEG.joints, 500.0, np.tile(LEG.default_pose, (1000, 1)), LEG.stiffness, LEG.damping)
    return record(LEG, still, Gap(encoder=ENCODER))


def moved(joints: int, amplitude: float, hertz: float) -> RobotLog:
    """Of a leg whose first joints only are asked to move."""
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(2000) / 500)
    way = np.tile(LEG.default_pose, (2000, 1)) + np.where(np.arange(3) < joints, wave[:, None], 0.0)
    return record(LEG, Motion(LEG.name, LEG.joints, 500.0, way, LEG.stiffness, LEG.damping), GAP)


@pytest.fixture(scope="module")
def fitted_to() -> RobotLog:
    return recorded(8.0)


@pytest.fixture(scope="module")
def found(fitted_to: RobotLog) -> Calibration:
    """Held out: other sines, with other gains."""
    return calibrate(LEG, [fitted_to], [recorded(2.5, seed=7, stiffness=0.6, excitation="chirp")], SETTINGS)


def test_what_was_hidden_is_found(found: Calibration):
    for estimate in found.estimates:
        if estimate.quantity in HIDDEN:
            assert estimate.value == pytest.approx(HIDDEN[estimate.quantity], rel=0.1), estimate.name
            assert estimate.verdict == "identified"
    assert found.value("delay all") == pytest.approx(0.012, abs=1e-3)


def test_it_predicts_another_motion_with_other_gains(found: Calibration):
    assert found.rmse_calibrated_rad < 0.2 * found.rmse_nominal_rad
    assert all(
        c < n for c, n in zip(found.held_out[0].joints_calibrated_rad, found.held_out[0].joints_nominal_rad, strict=True)
    )
    assert not found.warnings


def test_without_a_gap_nothing_is_found():
    same = calibrate(LEG, [recorded(5.0, Gap(encoder=ENCODER))], [], SETTINGS)
    for estimate in same.estimates:
        reference = 0.012 if estimate.quantity == "delay" else estimate.nominal
        assert abs(estimate.value - estimate.nominal) < 0.06 * reference, estimate.name
    assert "no log was held out" in same.warnings[0]


def test_what_no_motion_shows_stays_nominal_and_is_named():
    found = calibrate(LEG, [moved(1, 0.3, 2.0)], [], replace(SETTINGS, quantities=("armature",)))
    nominal = {e.name: e for e in found.estimates if e.verdict == "not identifiable"}
    assert "armature FL_calf_joint" in nominal
    assert found.value("armature FL_hip_joint") == pytest.approx(HIDDEN["armature"], rel=0.3)
    (text,) = [text for text in found.warnings if "left nominal" in text]
    for name, estimate in nominal.items():
        assert estimate.value == estimate.nominal
        assert name in text


def test_where_nothing_can_be_told_it_says_what_to_record():
    with pytest.raises(CalibrationError, match=r"tell nothing of armature FL_hip_joint, .*record faster and larger"):
        calibrate(LEG, [moved(3, 0.05, 0.2)], [], replace(SETTINGS, quantities=("armature",)))
    settled = split_tail(at_rest(), 0.5)[1]
    with pytest.raises(CalibrationError, match="moves no joint by more than"):
        calibrate(LEG, [settled], [], SETTINGS)


def test_what_is_hardly_known_and_yet_needed_is_not_called_nominal():
    kept = Estimate("delay all", "delay", LEG.joints, "s", 0.0, 0.01, -0.02, 0.04, "not identifiable", False, "hardly known")
    (told,) = _kept((kept,))
    assert (told.verdict, told.value) == ("weak", 0.01)
    assert "left as it was found" in told.text


def test_verdicts_before_a_fit_tell_what_a_motion_shows_and_what_it_does_not(fitted_to: RobotLog):
    told = {j.parameter: j.verdict for j in identifiability(LEG, fitted_to, QUANTITIES)}
    assert told["delay all"] == told["armature FL_calf_joint"] == "identified"
    still = {j.parameter: j for j in identifiability(LEG, at_rest(), QUANTITIES)}
    assert "identified" not in {j.verdict for j in still.values()}
    assert still["delay all"].verdict == still["armature FL_hip_joint"].verdict == "not identifiable"
    assert "cannot tell it from damping" in still["frictionloss FL_hip_joint"].text


def test_a_log_of_another_robot_or_one_that_was_fitted_to_is_refused(fitted_to: RobotLog):
    with pytest.raises(CalibrationError, match="proves nothing"):
        calibrate(LEG, [fitted_to], [fitted_to], SETTINGS)
    with pytest.raises(CalibrationError, match="'go2', and 'go2-FL_hip' is to be calibrated"):
        calibrate(LEG, [recorded(0.3, robot="go2")], [], SETTINGS)
