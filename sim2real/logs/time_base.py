"""Whether positions and velocities agree: `slopes(log)` joint by joint, and `check_slopes(slopes, log)`, what follows.

The slope of a joint's positions over time is its velocity, if the stamps, both units and both signs are right. A scale that all
joints share is the stamps' time over that of the velocities: a log whose stamps say 200 Hz and whose slopes are 0.873 of the
velocities was recorded at 229 Hz. A scale of one joint's own is that joint's unit or sign.

Both quantities are noisy, so that neither regression is right: that on velocities shrinks the scale, that on slopes stretches
it (errors in variables). The estimate is their geometric mean, on signals under one window, wide enough that the two are nearly
alike; the interval holds both and the spread over blocks of time.
"""

import numpy as np
from scipy.stats import t as student

from sim2real.logs.band import OverTime, Samples
from sim2real.logs.check import UNKNOWN, Estimate, Finding, Slope
from sim2real.logs.lag import best_shift
from sim2real.logs.pooling import pool
from sim2real.logs.robot_log import RobotLog

_WINDOWS = (2.0, 4.0, 8.0)  # intervals
_LATE = 6.0  # intervals, by which velocities may be late at most
_BLOCKS = 12
_COHERENT = 0.7
_SPEED = 0.02  # rad/s, below which a joint does not move
_FAMILY = 0.1  # share by which joints may differ and still be of one time base
_TOLERANCE = 0.01
_DEGREES = 180 / np.pi
_LIKE_DEGREES = 0.15
_WORTH_TELLING = 0.002  # s


def slopes(log: RobotLog) -> tuple[tuple[Slope, ...], float]:
    """By joint, in policy order, and by how much all velocities are late against the positions (s). Needs positions and
    velocities, whose stamps are of one clock."""
    log.require("position", "velocity")
    start = int(log["position"].stamps.min())
    position, velocity = Samples.of(log["position"], start), Samples.of(log["velocity"], start)
    interval = max(position.interval, velocity.interval)
    if min(len(position.times), len(velocity.times)) < 50:
        return tuple(Slope(joint, UNKNOWN, 0.0) for joint in log.info.joints), 0.0
    candidates = []
    for factor in _WINDOWS:
        sigma = factor * interval
        reach = (_LATE + 1) * interval + 5 * sigma
        begin, end = max(position.times[0], velocity.times[0]) + reach, min(position.times[-1], velocity.times[-1]) - reach
        times = np.arange(begin, end, sigma)
        times = times[position.covers(times, sigma) & velocity.covers(times, sigma)]
        if len(times) < 4 * _BLOCKS:
            break
        candidates.append(_under_window(log, position.smooth(sigma, 1)(times), velocity.smooth(sigma), times, interval))
    if not candidates:
        return tuple(Slope(joint, UNKNOWN, 0.0) for joint in log.info.joints), 0.0
    return max(candidates, key=lambda found: sum(slope.coherence for slope in found[0]))


def _under_window(
    log: RobotLog, motion: np.ndarray, velocity: OverTime, times: np.ndarray, interval: float
) -> tuple[tuple[Slope, ...], float]:
    told = velocity(times)
    moving = np.flatnonzero((motion.std(axis=0) > _SPEED) & (told.std(axis=0) > 0))
    late = 0.0
    if len(moving):
        signs = np.sign([np.corrcoef(motion[:, j], told[:, j])[0, 1] for j in moving])
        size = motion[:, moving].std(axis=0)
        wanted = (motion[:, moving] / size).ravel()

        def shifted(shift: float) -> np.ndarray:
            values = velocity(times + shift)[:, moving]
            return (signs * values / np.maximum(values.std(axis=0), 1e-12)).ravel()

        late = np.nan_to_num(best_shift(shifted, wanted, (-_LATE * interval, _LATE * interval), interval / 2)[0])
    told = velocity(times + late)
    found = [_slope(log.info.joints[j], motion[:, j], told[:, j]) for j in range(len(log.info.joints))]
    return tuple(found), float(late)


def _slope(joint: str, motion: np.ndarray, told: np.ndarray) -> Slope:
    if motion.std() < _SPEED or told.std() == 0:
        return Slope(joint, UNKNOWN, 0.0)
    x, y = told - told.mean(), motion - motion.mean()
    blocks = [
        np.array([b @ b, a @ a, a @ b]) for a, b in zip(np.array_split(x, _BLOCKS), np.array_split(y, _BLOCKS), strict=True)
    ]
    total = np.sum(blocks, axis=0)
    alike = float(total[2] / np.sqrt(total[0] * total[1]))
    if abs(alike) < _COHERENT:
        return Slope(joint, UNKNOWN, abs(alike))
    scale = np.sign(alike) * np.sqrt(total[0] / total[1])
    without = np.array([np.sqrt((total - block)[0] / max((total - block)[1], 1e-300)) for block in blocks])
    error = np.sqrt((_BLOCKS - 1) / _BLOCKS * ((without - without.mean()) ** 2).sum())
    half = float(student.ppf(0.975, _BLOCKS - 1) * error) + abs(scale) * (1 - abs(alike))
    return Slope(joint, Estimate(float(scale), float(scale - half), float(scale + half)), abs(alike))


