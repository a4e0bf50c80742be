"""A flight recorder: the last moments of every environment. The recording of one that diverges stops there, and is kept.

The recording is what `sim.crash` needs to replay it: the state before the first recorded control step, and the controls of each
step since.

    recorder = recorder.write(physics, ctrl, episode_step)      # before each control step
    recorder = recorder.keep(physics, devices)                  # after it
    recorder.recording(env)                                     # of one that diverged

Nothing here is about all environments together: devices that share them would have to wait for each other in every step.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.devices import Devices
from sim.physics import PhysicsState


class Tape(struct.PyTreeNode):
    """Recorded control steps, oldest overwritten first."""

    qpos: jax.Array
    """Before the step, (length, num_envs, nq)."""
    qvel: jax.Array
    act: jax.Array
    ctrl: jax.Array
    """(length, num_envs, substeps or 1, nu)."""
    episode_step: jax.Array
    """Control steps since the episode's start, before the step, (length, num_envs)."""


class Recorder(struct.PyTreeNode):
    tape: Tape
    cursor: jax.Array
    """Where the next step goes."""
    stopped: jax.Array
    """Where the oldest step is of an environment that has diverged; -1 for those that are still recorded, (num_envs,)."""
    fields: dict[str, jax.Array]
    """Of those that have diverged, their model fields then, (num_envs, ...)."""

    @classmethod
    def of(cls, physics: PhysicsState, ctrl_shape: tuple[int, ...], length: int = 25) -> "Recorder":
        """An empty one. `ctrl_shape` is (substeps or 1, nu)."""
        n = physics.qpos.shape[0]
        tape = Tape(
            qpos=jnp.zeros((length, n, physics.qpos.shape[1])),
            qvel=jnp.zeros((length, n, physics.qvel.shape[1])),
            act=jnp.zeros((length, n, physics.act.shape[1])),
            ctrl=jnp.zeros((length, n, *ctrl_shape)),
            episode_step=jnp.full((length, n), -1, jnp.int32),
        )
        return cls(tape, jnp.int32(0), jnp.full(n, -1, jnp.int32), jax.tree.map(jnp.zeros_like, physics.fields))

    def axes(self) -> "Recorder":
        """Which axis of each array is that of the environments; None where there is none."""
        axes = jax.tree.map(lambda _: 0, self)
        return axes.replace(tape=jax.tree.map(lambda _: 1, self.tape), cursor=None)

    def write(self, physics: PhysicsState, ctrl: jax.Array, episode_step: jax.Array) -> "Recorder":
        """With the control step that is about to be taken; ctrl (num_envs, nu) or (num_envs, substeps, nu)."""
        ctrl = ctrl[:, None] if ctrl.ndim == 2 else ctrl
        now = Tape(physics.qpos, physics.qvel, physics.act, ctrl, episode_step)
        goes_on = self.stopped < 0

        def written(tape: jax.Array, row: jax.Array) -> jax.Array:
            return tape.at[self.cursor].set(_where(goes_on, row, tape[self.cursor]))

        tape = jax.tree.map(written, self.tape, now)
        return self.replace(tape=tape, cursor=(self.cursor + 1) % tape.qpos.shape[0])

    def keep(self, physics: PhysicsState, devices: Devices) -> "Recorder":
        """After the step: stop the recordings of those that diverged."""
        stops = physics.diverged & (self.stopped < 0)

        def copy(_: Any, start: jax.Array, stops: jax.Array, now: Any, kept: Any) -> Any:
            return jax.lax.cond(stops.any(), lambda: jax.tree.map(lambda a, b: _where(stops, a, b), now, kept), lambda: kept)

        fields = devices.each(copy, (), stops, physics.fields, self.fields)
        return self.replace(stopped=jnp.where(stops, self.cursor, self.stopped), fields=fields)

    # Of arrays in this process's memory

    @property
    def diverged(self) -> np.ndarray:
        """Indices of the environments whose recordings are kept."""
        return np.flatnonzero(np.asarray(self.stopped) >= 0)

    def recording(self, env: int) -> "Recording":
        """Of one that diverged. Steps before the episode in which it did so are left out, as they are another robot's."""

        def unrolled(steps: jax.Array) -> np.ndarray:
            return np.roll(np.asarray(steps)[:, env], -int(self.stopped[env]), axis=0)

        tape = self.tape
        step = unrolled(tape.episode_step)
        start = len(step) - 1
        while start > 0 and 0 <= step[start - 1] == step[start] - 1:
            start -= 1
        return Recording(
            qpos=unrolled(tape.qpos)[start:],
            qvel=unrolled(tape.qvel)[start:],
            act=unrolled(tape.act)[start:],
            ctrl=unrolled(tape.ctrl)[start:],
            episode_step=step[start:],
            fields={name: np.asarray(value)[env] for name, value in self.fields.items()},
        )


class Recording(NamedTuple):
    """What is on one environment's tape, oldest first: (length, ...) each."""

    qpos: np.ndarray
    qvel: np.ndarray
    act: np.ndarray
    ctrl: np.ndarray
    episode_step: np.ndarray
    fields: dict[str, np.ndarray]
    """The environment's own model fields."""


def _where(mask: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)
