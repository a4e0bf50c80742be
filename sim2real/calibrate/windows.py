"""Short windows of a log, each to be simulated from the log's own state at its start: `cut(log, seconds)`.

    windows = cut(log, seconds=0.5)
    windows.position                             # (windows, samples, joints) rad, as measured

A joint's velocity at the start of a window is the slope of a parabola through the positions around it: what encoders say of the
velocity is late, coarse or on another time base more often than positions are.
"""

from dataclasses import dataclass, replace

import numpy as np

from assets.errors import UserError
from sim2real.logs.robot_log import RobotLog, Stream

_AROUND = 0.02  # s to either side of a window's start that its state is fitted to, or four samples where those are longer
# Time without a sample beyond which a window is left out: usual intervals, and s where those are shorter. The commands are
# known within a gap, so that only what it would have been compared with is missing.
_LARGEST_GAP, _SHORT_GAP = 4.0, 0.03
_COMMANDS = ("target", "feedforward", "target_velocity")
_LATE = 0.1  # s that a target may take to have an effect


class CalibrationError(UserError, ValueError):
    """A robot cannot be calibrated with these logs; the message names the log, the stream and what to record instead."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one log. Times are seconds since the log's first position."""

    log: str
    """Its name, for messages and tables."""
    excitation: str
    joints: tuple[str, ...]
    start: np.ndarray
    """(windows,) s"""
    initial_position: np.ndarray
    """(windows, joints) rad"""
    initial_velocity: np.ndarray
    """(windows, joints) rad/s"""
    time: np.ndarray
    """(windows, samples) s since the window's start, of each sample; of one that there is not, that of the last."""
    position: np.ndarray
    """(windows, samples, joints) rad, measured; NaN where there is no sample."""
    stiffness: np.ndarray
    """(windows, joints) N m/rad, as the log has it: constant within a window."""
    damping: np.ndarray
    """(windows, joints) N m s/rad"""
    command_time: np.ndarray
    """(commands,) s, of the whole log."""
    target: np.ndarray
    """(commands, joints) rad, held until the next."""
    feedforward: np.ndarray
    """(commands, joints) N m"""
    target_velocity: np.ndarray
    """(commands, joints) rad/s"""
    payload: float = 0.0
    """What the robot carried besides itself (kg)."""
    left_out: int = 0
    """Windows that gaps, unknown commands or changing gains spoilt."""

    def __len__(self) -> int:
        return len(self.start)

    def take(self, index: np.ndarray) -> "Windows":
        """Some of the windows, by a mask or by indices."""
        per_window = ("start", "initial_position", "initial_velocity", "time", "position", "stiffness", "damping")
        return replace(self, **{name: getattr(self, name)[index] for name in per_window})

    @property
    def seconds(self) -> float:
        """Of the longest window."""
        return float(self.time.max(initial=0.0))


def cut(log: RobotLog, seconds: float = 0.5, every: float | None = None) -> Windows:
    """One window after another, or one every so many s. Raises CalibrationError where there is none, or a stream is missing."""
    log.require("position", "target", "stiffness", "damping")
    position, target = log["position"], log["target"]
    if len(position) < 8 or not np.isfinite(target.values).any():
        raise CalibrationError(f"{log.name}: {len(position)} positions and {len(target)} targets are too few to replay")
    origin = position.stamps[0]
    time = 1e-9 * (position.stamps - origin)
    period = float(np.median(np.diff(time)))
    first, last = float(1e-9 * (target.stamps[0] - origin)), float(time[-1])
    edges = np.arange(max(first, time[0]) + _margin(period), last - seconds - _margin(period), every or seconds)
    gains = {name: log[name] for name in ("stiffness", "damping")}
    sent = {name: log[name] for name in _COMMANDS if name in log and np.isfinite(log[name].values).any()}
    made, left_out = [], 0
    for start in edges:
        window = _window(time, position.values, start, seconds, period)
        told = all(_is_told(stream, origin, start, seconds) for stream in sent.values())
        if window is None or not told or not all(_is_constant(gain, origin, start, seconds) for gain in gains.values()):
            left_out += 1
            continue
        made.append((start, *window))
    if not made:
        raise CalibrationError(
            f"{log.name}: none of {len(edges)} windows of {seconds:g} s can be replayed, as samples or targets are missing or"
            f" gains change within them; record at least {4 * seconds:g} s without a pause, at constant gains"
        )
    samples = max(len(row[3]) for row in made)
    at = (origin + 1e9 * np.array([row[0] for row in made])).astype(np.int64)
    # Each command may have stamps of its own; one that is NaN is not asked for in any window.
    stamps = np.unique(np.concatenate([stream.stamps for stream in sent.values()]))
    none = np.zeros((len(stamps), len(log.info.joints)))
    commands = {name: sent[name].held_at(stamps) if name in sent else none for name in _COMMANDS}
    known = np.isfinite(np.concatenate(list(commands.values()), axis=1)).all(axis=1) & (stamps >= target.stamps[0])
    return Windows(
        log=log.name,
        excitation=log.info.excitation,
        joints=log.info.joints,
        start=np.array([row[0] for row in made]),
        initial_position=np.stack([row[1] for row in made]),
        initial_velocity=np.stack([row[2] for row in made]),
        time=np.stack([np.pad(row[3], (0, samples - len(row[3])), mode="edge") for row in made]),
        position=np.stack([_pad(row[4], samples) for row in made]),
        stiffness=gains["stiffness"].held_at(at),
        damping=gains["damping"].held_at(at),
        command_time=1e-9 * (stamps[known] - origin),
        **{name: values[known] for name, values in commands.items()},
        payload=log.info.payload,
        left_out=left_out,
    )


