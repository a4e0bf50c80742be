"""Pseudo-random binary sequences: maximum-length sequences between two levels, whose spectrum is flat within the band.

All joints have the same sequence, each at another place of it: its autocorrelation is -1 / length everywhere but at zero, which
keeps them apart. From level to level they go as fast as their limits allow, not at once; no bit is shorter than that.
"""

from dataclasses import replace

import numpy as np
from scipy.signal import max_len_seq

from sim2real.excite.motion import MotionError
from sim2real.excite.ramp import ramp_seconds, way
from sim2real.excite.room import Room
from sim2real.excite.shape import Shape, Signal, whole

_CLOCK = 2.5  # bits per period of the highest frequency: the power there is half of that at the lowest ones
_ORDERS = (3, 16)


def prbs(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
    """The longest sequence of 2^n - 1 bits that the time has room for, and its beginning again."""
    count, times = len(joints), signal.times
    ramps = ramp_seconds(2 * room.amplitude, room.velocity, room.acceleration)
    asked = 1.0 / (_CLOCK * signal.band[1])
    clock = max(asked, float(ramps.max()), 2 / signal.rate)
    number = int(signal.seconds / clock) - 1  # the last one is for the way back
    order = min(int(np.log2(max(1, number + 1))), _ORDERS[1])
    if order < _ORDERS[0] or 2**order - 1 < count:
        raise MotionError(
            f"{signal.seconds:.3g} s have room for {max(number, 0)} bits of {clock:.3g} s, expected"
            f" {max(count, 2 ** _ORDERS[0] - 1)} or more: give more --seconds, a higher --band, less --amplitude or fewer"
            " --joints"
        )
    bits = np.resize(levels(order, count, signal.seed), (number, count))
    begin = clock * np.arange(number + 1)
    last = np.maximum(ramps, 2 / signal.rate)
    values = [way(np.append(bits[:, joint], 0.0), begin, np.full(len(begin), last[joint]), times) for joint in range(count)]
    shape = whole("prbs", np.stack(values, axis=1), signal)
    if clock == asked:
        return shape
    note = f"bits of {clock:.3g} s instead of {asked:.3g}: joints take that long; less --amplitude is quicker"
    return replace(shape, notes=(note,))


def levels(order: int, count: int, seed: int) -> np.ndarray:
    """(2^order - 1, count) of -1 and 1: the maximum-length sequence, for each of `count` joints from another place on."""
    length = 2**order - 1
    state = [int(bit) for bit in f"{np.random.default_rng(seed).integers(1, length + 1):0{order}b}"]
    bits = 2.0 * max_len_seq(order, state=state)[0] - 1.0
    return np.stack([np.roll(bits, -(joint * length // count)) for joint in range(count)], axis=1)
