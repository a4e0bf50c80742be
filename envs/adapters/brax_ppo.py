"""brax's PPO on our environments. Needs the extra: pip install 'zerogap[brax]'.

    make_policy, params, figures = train(make_env(make_task("go2-velocity-flat"), 1024), num_timesteps=1_000_000)

It is also the peer that our own PPO is measured against. brax 0.14.2 calls a function that JAX 0.10 no longer has: it is lent
one meanwhile. Settings are those of `brax.training.agents.ppo.train.train`. brax tells its own speed times
`num_resets_per_eval`: compare by wall-clock.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from brax.training.agents.ppo import networks
from brax.training.agents.ppo import train as ppo

from envs.adapters.brax_env import BraxEnv
from envs.env import Env
from envs.task import TaskError

# brax's defaults.
_BATCH_SIZE, _MINIBATCHES = 32, 16


def train(env: Env, **settings: Any) -> tuple[Callable[..., Any], Any, dict[str, Any]]:
    """Train on all environments of `env`; brax's function that makes a policy of parameters, the parameters, and its figures.

    The policy sees the policy's observation, the value function the critic's. `batch_size`, in brax's sense of trajectories, is
    by default one that goes with that many environments. Raises TaskError where the settings do not.
    """
    adapted = BraxEnv(env)
    minibatches = settings.get("num_minibatches", _MINIBATCHES)
    batch = settings.setdefault("batch_size", _batch_size(env.num_envs, minibatches))
    if batch * minibatches % env.num_envs:
        raise TaskError(
            f"batch_size {batch} times num_minibatches {minibatches} is {batch * minibatches}, expected a multiple of the"
            f" {env.num_envs} environments"
        )
    told = {
        "wrap_env": False,
        "num_minibatches": minibatches,
        "num_envs": env.num_envs,
        "num_eval_envs": env.num_envs,
        "episode_length": adapted.episode_length,
        "max_devices_per_host": 1,
        "network_factory": functools.partial(
            networks.make_ppo_networks, policy_obs_key="state", value_obs_key="privileged_state"
        ),
    }
    with replication():
        return cast(Any, ppo.train(adapted, **(told | settings)))


def _batch_size(num_envs: int, minibatches: int) -> int:
    """brax's own, as far as it goes: that many minibatches of it are to be whole rollouts of all environments."""
    least = num_envs // math.gcd(num_envs, minibatches)
    return least * max(1, _BATCH_SIZE // least)


@contextlib.contextmanager
def replication() -> Iterator[None]:
    """Lends JAX the `device_put_replicated` that brax 0.14.2 calls and JAX 0.10 no longer has."""
    if hasattr(jax, "device_put_replicated"):
        yield
        return

    def put(tree: Any, devices: Sequence[Any]) -> Any:
        return jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * len(devices)), tree)

    jax.device_put_replicated = put  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del jax.device_put_replicated  # type: ignore[attr-defined]
