"""Windows of a log simulated one control step at a time, with an offset to the targets in each: `ControlSteps`.

    steps = ControlSteps(replay, model, signals, period=0.02)
    steps.follow(lambda k, position, velocity: offset, past).positions
    steps.states(offsets)                                     # of offsets that are known beforehand

An offset counts from its control step to the next, and takes effect as late as the target that it corrects.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from envs.delta.errors import DeltaError
from sim2real.calibrate.replay import Replay, Signals

Offset = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""From a control step, joint positions as read and velocities there, (windows, num_joints), to offsets of the targets (rad)."""


@dataclass(frozen=True, eq=False)
class Run:
    """One simulation of all windows."""

    offsets: np.ndarray
    """(windows, before + count, num_joints) rad"""
    states: np.ndarray
    """At the start of each control step and after the last one, (count + 1, windows, size)."""
    positions: np.ndarray
    """As `Replay.positions`, (windows, samples, num_joints) rad."""


class ControlSteps:
    """Of one replay. Raises DeltaError where the control period is no whole number of time steps."""

    def __init__(self, replay: Replay, model: mujoco.MjModel, signals: Signals, period: float):
        self.replay, self.signals, self.period = replay, signals, period
        self.per_step = round(period / replay.timestep)
        if self.per_step < 1 or abs(self.per_step * replay.timestep - period) > 1e-9:
            raise DeltaError(
                f"a control period of {period:g} s is no whole number of time steps of {replay.timestep:g} s: choose another"
            )
        self.begin = replay.begin(model, signals)
        num_steps = self.begin.control.shape[1]
        self.count = max(1, round(replay.windows.seconds / period))
        """Control steps in a window."""
        delay = np.broadcast_to(signals.delay, len(replay.joints))
        self.before = int(np.ceil(delay.max() / period - 1e-9))
        """Control steps before a window whose offsets still take effect in it."""
        self.simulated = 0
        """Physics steps so far, of all windows together."""
        self.share = _shares(num_steps, replay.timestep, delay, period, self.before, self.count)
        # What a window has beyond its last whole control step is simulated with that.
        self._ends = self.per_step * np.arange(self.count + 1)
        self._ends[-1] = num_steps

    @property
    def windows(self) -> int:
        return len(self.begin.states)

    @property
    def start(self) -> np.ndarray:
        """States at the start, (windows, size)."""
        return self.begin.states

    def follow(self, offset: Offset, past: np.ndarray) -> Run:
        """With the offsets that are computed at each control step of the simulation; `past` are those of the `before` control
        steps before, (windows, before, num_joints)."""
        offsets = np.zeros((self.windows, self.before + self.count, len(self.replay.joints)))
        offsets[:, : self.before] = past
        states, rows = [self.start], [self.joint_positions(self.start)[:, None]]
        for k in range(self.count):
            offsets[:, self.before + k] = offset(k, *self.joint_states(states[-1]))
            made = self._advance(states[-1], offsets, k, k + 1)
            states.append(made[:, self.per_step - 1])
            rows.append(self.joint_positions(made))
        return Run(offsets, np.stack(states), self.replay.read(np.concatenate(rows, axis=1), self.signals))

    def states(self, offsets: np.ndarray, first: int = 0, start: np.ndarray | None = None) -> np.ndarray:
        """From control step `first` on, which begins at `start`, as `Run.states`, with these offsets (windows, before + count,
        num_joints): (count - first + 1, windows, size)."""
        start = self.start if start is None else start
        made = self._advance(start, offsets, first, self.count)
        at = self.per_step * np.arange(1, self.count - first + 1) - 1
        return np.concatenate([start[None], np.swapaxes(made[:, at], 0, 1)])

    def step(self, states: np.ndarray, k: int) -> np.ndarray:
        """Control step k without any offset, all its physics steps, (windows, steps, size)."""
        return self._advance(states, None, k, k + 1)

    def joint_states(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions as read and velocities, of states (..., size), (..., num_joints) each."""
        return self.joint_positions(states) + self.signals.offset, states[..., self.begin.qvel]

    def joint_positions(self, states: np.ndarray) -> np.ndarray:
        """As they are, and not as they are read."""
        return states[..., self.begin.qpos]

    def with_joints(self, states: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """The states with other joint positions, as read, and velocities."""
        states = states.copy()
        states[..., self.begin.qpos], states[..., self.begin.qvel] = position - self.signals.offset, velocity
        return states

    def _advance(self, states: np.ndarray, offsets: np.ndarray | None, first: int, end: int) -> np.ndarray:
        steps = slice(self._ends[first], self._ends[end])
        control = self.begin.control[:, steps]
        if offsets is not None:
            control = control.copy()
            control[:, :, self.begin.actuators] += np.einsum("skj,wkj->wsj", self.share[steps], offsets)
        self.simulated += control.shape[0] * control.shape[1]
        return self.replay.roll(self.begin.models, states, control)


def _shares(num_steps: int, timestep: float, delay: np.ndarray, period: float, before: int, count: int) -> np.ndarray:
    """What part of each physics step each control step's offset holds in, (steps, before + count, joints)."""
    begin = timestep * np.arange(num_steps)[:, None, None] - delay
    held = period * np.arange(-before, count)[None, :, None]
    until = held + period
    until[:, -1] = np.inf
    overlap = np.minimum(begin + timestep, until) - np.maximum(begin, held)
    return np.clip(overlap / timestep, 0.0, 1.0)