def _margin(period: float) -> float:
    return max(_AROUND, 4 * period)


def _window(
    time: np.ndarray, position: np.ndarray, start: float, seconds: float, period: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Initial position and velocity, sample times since the start, positions; None where samples are missing."""
    within = slice(*np.searchsorted(time, [start, start + seconds], side="right"))
    stamps = time[within] - start
    edges = np.concatenate([[0.0], stamps, [seconds]])
    largest = max(_LARGEST_GAP * period, _SHORT_GAP)
    if len(stamps) < 2 or np.diff(edges).max() > largest or not np.isfinite(position[within]).all():
        return None
    state = state_at(time, position, start, period)
    return None if state is None else (state.position, state.velocity, stamps, position[within])


@dataclass(frozen=True, eq=False)
class MeasuredState:
    """Of the joints at one time, by a parabola through the positions around it."""

    position: np.ndarray
    """(joints,) rad"""
    velocity: np.ndarray
    """(joints,) rad/s"""
    left: np.ndarray
    """(samples, joints) rad: what the parabola leaves."""
    gain: tuple[float, float]
    """How much of a sample's noise goes into the position, and into the velocity (1/s)."""


def state_at(time: np.ndarray, position: np.ndarray, at: float, period: float) -> MeasuredState | None:
    """None where samples are missing around that time."""
    margin = _margin(period)
    near = slice(*np.searchsorted(time, [at - margin, at + margin]))
    around = time[near] - at
    # On both sides, and not across a gap.
    if len(around) < 4 or around[0] > -margin / 2 or around[-1] < margin / 2 or not np.isfinite(position[near]).all():
        return None
    inverse = np.linalg.pinv(np.stack([np.ones_like(around), around, around**2], axis=1))
    fitted = inverse @ position[near]
    left = position[near] - fitted[0] - np.outer(around, fitted[1]) - np.outer(around**2, fitted[2])
    deviations = np.sqrt(np.square(inverse).sum(axis=1))
    return MeasuredState(fitted[0], fitted[1], left, (float(deviations[0]), float(deviations[1])))


def _is_told(target: Stream, origin: int, start: float, seconds: float) -> bool:
    """Whether every command of a stream is known that may take effect in the window."""
    begin, end = (origin + 1e9 * np.array([start - _LATE, start + seconds])).astype(np.int64)
    inside = target.values[(target.stamps > begin) & (target.stamps <= end)]
    return bool(np.isfinite(inside).all() and np.isfinite(target.held_at(np.array([begin + round(1e9 * _LATE)]))).all())


def _is_constant(gain: Stream, origin: int, start: float, seconds: float) -> bool:
    begin, end = (origin + 1e9 * np.array([start, start + seconds])).astype(np.int64)
    inside = (gain.stamps > begin) & (gain.stamps <= end)
    held = gain.held_at(np.array([begin]))
    return bool(np.isfinite(held).all() and (gain.values[inside] == held).all())


def _pad(values: np.ndarray, samples: int) -> np.ndarray:
    padded = np.full((samples, values.shape[1]), np.nan)
    padded[: len(values)] = values
    return padded
