import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from rl.networks import MIN_STD, Networks, entropy, kl_divergence, log_prob


def test_density_entropy_and_divergence_equal_scipys():
    mean, std = np.array([0.3, -1.0]), np.array([0.5, 2.0])
    other_mean, other_std = np.array([0.0, 0.5]), np.array([1.0, 0.7])
    x = np.array([0.1, 0.4])
    normal = stats.multivariate_normal(mean, cov=np.diag(std**2))  # pyright: ignore[reportArgumentType]
    other = stats.multivariate_normal(other_mean, cov=np.diag(other_std**2))  # pyright: ignore[reportArgumentType]
    p, q, at = jax.tree.map(jnp.asarray, ((mean, std), (other_mean, other_std), x))
    np.testing.assert_allclose(log_prob(*p, at), normal.logpdf(x), rtol=1e-5)
    np.testing.assert_allclose(entropy(p[1]), normal.entropy(), rtol=1e-5)
    samples = normal.rvs(200_000, random_state=0)
    estimate = (normal.logpdf(samples) - other.logpdf(samples)).mean()
    np.testing.assert_allclose(kl_divergence(*p, *q), estimate, rtol=0.02)


def test_the_deviation_starts_as_asked_and_stays_positive_whatever_its_parameter():
    networks = Networks.of(3, (8,), (8,), initial_std=0.4, action_limit=1.0)
    params = networks.init(jax.random.key(0), 5, 4)
    mean, std = networks.policy(params, jnp.ones((2, 5)))
    np.testing.assert_allclose(std, 0.4, rtol=1e-5)
    assert mean.shape == (2, 3)
    params["actor"]["params"]["raw_std"] = jnp.full(3, -1e4)
    assert (networks.policy(params, jnp.ones((2, 5)))[1] >= MIN_STD).all()


def test_the_critic_sees_only_its_own_observation():
    networks = Networks.of(3, (8,), (8,), initial_std=0.4, action_limit=1.0)
    params = networks.init(jax.random.key(0), 5, 4)
    assert networks.value(params, jnp.ones((2, 4))).shape == (2,)


def test_actions_near_zero_are_what_was_drawn_and_none_is_beyond_the_limit():
    networks = Networks.of(3, (8,), (8,), initial_std=0.4, action_limit=3.0)
    drawn = jnp.array([0.01, -0.01, 0.3])
    np.testing.assert_allclose(networks.action(drawn), drawn, rtol=4e-3)
    assert (jnp.abs(networks.action(1e6 * drawn)) <= 3.0).all()
