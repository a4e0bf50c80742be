"""One environment as a `gymnasium.Env`, for whatever learns or steers through gymnasium's interface.

    env = GymnasiumEnv(make_env(make_task("go2-velocity-flat"), num_envs=1), render_mode="rgb_array")
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

Observations are the policy's, (size,) float32; `info["critic"]` holds the critic's, and after a step `info["metrics"]` every
reward term times its weight (per second), the task's metrics and what failed. Actions are joint targets as the task scales
them, within +-`Task.action_limit`; a learner that wants +-1 wraps the environment in `gymnasium.wrappers.RescaleAction`.

The observation of an episode's last step is that of where it ended. `reset(seed=...)` gives the same trajectories each time,
bit for bit on the native engine; `reset()` after an ended episode goes on with the next one of that seed.
"""

from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box

from envs.env import Env, EnvState
from envs.task import TaskError
from sim.render import Renderer, make_renderer


class GymnasiumEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, env: Env, render_mode: str | None = None, width: int = 480, height: int = 480):
        """An `Env` of a single environment; pictures of `width` by `height` pixels. Raises TaskError."""
        if env.num_envs != 1:
            raise TaskError(f"a gymnasium.Env is a single environment, found {env.num_envs}: use GymnasiumVectorEnv for many")
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.env = env
        self.render_mode = render_mode
        self.metadata = self.metadata | {"render_fps": round(1 / env.task.control_seconds)}
        self.observation_space = Box(-np.inf, np.inf, (env.observation_size["policy"],), np.float32)
        self.action_space = Box(-env.task.action_limit, env.task.action_limit, (env.num_actions,), np.float32)
        self._pictures = Pictures(env, width, height)
        self._reset = jax.jit(env.reset)
        self._step = jax.jit(env.step_and_last)
        self._state: EnvState | None = None
        self._last: EnvState | None = None
        self._next_has_begun = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        refuse_options(options)
        if seed is not None or not self._next_has_begun:
            self._state = self._reset(draw_key(self.np_random))
        self._next_has_begun = False
        self._last = state = _begun(self._state)
        policy, critic = jax.device_get((state.observation["policy"], state.observation["critic"]))
        return np.array(policy[0]), {"critic": np.array(critic[0])}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self._next_has_begun:
            raise gymnasium.error.ResetNeeded("the episode has ended: call reset() before step()")
        action = np.asarray(action, np.float32)
        if action.shape != self.action_space.shape:
            raise ValueError(f"action has shape {action.shape}, expected {self.action_space.shape}")
        self._state, last = self._step(_begun(self._state), action[None])
        self._last = last
        told = (last.observation, last.reward, last.terminated, last.truncated, last.metrics)
        observation, reward, terminated, truncated, metrics = jax.device_get(told)
        self._next_has_begun = bool(terminated[0] | truncated[0])
        # A metric that does not count in this step is NaN.
        counted = {name: float(value[0]) for name, value in metrics.items() if not np.isnan(value[0])}
        info = {"critic": np.array(observation["critic"][0]), "metrics": counted}
        return np.array(observation["policy"][0]), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The picture of where the environment stands, (height, width, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        return self._pictures.of(_begun(self._last))[0]

    def close(self) -> None:
        self._pictures.close()


class Pictures:
    """What the environments of a batch look like; the renderer is made with the first picture."""

    def __init__(self, env: Env, width: int, height: int):
        self._scene, self._width, self._height = env.task.scene, width, height
        self._renderer: Renderer | None = None

    def of(self, state: EnvState) -> tuple[np.ndarray, ...]:
        """One picture an environment, (height, width, 3) uint8 each. Raises RenderError."""
        if self._renderer is None:
            self._renderer = make_renderer(self._scene().compile(), self._width, self._height)
        return tuple(self._renderer.frame(qpos) for qpos in np.asarray(state.physics.qpos))

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def draw_key(random: np.random.Generator) -> jax.Array:
    """The key of an episode, or of a batch of them, from gymnasium's own seeded generator."""
    return jax.random.key(int(random.integers(2**31)))


def check_render_mode(mode: str | None, modes: list[str]) -> None:
    if mode is not None and mode not in modes:
        raise TaskError(f"unknown render mode {mode!r}: expected None or one of: {', '.join(modes)}")


def refuse_options(options: dict[str, Any] | None) -> None:
    if options:
        raise TaskError(
            f"reset takes no options, found {', '.join(map(repr, options))}: tasks draw their episodes by themselves"
        )


def _begun(state: EnvState | None) -> EnvState:
    if state is None:
        raise gymnasium.error.ResetNeeded("nothing has begun: call reset() first")
    return state
