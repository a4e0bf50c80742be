"""Policies tried on a twin: what they earn is what the task's terms say, and the same seed gives the same episode."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.terrains import Terrain
from envs.task import RewardTerm
from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.pilot import Decision
from sim2real.robot_io import RobotState
from sim2real.twin.gap import Gap, Imu, Messages
from sim2real.twin.server import TwinError
from sim2real.twin.trial import Episode, Stage, Trial, draw_commands
from tests.envs.walker import DT, ROBOT, STOP, walker_task


class Still:
    """Asks for the default pose, and says that it acts as it was told to, decision by decision."""

    joints, largest_steps, ended = ROBOT.joints, None, None
    commands = CommandRange(("speed (m/s)",), np.array([[0.0, 1.0]]), np.zeros(1))
    default_pose, stiffness, damping = (np.array(getattr(ROBOT, n)) for n in ("default_pose", "stiffness", "damping"))
    rate = 1 / DT

    def __init__(self, actions: np.ndarray | None = None):
        self.actions = np.zeros((10_000, 2)) if actions is None else actions
        self.seen: list[tuple[RobotState, np.ndarray]] = []

    def restart(self) -> None:
        self.seen.clear()

    def decide(self, state: RobotState, command: np.ndarray) -> Decision:
        self.seen.append((state, command))
        return Decision(self.default_pose, self.actions[len(self.seen) - 1])


def slow(**changes):
    """The walker's task, whose commands hold long enough for a test to see several of them."""
    task = walker_task(**changes)
    return dataclasses.replace(task, command=dataclasses.replace(task.command, seconds=(0.2, 0.4)))


def test_an_episode_earns_what_the_terms_say():
    stage, pilot = Stage(slow(), Gap()), Still(0.1 * np.ones((100, 2)))
    found = stage.play(pilot, seed=3, seconds=1.0)
    asked = np.array([command[0] for _, command in pilot.seen])
    assert len(asked) == 50
    assert len(set(asked)) in (3, 4, 5)
    assert found.reward == pytest.approx(np.sum(DT * (2.0 + asked - 100.0 * 0.1**2)), rel=1e-5)
    assert found == Episode(3, 1.0, found.reward, None, {})


def test_terms_see_the_reference_of_the_command_that_holds():
    task = slow(rewards=(RewardTerm("wish", lambda view: view.reference, 1.0),))
    command = dataclasses.replace(task.command, reference=lambda command: 3.0 * command[0])
    pilot = Still()
    found = Stage(dataclasses.replace(task, command=command), Gap()).play(pilot, seed=3, seconds=1.0)
    asked = np.array([command[0] for _, command in pilot.seen])
    assert len(set(asked)) > 2
    assert found.reward == pytest.approx(np.sum(DT * 3.0 * asked), rel=1e-5)


def test_a_failure_ends_it_and_costs():
    actions = np.zeros((50, 2))
    actions[9, 0] = STOP + 1.0
    found = Stage(slow(rewards=(RewardTerm("alive", lambda view: jnp.float32(1.0), 1.0),)), Gap()).play(Still(actions), 0, 1.0)
    assert found.failed == "stopped"
    assert found.lasted == pytest.approx(10 * DT)
    assert found.reward == pytest.approx(10 * DT - 3.0, rel=1e-5)
    trial = Trial("walker", 1.0, "", (found, dataclasses.replace(found, failed=None, reward=1.0)))
    assert trial.falls == 1
    assert trial.return_per_second == pytest.approx((found.reward + 1.0) / 2)


def test_the_same_seed_gives_the_same_readings_and_another_gives_others():
    gap = Gap(imu=Imu(gyro_noise=0.1), state_messages=Messages(latency=0.003, jitter=0.001))
    stage, pilots = Stage(slow(), gap), [Still(), Still(), Still()]
    for pilot, seed in zip(pilots, (5, 5, 6), strict=True):
        stage.play(pilot, seed, 0.5)
    gyros = [np.array([state.angular_velocity for state, _ in pilot.seen]) for pilot in pilots]
    np.testing.assert_array_equal(gyros[0], gyros[1])
    assert (gyros[0] != gyros[2]).any()
    np.testing.assert_array_equal([c for _, c in pilots[0].seen], [c for _, c in pilots[1].seen])


def test_commands_are_drawn_as_in_training():
    task = slow()
    script = draw_commands(task, 0, 100.0)
    held = np.diff(script.times)
    assert 0.2 <= held.min() <= held.max() <= 0.4
    drawn = np.array([script.read(t)[0] for t in script.times])
    usual = np.asarray(jax.vmap(task.command.sample)(jax.random.split(jax.random.key(1), 400)))[:, 0]
    assert drawn.mean() == pytest.approx(usual.mean(), abs=0.1)
    assert drawn.std() == pytest.approx(usual.std(), abs=0.05)


def test_what_does_not_fit_a_twin_is_refused():
    with pytest.raises(TwinError, match="stands on a plane"):
        Stage(dataclasses.replace(walker_task(), terrain=object.__new__(Terrain)), Gap())
    asks = (RewardTerm("ball", lambda view: view.sensor("ball")[0], 1.0),)
    with pytest.raises(TwinError, match=r"'walker' cannot be judged on a twin.*no sensor 'ball'"):
        Stage(walker_task(rewards=asks), Gap()).play(Still(), seconds=0.1)
    pilot = Still()
    pilot.rate = 60.0
    with pytest.raises(TwinError, match="decides at 60 Hz: expected 50 Hz"):
        Stage(walker_task(), Gap()).play(pilot, seconds=0.1)
