"""Windows of one log whose past is known, simulated with corrections that see what is simulated: `Part`.

    part = Part(robot, windows, samples, model, signals, steps=8)
    part.errors(nominal)                          # (windows, samples, joints) rad, NaN where there is no sample
    part.errors_with(delta)
    part.follow(correct).states

Each window begins at the log's own state, with the log's own past; from there on the history is the simulation's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.robots.robot import Robot
from envs.delta.errors import DeltaError
from envs.delta.features import History, features
from envs.delta.model import DeltaModel
from sim2real.calibrate.replay import NOMINAL, Replay, Signals
from sim2real.calibrate.windows import Windows
from sim2real.delta.control_steps import ControlSteps, Run
from sim2real.delta.samples import Samples

Correct = Callable[[History], np.ndarray]
"""From the histories of all windows to corrections in units of action, (windows, num_joints)."""


@dataclass(frozen=True, eq=False)
class Followed:
    """What came of a correction."""

    histories: tuple[History, ...]
    """That each correction was computed from."""
    given: np.ndarray
    """The corrections in units of action, (windows, before + count, num_joints)."""
    run: Run


@dataclass(frozen=True, eq=False)
class Corrected:
    """Windows simulated with a correction."""

    errors: np.ndarray
    """As `Part.errors`, (windows, samples, num_joints) rad."""
    given: np.ndarray
    """The corrections in units of action, (windows, control steps, num_joints)."""
    trust: np.ndarray
    """How far each was trusted, likewise."""


class Part:
    """Raises DeltaError where no window is left."""

    def __init__(
        self,
        robot: Robot,
        windows: Windows,
        samples: Samples,
        model: mujoco.MjModel,
        signals: Signals,
        steps: int,
        timestep: float = 0.001,
        threads: int = 2,
    ):
        """`steps` are the control steps of a history."""
        before = int(np.ceil(signals.delay.max() / samples.period - 1e-9))
        count = max(1, round(windows.seconds / samples.period))
        index = samples.index(windows.start)
        known = samples.known(index, steps + before)
        known &= np.array([samples.known(index + k, 1) for k in range(count + 1)]).all(axis=0)
        if not known.any():
            raise DeltaError(
                f"{windows.log}: no window of {windows.seconds:g} s has a whole past of {(steps + before) * samples.period:g} s"
                " before it; record without pauses, or longer"
            )
        self.robot, self.samples, self.steps = robot, samples, steps
        self.windows, self.index = windows.take(known), index[known]
        self.replay = Replay(robot, self.windows, timestep, threads)
        self.steps_run = ControlSteps(self.replay, model, signals, samples.period)
        self.gain = samples.gain[self.index]
        """Stiffness over that of `Robot`, (windows, num_joints)."""
        self.scale = np.array(robot.action_scale)

    def __len__(self) -> int:
        return len(self.index)

    def logged(self, k: int) -> History:
        """The log's own past at control step k of each window."""
        return self.samples.histories(self.index + k, self.steps)

    def target(self, k: int) -> np.ndarray:
        """What was asked for at control step k of each window, (windows, num_joints) rad."""
        return self.samples.target[self.index + k]

    def no_offsets(self) -> np.ndarray:
        """(windows, before + count, num_joints)"""
        return np.zeros((len(self), self.steps_run.before + self.steps_run.count, len(self.scale)))

    def follow(self, correct: Correct) -> Followed:
        run = self.steps_run
        histories = [self.logged(k) for k in range(-run.before, 0)]
        given = [correct(history) for history in histories]
        past = np.stack(given, axis=1) if given else np.zeros((len(self), 0, len(self.scale)))
        history = self.logged(-1)

        def offsets(k: int, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
            nonlocal history
            now = (jnp.asarray(x, jnp.float32) for x in (position, velocity, self.target(k)))
            history = history.push(*now)
            histories.append(history)
            given.append(correct(history))
            return self.scale * given[-1]

        found = run.follow(offsets, self.scale * past)
        return Followed(tuple(histories), np.stack(given, axis=1), found)

    def errors(self, model: mujoco.MjModel, signals: Signals = NOMINAL) -> np.ndarray:
        """Of a model without any correction."""
        return self.replay.errors(model, signals)

    def errors_with(self, delta: DeltaModel, share: float = 1.0) -> Corrected:
        """With this share of a correction."""
        scale = jnp.asarray(self.scale, jnp.float32)

        def say(history: History) -> tuple[jax.Array, jax.Array]:
            seen = delta.standardise(features(history, scale, delta.period, self.gain))
            return share * delta.correct(history, self.gain), delta.judge(seen)[1]

        compiled, trust = jax.jit(say), []

        def correct(history: History) -> np.ndarray:
            said, trusted = compiled(history)
            trust.append(np.asarray(trusted))
            return np.asarray(said)

        found, before = self.follow(correct), self.steps_run.before
        errors = found.run.positions - self.replay.measured
        return Corrected(errors, found.given[:, before:], np.stack(trust[before:], axis=1))


def rmse(errors: Sequence[np.ndarray]) -> float:
    """Over all samples (rad)."""
    return float(np.sqrt(np.nanmean(np.concatenate([np.square(e).ravel() for e in errors]))))


def rmse_per_joint(errors: Sequence[np.ndarray]) -> np.ndarray:
    """(num_joints,) rad"""
    flat = np.concatenate([e.reshape(-1, e.shape[-1]) for e in errors])
    return np.sqrt(np.nanmean(np.square(flat), axis=0))
