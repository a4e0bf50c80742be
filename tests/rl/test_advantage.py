"""Advantages against brax's own, and against the definition."""

import jax.numpy as jnp
import numpy as np
import pytest

from rl.advantage import advantages


@pytest.fixture
def steps():
    rng = np.random.default_rng(0)
    t, n = 30, 7
    return {
        "reward": rng.normal(size=(t, n)).astype(np.float32),
        "value": rng.normal(size=(t, n)).astype(np.float32),
        "ended": rng.random((t, n)) < 0.15,
        "last_value": rng.normal(size=n).astype(np.float32),
    }


def test_equal_to_brax(steps):
    compute_gae = pytest.importorskip("brax.training.agents.ppo.losses", reason="brax is not installed").compute_gae
    _, theirs = compute_gae(
        truncation=jnp.zeros_like(steps["reward"]),
        termination=jnp.asarray(steps["ended"], jnp.float32),
        rewards=jnp.asarray(steps["reward"]),
        values=jnp.asarray(steps["value"]),
        bootstrap_value=jnp.asarray(steps["last_value"]),
        lambda_=1.0,
        discount=0.97,
    )
    # brax's "advantage" is the one-step error of its lambda-returns, ours the exponentially weighted sum: with lambda = 1
    # both are return minus value.
    ours, returns = advantages(**{k: jnp.asarray(v) for k, v in steps.items()}, gamma=0.97, lam=1.0)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    np.testing.assert_allclose(returns, theirs + steps["value"], atol=2e-5)


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95])
def test_returns_equal_to_brax_for_any_lambda(steps, lam):
    compute_gae = pytest.importorskip("brax.training.agents.ppo.losses", reason="brax is not installed").compute_gae
    theirs, _ = compute_gae(
        truncation=jnp.zeros_like(steps["reward"]),
        termination=jnp.asarray(steps["ended"], jnp.float32),
        rewards=jnp.asarray(steps["reward"]),
        values=jnp.asarray(steps["value"]),
        bootstrap_value=jnp.asarray(steps["last_value"]),
        lambda_=lam,
        discount=0.97,
    )
    _, ours = advantages(**{k: jnp.asarray(v) for k, v in steps.items()}, gamma=0.97, lam=lam)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_equal_to_the_definition(steps):
    gamma, lam = 0.9, 0.8
    ours, _ = advantages(**{k: jnp.asarray(v) for k, v in steps.items()}, gamma=gamma, lam=lam)
    t, n = steps["reward"].shape
    value = np.concatenate([steps["value"], steps["last_value"][None]])
    for env in range(n):
        for start in range(t):
            total, weight = 0.0, 1.0
            for k in range(start, t):
                going = 0.0 if steps["ended"][k, env] else 1.0
                total += weight * (steps["reward"][k, env] + gamma * going * value[k + 1, env] - value[k, env])
                weight *= gamma * lam * going
            assert abs(total - ours[start, env]) < 1e-4


def test_nothing_flows_over_the_end_of_an_episode(steps):
    steps["ended"][10] = True
    before, _ = advantages(**{k: jnp.asarray(v) for k, v in steps.items()}, gamma=0.99, lam=0.95)
    steps["reward"][11:] += 100.0
    after, _ = advantages(**{k: jnp.asarray(v) for k, v in steps.items()}, gamma=0.99, lam=0.95)
    np.testing.assert_array_equal(before[:11], after[:11])
    assert (after[11:] > before[11:] + 50).any()
