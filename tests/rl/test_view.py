"""What happens in a session: nothing but the environment's own doing, until somebody asks for something."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import GO2
from envs.task import CommandTerm, MetricTerm, TerminationTerm
from envs.velocity import velocity_flat
from rl.evaluate import evaluation_key
from rl.page import Wishes
from rl.ppo import PPO, PPOConfig
from rl.view import Pace, Session, figures, sliders
from sim.randomization import Push, Randomization, Uniform
from tests.envs import walker
from tests.rl.tracking import make_env, tracking_task
from tests.rl.untrained import untrained

NUM_ENVS = 3
LASTS = 26  # control steps: an episode fails once it is older than half a second


def policy_of(env):
    ppo = PPO(env, PPOConfig(minibatches=1, actor_hidden=(8,), critic_hidden=(8,)))
    return ppo, untrained(ppo)


@pytest.fixture(scope="module")
def learner():
    task = tracking_task(
        terminations=(TerminationTerm("old", lambda view: view.time > 0.51),),
        metrics=(
            MetricTerm("error", lambda view: jnp.abs(view.joint_position[0] - view.command[0])),
            MetricTerm("age", lambda view: view.time),
            MetricTerm("never", lambda view: view.time, lambda view: view.time < 0),
        ),
    )
    return policy_of(make_env(task, NUM_ENVS))


@pytest.fixture(scope="module")
def opened(learner):
    return Session(*learner, seed=5)


@pytest.fixture
def session(opened):
    """With new episodes, and nothing asked."""
    opened.obey(Wishes(reset=True))
    return opened


def test_left_alone_its_states_are_the_environments_bit_for_bit(learner):
    ppo, policy = learner
    step = jax.jit(lambda state: ppo.env.step(state, ppo.act(policy, state.observation["policy"])))
    by_hand = jax.jit(ppo.env.reset)(evaluation_key(5))
    session = Session(ppo, policy, seed=5)
    for _ in range(LASTS + 20):
        session.obey(Wishes())
        session.step()
        by_hand = step(by_hand)
    assert by_hand.time.max() < 0.45  # the second episode
    for ours, theirs in zip(jax.tree.leaves(session.state), jax.tree.leaves(by_hand), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_slider_reaches_every_robot_and_is_held(session):
    """Across the task's renewals, every second at the latest, and across ends of episodes."""
    wishes = Wishes(command=np.array([0.625], np.float32))
    for step in range(3 * LASTS):
        session.obey(wishes)
        session.step()
        state = session.state
        np.testing.assert_array_equal(session.command, 0.625)
        np.testing.assert_array_equal(session.state.reference["angle"], session.command)
        ended = np.asarray(state.terminated | state.truncated)
        asked = np.abs(session.qpos[:, 0] - 0.625)  # what is measured is the distance from what the slider asks
        np.testing.assert_allclose(state.metrics["metric/error"][~ended], asked[~ended], atol=1e-6)
        if 0 < step % LASTS < LASTS - 1:
            np.testing.assert_array_equal(state.observation["policy"][:, -1], 0.625)  # and what the policy sees
    assert session.failed == 3 * NUM_ENVS


def test_a_slider_that_moves_starts_the_clock_of_the_command(session):
    session.obey(Wishes(command=np.array([0.5], np.float32)))
    for _ in range(5):
        session.step()
    session.obey(Wishes(command=np.array([0.5], np.float32)))
    np.testing.assert_allclose(session.state.command_time, 0.1, rtol=1e-5)
    session.obey(Wishes(command=np.array([-0.5], np.float32)))
    np.testing.assert_array_equal(session.state.command_time, 0.0)


def test_given_back_the_task_draws_anew(session):
    session.obey(Wishes(command=np.array([0.5], np.float32)))
    session.step()
    session.obey(Wishes())
    session.step()
    assert (session.command != 0.5).all()
    np.testing.assert_array_equal(session.state.reference["angle"], session.command)
    assert len(np.unique(session.command)) == NUM_ENVS
    assert np.isfinite(session.state.command_left).all()