def pooled_scale(found: tuple[Slope, ...]) -> Estimate:
    """What joints share: the mean of those that are of one family, whose differences count beside their own errors."""
    known = [slope.scale for slope in found if slope.scale.is_known]
    if not known:
        return UNKNOWN
    sizes = np.log(np.abs([scale.value for scale in known]))
    errors = np.maximum([(scale.high - scale.low) / 4 / abs(scale.value) for scale in known], 1e-6)
    family = np.abs(sizes - np.median(sizes)) < _FAMILY
    shared = pool(sizes[family], errors[family]).estimate
    return Estimate(float(np.exp(shared.value)), float(np.exp(shared.low)), float(np.exp(shared.high)))


def check_slopes(found: tuple[Slope, ...], late: float, log: RobotLog) -> list[Finding]:
    shared = pooled_scale(found)
    if not shared.is_known:
        return []
    findings = _shared(shared, found, log) + [f for slope in found for f in _own(slope, shared)]
    if abs(late) > max(_WORTH_TELLING, 0.5 * Samples.of(log["velocity"], 0).interval):
        text = f"velocities are {1e3 * abs(late):.3g} ms {'late' if late > 0 else 'early'} against the slope of the positions"
        cause = "they are filtered, or stamped apart from the positions: fit positions, or delay the simulated velocities alike"
        findings.append(Finding("velocity delay", "note", "velocity", "", text, cause, {"seconds": late}))
    return findings


def _shared(shared: Estimate, found: tuple[Slope, ...], log: RobotLog) -> list[Finding]:
    if shared.low < 1 + _TOLERANCE and shared.high > 1 - _TOLERANCE:
        return []
    numbers = {"scale": shared.value, "scale_low": shared.low, "scale_high": shared.high}
    for factor, unit in ((_DEGREES, "positions"), (1 / _DEGREES, "velocities")):
        if abs(shared.value / factor - 1) < _LIKE_DEGREES:
            text = f"motion by the positions is {shared.value:.3g} times that by the velocities: {unit} are in degrees"
            cause = "import them in rad: gains, friction and inertia would be wrong by that factor"
            return [Finding("unit", "error", unit.replace("ies", "y").rstrip("s"), "", text, cause, numbers)]
    rate = 1 / Samples.of(log["position"], 0).interval
    numbers |= {"rate": rate, "rate_by_velocity": rate / shared.value}
    numbers |= {"rate_low": rate / shared.high, "rate_high": rate / shared.low}
    stamps = "whose rate somebody wrote down" if log.info.time_base == "nominal" else "as they were recorded"
    text = (
        f"the stamps, {stamps}, say {rate:.4g} Hz; the velocities say {rate / shared.value:.4g} Hz (95 %:"
        f" {rate / shared.high:.4g} to {rate / shared.low:.4g}): positions move {shared.value:.4g} times as far as these tell"
    )
    cause = (
        "period, velocity scale and delay are confounded: a fit may predict better, and that alone can be claimed of it, not"
        " that its armature, damping, friction or delay are the robot's. Record stamps with the samples"
    )
    # Of a joint that moves alone, the unit or gear of its velocities may be another.
    alone = sum(slope.scale.is_known for slope in found) == 1
    severity = "warning" if alone or 0.5 < shared.value < 2 else "error"
    return [Finding("time base", severity, "", "", text, cause, numbers)]


def _own(slope: Slope, shared: Estimate) -> list[Finding]:
    scale = slope.scale
    if not scale.is_known:
        return []
    numbers = {"scale": scale.value, "scale_low": scale.low, "scale_high": scale.high, "shared": shared.value}
    if scale.value < 0:
        text = f"velocity of {slope.joint} has the opposite sign of its positions' slope"
        cause = "the signs of its encoder and its velocity differ: correct the one that is not the description's when importing"
        return [Finding("sign", "error", "velocity", slope.joint, text, cause, numbers)]
    relative = scale.value / shared.value
    if abs(np.log(relative)) < _FAMILY or (scale.low < shared.high and scale.high > shared.low):
        return []
    told = f"motion of {slope.joint} by its positions is {relative:.3g} times that by its velocities"
    for factor, stream in ((_DEGREES, "position"), (1 / _DEGREES, "velocity")):
        if abs(relative / factor - 1) < _LIKE_DEGREES:
            text = f"{told}: its {stream} is in degrees"
            return [Finding("unit", "error", stream, slope.joint, text, "import it in rad", numbers)]
    text = f"{told}, unlike that of the other joints"
    cause = "its position or its velocity has another unit or gear ratio: a fit on it finds wrong gains, friction and inertia"
    return [Finding("scale", "warning", "velocity", slope.joint, text, cause, numbers)]
