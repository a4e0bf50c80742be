"""What follows from the lags of a log's joints: `check_lags(lags, log)`."""

import numpy as np

from sim2real.logs.check import UNKNOWN, Finding, Lag
from sim2real.logs.robot_log import RobotLog

_WIDE = 0.02  # s, of an interval
_NEGATIVE = -0.002  # s
_APART = 0.004  # s


def without_offset(log: RobotLog) -> tuple[Lag, ...]:
    """Where targets are stamped by another clock, whose offset nothing but the joints' answer tells."""
    reason = "its targets are stamped by another clock, whose offset cannot be told from a delay"
    return tuple(Lag(joint, UNKNOWN, float("nan"), 0.0, reason) for joint in log.info.joints)


def check_lags(lags: tuple[Lag, ...], log: RobotLog) -> list[Finding]:
    found = []
    for lag in lags:
        if lag.reason:
            cause = "a fit cannot tell its delay, gains or inertia either; `zerogap excite` makes motions that do"
            text = f"the lag of {lag.joint} is not known: {lag.reason}"
            found.append(Finding("lag unknown", "note", "target", lag.joint, text, cause))
        elif lag.delay.high < _NEGATIVE:
            text = f"{lag.joint} answers {-1e3 * lag.delay.value:.3g} ms before its command (95 %: {_range(lag)})"
            cause = "an effect does not come before its cause: targets are stamped late, or the streams have two clocks"
            found.append(Finding("negative lag", "warning", "target", lag.joint, text, cause, _numbers(lag)))
        elif lag.delay.high - lag.delay.low > _WIDE:
            text = (
                f"the lag of {lag.joint} is known to {1e3 * (lag.delay.high - lag.delay.low):.3g} ms only (95 %: {_range(lag)})"
            )
            cause = "a fit of its delay trades it for gains and damping: record faster motions, or more of them"
            found.append(Finding("wide lag", "note", "target", lag.joint, text, cause, _numbers(lag)))
    return found + _following(lags, log) + _all(tuple(lag for lag in lags if not lag.reason))


def _following(lags: tuple[Lag, ...], log: RobotLog) -> list[Finding]:
    """How far positions are behind their targets where a slow servo's own dynamics hide the delay."""
    known = np.array([lag.following for lag in lags if np.isfinite(lag.following)])
    if not len(known) or not any(lag.reason or lag.delay.high - lag.delay.low > _WIDE for lag in lags):
        return []
    interval = float(np.median(np.diff(log["position"].stamps))) * 1e-9
    text = (
        f"positions follow their targets after {1e3 * np.median(known):.3g} ms, {np.median(known) / interval:.1f} samples"
        f" ({1e3 * known.min():.3g} to {1e3 * known.max():.3g} ms)"
    )
    cause = "that is delay and the joints' own dynamics together: the fit must tell them apart, and may trade one for the other"
    return [Finding("following", "note", "position", "", text, cause, {"median": float(np.median(known))})]


def _all(known: tuple[Lag, ...]) -> list[Finding]:
    """What the lags say together."""
    if not known:
        return []
    delays = np.array([lag.delay.value for lag in known])
    middle = float(np.median(delays))
    text = f"commands take effect after {1e3 * middle:.3g} ms (median; {1e3 * delays.min():.3g} to {1e3 * delays.max():.3g} ms)"
    cause = (
        "this is the sum of what delays commands and of what delays states before they are stamped: a simulation that delays"
        " commands by all of it moves alike, but a policy on it sees states too fresh if part of it is the states'"
    )
    found = [Finding("lag", "note", "target", "", text, cause, {"median": middle})]
    other = [lag for lag in known if lag.delay.low > middle + _APART or lag.delay.high < middle - _APART]
    if other and len(other) < len(known):
        text = f"the lag of {', '.join(lag.joint for lag in other)} differs from the others' by more than {1e3 * _APART:g} ms"
        cause = "one delay for all joints does not fit: give these their own, or look for a slower bus or loop"
        found.append(Finding("uneven lag", "note", "target", "", text, cause, {"joints": len(other)}))
    return found


def _range(lag: Lag) -> str:
    return f"{1e3 * lag.delay.low:.3g} to {1e3 * lag.delay.high:.3g} ms"


def _numbers(lag: Lag) -> dict[str, float]:
    return {"value": lag.delay.value, "low": lag.delay.low, "high": lag.delay.high}
