"""An arm that follows planar actions: as far as asked, at its height, and the same one by one as in a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import PANDA
from envs.kinematics import Kinematics
from envs.planar import PlanarTool, posture

ARM = Kinematics.of(PANDA)
ACTION = PlanarTool(ARM, height=0.1, low=(0.35, -0.25), high=(0.65, 0.25), step=0.02)
START = jnp.array(posture(ARM, PANDA, (0.5, 0.0, 0.1)))
TARGET = jax.jit(lambda action, joints: ACTION.target(PANDA, action, joints))
POSE = jax.jit(lambda joints: ARM.end_effector(ARM.poses(joints)))


def asked(x: float, y: float) -> jax.Array:
    return jnp.array([x, y], jnp.float32)


@pytest.mark.parametrize("x, y", [(1.0, 0.0), (0.0, -1.0), (-0.5, 0.5), (3.0, 0.0)])
def test_a_step_takes_the_tool_as_far_as_asked(x, y):
    before, down = POSE(START)
    after, quat = POSE(TARGET(asked(x, y), START))
    expected = 0.02 * np.clip([x, y, 0], -1, 1)
    np.testing.assert_allclose(after - before, expected, atol=2e-3)
    assert abs(float(jnp.dot(quat, down))) > 0.9999


def test_a_tool_that_is_off_its_height_or_askew_comes_back():
    joints = START + jnp.array([0.0, 0.1, 0.05, -0.1, 0.1, 0.0, 0.2])
    for _ in range(60):
        joints = TARGET(asked(0, 0), joints)
    position, quat = POSE(joints)
    _, down = POSE(START)
    assert float(position[2]) == pytest.approx(0.1, abs=2e-3)
    assert abs(float(jnp.dot(quat, down))) > 0.9999


def test_an_action_is_as_long_as_it_says():
    assert ACTION.size(PANDA) == 2
    with pytest.raises(TypeError, match="shape"):
        ACTION.target(PANDA, jnp.zeros(7), START)


def test_it_stops_at_the_edge():
    joints = START
    for _ in range(40):
        joints = TARGET(asked(0, 1), joints)
    position, _ = POSE(joints)
    assert 0.235 < float(position[1]) < 0.255


def test_a_batch_is_one_after_the_other():
    actions = jnp.stack([asked(1, 0), asked(0, -1)])
    joints = jnp.stack([START, START + 0.01])
    both = TARGET(actions, joints)
    for i in range(2):
        np.testing.assert_allclose(both[i], TARGET(actions[i], joints[i]), atol=1e-5)


def test_the_jacobian_is_how_the_tool_moves_and_turns():
    """By finite differences, in float32."""
    jacobian = np.asarray(jax.jit(lambda q: ARM.jacobian(ARM.poses(q)))(START))
    step = 1e-2
    for joint in range(7):
        (p0, q0), (p1, q1) = (POSE(START.at[joint].add(sign * step)) for sign in (-1, 1))
        np.testing.assert_allclose(jacobian[joint, :3], (p1 - p0) / (2 * step), atol=1e-3)
        w0, v0, w1, v1 = q0[0], q0[1:], q1[0], q1[1:]
        turn = 2 * (w0 * v1 - w1 * v0 - np.cross(v1, v0))  # of q1 q0^-1, to first order
        turn = turn * np.sign(float(jnp.dot(q0, q1)))
        np.testing.assert_allclose(jacobian[joint, 3:], turn / (2 * step), atol=1e-3)
