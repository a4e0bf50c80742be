import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl.evaluate import Evaluator
from rl.ppo import PPO, PPOConfig, TrainState, asymmetry
from tests.rl.tracking import make_env, tracking_task

CONFIG = PPOConfig(
    rollout_length=16, epochs=4, minibatches=2, actor_hidden=(32,), critic_hidden=(32,), gamma=0.9, entropy_weight=0.0
)


@pytest.fixture(scope="module")
def trained(tracking_env):
    ppo = PPO(tracking_env, CONFIG)
    init, update = jax.jit(ppo.init), jax.jit(ppo.update, donate_argnums=0)
    state = init(jax.random.key(0))
    curve = []
    for _ in range(150):
        state, metrics = update(state)
        curve.append(float(metrics["metric/error"]))
    return ppo, init, update, state, curve


def test_a_task_of_known_optimum_is_solved(trained):
    """Holding the commanded angle is optimal: the action is the angle over the action scale, but for lag and weight."""
    ppo, _, _, state, curve = trained
    assert curve[0] > 0.4
    evaluation = Evaluator(ppo, seconds=4.0)(state)
    # A step of 0.7 rad on average, every 0.75 s, takes the joint some 0.15 s to follow: no policy comes below about 0.1.
    assert evaluation.metrics["error"] < 0.2
    angles = jnp.linspace(-0.8, 0.8, 9)
    at_rest = jnp.stack([angles, jnp.zeros(9), angles], axis=1)
    action = ppo.act(state, at_rest)[:, 0]
    np.testing.assert_allclose(action * 0.5, angles, atol=0.25)


def test_the_same_seed_gives_the_same_curve_bit_for_bit(trained):
    _, init, update, _, curve = trained
    state = init(jax.random.key(0))
    again = []
    for _ in range(10):
        state, metrics = update(state)
        again.append(float(metrics["metric/error"]))
    assert again == curve[:10]


def test_another_seed_gives_another_curve(trained):
    _, init, update, _, curve = trained
    _, metrics = update(init(jax.random.key(1)))
    assert float(metrics["metric/error"]) != curve[0]


def test_the_policy_that_acts_is_the_average_of_those_that_learned(trained):
    ppo, init, update, *_ = trained
    state = init(jax.random.key(0))
    decay, learned = ppo.config.averaging, [jax.device_get(state.params["actor"])]
    for _ in range(3):
        state, _ = update(state)
        learned.append(jax.device_get(state.params["actor"]))
    weights = [decay**3, *((1 - decay) * decay**k for k in (2, 1, 0))]
    expected = jax.tree.map(lambda *leaves: sum(w * leaf for w, leaf in zip(weights, leaves, strict=True)), *learned)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.average["actor"], expected)
    observation = jnp.ones((1, ppo.env.observation_size["policy"]))
    mean, _ = ppo.networks.policy({"actor": expected}, state.policy_normalizer(observation))
    np.testing.assert_allclose(ppo.act(state, observation), ppo.networks.action(mean), atol=1e-5)


def test_one_compilation_serves_all_updates(trained):
    _, _, update, *_ = trained
    assert update._cache_size() == 1


def test_a_gradient_that_is_not_finite_is_skipped_and_counted(trained):
    _, init, update, *_ = trained
    state = init(jax.random.key(0))
    # A value function that answers nan poisons every gradient of the critic.
    broken = jax.tree.map(lambda x: x, state.params)
    broken["critic"]["params"]["Dense_1"]["bias"] = jnp.full_like(broken["critic"]["params"]["Dense_1"]["bias"], jnp.nan)
    actor = jax.device_get(broken["actor"])
    after, metrics = update(state.replace(params=broken))
    assert int(after.skipped) == CONFIG.epochs * CONFIG.minibatches
    assert float(metrics["skipped_updates"]) == int(after.skipped)
    for old, new in zip(jax.tree.leaves(actor), jax.tree.leaves(after.params["actor"]), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_learning_rate_follows_the_divergence(trained, tracking_env):
    _, init, update, *_ = trained
    assert float(init(jax.random.key(0)).learning_rate) == pytest.approx(CONFIG.learning_rate)
    bold = PPO(tracking_env, PPOConfig(**{**vars(CONFIG), "target_kl": 1e-4}))
    for one_update, rate, direction in ((update, 1e-5, 1), (jax.jit(bold.update), 3e-3, -1)):
        after, _ = one_update(init(jax.random.key(0)).replace(learning_rate=jnp.float32(rate)))
        assert direction * (float(after.learning_rate) - rate) > 1e-8


def test_time_running_out_is_no_failure_for_the_value_function():
    """Rewarded by 1 a second, without failure, every state is worth dt / (1 - gamma), however short episodes are."""
    from envs.task import RewardTerm

    task = tracking_task(rewards=(RewardTerm("one", lambda v: jnp.float32(1.0), 1.0),), episode_seconds=0.2)
    ppo = PPO(make_env(task, 64), PPOConfig(**{**vars(CONFIG), "value_clip": 1e9, "learning_rate_range": (1e-3, 3e-3)}))
    update = jax.jit(ppo.update, donate_argnums=0)
    state = jax.jit(ppo.init)(jax.random.key(0))
    for _ in range(100):
        state, _ = update(state)
    value = ppo.networks.value(state.params, state.critic_normalizer(state.env.observation["critic"]))
    np.testing.assert_allclose(value, 0.02 / (1 - 0.9), rtol=0.1)


def test_minibatches_must_divide_the_rollout(tracking_env):
    with pytest.raises(ValueError, match="minibatches"):
        PPO(tracking_env, PPOConfig(rollout_length=3, minibatches=5))


def test_a_mirror_draws_the_policy_to_symmetry():
    """What it would do in the mirror becomes the mirror of what it does; its control, from the same policy, stays as it is."""
    from envs.registry import make_task
    from rl.symmetry import actor_mirror

    env = make_env(make_task("go2-velocity-flat"), 16)
    mirror = actor_mirror(env, "policy")
    config = PPOConfig(minibatches=1, actor_hidden=(16,), critic_hidden=(4,))

    def asymmetry_of(ppo: PPO, state: TrainState) -> float:
        seen = state.env.observation["policy"]
        normalized, image = (state.policy_normalizer(x) for x in (seen, mirror.observation(seen)))
        (mean, std), (mirrored, _) = (ppo.networks.policy(state.params, x) for x in (normalized, image))
        return float(asymmetry(mean, mirror.action(mirrored), std))

    first = jax.jit(PPO(env, config).init)(jax.random.key(0))
    # Far from symmetric: every joint is held elsewhere.
    first.params["actor"]["params"]["MLP_0"]["Dense_1"]["bias"] = jnp.linspace(-1.0, 1.0, 12)
    learned = {}
    for symmetry in (True, False):
        ppo = PPO(env, dataclasses.replace(config, symmetry=symmetry, symmetry_weight=10.0))
        state, update = first, jax.jit(ppo.update)
        for _ in range(15):
            state, _ = update(state)
        learned[symmetry] = asymmetry_of(ppo, state)
    assert learned[True] < 0.2 * learned[False]
