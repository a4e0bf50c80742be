"""Many environments as a `gymnasium.vector.VectorEnv`, stepped as one batch.

    envs = GymnasiumVectorEnv(make_env(make_task("go2-velocity-flat"), num_envs=64))
    observations, infos = envs.reset(seed=0)
    observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())

What a step gives is what `gymnasium.vector.SyncVectorEnv` of as many `GymnasiumEnv` gives in `AutoresetMode.SAME_STEP`: where
an episode ended, the observation is already the next one's first, `infos["final_obs"]` and `infos["final_info"]` hold where it
ended, and `infos["_final_obs"]` tells in which environments that was. A seed is that of the whole batch.
"""

from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv

from envs.adapters.gymnasium_env import Pictures, check_render_mode, draw_key, refuse_options
from envs.env import Env, EnvState


class GymnasiumVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    metadata: dict[str, Any] = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, env: Env, render_mode: str | None = None, width: int = 480, height: int = 480):
        """All environments of `env`; pictures of `width` by `height` pixels. Raises TaskError."""
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.env = env
        self.num_envs = n = env.num_envs
        self.render_mode = render_mode
        self.metadata = self.metadata | {"render_fps": round(1 / env.task.control_seconds)}
        size, limit = env.observation_size["policy"], env.task.action_limit
        self.single_observation_space = Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (n, size), np.float32)
        self.single_action_space = Box(-limit, limit, (env.num_actions,), np.float32)
        self.action_space = Box(-limit, limit, (n, env.num_actions), np.float32)
        self._pictures = Pictures(env, width, height)
        self._reset = jax.jit(env.reset)
        self._step = jax.jit(self._step_and_tell, donate_argnums=0)
        self._state: EnvState | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        refuse_options(options)
        self._state = state = self._reset(draw_key(self.np_random))
        policy, critic = jax.device_get((state.observation["policy"], state.observation["critic"]))
        return np.array(policy), _where(np.ones(self.num_envs, bool), {"critic": critic})

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        actions = np.asarray(actions, np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions have shape {actions.shape}, expected {self.action_space.shape}")
        self._state, told = self._step(self._begun(), actions)
        now, last, reward, terminated, truncated, metrics = jax.device_get(told)
        ended = terminated | truncated
        metrics = {name: value.astype(np.float64) for name, value in metrics.items()}
        infos = _where(np.ones_like(ended), {"critic": now["critic"]}) | _where(~ended, {"metrics": metrics})
        if ended.any():
            final = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(ended):
                final[i] = np.array(last["policy"][i])
            infos |= {"final_obs": final, "_final_obs": ended.copy()}
            infos |= _where(ended, {"final_info": {"critic": last["critic"], "metrics": metrics}})
        return np.array(now["policy"]), reward.astype(np.float64), np.array(terminated), np.array(truncated), infos

    def render(self) -> tuple[np.ndarray, ...] | None:  # type: ignore[override]
        """A picture of each environment, (height, width, 3) uint8; None without a render mode."""
        return None if self.render_mode is None else self._pictures.of(self._begun())

    def close_extras(self, **kwargs: Any) -> None:
        self._pictures.close()

    def _step_and_tell(self, state: EnvState, actions: jax.Array) -> tuple[EnvState, tuple]:
        state, last = self.env.step_and_last(state, actions)
        told = (state.observation, last.observation, last.reward, last.terminated, last.truncated, last.metrics)
        return state, told

    def _begun(self) -> EnvState:
        if self._state is None:
            raise gymnasium.error.ResetNeeded("nothing has begun: call reset() first")
        return self._state


def _where(mask: np.ndarray, infos: dict[str, Any]) -> dict[str, Any]:
    """Infos of the masked environments as gymnasium batches them: zeros elsewhere, and beside each entry whose it is."""
    told: dict[str, Any] = {}
    for name, value in infos.items():
        if isinstance(value, dict):
            has, batched = mask.copy(), _where(mask, value)
        else:
            has = mask & ~np.isnan(value).reshape(len(mask), -1).any(axis=1)  # a metric that does not count now is NaN
            batched = np.where(has.reshape(-1, *[1] * (value.ndim - 1)), value, 0).astype(value.dtype)
        if has.any():
            told |= {name: batched, f"_{name}": has}
    return told
