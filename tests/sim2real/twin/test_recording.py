"""What is recorded of a simulated robot is what it was sent and what it answered."""

import numpy as np

from sim2real.excite.motion import Motion
from sim2real.logs.robot_log import RobotLog
from sim2real.twin.gap import Encoder, Gap, Messages, Values
from sim2real.twin.recording import record
from tests.sim2real.calibrate.leg import LEG, sines


def played(gap: Gap | None = None, seed: int = 0) -> tuple[Motion, RobotLog]:
    motion = sines(0.4)
    return motion, record(LEG, motion, gap, seed)


def test_targets_are_stamped_when_they_are_sent_and_states_when_they_are_measured():
    motion, log = played()
    np.testing.assert_array_equal(log["target"].values, motion.targets)
    np.testing.assert_allclose(log["target"].seconds, motion.times, atol=1e-9)
    np.testing.assert_allclose(log["position"].seconds, motion.times + 0.002, atol=1e-9)
    velocity = np.gradient(log["position"].values, log["position"].seconds, axis=0)
    np.testing.assert_allclose(log["velocity"].values[5:-5], velocity[5:-5], atol=0.2)


def test_a_latency_moves_the_robot_and_not_the_stamps():
    _, prompt = played()
    _, late = played(Gap(command_messages=Messages(latency=0.02)))
    np.testing.assert_array_equal(late["target"].stamps, prompt["target"].stamps)
    shifted = late["position"].at(prompt["position"].stamps + 20_000_000)
    inside = slice(20, -20)
    assert np.abs(shifted - prompt["position"].values)[inside].max() < 0.2 * np.ptp(prompt["position"].values)


def test_states_that_are_lost_are_missing_and_none_is_there_twice():
    _, log = played(Gap(state_messages=Messages(drop=0.3)))
    stamps = log["position"].stamps
    assert 100 < len(stamps) < 180
    assert (np.diff(stamps) > 0).all()


def test_a_seed_is_a_recording():
    noisy = Gap(encoder=Encoder(noise=Values.everywhere(0.001)))
    one, same, other = (played(noisy, seed)[1] for seed in (1, 1, 2))
    assert one.content_hash == same.content_hash
    assert not np.array_equal(one["position"].values, other["position"].values)
