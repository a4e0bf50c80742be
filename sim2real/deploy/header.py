"""The first thing in a log: `Header`, without which its numbers could be read but not replayed."""

import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from assets.errors import UserError
from envs.safety import Limits

FORMAT = 1


class LogError(UserError, ValueError):
    """A log cannot be read; the message names the file, what was expected and what was found."""


@dataclass(frozen=True)
class Header:
    robot: str
    joints: tuple[str, ...]
    has_imu: bool
    command_names: tuple[str, ...]
    period: float
    """Of a cycle (s)."""
    limits: Limits
    stiffness: tuple[float, ...]
    """Of the policy's targets (N m/rad)."""
    damping: tuple[float, ...]
    """N m s/rad"""
    provenance: dict[str, Any]
    """Where the policy is from, which driver, versions."""

    def to_json(self) -> dict[str, Any]:
        """Every digit is kept."""
        limits = {f.name: _plain(getattr(self.limits, f.name)) for f in fields(Limits)}
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "limits"}
        return {"format": FORMAT, **told, "limits": limits, "command_size": len(self.command_names)}

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Raises LogError where it is not what `to_json` gave."""
        try:
            told = json.loads(text)
            if told["format"] != FORMAT:
                raise LogError(f"the log has format {told['format']!r}, expected {FORMAT}: another version wrote it")
            tuples = ("joints", "command_names", "stiffness", "damping")
            known: dict[str, Any] = {f.name: told[f.name] for f in fields(cls)}
            known |= {name: tuple(told[name]) for name in tuples}
            known["limits"] = _limits(told["limits"])
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, LogError):
                raise
            raise LogError(f"the log's header is damaged: {type(error).__name__}: {error}") from error


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _limits(told: dict[str, Any]) -> Limits:
    read: dict[str, Any] = {f.name: told[f.name] for f in fields(Limits)}
    arrays = {name: np.array(value, float) for name, value in read.items() if isinstance(value, list) and name != "joints"}
    n = len(read["joints"])
    for name, value in arrays.items():
        if value.shape != ((3,) if name == "upright" else (n,)):
            raise LogError(f"the log's header is damaged: limits.{name} has shape {value.shape}")
    read |= arrays
    read["joints"] = tuple(read["joints"])
    return Limits(**read)
