"""Every fault that is put into a clean log is found, with its size; a clean log has none of them."""

from dataclasses import replace

import numpy as np
import pytest

from assets.robots import GO2
from sim2real.logs.check import Check, Finding
from sim2real.logs.clocks import check_clocks, relate_clocks
from sim2real.logs.examine import examine, faults
from sim2real.logs.following import check_following
from sim2real.logs.reach import check_reach
from sim2real.logs.resolution import check_resolution, check_saturation, step_of
from sim2real.logs.robot_log import RobotLog, Stream
from sim2real.logs.stamps import check_stamps
from sim2real.logs.time_base import check_slopes, pooled_scale, slopes
from tests.sim2real.logs.swinging import RATE, SECONDS, restamped, swinging, with_stream, with_values


def examined(log: RobotLog) -> list[Finding]:
    """All checks but the lags, which have tests of their own."""
    aligned, relations = relate_clocks(log, None)
    found = check_stamps(log) + check_reach(log, None) + check_resolution(log) + check_saturation(log, None)
    found += check_clocks(log, relations) + check_following(aligned)
    return found + check_slopes(*slopes(aligned), log)


def the(found: list[Finding], kind: str, joint: str = "", stream: str | None = None) -> Finding:
    alike = [f for f in found if f.kind == kind and f.joint == joint and (stream is None or f.stream == stream)]
    assert len(alike) == 1, found
    return alike[0]


