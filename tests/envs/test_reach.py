"""Reaching as a whole: an arm that goes the way it is shown arrives, and the metrics say so."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2, PANDA, SO101, RobotError
from envs.reach import reach
from envs.registry import make_env
from envs.terms.reaching import settling_seconds

NUM_ENVS = 24


@pytest.fixture(scope="module", params=[SO101, PANDA], ids=lambda robot: robot.name)
def robot(request):
    return request.param


@pytest.fixture(scope="module")
def task(robot):
    return reach(robot)


@pytest.fixture(scope="module")
def episode(task, robot):
    """Environments' states under a hand-written policy, till the last step gives all of them a new command;
    arrays (steps, num_envs, ...)."""
    env = make_env(task, NUM_ENVS, "native")
    steps = round((settling_seconds(robot) + 0.9) / task.control_seconds)
    n = env.num_actions

    def step(state, renew):
        state = state.replace(command_left=jnp.where(renew, 0.0, state.command_left))
        seen = state.observation["policy"]  # the joints' way to go comes before four more of their size
        state = env.step(state, 0.3 * seen[:, -5 * n : -4 * n] / (0.05 * jnp.asarray(robot.action_scale)))
        told = {"metrics": state.metrics, "command": state.command, "command_time": state.command_time}
        told["joint_velocity"] = state.sensed[:, 0, n : 2 * n]
        told["reference"] = state.reference
        return state, told | {"ended": state.terminated | state.truncated}

    start = jax.jit(env.reset)(jax.random.key(0))
    return jax.device_get(jax.jit(lambda s: jax.lax.scan(step, s, jnp.arange(steps + 1) == steps)[1])(start))


def test_following_the_way_to_go_nears_most_commands(episode):
    """Gradient descent gets stuck at a joint's limit now and then, so not all; and a joint gives way under the arm's weight."""
    late = episode["metrics"]["metric/position_error"][-1]
    assert np.median(late) < 0.06 * np.median(episode["metrics"]["metric/position_error_at_rest"])


def test_errors_count_as_settled_when_the_arm_has_had_its_time(episode, robot):
    settled = episode["metrics"]["metric/settled_position_error"]
    seconds = 0.02 * np.arange(1, len(settled) + 1)
    assert np.isnan(settled[seconds < settling_seconds(robot) - 0.01]).all()
    after = seconds > settling_seconds(robot) + 0.01
    assert after.any()
    np.testing.assert_array_equal(settled[after], episode["metrics"]["metric/position_error"][after])


def test_targets_hardly_lead_a_joint_past_the_speed_at_which_it_is_let_down(episode, robot):
    limits = robot.safety.velocity * np.array(robot.velocity_limits)
    share = np.abs(episode["joint_velocity"]) / limits
    assert share.max() > 0.4
    assert (share > 1).mean() < 0.002


def test_the_posture_shown_is_that_of_the_command(episode, task):
    """Drawn at the start and later; the last digits hang on how many are worked out at a time."""
    rows = np.array([0, -2, -1])
    command, reference = episode["command"][rows], episode["reference"][rows]
    np.testing.assert_array_equal(reference[0], reference[1])
    assert (command[1] != command[2]).any(axis=-1).all()
    postures = jax.jit(jax.vmap(jax.vmap(task.command.reference)))(command)
    np.testing.assert_allclose(reference, postures, atol=1e-3)


def test_an_arm_that_does_nothing_wrong_never_fails(episode):
    assert not episode["ended"].any()


def test_a_picture_shows_the_commanded_pose(task):
    model = task.scene().compile()
    command = np.array([0.2, 0.1, 0.3, 0.5, 0.5, -0.5, 0.5])
    for name, value in task.show(model, command).items():
        getattr(model, name)[...] = value
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.body("target").xpos, command[:3], atol=1e-9)
    np.testing.assert_allclose(data.body("target").xquat, command[3:], atol=1e-9)


def test_a_robot_without_an_end_effector_is_refused():
    with pytest.raises(RobotError, match="no end effector"):
        reach(GO2)
