"""A log at the control rate: what nobody knows the targets of is in no window, and in no window's past."""

from dataclasses import replace

import numpy as np

from sim2real.calibrate.replay import NOMINAL, suspended_spec
from sim2real.calibrate.windows import cut
from sim2real.delta.part import Part
from sim2real.delta.samples import sample
from sim2real.logs.robot_log import Stream
from sim2real.twin.gap import Gap
from tests.sim2real.delta.leg import LEG, multisine, record

PERIOD, STEPS = 0.02, 8


def test_no_history_reaches_into_a_time_without_targets() -> None:
    log = record(Gap(), multisine(5.0, 1), "multisine", 1)
    target = log["target"]
    gone = (target.seconds > 2.0) & (target.seconds < 2.5)
    holed = Stream(target.stamps, np.where(gone[:, None], np.nan, target.values))
    log = replace(log, streams={**log, "target": holed})
    windows = cut(log, STEPS * PERIOD, every=STEPS * PERIOD / 2)
    samples = sample(LEG, log, windows, PERIOD)
    part = Part(LEG, windows, samples, suspended_spec(LEG, 0.004).compile(), NOMINAL, STEPS, 0.004)
    rows = part.index[:, None] + np.arange(1 - STEPS, STEPS + 1)
    times = samples.start + PERIOD * rows
    assert not ((times > 2.005) & (times < 2.495)).any()
    assert np.isfinite(samples.target[rows]).all()
    assert (times.max(axis=1) < 2.005).sum() > 10
    assert (times.min(axis=1) > 2.495).sum() > 10
