"""Multisines: many sines at once, their phases chosen so that the sum has no high peaks.

The frequencies are whole multiples of the motion's own, 1 / seconds, and are dealt out to the joints: no two joints share one,
so that they are uncorrelated over the motion. Phases are drawn at random and improved by clipping the sum and keeping the
phases of what is left, again and again (Van der Ouderaa et al., "Peak factor minimization of input and output signals of linear
systems", IEEE Trans. Instrum. Meas. 37, 1988).
"""

import numpy as np

from sim2real.excite.motion import MotionError
from sim2real.excite.ramp import fade
from sim2real.excite.room import Room
from sim2real.excite.shape import Shape, Signal, whole

_FADE = 0.1  # of the time, at either end
_FADE_SECONDS = 1.0  # at most
_ROUNDS = 100
_CLIP = 0.85  # of the peak
_OVERSAMPLING = 8  # points per period of the highest frequency, to see peaks


def multisine(room: Room, signal: Signal, joints: tuple[str, ...]) -> Shape:
    """Where a joint's speed or acceleration is the limit, a sine's amplitude falls with frequency."""
    low, high = signal.band
    count, times, rng = len(joints), signal.times, np.random.default_rng(signal.seed)
    lines = np.arange(max(1, np.ceil(low * signal.seconds - 1e-9)), np.floor(high * signal.seconds + 1e-9) + 1).astype(int)
    if len(lines) < count:
        raise MotionError(
            f"{signal.seconds:.3g} s from {low:g} to {high:g} Hz have room for {len(lines)} frequencies, expected one for each"
            f" of {count} joints: give more --seconds, a wider --band or fewer --joints"
        )
    # Dealt anew in each round: at regular distances, a joint's frequencies would give a sum that nearly repeats itself.
    owner = np.concatenate([rng.permutation(count) for _ in range(-(-len(lines) // count))])[: len(lines)]
    values = np.zeros((len(times), count))
    for joint in range(count):
        own = lines[owner == joint]
        amplitude = room.gain(own[:, None] / signal.seconds)[:, joint]
        phase = low_crest_phases(own, amplitude, rng)
        angle = 2 * np.pi * own * times[:, None] / signal.seconds + phase
        wave = (amplitude * np.cos(angle)).sum(axis=1)
        values[:, joint] = wave / np.abs(wave).max()
    window = fade(times, signal.seconds, min(_FADE_SECONDS, _FADE * signal.seconds))
    return whole("multisine", values * window[:, None], signal)


def low_crest_phases(lines: np.ndarray, amplitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Phases (lines,) rad with which a sum of cosines at these multiples of one frequency has a low peak."""
    size = 1 << int(np.ceil(np.log2(_OVERSAMPLING * lines.max())))
    phase = best = rng.uniform(0.0, 2 * np.pi, len(lines))
    lowest = np.inf
    for _ in range(_ROUNDS):
        spectrum = np.zeros(size // 2 + 1, complex)
        spectrum[lines] = amplitude * np.exp(1j * phase)
        wave = np.fft.irfft(spectrum, size)
        peak = np.abs(wave).max()
        if peak < lowest:
            lowest, best = peak, phase
        clipped = np.clip(wave, -_CLIP * peak, _CLIP * peak)
        phase = np.angle(np.fft.rfft(clipped)[lines])
    return best
