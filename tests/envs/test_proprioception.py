"""Quaternion arithmetic against MuJoCo's."""

import jax.numpy as jnp
import mujoco
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from envs.proprioception import multiply, rotate, rotate_inverse, small_rotation

VECTORS = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)
ROTATIONS = (
    st.tuples(*[st.floats(-1, 1)] * 4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)


@given(ROTATIONS, VECTORS)
def test_vectors_turn_as_in_mujoco_and_back(quat, vector):
    expected = np.zeros(3)
    mujoco.mju_rotVecQuat(expected, vector, quat)
    turned = rotate(jnp.asarray(quat), jnp.asarray(vector))
    np.testing.assert_allclose(turned, expected, atol=1e-5)
    np.testing.assert_allclose(rotate_inverse(jnp.asarray(quat), turned), vector, atol=1e-5)


@given(ROTATIONS, ROTATIONS)
def test_rotations_follow_one_another_as_in_mujoco(a, b):
    expected = np.zeros(4)
    mujoco.mju_mulQuat(expected, a, b)
    np.testing.assert_allclose(multiply(jnp.asarray(a), jnp.asarray(b)), expected, atol=1e-6)


@given(st.tuples(*[st.floats(-0.1, 0.1)] * 3).map(np.array))
def test_a_small_rotation_is_nearly_the_exact_one(angles):
    exact = np.array([1.0, 0, 0, 0])
    mujoco.mju_quatIntegrate(exact, angles, 1.0)
    np.testing.assert_allclose(small_rotation(jnp.asarray(angles)), exact, atol=3e-4)
    assert np.linalg.norm(small_rotation(jnp.asarray(angles))) - 1 < 1e-6


def test_a_batch_of_quaternions_is_a_batch_of_rotations():
    quats = np.random.default_rng(0).normal(size=(5, 4))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    vectors = np.random.default_rng(1).normal(size=(5, 3))
    batch = rotate(jnp.asarray(quats), jnp.asarray(vectors))
    for quat, vector, turned in zip(quats, vectors, batch, strict=True):
        np.testing.assert_allclose(rotate(jnp.asarray(quat), jnp.asarray(vector)), turned, atol=1e-6)