def test_a_pause_holds_and_play_goes_on_from_there(session):
    session.step()
    before = session.state
    session.obey(Wishes(paused=True))
    for _ in range(3):
        session.step()
    assert session.state is before
    session.obey(Wishes())
    session.step()
    np.testing.assert_allclose(session.state.time, 0.04, rtol=1e-5)
    assert session.seconds == pytest.approx(0.04)


def test_a_reset_begins_new_episodes_even_in_a_pause(session):
    for _ in range(LASTS + 3):
        session.step()
    first = session.qpos
    assert session.failed == NUM_ENVS
    session.obey(Wishes(paused=True, reset=True))
    np.testing.assert_array_equal(session.state.time, 0.0)
    assert (session.seconds, session.failed, session.metrics) == (0.0, 0, {})
    starts = [session.qpos]
    session.obey(Wishes(paused=True, reset=True))
    starts.append(session.qpos)
    assert not np.isclose(starts[0], first).any()
    assert not np.isclose(starts[0], starts[1]).any()


def test_metrics_are_of_the_last_second_without_the_steps_that_failed(session):
    for _ in range(2 * LASTS):
        session.step()
    # The last 50 of 52 steps are two episodes, less the first two steps and the two that failed.
    ages = 0.02 * np.concatenate([np.arange(3, LASTS), np.arange(1, LASTS)])
    assert session.metrics["age"] == pytest.approx(ages.mean(), rel=1e-4)
    assert "never" not in session.metrics
    told = figures(session, 0.97)
    assert told["speed"] == "0.97 × real time"
    assert told["failed"] == str(2 * NUM_ENVS)
    assert told["age"] == f"{ages.mean():.3f}"


def test_a_push_strikes_in_the_next_step_and_once():
    random = Randomization(push=Push(interval=Uniform(100.0, 100.0), linear=3.0, angular=0.0))
    command = CommandTerm(("speed (m/s)",), lambda key: jax.random.uniform(key, (1,)), (50.0, 50.0))
    task = walker.walker_task(randomization=random, command=command, terminations=())
    ppo, policy = policy_of(walker.make_env(task, NUM_ENVS))
    session = Session(ppo, policy)
    speeds = []
    for step in range(6):
        session.obey(Wishes(push=step == 3))
        before = np.asarray(session.state.physics.qvel[:, :3])
        session.step()
        speeds.append(np.linalg.norm(np.asarray(session.state.physics.qvel[:, :3]) - before, axis=1).max())
    assert speeds[3] > 3 * max(speeds[:3])
    assert speeds[3] > 3 * max(speeds[4:])
    assert (session.state.push_left > 90).all()


def test_sliders_span_what_the_task_draws():
    made = sliders(velocity_flat(GO2).command, np.array([0.123, -0.7, 0.0]))
    ends = [(slider.low, slider.high, slider.step) for slider in made]
    np.testing.assert_allclose(ends, [(-1, 1, 0.01), (-0.5, 0.5, 0.01), (-1, 1, 0.01)], atol=1e-9)
    np.testing.assert_allclose([slider.value for slider in made], [0.12, -0.5, 0.0], atol=1e-9)


def test_a_slider_of_what_never_changes_stays_there():
    command = CommandTerm(("fixed",), lambda key: jnp.full(1, 0.3), (1.0, 1.0))
    (slider,) = sliders(command, np.array([0.3]))
    assert slider.low <= slider.value <= slider.high
    assert slider.value == pytest.approx(0.3, abs=1e-3)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_pace_keeps_to_the_wall_clock():
    clock = Clock()
    pace = Pace(0.02, clock, clock.sleep)
    for i in range(100):
        clock.now += 0.005 if i % 2 else 0.03  # every other period takes too long, but not on average
        pace.wait()
    assert clock.now - 100.0 == pytest.approx(2.0, abs=0.03)
    assert pace.speed == pytest.approx(1.0, abs=0.02)


def test_pace_tells_when_it_falls_behind_and_does_not_run_after_it():
    clock = Clock()
    pace = Pace(0.02, clock, clock.sleep)
    for _ in range(100):
        clock.now += 0.04
        pace.wait()
    assert pace.speed == pytest.approx(0.5, abs=0.01)
    began = clock.now
    for _ in range(100):
        pace.wait()
    assert clock.now - began > 2.0 - 0.25
    pace.rest(1.0)
    assert pace.speed is None
