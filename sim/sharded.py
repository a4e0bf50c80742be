"""Physics on several devices: each simulates its part of the environments, with an engine of its own size.

Nothing is communicated.
"""

import jax
import mujoco

from sim.devices import Devices
from sim.physics import Fields, Physics, PhysicsError, PhysicsState


class ShardedPhysics:
    """`devices.count` times as many environments as `part` has. See `sim.physics.Physics`."""

    def __init__(self, part: Physics, devices: Devices):
        self._part = part
        self._devices = devices
        self.name = part.name
        self.model: mujoco.MjModel = part.model
        self.num_envs = part.num_envs * devices.count

    def init(self, fields: Fields) -> PhysicsState:
        # The environments are counted by what is given: the fields may be none.
        which = jax.numpy.arange(self.num_envs)
        return self._devices.each(lambda _, start, which, fields: self._part.init(fields), (), which, self._checked(fields))

    def reset(self, state: PhysicsState, mask: jax.Array, qpos: jax.Array, qvel: jax.Array, fields: Fields) -> PhysicsState:
        return self._devices.each(
            lambda _, start, *arguments: self._part.reset(*arguments), (), state, mask, qpos, qvel, self._checked(fields)
        )

    def step(self, state: PhysicsState, ctrl: jax.Array, num_substeps: int) -> PhysicsState:
        if ctrl.shape[0] != self.num_envs:
            raise PhysicsError(f"ctrl has shape {ctrl.shape}, expected {self.num_envs} rows")
        return self._devices.each(lambda _, start, state, ctrl: self._part.step(state, ctrl, num_substeps), (), state, ctrl)

    def check_overflow(self, state: PhysicsState) -> None:
        self._part.check_overflow(state.replace(engine=self._devices.fetch(state.engine)))

    def _checked(self, fields: Fields) -> Fields:
        for name, value in fields.items():
            if value.shape[0] != self.num_envs:
                raise PhysicsError(f"model field {name!r} has shape {value.shape}, expected {self.num_envs} rows")
        return dict(fields)
