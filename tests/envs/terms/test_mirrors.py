import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import GO2
from envs.terms import mirrors

TERMS = {
    "same": (mirrors.same, 1),
    "signs": (mirrors.signs(1.0, -1.0, -1.0), 3),
    "polar": (mirrors.polar, 6),
    "axial": (mirrors.axial, 6),
    "joints": (mirrors.joints, 12),
    "joint_properties": (mirrors.joint_properties, 12),
    "feet": (mirrors.feet, 4),
    "feet_polar": (mirrors.feet_polar, 12),
}


@pytest.mark.parametrize("name", TERMS)
def test_mirroring_twice_changes_nothing(name):
    mirror, size = TERMS[name]
    value = jnp.arange(1.0, size + 1)
    np.testing.assert_array_equal(mirror(mirror(value, GO2), GO2), value)


def test_what_is_left_becomes_right():
    """Legs FL, FR, RL, RR: hips turn the other way round in the mirror, thighs and calves alike."""
    position = jnp.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    np.testing.assert_array_equal(mirrors.joints(position, GO2), [-4, 5, 6, -1, 2, 3, -10, 11, 12, -7, 8, 9])
    np.testing.assert_array_equal(mirrors.joint_properties(position, GO2), [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9])
    np.testing.assert_array_equal(mirrors.feet_polar(position, GO2), [4, -5, 6, 1, -2, 3, 10, -11, 12, 7, -8, 9])
    np.testing.assert_array_equal(mirrors.feet(position[:4], GO2), [2, 1, 4, 3])


def test_a_velocity_is_a_vector_and_a_turn_an_axial_one():
    """The cross product of two mirrored vectors is the mirror image of theirs, which is axial."""
    a, b = jnp.array([0.3, -1.0, 2.0]), jnp.array([1.5, 0.7, -0.4])
    cross = jnp.cross(mirrors.polar(a, GO2), mirrors.polar(b, GO2))
    np.testing.assert_allclose(cross, mirrors.axial(jnp.cross(a, b), GO2), atol=1e-6)


def test_a_robot_without_symmetry_is_told_so():
    lopsided = dataclasses.replace(GO2, mirror=None, foot_mirror=())
    with pytest.raises(ValueError, match="declares no mirror"):
        mirrors.joints(jnp.ones(12), lopsided)
    with pytest.raises(ValueError, match="declares no foot_mirror"):
        mirrors.feet(jnp.ones(4), lopsided)
