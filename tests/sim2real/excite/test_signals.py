"""What the kinds of excitation are known for, apart from any robot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.excite.chirp import chirp
from sim2real.excite.holds import holds
from sim2real.excite.motion import Segment
from sim2real.excite.multisine import low_crest_phases, multisine
from sim2real.excite.prbs import levels
from sim2real.excite.ramp import PEAK_ACCELERATION, PEAK_SPEED, ramp_seconds, smooth, way
from sim2real.excite.report import spectrum
from sim2real.excite.room import Room
from sim2real.excite.shape import Signal


def room(count: int) -> Room:
    one = np.ones(count)
    return Room(rest=0 * one, low=-one, high=one, center=0 * one, amplitude=one, velocity=100 * one, acceleration=1e5 * one)


@given(st.integers(3, 10), st.integers(1, 7), st.integers(0, 1000))
def test_a_maximum_length_sequence_is_uncorrelated_with_itself_later_and_with_other_joints(order, count, seed):
    length = 2**order - 1
    bits = levels(order, count, seed)
    assert set(np.unique(bits)) == {-1.0, 1.0}
    first = bits[:, 0]
    correlation = np.fft.ifft(np.abs(np.fft.fft(first)) ** 2).real
    assert correlation[0] == pytest.approx(length)
    assert correlation[1:] == pytest.approx(-1.0, abs=1e-6)
    for other in bits.T[1:]:
        assert first @ other == pytest.approx(-1.0)


@settings(max_examples=15)
@given(st.integers(20, 120), st.integers(0, 1000))
def test_a_multisine_of_chosen_phases_has_a_lower_crest_than_one_of_random_phases(count, seed):
    rng = np.random.default_rng(seed)
    lines, amplitude = np.arange(1, count + 1), np.ones(count)
    angle = 2 * np.pi * np.outer(np.arange(4096) / 4096, lines)

    def crest(phase: np.ndarray) -> float:
        wave = np.cos(angle + phase).sum(axis=1)
        return float(np.abs(wave).max() / wave.std())

    chosen = crest(low_crest_phases(lines, amplitude, rng))
    assert chosen < 1.9
    assert chosen < np.median([crest(rng.uniform(0, 2 * np.pi, count)) for _ in range(9)])


@settings(max_examples=15)
@given(st.integers(1, 8), st.integers(0, 100))
def test_the_joints_of_a_multisine_share_no_frequency(count, seed):
    signal = Signal(100.0, 20.0, (0.2, 8.0), seed)
    values = multisine(room(count), signal, tuple("abcdefgh"[:count])).trace(np.ones((1, count)))
    window = slice(300, -300)
    correlation = np.corrcoef(values[window].T) if count > 1 else np.ones((1, 1))
    assert np.abs(np.atleast_2d(correlation) - np.eye(count)).max() < 0.2
    assert np.abs(values).max() <= 1.0 + 1e-9


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=9),
    st.floats(0.5, 5.0),
    st.floats(5.0, 50.0),
)
def test_ramps_reach_every_level_and_keep_their_limits(targets, velocity, acceleration):
    values = np.array(targets)
    last = float(ramp_seconds(np.array(2.0), np.array(velocity), np.array(acceleration)))
    begin = 1.1 * last * np.arange(len(values))
    rate = 400 / last
    times = np.arange(int((begin[-1] + 1.1 * last) * rate)) / rate
    path = way(values, begin, np.full(len(values), last), times)
    reached = path[np.minimum(((begin + 1.05 * last) * rate).astype(int), len(path) - 1)]
    assert reached == pytest.approx(values)
    assert np.abs(np.diff(path)).max(initial=0.0) * rate <= velocity * 1.001
    assert np.abs(np.diff(path, n=2)).max(initial=0.0) * rate**2 <= acceleration * 1.01


def test_the_ramp_s_peaks_are_those_of_its_polynomial():
    share = np.linspace(0, 1, 100_001)
    speed = np.gradient(smooth(share), share)
    assert speed.max() == pytest.approx(PEAK_SPEED, rel=1e-6)
    assert np.gradient(speed, share)[10:-10].max() == pytest.approx(PEAK_ACCELERATION, rel=1e-4)


@settings(max_examples=25)
@given(st.sampled_from([chirp, multisine]), st.integers(0, 100), st.floats(0.5, 2.0), st.floats(3.0, 9.0))
def test_hardly_any_energy_lies_outside_of_the_band(kind, seed, low, high):
    signal = Signal(100.0, 40.0, (low, high), seed)
    values = kind(room(2), signal, ("a", "b")).trace(np.ones((1, 2)))
    frequencies, amplitudes = spectrum(values, signal.rate)
    outside = (frequencies < 0.7 * low) | (frequencies > 1.2 * high)
    assert (amplitudes[outside] ** 2).sum() < 0.01 * (amplitudes**2).sum()
    inside = (frequencies >= low) & (frequencies <= high)
    for part in np.array_split(amplitudes[inside], 4):  # and all of the band is there
        assert (part**2).sum() > 0.02 * (amplitudes**2).sum()


def test_a_hold_is_reached_from_below_and_from_above():
    signal = Signal(100.0, 60.0, (0.1, 1.0), 4)
    shape = holds(room(2), signal, ("a", "b"))
    values = shape.trace(np.ones((len(shape.segments), 2)))
    for segment in shape.segments:
        assert isinstance(segment, Segment)
        part = values[round(segment.begin * 100) : round(segment.end * 100), 0]
        pose = part[-1]
        still = np.flatnonzero(np.abs(part - pose) < 1e-9)
        runs = np.split(still, np.flatnonzero(np.diff(still) > 1) + 1)
        runs = [run for run in runs if len(run) > 80]
        assert len(runs) == 2
        assert part[runs[0][0] - 10] < pose < part[runs[1][0] - 10]
