"""Static holds: poses spread over the joints' ranges (a Latin hypercube), each held twice, for gravity and friction.

A pose is reached once from below and once from above: what the torques of the two have in common is gravity, and what they do
not is friction.
"""

import numpy as np
from scipy.stats import qmc

from sim2real.excite.motion import MotionError, Segment
from sim2real.excite.ramp import ramp_seconds, way
from sim2real.excite.room import Room
from sim2real.excite.shape import Shape, Signal

_CREEP = 0.05  # rad, from below or above
_CREEP_SECONDS = 0.5
_HOLD = 1.0  # s
_MOVE = 1.5  # s, and longer where limits ask for it


def holds(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
    """Each pose is a segment. Bands do not matter to holds."""
    count, times = len(joints), signal.times
    move = max(_MOVE, float(ramp_seconds(2 * room.amplitude, room.velocity, room.acceleration).max()))
    slot = move + 3 * _CREEP_SECONDS + 2 * _HOLD
    number = int((signal.seconds - move) / slot)
    if number < 1:
        raise MotionError(
            f"{signal.seconds:.3g} s are too short for a pose, which takes {slot + move:.3g} s: give more --seconds"
        )
    slot = (signal.seconds - move) / number
    poses = 2.0 * qmc.LatinHypercube(count, rng=np.random.default_rng(signal.seed)).random(number) - 1.0
    creep = np.minimum(_CREEP / room.amplitude, 0.5)
    poses *= 1.0 - creep
    # Within a slot: to below the pose, up to it, hold, to above it, down to it, hold.
    offsets = np.array([-1.0, 0.0, 1.0, 0.0])
    starts = np.array([0.0, move, move + _CREEP_SECONDS + _HOLD, move + 2 * _CREEP_SECONDS + _HOLD])
    begin = np.append((slot * np.arange(number)[:, None] + starts).ravel(), slot * number)
    last = np.append(np.tile([move, *[_CREEP_SECONDS] * 3], number), move)
    levels = poses[:, None, :] + offsets[:, None] * creep

    def trace(scale: np.ndarray) -> np.ndarray:
        scaled = (scale[:, None, :] * levels).reshape(-1, count)
        return np.stack([way(np.append(column, 0.0), begin, last, times) for column in scaled.T], axis=1)

    segments = tuple(Segment(f"pose {i + 1}", slot * i, slot * (i + 1)) for i in range(number))
    return Shape(segments, trace)
