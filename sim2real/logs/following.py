"""Whether positions follow their targets: `check_following(log)` finds joints that turn against their targets, and units that
differ between the two."""

import numpy as np

from sim2real.logs.band import Held, Samples
from sim2real.logs.check import Finding
from sim2real.logs.robot_log import RobotLog

_SIGMA = 0.1  # s: what is slower a joint follows, if it follows at all
_LATEST = 0.3  # s
_ASKED = 0.02  # rad
_ALIKE = 0.6
_AS_FAR = 0.3  # of what it is asked, that a joint of the wrong sign moves: one that sticks is moved by others
_DEGREES = 180 / np.pi
_LIKE_DEGREES = 0.35


def check_following(log: RobotLog) -> list[Finding]:
    """Needs stamps of positions and targets of one clock."""
    if not {"position", "target"} <= set(log) or len(log["position"]) < 50 or len(log["target"]) < 3:
        return []
    start = int(log["position"].stamps.min())
    samples = Samples.of(log["position"], start)
    sigma = max(_SIGMA, 2 * samples.interval)
    times = np.arange(samples.times[0] + _LATEST + 5 * sigma, samples.times[-1] - 5 * sigma, sigma)
    times = times[samples.covers(times, sigma)]
    if len(times) < 20:
        return []
    target = Held.of(log["target"], start).smooth(sigma)
    position = samples.smooth(sigma)(times)
    wanted = np.stack([target(times - delay) for delay in np.arange(0.0, _LATEST, sigma / 4)])
    found = []
    for j, joint in enumerate(log.info.joints):
        if np.ptp(log["target"].values[:, j]) > _ASKED and position[:, j].std() > 0:
            found += _joint(joint, position[:, j], wanted[:, :, j])
    return found


def _joint(joint: str, position: np.ndarray, wanted: np.ndarray) -> list[Finding]:
    spread = wanted.std(axis=1)
    if (spread == 0).any():
        return []
    alike = np.array([np.corrcoef(row, position)[0, 1] for row in wanted])
    best, worst = float(alike.max()), float(alike.min())
    if -worst > _ALIKE and -worst > best + 0.1 and position.std() > _AS_FAR * spread.max():
        text = f"{joint} turns against its target (correlation {worst:.2f})"
        cause = "the sign of its position or of its target is not the description's: correct it when importing"
        return [Finding("sign", "error", "target", joint, text, cause, {"correlation": worst})]
    if best < _ALIKE:
        return []
    row = wanted[int(alike.argmax())]
    gain = best * position.std() / row.std()
    for factor, stream in ((_DEGREES, "position"), (1 / _DEGREES, "target")):
        if abs(np.log(gain / factor)) < _LIKE_DEGREES:
            text = f"{joint} moves {gain:.3g} times as far as its target asks: its {stream} is in degrees"
            return [Finding("unit", "error", stream, joint, text, "import it in rad", {"ratio": gain})]
    return []
