"""A batch of environments as a `brax.envs.Env`, for brax's own learners. Needs the extra: pip install 'zerogap[brax]'.

    env = BraxEnv(make_env(make_task("go2-velocity-flat"), num_envs=1024))
    state = env.reset(jax.random.split(jax.random.key(0), 1024))

The environment is a batch already, starts ended episodes anew by itself, from fresh draws, and counts what brax's wrappers
count: a learner of brax's is to be told `wrap_env=False`, and `num_envs` and `num_eval_envs` as many as it has (`eval_env` may
be another of another size). `brax_ppo.train` tells brax's PPO all that.

`obs` is {"state": the policy's, "privileged_state": the critic's}; an episode whose time was up is `done` with
info["truncation"].
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
from brax.envs.base import Env as BraxBase
from brax.envs.base import State

from envs.env import Env, EnvState
from envs.task import TaskError


class BraxEnv(BraxBase):
    def __init__(self, env: Env):
        self.env = env

    @property
    def episode_length(self) -> int:
        """Control steps until an episode's time is up."""
        return round(self.env.task.episode_seconds / self.env.task.control_seconds)

    @property
    def observation_size(self) -> dict[str, tuple[int, ...]]:
        sizes = self.env.observation_size
        return {"state": (sizes["policy"],), "privileged_state": (sizes["critic"],)}

    @property
    def action_size(self) -> int:
        return self.env.num_actions

    @property
    def backend(self) -> str:
        return self.env.physics.name

    def reset(self, rng: jax.Array) -> State:
        """Every environment at the start of an episode. `rng` is a key for each, as brax's learners give; the first counts.

        Raises TaskError for any other number of keys.
        """
        keys = jax.random.key_data(rng) if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key) else rng
        if keys.shape[:-1] != (self.env.num_envs,):
            raise TaskError(
                f"reset got keys of shape {keys.shape[:-1]}, expected ({self.env.num_envs},), one for each environment: tell"
                f" brax's learner wrap_env=False, num_envs={self.env.num_envs} and num_eval_envs={self.env.num_envs}"
            )
        state = self.env.reset(keys[0])
        zeros = jnp.zeros(self.env.num_envs)
        metrics = dict.fromkeys(self.env.metric_names, zeros)
        info = {
            "steps": zeros,
            "truncation": zeros,
            "episode_done": zeros,
            "episode_metrics": {"sum_reward": zeros, "length": zeros, **metrics},
        }
        return State(cast(Any, state), _observation(state), zeros, zeros, metrics, info)

    def step(self, state: State, action: jax.Array) -> State:
        inner: EnvState = self.env.step(state.pipeline_state, action)  # type: ignore[arg-type]
        done = (inner.terminated | inner.truncated).astype(jnp.float32)
        metrics = {name: jnp.nan_to_num(value) for name, value in inner.metrics.items()}
        # Sums of the episode so far; those of an ended episode stay for one step to be read.
        going_on = 1 - state.info["episode_done"]
        step = {"sum_reward": inner.reward, "length": jnp.ones_like(done), **metrics}
        before: dict[str, Any] = state.info["episode_metrics"]
        sums = {name: before[name] * going_on + value for name, value in step.items()}
        info = {
            **state.info,  # a wrapper's own entries
            "steps": sums["length"],
            "truncation": inner.truncated.astype(jnp.float32),
            "episode_done": done,
            "episode_metrics": sums,
        }
        return state.replace(  # type: ignore[attr-defined]
            pipeline_state=inner,
            obs=_observation(inner),
            reward=inner.reward,
            done=done,
            metrics={**state.metrics, **metrics},
            info=info,
        )


def _observation(state: EnvState) -> dict[str, jax.Array]:
    return {"state": state.observation["policy"], "privileged_state": state.observation["critic"]}
