"""A batch through brax's eyes: its states, its episodes, and its own PPO learning on it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("brax")

from brax.envs.base import Env as BraxBase
from brax.envs.wrappers.training import EvalWrapper
from brax.training.agents.ppo.networks import make_ppo_networks

from envs.adapters.brax_env import BraxEnv
from envs.adapters.brax_ppo import replication, train
from envs.task import CommandTerm, TaskError
from tests.rl.tracking import make_env, tracking_task

NUM_ENVS = 64
# brax's policies act within +-1, which is +-0.5 rad here.
COMMAND = CommandTerm(
    names=("angle (rad)",),
    sample=lambda key: jax.random.uniform(key, (1,), minval=-0.5, maxval=0.5),
    seconds=(0.5, 1.0),
    reference=lambda command: {"angle": command},
)
TASK = tracking_task(command=COMMAND, episode_seconds=0.4)


@pytest.fixture(scope="module")
def env() -> BraxEnv:
    return BraxEnv(make_env(TASK, NUM_ENVS))


@pytest.fixture(scope="module")
def episode(env):
    """The start and 43 steps of EvalWrapper around the environment, stacked, under random actions."""
    wrapped = EvalWrapper(env)
    actions = jax.random.uniform(jax.random.key(1), (43, NUM_ENVS, 1), minval=-1.0)

    def run(keys):
        start = wrapped.reset(keys)

        def step(state, action):
            state = wrapped.step(state, action)
            return state, state

        return start, jax.lax.scan(step, start, actions)[1]

    return jax.device_get(jax.jit(run)(jax.random.split(jax.random.PRNGKey(0), NUM_ENVS)))


def test_it_is_an_environment_of_brax(env, episode):
    start, _ = episode
    assert isinstance(env, BraxBase)
    assert env.action_size == 1
    assert env.backend == "native"
    assert env.observation_size == {name: value.shape[1:] for name, value in start.obs.items()}
    assert env.episode_length == 20


def test_episodes_end_and_begin_anew(episode):
    _, states = episode
    ends = np.zeros(43, bool)
    ends[[19, 39]] = True
    assert (states.done == ends[:, None]).all()
    assert (states.info["truncation"] == ends[:, None]).all()
    steps = np.array([*range(1, 21), *range(1, 21), 1, 2, 3])
    assert (states.info["steps"] == steps[:, None]).all()


def test_episode_metrics_are_sums_over_the_episode(episode):
    _, states = episode
    told = states.info["episode_metrics"]
    np.testing.assert_allclose(told["sum_reward"][19], states.reward[:20].sum(0), rtol=1e-4)
    np.testing.assert_allclose(told["sum_reward"][39], states.reward[20:40].sum(0), rtol=1e-4)
    np.testing.assert_allclose(told["metric/error"][39], states.metrics["metric/error"][20:40].sum(0), rtol=1e-4)
    assert (told["length"][[19, 39, 42]] == [[20], [20], [3]]).all()


def test_brax_evaluates_the_first_episode(episode):
    _, states = episode
    evaluated = states.info["eval_metrics"]
    np.testing.assert_allclose(evaluated.episode_metrics["reward"][-1], states.reward[:20].sum(0), rtol=1e-4)
    assert (evaluated.episode_steps[-1] == 20).all()


def test_keys_must_be_as_many_as_environments(env):
    with pytest.raises(TaskError, match=f"wrap_env=False, num_envs={NUM_ENVS}"):
        env.reset(jax.random.PRNGKey(0))
    with pytest.raises(TaskError, match="keys of shape \\(3,\\)"):
        env.reset(jax.random.split(jax.random.key(0), 3))


def test_the_lent_function_is_taken_back():
    with replication():
        assert jax.device_put_replicated({"x": 1.0}, jax.devices()[:1])["x"].shape == (1,)
    assert not hasattr(jax, "device_put_replicated")


@pytest.mark.parametrize("num_envs", [3, 1024])
def test_braxs_ppo_takes_any_number_of_environments_without_further_settings(num_envs):
    make_policy, params, _ = train(make_env(TASK, num_envs), num_timesteps=0)
    policy = make_policy(params, deterministic=True)
    assert policy({"state": jnp.zeros((num_envs, 3))}, jax.random.key(0))[0].shape == (num_envs, 1)


def test_settings_that_braxs_ppo_cannot_take_are_told(env):
    with pytest.raises(
        TaskError, match="batch_size 10 times num_minibatches 4 is 40, expected a multiple of the 64 environments"
    ):
        train(env.env, num_timesteps=0, batch_size=10, num_minibatches=4)


@pytest.mark.long("brax's PPO compiles and learns")
def test_braxs_ppo_learns(env):
    """Following an angle within reach: the cost of a policy that knows nothing falls by more than a third."""
    figures = []
    train(
        env.env,
        num_timesteps=40_000,
        num_evals=2,
        unroll_length=10,
        batch_size=NUM_ENVS,
        num_minibatches=4,
        num_updates_per_batch=4,
        learning_rate=3e-3,
        discounting=0.9,
        entropy_cost=1e-4,
        normalize_observations=True,
        network_factory=functools.partial(
            make_ppo_networks,
            policy_obs_key="state",
            value_obs_key="privileged_state",
            policy_hidden_layer_sizes=(32,),
            value_hidden_layer_sizes=(32,),
        ),
        deterministic_eval=True,
        progress_fn=lambda steps, told: figures.append((steps, told)),
    )
    (first, before), (last, after) = figures
    assert first == 0
    assert last >= 40_000
    assert after["eval/avg_episode_length"] == 20
    assert after["eval/episode_reward"] > 0.6 * before["eval/episode_reward"]
    assert jnp.isfinite(after["training/total_loss"])
