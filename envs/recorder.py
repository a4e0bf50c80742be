"""A flight recorder: the last moments of every environment, and of the first that diverges a copy to keep.

The recording is what `sim.crash` needs to replay it: the state before the first recorded control step, and the controls of each
step since.
"""

import jax
import jax.numpy as jnp
from flax import struct

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
    kept: Tape
    """Of the first environment that diverged, oldest first, (length, ...)."""
    kept_fields: dict[str, jax.Array]
    kept_env: jax.Array
    """Index of that environment; -1 while none has diverged."""

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
        kept = jax.tree.map(lambda x: x[:, 0], tape)
        fields = {name: value[0] for name, value in physics.fields.items()}
        return cls(tape, jnp.int32(0), kept, fields, jnp.int32(-1))

    def axes(self) -> "Recorder":
        """Which axis of each array is that of the environments; None where there is none."""
        return jax.tree.map(lambda _: None, self).replace(tape=jax.tree.map(lambda _: 1, self.tape))

    def write(self, physics: PhysicsState, ctrl: jax.Array, episode_step: jax.Array) -> "Recorder":
        """With the control step that is about to be taken; ctrl (num_envs, nu) or (num_envs, substeps, nu)."""
        ctrl = ctrl[:, None] if ctrl.ndim == 2 else ctrl
        now = Tape(physics.qpos, physics.qvel, physics.act, ctrl, episode_step)
        tape = jax.tree.map(lambda tape, row: tape.at[self.cursor].set(row), self.tape, now)
        return self.replace(tape=tape, cursor=(self.cursor + 1) % tape.qpos.shape[0])

    def keep_first(self, physics: PhysicsState) -> "Recorder":
        """After the step: keep the recording of the first environment that ever diverged."""

        def keep() -> tuple[Tape, dict[str, jax.Array], jax.Array]:
            index = jnp.argmax(physics.diverged)
            kept = jax.tree.map(lambda x: jnp.roll(x[:, index], -self.cursor, axis=0), self.tape)
            return kept, {name: value[index] for name, value in physics.fields.items()}, index.astype(jnp.int32)

        kept, fields, env = jax.lax.cond(
            physics.diverged.any() & (self.kept_env < 0), keep, lambda: (self.kept, self.kept_fields, self.kept_env)
        )
        return self.replace(kept=kept, kept_fields=fields, kept_env=env)
