"""A log as a policy would have seen it: joint states and targets at the control rate.

    samples = sample(robot, log, windows, period=0.02)
    samples.histories(np.array([100, 101]), steps=8)          # of two control steps, as `History`

States are those of a parabola through the positions around each control step, as windows begin with them: what a simulation
knows exactly must not be learned from noise.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Robot
from envs.delta.features import History
from sim2real.calibrate.windows import Windows, state_at
from sim2real.logs.robot_log import RobotLog

_LEAST_NOISE = 1e-4  # rad


@dataclass(frozen=True, eq=False)
class Samples:
    """Of one log, joints in policy order; NaN where the log has nothing to go by."""

    period: float
    """Control period (s)."""
    start: float
    """Of the first control step, in seconds since the log's first position."""
    position: np.ndarray
    """(control steps, num_joints) rad"""
    velocity: np.ndarray
    """rad/s"""
    target: np.ndarray
    """rad, as it held at the control step; NaN where there was none."""
    gain: np.ndarray
    """Stiffness over that of `Robot`."""
    position_noise: np.ndarray
    """Standard deviation of `position`, (num_joints,) rad."""
    velocity_noise: np.ndarray
    """rad/s"""

    def __len__(self) -> int:
        return len(self.position)

    def index(self, time: np.ndarray) -> np.ndarray:
        """Of the control steps at these times (s)."""
        return np.round((np.asarray(time) - self.start) / self.period).astype(int)

    def known(self, index: np.ndarray, steps: int) -> np.ndarray:
        """Whether the log tells these control steps and the steps - 1 before each, (len(index),) bool."""
        whole = np.all(np.isfinite(self.position) & np.isfinite(self.target), axis=1)
        rows = np.asarray(index)[:, None] - np.arange(steps)
        inside = (rows >= 0) & (rows < len(self))
        return np.all(inside & whole[np.clip(rows, 0, len(self) - 1)], axis=1)

    def histories(self, index: np.ndarray, steps: int) -> History:
        """Of known control steps: (len(index), steps, num_joints) each."""
        rows = np.asarray(index)[:, None] - np.arange(steps)
        parts = (jnp.asarray(values[rows], jnp.float32) for values in (self.position, self.velocity, self.target))
        return History(*parts, begun=jnp.ones(len(index), bool))


def sample(robot: Robot, log: RobotLog, windows: Windows, period: float) -> Samples:
    """On a grid that the starts of the windows lie on, if they are whole control periods apart."""
    order = [windows.joints.index(name) for name in robot.joints]
    stream = log["position"]
    time = 1e-9 * (stream.stamps - stream.stamps[0])
    usual = float(np.median(np.diff(time)))
    start = windows.start[0] - period * np.floor((windows.start[0] - max(0.0, windows.command_time[0])) / period)
    grid = start + period * np.arange(int((time[-1] - start) / period) + 1)
    states = [state_at(time, stream.values, at, usual) for at in grid]
    empty = np.full(len(order), np.nan)
    position = np.stack([empty if s is None else s.position for s in states])[:, order]
    velocity = np.stack([empty if s is None else s.velocity for s in states])[:, order]
    found = [s for s in states if s is not None]
    # Of the joint's own noise: where it moves fast, a parabola leaves some of the motion, too.
    noise = np.median([np.sqrt(np.square(s.left).sum(axis=0) / max(1, len(s.left) - 3)) for s in found], axis=0)[order]
    noise = np.maximum(noise, _LEAST_NOISE)
    gains = [np.median([s.gain[i] for s in found]) for i in range(2)]
    held = np.clip(np.searchsorted(windows.command_time, grid, side="right") - 1, 0, None)
    stamps = (stream.stamps[0] + 1e9 * grid).astype(np.int64)
    stiffness = log["stiffness"].held_at(stamps)[:, order]
    # What windows have of the targets skips where there was none.
    target = np.where(np.isfinite(log["target"].held_at(stamps)), windows.target[held], np.nan)
    own = np.maximum(np.array(robot.stiffness), 1e-9)
    return Samples(
        period,
        float(start),
        position,
        velocity,
        target[:, order],
        stiffness / own,
        noise * gains[0],
        noise * gains[1],
    )
