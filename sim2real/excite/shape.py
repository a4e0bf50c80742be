"""The seam between a kind of excitation and the motion made of it: `Shape`, ways of joints in units of their amplitudes.

    shape = chirp(room, Signal(rate=500.0, seconds=25.0, band=(0.1, 10.0), seed=0))
    shape.trace(np.ones((len(shape.segments), joints)))            # (steps, joints)

Each way begins and ends at 0, at rest. A kind is a function of a `Room` and a `Signal`; `in_turn` makes one of a kind for all
joints one that moves them one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sim2real.excite.motion import MotionError, Segment
from sim2real.excite.room import Room


@dataclass(frozen=True)
class Signal:
    """What is asked of a kind."""

    rate: float
    """Hz"""
    seconds: float
    band: tuple[float, float]
    """Lowest and highest frequency (Hz)."""
    seed: int

    @property
    def steps(self) -> int:
        return round(self.seconds * self.rate)

    @property
    def times(self) -> np.ndarray:
        """(steps,) s"""
        return np.arange(self.steps) / self.rate


@dataclass(frozen=True)
class Shape:
    segments: tuple[Segment, ...]
    """Parts whose amplitudes can be chosen apart."""
    trace: Callable[[np.ndarray], np.ndarray]
    """The ways (steps, joints), given the scale of each segment's amplitudes (segments, joints)."""
    notes: tuple[str, ...] = ()
    """What is not as it was asked for, and why."""


Kind = Callable[[Room, Signal, tuple[str, ...]], Shape]
"""For the joints of a room, whose names come last."""


def whole(name: str, values: np.ndarray, signal: Signal) -> Shape:
    """One segment with these ways (steps, joints)."""
    return Shape((Segment(name, 0.0, signal.seconds),), lambda scale: values * scale[0])


def in_turn(kind: Kind) -> Kind:
    """The same, joint by joint, each in a part of the time."""

    def make(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
        count = len(joints)
        steps = signal.steps // count
        if steps < 2:
            raise MotionError(f"{signal.seconds:.3g} s are too short for {count} joints in turn: give more --seconds")
        part = replace(signal, seconds=steps / signal.rate)
        shapes = [kind(room.pick(np.array([i])), replace(part, seed=signal.seed + i), (joints[i],)) for i in range(count)]
        owner = np.repeat(np.arange(count), [len(shape.segments) for shape in shapes])
        segments = [
            Segment(f"{joints[i]} {s.name}", s.begin + i * part.seconds, s.end + i * part.seconds)
            for i, shape in enumerate(shapes)
            for s in shape.segments
        ]

        def trace(scale: np.ndarray) -> np.ndarray:
            values = np.zeros((signal.steps, count))
            for i, shape in enumerate(shapes):
                values[i * steps : (i + 1) * steps, i] = shape.trace(scale[owner == i, i : i + 1])[:, 0]
            return values

        notes = {note for shape in shapes for note in shape.notes}
        return Shape(tuple(segments), trace, tuple(sorted(notes)))

    return make
