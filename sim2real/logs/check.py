"""What spoils a recording for a calibration, and what follows from it: `Finding`, and `Check`, all of them.

    found = examine(log, robot)                       # sim2real.logs.examine
    for finding in found.by_severity:
        print(finding.severity, finding.text, finding.consequence)
    found.is_meaningless                              # whether a calibration on this log would mean nothing

An "error" leaves a calibration without meaning, a "warning" limits what may be claimed of it, a "note" is worth knowing.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    kind: str
    """Such as "gap", "time base", "sign"; what tells findings of one sort apart from another's."""
    severity: Severity
    stream: str
    """Empty where it concerns several."""
    joint: str
    """Empty where it concerns all."""
    text: str
    """What was found, in figures."""
    consequence: str
    """What it spoils, and what to do."""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.value)


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Lag:
    """Of one joint."""

    joint: str
    delay: Estimate
    """From a command to the torque that answers it, the joint's own dynamics apart (s)."""
    following: float
    """By how much the position follows the target altogether: where the two correlate best (s)."""
    explained: float
    """Share of the joint's acceleration, friction and gravity set apart, that the delayed command explains."""
    reason: str = ""
    """Why it is not known; empty where it is."""
    delays: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    """At which the model was fitted (s)."""
    left_over: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    """By the model at each of `delays`, over the most."""


@dataclass(frozen=True)
class Slope:
    """How the velocities of one joint fit its positions: the stamps' time over the velocities' own."""

    joint: str
    scale: Estimate
    """Motion by the positions over motion by the velocities; 1 where they agree."""
    coherence: float
    """Share of the motion that both tell alike, 0 to 1."""


@dataclass(frozen=True)
class Verdict:
    """Whether a log can tell a parameter, from the Fisher information at the nominal model."""

    parameter: str
    verdict: Literal["identifiable", "weak", "not identifiable"]
    relative_error: float
    """Of its estimate, by this log alone, in units of the nominal value."""
    text: str


@dataclass(frozen=True)
class Check:
    """All that was found in one log."""

    log: str
    """Its name."""
    findings: tuple[Finding, ...]
    lags: tuple[Lag, ...] = ()
    """By joint, in policy order; empty where the log has no targets."""
    slopes: tuple[Slope, ...] = ()
    """By joint, in policy order; empty where the log has no velocities."""
    verdicts: tuple[Verdict, ...] = ()
    """By parameter; empty where nobody asked the simulation."""

    @property
    def by_severity(self) -> tuple[Finding, ...]:
        return tuple(sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def is_meaningless(self) -> bool:
        """Whether a calibration on this log would mean nothing."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        told = asdict(self) | {"findings": [asdict(finding) for finding in self.by_severity]}
        told["lags"] = [
            {name: value for name, value in lag.items() if name not in ("delays", "left_over")} for lag in told["lags"]
        ]
        return _finite(told | {"is_meaningless": self.is_meaningless})


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
