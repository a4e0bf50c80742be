"""What else than parameters moves a window: the state that it starts from, which encoders tell only so well.

    starts = Starts(replay, limbs, model, signals, average)
    told = starts.without(averaged)              # errors (windows * bins, joints), less all that other starts would explain

Where a motion is fast no polynomial through noisy positions has the right velocity, and what it lacks goes with it: left
alone, it is taken for damping. Here each window's start is free, and solved for in closed form: errors and their derivatives
are projected on what no start can explain (variable projection: Golub & Pereyra, "The differentiation of pseudo-inverses and
nonlinear least squares problems whose variables separate", SIAM J. Numer. Anal. 10, 1973).
"""

from collections.abc import Callable
from dataclasses import replace

import mujoco
import numpy as np

from sim2real.calibrate.replay import Replay, Signals

_STEPS = {"initial_position": 1e-3, "initial_velocity": 1e-2}  # rad, rad/s


class Starts:
    """Those of one log's windows. `average` makes errors (windows, samples, joints) the rows that are fitted."""

    def __init__(
        self,
        replay: Replay,
        limbs: tuple[int, ...],
        model: mujoco.MjModel,
        signals: Signals,
        average: Callable[[np.ndarray], np.ndarray],
    ):
        self._windows = len(replay.windows)
        self._limbs = [[j for j, limb in enumerate(limbs) if limb == one] for one in sorted(set(limbs))]
        base = average(replay.errors(model, signals))
        columns: list[list[np.ndarray]] = [[] for _ in self._limbs]
        for name, step in _STEPS.items():
            for place in range(max(map(len, self._limbs))):  # limbs do not move each other: one joint of each at a time
                moved = [joints[place] for joints in self._limbs if place < len(joints)]
                start = getattr(replay.windows, name).copy()
                start[:, [replay.windows.joints.index(replay.joints[j]) for j in moved]] += step
                other = Replay(replay.robot, replace(replay.windows, **{name: start}), replay.timestep, replay.threads)
                change = (average(other.errors(model, signals)) - base) / step
                for own, joints in zip(columns, self._limbs, strict=True):
                    if place < len(joints):
                        own.append(self._rows(change, joints))
        self._bases = [np.linalg.qr(np.stack(own, axis=-1))[0] for own in columns]

    def without(self, errors: np.ndarray) -> np.ndarray:
        left = errors.copy()
        for basis, joints in zip(self._bases, self._limbs, strict=True):
            rows = self._rows(errors, joints)
            explained = np.einsum("wri,wsi,ws->wr", basis, basis, rows, optimize=True)
            left[:, joints] -= explained.reshape(-1, len(joints))
        return left

    def _rows(self, errors: np.ndarray, joints: list[int]) -> np.ndarray:
        """Those of some joints, (windows, bins * joints)."""
        return errors[:, joints].reshape(self._windows, -1)
