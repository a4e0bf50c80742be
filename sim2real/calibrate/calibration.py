"""The result of calibrating a robot: `Calibration`, kept as `calibration.json` with all that it came from.

calibration = Calibration.load(Path("runs/calibration"))
calibration.value("armature FL_calf_joint")
calibration.rmse_calibrated_rad
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from assets.json_file import write_json
from sim2real.calibrate.parameters import QUANTITIES, Parameter
from sim2real.calibrate.uncertainty import Verdict
from sim2real.calibrate.windows import CalibrationError

FORMAT = 1
FILE = "calibration.json"
_LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True)
class Estimate:
    """One parameter as it was found."""

    name: str
    quantity: str
    members: tuple[str, ...]
    unit: str
    nominal: float
    value: float
    low: float
    """Ends of the 95 % interval."""
    high: float
    verdict: Verdict
    at_bound: bool
    """Whether the value is at the end of what was allowed: the truth may lie beyond, or another parameter is wrong."""
    text: str

    @property
    def parameter(self) -> Parameter:
        quantity = QUANTITIES[self.quantity]
        return Parameter(self.name, self.quantity, self.members, self.nominal, quantity.low, quantity.high)


@dataclass(frozen=True)
class LogErrors:
    """A log, and how far the simulation is from it: root mean squares of open-loop joint positions (rad)."""

    source: str
    content_hash: str
    excitation: str
    held_out: bool
    seconds: float
    windows: int
    rmse_nominal_rad: float
    rmse_calibrated_rad: float
    joints_nominal_rad: tuple[float, ...]
    joints_calibrated_rad: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    robot: str
    joints: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    correlations: tuple[tuple[str, str, float], ...]
    """Pairs of parameters that the data hardly tell apart."""
    logs: tuple[LogErrors, ...]
    draws: tuple[tuple[float, ...], ...]
    """Values of all parameters, one row a draw of the bootstrap: the distribution to randomise over."""
    settings: dict[str, Any]
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        for estimate in self.estimates:
            if estimate.name == name:
                return estimate.value
        raise CalibrationError(f"the calibration has no parameter {name!r}; it has {', '.join(e.name for e in self.estimates)}")

    @property
    def held_out(self) -> tuple[LogErrors, ...]:
        return tuple(log for log in self.logs if log.held_out)

    @property
    def rmse_nominal_rad(self) -> float:
        """Over the logs held out, each window counting alike; over those fitted to where none was held out."""
        return _pooled(self.held_out or self.logs, "rmse_nominal_rad")

    @property
    def rmse_calibrated_rad(self) -> float:
        return _pooled(self.held_out or self.logs, "rmse_calibrated_rad")

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that it says."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        per_joint = {}
        for name in ("nominal", "calibrated"):
            pooled = [_pooled(self.held_out or self.logs, f"joints_{name}_rad", i) for i in range(len(self.joints))]
            per_joint[f"rmse_{name}_rad_per_joint"] = dict(zip(self.joints, pooled, strict=True))
        overall = {"rmse_nominal_rad": self.rmse_nominal_rad, "rmse_calibrated_rad": self.rmse_calibrated_rad}
        return {"format": FORMAT, **overall, **per_joint, **asdict(self)}

    def save(self, directory: Path) -> None:
        write_json(directory / FILE, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """From a directory of `zerogap calibrate`, or its calibration.json. Raises CalibrationError where it is not one."""
        file = path / FILE if path.is_dir() else path
        try:
            if file.stat().st_size > _LARGEST_FILE:
                raise CalibrationError(f"{file} has {file.stat().st_size} bytes, expected at most {_LARGEST_FILE}")
            told = json.loads(file.read_text())
            if told["format"] != FORMAT:
                raise CalibrationError(f"{file} has format {told['format']!r}, expected {FORMAT}: another version wrote it")
            known = {f.name: told[f.name] for f in fields(cls)}
            known["estimates"] = tuple(_estimate(e) for e in known["estimates"])
            known["logs"] = tuple(LogErrors(**_tuples(log)) for log in known["logs"])
            known["draws"] = tuple(tuple(map(float, row)) for row in known["draws"])
            known["correlations"] = tuple((str(a), str(b), float(c)) for a, b, c in known["correlations"])
            known |= {name: tuple(known[name]) for name in ("joints", "warnings")}
            made = cls(**known)
            if any(len(row) != len(made.estimates) for row in made.draws):
                raise ValueError("a draw has another length than there are parameters")
            return made
        except OSError as error:
            raise CalibrationError(f"cannot read {file}: {error.strerror}; `zerogap calibrate --out` writes one") from error
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CalibrationError):
                raise
            raise CalibrationError(f"{file} is no calibration: {type(error).__name__}: {error}") from error


def _estimate(told: dict[str, Any]) -> Estimate:
    estimate = Estimate(**_tuples(told))
    if estimate.quantity not in QUANTITIES:
        raise ValueError(f"unknown quantity {estimate.quantity!r}")
    if not all(math.isfinite(v) for v in (estimate.nominal, estimate.value, estimate.low, estimate.high)):
        raise ValueError(f"{estimate.name} is not finite")
    return estimate


def _tuples(told: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise ValueError(f"found {told!r:.40} where an object was expected")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _pooled(logs: tuple[LogErrors, ...], name: str, index: int | None = None) -> float:
    values = [getattr(log, name) if index is None else getattr(log, name)[index] for log in logs]
    weights = np.array([log.windows for log in logs], float)
    return float(np.sqrt(np.average(np.square(values), weights=weights)))
