import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.normalization import Normalizer


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.floats(-50, 50), st.floats(0.1, 20))
def test_statistics_are_those_of_all_batches_together(sizes, center, spread):
    rng = np.random.default_rng(len(sizes))
    batches = [rng.normal(center, spread, (size, 3)).astype(np.float32) for size in sizes]
    normalizer = Normalizer(jnp.float32(0.0), jnp.zeros(3), jnp.zeros(3))
    for batch in batches:
        normalizer = normalizer.update(jnp.asarray(batch))
    everything = np.concatenate(batches).astype(np.float64)
    np.testing.assert_allclose(normalizer.mean, everything.mean(0), rtol=1e-4, atol=1e-3)
    if len(everything) > 1:
        np.testing.assert_allclose(normalizer.std, np.maximum(everything.std(0), 1e-3), rtol=2e-3)


def test_a_constant_observation_stays_finite():
    normalizer = Normalizer.of(2).update(jnp.full((1000, 2), 7.0))
    assert jnp.isfinite(normalizer(jnp.full((5, 2), 7.0))).all()


def test_old_observations_fade_beyond_the_longest_memory():
    normalizer = Normalizer.of(1)
    for _ in range(50):
        normalizer = normalizer.update(jnp.full((100, 1), -1.0), longest=500)
    for _ in range(50):
        normalizer = normalizer.update(jnp.full((100, 1), 3.0), longest=500)
    assert float(normalizer.count) <= 500.01
    assert abs(float(normalizer.mean[0]) - 3.0) < 0.01
