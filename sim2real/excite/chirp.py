"""Chirps: sines whose frequency goes up the band and down again, evenly in its logarithm.

Of several joints each starts elsewhere on that way: at no time do two have the same frequency for long, which keeps them apart.
"""

import numpy as np

from sim2real.excite.ramp import fade
from sim2real.excite.room import Room
from sim2real.excite.shape import Shape, Signal, whole

_FADE = 0.1  # of the time, at either end
_FADE_SECONDS = 1.0  # at most


def chirp(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
    """Where a joint's speed or acceleration is the limit, its amplitude falls with frequency."""
    low, high = signal.band
    times, count = signal.times, len(joints)
    place = (times[:, None] / signal.seconds + np.arange(count) / count) % 1.0
    frequency = low * (high / low) ** (1.0 - np.abs(1.0 - 2.0 * place))
    phase = 2 * np.pi * np.cumsum(frequency, axis=0) / signal.rate
    window = fade(times, signal.seconds, min(_FADE_SECONDS, _FADE * signal.seconds))
    return whole("chirp", room.gain(frequency) * np.sin(phase) * window[:, None], signal)
