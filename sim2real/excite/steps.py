"""Steps: a joint goes to a level as fast as its limits allow, stays there, and goes on to another one.

The levels are spread evenly and come in random order, so that steps are of many sizes, up and down. Several joints step one
after another within the time that each stays, not at once.
"""

import numpy as np

from sim2real.excite.motion import MotionError
from sim2real.excite.ramp import ramp_seconds, way
from sim2real.excite.room import Room
from sim2real.excite.shape import Shape, Signal, whole

_STAY = 1.0  # s, and longer where the ramps are long
_LEAST = 3


def steps(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
    """Bands do not matter to steps."""
    count, times, rng = len(joints), signal.times, np.random.default_rng(signal.seed)
    last = np.maximum(ramp_seconds(2 * room.amplitude, room.velocity, room.acceleration), 2 / signal.rate)
    stay = max(_STAY, 2.0 * float(last.max()))
    number = int((signal.seconds - stay) / stay)  # the rest is for the last joint's way back
    if number < _LEAST:
        raise MotionError(
            f"{signal.seconds:.3g} s have room for {max(number, 0)} steps of {stay:.3g} s, expected {_LEAST} or more: give more"
            " --seconds or fewer --joints"
        )
    stay = signal.seconds / (number + 1)
    values = []
    for joint in range(count):
        levels = np.append(rng.permutation(np.linspace(-1.0, 1.0, number - 1)), 0.0)
        begin = stay * (np.arange(number) + joint / count)
        values.append(way(levels, begin, np.full(number, last[joint]), times))
    return whole("steps", np.stack(values, axis=1), signal)
