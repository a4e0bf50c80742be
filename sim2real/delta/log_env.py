"""Windows of logs as environments, in which a policy's action is the correction: as ASAP trains its delta-action model (arXiv
2502.01143).

    env = LogEnv(robot, parts, architecture, num_envs=64)
    ppo = PPO(cast(Env, env), config)             # it has all of `Env` that PPO uses

Each episode begins at a logged state, its targets are the log's; the reward is for being where the log is, less a little for
each correction.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from assets.robots.robot import Robot
from envs.delta.features import History, feature_count, features
from envs.delta.model import USUAL, bounded
from sim.devices import Devices
from sim.native import NativePhysics
from sim.physics import PhysicsState
from sim2real.delta.linearised import residual
from sim2real.delta.part import Part
from sim2real.delta.training import Architecture

_ACTION_WEIGHT = 0.02
_VELOCITY_WEIGHT = 0.5
_FIELDS = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")


class LogState(struct.PyTreeNode):
    """Of all environments, as `EnvState`."""

    physics: PhysicsState
    key: jax.Array
    window: jax.Array
    """Which each is in, (num_envs,)."""
    step: jax.Array
    """Control steps since its start."""
    offsets: jax.Array
    """The latest, newest first, (num_envs, before + 1, num_joints) rad."""
    history: History
    observation: dict[str, jax.Array]
    last_critic_observation: jax.Array
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    metrics: dict[str, jax.Array]


class LogEnv:
    """All parts share one model and one length; gains may differ from window to window."""

    def __init__(self, robot: Robot, parts: Sequence[Part], architecture: Architecture, num_envs: int, threads: int = 2):
        runs = [part.steps_run for part in parts]
        begins = [run.begin for run in runs]
        self.num_envs, self.num_actions, self.devices = num_envs, robot.num_joints, Devices()
        self.task = SimpleNamespace(discount=0.9, robot=robot, action_limit=10.0)
        self._robot, self._architecture = robot, architecture
        self._per_step, self._count, self._before = runs[0].per_step, runs[0].count, runs[0].before
        self.physics = NativePhysics(begins[0].models[0], num_envs, threads)
        self._qpos, self._qvel = begins[0].qpos - 1, begins[0].qvel - 1 - begins[0].models[0].nq
        self._offset = jnp.asarray(runs[0].signals.offset, jnp.float32)
        self._actuators = begins[0].actuators
        # Newest first; the same for every control step, as the delay is.
        self._share = jnp.asarray(runs[0].share[: self._per_step, : self._before + 1][:, ::-1], jnp.float32)
        scale = jnp.asarray(robot.action_scale, jnp.float32)
        self._scale = scale
        steps = self._per_step * self._count
        rows = [part.index[:, None] + np.arange(self._count + 1) for part in parts]

        def joined(values: Sequence[np.ndarray]) -> jax.Array:
            return jnp.asarray(np.concatenate(values), jnp.float32)

        self._control = joined([begin.control[:, :steps] for begin in begins])
        self._states = joined([begin.states for begin in begins])
        self._gain = joined([part.gain for part in parts])
        self._target = joined([part.samples.target[r] for part, r in zip(parts, rows, strict=True)])
        self._logged = [
            joined([getattr(part.samples, name)[r] for part, r in zip(parts, rows, strict=True)])
            for name in ("position", "velocity")
        ]
        pasts = [part.logged(-1) for part in parts]
        self._pasts: History = jax.tree.map(lambda *x: jnp.concatenate(x), *pasts)
        self._fields = {
            name: joined([np.stack([getattr(model, name) for model in begin.models]) for begin in begins]) for name in _FIELDS
        }
        alone = [residual(part, part.steps_run.states(part.no_offsets())) for part in parts]
        off = np.sqrt(np.mean(np.square(np.concatenate(alone)), axis=(0, 2))) + 1e-6
        self._usual = jnp.asarray(off, jnp.float32)
        """What positions and velocities are usually off by, (2, num_joints)."""
        seen = np.asarray(features(self._pasts, scale, architecture.period, self._gain))
        self._center, self._width = jnp.asarray(seen.mean(axis=0)), jnp.asarray(seen.std(axis=0) + 1e-6)

    @property
    def observation_size(self) -> dict[str, int]:
        policy = self.num_actions * feature_count(self._architecture.steps)
        return {"policy": policy, "critic": policy + 2 * self.num_actions + 1}

    @property
    def physics_steps(self) -> int:
        """Of one step of one environment."""
        return self._per_step

    def see(self, history: History, gain: jax.Array | np.ndarray) -> jax.Array:
        """The policy's observation of histories, (..., size)."""
        x = (features(history, self._scale, self._architecture.period, gain) - self._center) / self._width
        return x.reshape(*x.shape[:-2], -1)

    def correction(self, action: jax.Array) -> jax.Array:
        """In units of action, as of the robot's own stiffness."""
        return bounded(action, self._architecture.bound)

    def reset(self, key: jax.Array) -> LogState:
        n = self.num_envs
        zeros = jnp.zeros(n)
        physics = self.physics.init(jax.tree.map(lambda x: jnp.broadcast_to(x[0], (n, *x.shape[1:])), self._fields))
        state = LogState(
            physics=physics,
            key=jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key,
            window=jnp.zeros(n, jnp.int32),
            step=jnp.zeros(n, jnp.int32),
            offsets=jnp.zeros((n, self._before + 1, self.num_actions)),
            history=jax.tree.map(lambda x: x[jnp.zeros(n, jnp.int32)], self._pasts),
            observation={},
            last_critic_observation=zeros,
            reward=zeros,
            terminated=jnp.zeros(n, bool),
            truncated=jnp.zeros(n, bool),
            metrics={"metric/position_error": zeros, "metric/correction": zeros},
        )
        state = self._observe(self._begin(state, jnp.ones(n, bool)))
        return state.replace(last_critic_observation=state.observation["critic"])

    def staggered(self, state: LogState, key: jax.Array) -> LogState:
        """As it is: each environment begins in another window of the logs anyway."""
        return state

    def step(self, state: LogState, action: jax.Array) -> LogState:
        correction = self.correction(action)
        offset = self._scale * correction / jnp.maximum(self._gain[state.window], 1e-6)
        offsets = jnp.concatenate([offset[:, None], state.offsets[:, :-1]], axis=1)
        at = state.step[:, None] * self._per_step + jnp.arange(self._per_step)
        control = self._control[state.window[:, None], at]
        control = control.at[:, :, self._actuators].add(jnp.einsum("skj,nkj->nsj", self._share, offsets))
        physics = self.physics.step(state.physics, control, self._per_step)
        state = state.replace(physics=physics, offsets=offsets, step=state.step + 1)
        error = self._error(state) / self._usual
        near = jnp.exp(-0.5 * jnp.square(error)).mean(axis=2)
        reward = near[:, 0] + _VELOCITY_WEIGHT * near[:, 1] - _ACTION_WEIGHT * jnp.square(correction / USUAL).mean(axis=1)
        truncated = (state.step >= self._count) & ~physics.diverged
        state = state.replace(
            reward=jnp.where(physics.diverged, 0.0, reward),
            terminated=physics.diverged,
            truncated=truncated,
            metrics={
                "metric/position_error": jnp.abs(self._error(state)[:, 0]).mean(axis=1),
                "metric/correction": jnp.abs(correction).mean(axis=1),
            },
        )
        ended = state.truncated | state.terminated
        # Beyond a window's end there is no target yet; the last one serves for a guess of what was still to come.
        last = self._observe(state).observation["critic"]
        return self._observe(self._begin(state, ended)).replace(last_critic_observation=jnp.nan_to_num(last))

    def _begin(self, state: LogState, mask: jax.Array) -> LogState:
        """Where mask holds: a window drawn at random."""
        key, draw = jax.random.split(jax.random.wrap_key_data(state.key))
        window = jnp.where(mask, jax.random.randint(draw, mask.shape, 0, len(self._states)), state.window)

        def where(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        states = self._states[window]
        model = self.physics.model
        qpos, qvel = states[:, 1 : 1 + model.nq], states[:, 1 + model.nq : 1 + model.nq + model.nv]
        fields: Mapping[str, jax.Array] = {name: value[window] for name, value in self._fields.items()}
        return state.replace(
            physics=self.physics.reset(state.physics, mask, qpos, qvel, fields),
            key=jax.random.key_data(key),
            window=window,
            step=jnp.where(mask, 0, state.step),
            offsets=where(jnp.zeros_like(state.offsets), state.offsets),
            history=jax.tree.map(where, jax.tree.map(lambda x: x[window], self._pasts), state.history),
        )

    def _observe(self, state: LogState) -> LogState:
        position, velocity = self._joints(state)
        history = state.history.push(position, velocity, self._target[state.window, state.step])
        seen = jnp.clip(self.see(history, self._gain[state.window]), -20.0, 20.0)
        error = jnp.clip((self._error(state) / self._usual).reshape(self.num_envs, -1), -20.0, 20.0)
        left = state.step[:, None] / self._count
        critic = jnp.nan_to_num(jnp.concatenate([seen, error, left], axis=1))
        return state.replace(history=history, observation={"policy": jnp.nan_to_num(seen), "critic": critic})

    def _joints(self, state: LogState) -> tuple[jax.Array, jax.Array]:
        return state.physics.qpos[:, self._qpos] + self._offset, state.physics.qvel[:, self._qvel]

    def _error(self, state: LogState) -> jax.Array:
        """Simulated less logged positions and velocities, (num_envs, 2, num_joints)."""
        logged = (values[state.window, state.step] for values in self._logged)
        return jnp.stack([now - then for now, then in zip(self._joints(state), logged, strict=True)], axis=1)


def as_env(env: LogEnv) -> Any:
    """For `PPO`, which takes an `Env`: all that it uses of one is there."""
    return env