@pytest.mark.parametrize("chirps", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_clean_log_has_no_fault(seed: int, chirps: bool) -> None:
    assert examined(swinging(seed, chirps=chirps)) == []


def test_missing_samples_are_gaps() -> None:
    log = swinging()
    keep = np.ones(len(log["position"]), bool)
    keep[1000:1020] = keep[2000:2005] = False
    cut = with_stream(log, "position", Stream(log["position"].stamps[keep], log["position"].values[keep]))
    finding = the(examined(cut), "gap", stream="position")
    assert finding.numbers["missing"] == 25
    assert finding.numbers["longest_ms"] == pytest.approx(105.0)
    assert finding.severity == "note"


def test_samples_that_come_twice_and_samples_out_of_order_are_found() -> None:
    log = swinging()
    twice = np.sort(np.concatenate([np.arange(len(log["velocity"])), [50, 51, 52]]))
    found = examined(with_stream(log, "velocity", Stream(log["velocity"].stamps[twice], log["velocity"].values[twice])))
    assert the(found, "duplicate", stream="velocity").numbers == {"count": 3, "repeats": 3}
    stamps = log["position"].stamps.copy()
    stamps[[700, 701]] = stamps[[701, 700]]
    assert the(examined(restamped(log, "position", stamps)), "order", stream="position").numbers["worst_ms"] == pytest.approx(
        5.0
    )


def test_jitter_of_the_stamps_is_measured() -> None:
    log = swinging()
    jittered = log["velocity"].stamps + np.random.default_rng(0).uniform(0, 3e6, len(log["velocity"])).astype(np.int64)
    finding = the(examined(restamped(log, "velocity", jittered)), "jitter", stream="velocity")
    assert finding.numbers["sd_ms"] == pytest.approx(3 / np.sqrt(6), rel=0.1)


def test_a_short_log_and_streams_apart_are_told() -> None:
    log = swinging()
    short = replace(log, streams={name: Stream(log[name].stamps[:30], log[name].values[:30]) for name in log})
    assert [f.severity for f in check_stamps(short) if f.kind == "short"] == ["error"]
    apart = restamped(log, "velocity", log["velocity"].stamps + round(1e9 * SECONDS))
    assert the(check_stamps(apart), "overlap", stream="velocity").severity == "error"
    policy = Stream(log["position"].stamps[2000:3000], log["position"].values[2000:3000])
    assert check_stamps(with_stream(log, "action", policy)) == [], "before and after it the robot may stand"


@pytest.mark.parametrize("rate", [150.0, 229.0, 190.0])
def test_a_time_base_that_contradicts_the_velocities_is_found(rate: float) -> None:
    for seed in range(3):
        log = swinging(seed)
        nominal = replace(log, info=replace(log.info, time_base="nominal"))
        stamps = np.round(1e9 * np.arange(len(log["position"])) / RATE * RATE / rate)
        for name in log:
            nominal = restamped(nominal, name, stamps)
        finding = the(examined(nominal), "time base")
        assert finding.numbers["rate"] == pytest.approx(rate, rel=1e-3)
        assert finding.numbers["rate_low"] < RATE < finding.numbers["rate_high"]
        assert finding.numbers["rate_high"] - finding.numbers["rate_low"] < 0.02 * RATE
        assert "prediction" in finding.consequence or "predict" in finding.consequence


def test_noisy_and_coarse_velocities_do_not_shift_the_time_base() -> None:
    for seed in range(4):
        log = swinging(seed)
        noise = 0.5 * np.random.default_rng(seed).standard_normal(log["velocity"].values.shape)
        noisy = with_values(log, "velocity", np.round((log["velocity"].values + noise) / 0.077) * 0.077)
        found, _ = slopes(noisy)
        shared = pooled_scale(found)
        assert shared.low < 1 < shared.high
        assert shared.value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("joint", [0, 2])
def test_signs_and_units_of_single_joints_are_found(joint: int) -> None:
    log = swinging()
    name = log.info.joints[joint]

    def scaled(stream: str, factor: float) -> RobotLog:
        values = log[stream].values.copy()
        values[:, joint] *= factor
        return with_values(log, stream, values)

    assert the(examined(scaled("velocity", -1)), "sign", name, "velocity").severity == "error"
    assert the(examined(scaled("target", -1)), "sign", name, "target").severity == "error"
    assert the(examined(scaled("velocity", 180 / np.pi)), "unit", name, "velocity").severity == "error"
    assert the(examined(scaled("target", 180 / np.pi)), "unit", name, "target").severity == "error"
    assert the(examined(scaled("velocity", 1.3)), "scale", name).numbers["scale"] == pytest.approx(1 / 1.3, rel=0.02)


def test_degrees_of_all_joints_are_found() -> None:
    log = swinging()
    assert the(examined(with_values(log, "velocity", np.rad2deg(log["velocity"].values))), "unit", stream="velocity")
    found = examined(with_values(log, "position", np.rad2deg(log["position"].values)))
    assert the(found, "unit", stream="position").joint == ""


@pytest.mark.parametrize("step", [0.00153, 0.0153])
def test_quantisation_is_found_with_its_step(step: float) -> None:
    log = swinging()
    coarse = np.round(log["position"].values / step) * step
    finding = the(examined(with_values(log, "position", coarse)), "quantisation", stream="position")
    assert finding.numbers["step"] == pytest.approx(step, rel=0.01)
    assert finding.severity == ("note" if step < 0.01 else "warning")


def test_a_step_is_found_beside_an_offset_and_few_digits() -> None:
    values = np.random.default_rng(0).normal(0, 0.3, 3000)
    assert step_of(np.round(0.2 + 0.004 * np.round(values / 0.004), 5)) == pytest.approx(0.004, rel=0.01)
    assert step_of(values) == 0.0


def test_saturated_torques_are_found_with_and_without_a_robot() -> None:
    log = swinging(num_joints=12)
    clipped = log["torque"].values.copy()
    clipped[:, 1] = np.clip(clipped[:, 1], -0.8 * clipped[:, 1].max(), 0.8 * clipped[:, 1].max())
    assert the(examined(with_values(log, "torque", clipped)), "saturation", "j1").numbers["share"] > 0.01
    full = np.clip(20 * log["torque"].values, -23.7, 23.7)
    assert {f.kind for f in check_saturation(with_values(log, "torque", full), GO2)} == {"saturation"}
    assert check_saturation(log, GO2) == []


def test_targets_beyond_the_range_are_found() -> None:
    log = swinging(num_joints=12)
    pose = np.array(GO2.default_pose)
    targets = pose + 0.1 * log["target"].values
    inside = with_values(with_values(log, "target", targets), "position", pose + 0.1 * log["position"].values)
    assert check_reach(inside, GO2) == []
    beyond = targets.copy()
    beyond[100:200, 2] = -0.2
    assert (
        the(check_reach(with_values(inside, "target", beyond), GO2), "range", stream="target", joint="j2").numbers["worst"]
        > 0.5
    )


def test_dead_and_still_joints_are_told_apart() -> None:
    log = swinging()
    position, target = log["position"].values.copy(), log["target"].values.copy()
    position[:, 1] = 0.1
    dead = with_values(log, "position", position)
    assert the(check_reach(dead, None), "dead joint", "j1").severity == "error"
    target[:, 1] = 0.1
    assert the(check_reach(with_values(dead, "target", target), None), "still joint", "j1").severity == "note"
    velocity = log["velocity"].values.copy()
    velocity[:, 3] = 0.0
    assert the(check_reach(with_values(log, "velocity", velocity), None), "constant", "j3").stream == "velocity"


def test_an_encoder_that_wraps_around_is_found() -> None:
    log = swinging()
    wrapped = log["position"].values.copy()
    wrapped[:, 2] = (wrapped[:, 2] + 0.2 + np.pi + np.pi) % (2 * np.pi) - np.pi
    finding = the(check_reach(with_values(log, "position", wrapped), None), "wrap-around", "j2")
    assert finding.numbers["size"] == pytest.approx(2 * np.pi, rel=0.1)
    assert finding.severity == "error"
    wild = log["position"].values.copy()
    wild[300, 2] = 1e30  # which is a whole number of turns, as any number is that large
    assert the(check_reach(with_values(log, "position", wild), None), "jump", "j2").severity == "warning"


def test_rows_out_of_order_without_stamps_are_found_by_their_speed() -> None:
    log = swinging(num_joints=12)
    pose, mixed = np.array(GO2.default_pose), np.random.default_rng(0).permutation(len(log["position"]))
    inside = with_values(log, "position", pose + log["position"].values)
    assert "speed" not in {f.kind for f in check_reach(inside, GO2)}
    shuffled = with_values(log, "position", inside["position"].values[mixed])
    assert the(check_reach(shuffled, GO2), "speed", stream="position").severity == "error"


@pytest.mark.parametrize("stream", ["position", "target", "velocity"])
def test_a_joint_of_which_nothing_is_known_is_named_and_the_others_are_examined(stream: str) -> None:
    log = swinging()
    values = log[stream].values.copy()
    values[:, 2] = np.nan
    found = examine(with_values(log, stream, values))
    finding = the(list(found.findings), "unknown joint", "j2", stream)
    assert finding.severity == ("warning" if stream == "velocity" else "error")
    assert not found.lags[0].reason
    assert found.slopes[1].scale.is_known


def test_blank_numbers_leave_the_rest_examined() -> None:
    log = swinging()
    for stream in ("position", "target", "velocity"):
        values = log[stream].values.copy()
        values[[500, 501, 2000], 1] = np.nan
        found = examine(with_values(log, stream, values))
        assert not found.is_meaningless
        assert found.lags[1].delay.is_known


def test_of_several_stretches_with_targets_the_longest_is_examined_and_that_is_told() -> None:
    log = swinging()
    values = log["target"].values.copy()
    values[1000:1400] = np.nan
    found = examine(with_values(log, "target", values))
    finding = the(list(found.findings), "uncommanded", stream="target")
    assert "from 5.00 to 7.00 s" in finding.text
    assert "the longest of 2 stretches, of 13 s" in finding.consequence
    assert found.lags[0].delay.is_known


def test_two_recordings_in_one_are_an_error() -> None:
    log = swinging()
    twice = replace(log, streams={n: Stream(np.tile(log[n].stamps, 2), np.tile(log[n].values, (2, 1))) for n in log})
    assert the(list(examine(twice).findings), "order", stream="position").severity == "error"


def test_a_joint_that_moves_alone_does_not_contradict_the_time_base() -> None:
    log = swinging(num_joints=1)
    geared = with_values(log, "velocity", log["velocity"].values / 0.43)
    assert the(examined(geared), "time base").severity == "warning"


def test_hours_are_examined_in_part() -> None:
    log = swinging()
    count = 40
    stamps = (5_000_000 * np.arange(count * len(log["position"]))).astype(np.int64)
    long = replace(log, streams={name: Stream(stamps, np.tile(log[name].values, (count, 1))) for name in log})
    found = faults(long)
    assert found.log is not None
    assert found.log.seconds == pytest.approx(600.0, abs=1.0)
    assert "800 s" in the(list(found.findings), "long").text


@pytest.mark.parametrize("drift", [0.0, 300e-6, -150e-6])
@pytest.mark.parametrize("origin", [0, 123_456_789_000])
def test_two_clocks_are_related_by_what_positions_and_velocities_share(drift: float, origin: int) -> None:
    for seed in range(2):
        log = swinging(seed)
        stamps = log["velocity"].stamps
        middle = stamps.mean()
        other = restamped(log, "velocity", stamps + 40_000_000 + origin + drift * (stamps - middle), "robot")
        finding = the(examined(other), "clocks", stream="velocity")
        assert finding.numbers["offset"] == pytest.approx(0.040 + 1e-9 * origin, abs=0.0005)
        assert finding.numbers["drift_ppm_low"] < 1e6 * drift < finding.numbers["drift_ppm_high"]
        assert finding.severity == ("warning" if drift else "note")
        assert finding.numbers["drift_ppm_high"] - finding.numbers["drift_ppm_low"] < 200


def test_errors_come_first_and_json_has_no_nan() -> None:
    log = swinging()
    values = log["velocity"].values.copy()
    values[:, 0] *= -1
    coarse = with_values(with_values(log, "velocity", values), "position", np.round(log["position"].values, 3))
    found = examine(coarse)
    assert found.is_meaningless
    assert [f.severity for f in found.by_severity] == sorted(
        (f.severity for f in found.findings), key=["error", "warning", "note"].index
    )
    import json

    json.dumps(found.to_json(), allow_nan=False)


def test_a_log_without_positions_or_targets_says_what_to_record() -> None:
    log = swinging()

    def bare(gone: str) -> Check:
        return examine(replace(log, streams={name: log[name] for name in log if name != gone}))

    assert the(list(bare("position").findings), "missing").severity == "error"
    assert "record" in the(list(bare("target").findings), "missing").consequence


def test_a_log_in_which_nothing_moves_and_one_without_gains_tell_nothing_alone() -> None:
    log = swinging(num_joints=12)
    still = log
    for name in ("position", "target"):
        still = with_values(still, name, np.repeat(log[name].values[:1], len(log[name]), axis=0))
    found = the(check_reach(still, None), "still")
    assert found.severity == "error"
    assert "zerogap excite" in found.consequence
    described = replace(log, info=replace(log.info, joints=GO2.joints))
    assert the(list(faults(described, GO2).findings), "missing").stream == "stiffness"
    gains = Stream(log["position"].stamps[:1], np.full((1, 12), 20.0))
    whole = with_stream(with_stream(described, "stiffness", gains), "damping", gains)
    assert "missing" not in {finding.kind for finding in faults(whole, GO2).findings}


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_stamps_of_another_unit_are_told_so(factor: float) -> None:
    log = swinging()
    for name in log:
        log = restamped(log, name, log[name].stamps * factor)
    found = the(list(faults(log).findings), "rate")
    assert found.severity == "error"
    assert f"{200 / factor:.3g} to a second, at which no robot is sampled" in found.text
    assert "unit" in found.consequence


def test_stamps_of_too_few_digits_are_told_so() -> None:
    log = swinging()
    found = the(check_stamps(restamped(log, "position", log["position"].stamps // 10**7 * 10**7)), "duplicate")
    assert "too few digits" in found.consequence


def test_a_log_whose_targets_end_before_its_positions_begin_is_told_so() -> None:
    log = swinging()
    for name in ("position", "velocity", "torque"):
        log = restamped(log, name, log[name].stamps + 10**18)
    assert the(list(faults(log).findings), "short").text.startswith("where there are targets, the positions are 0 samples")
