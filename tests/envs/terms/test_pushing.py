"""What pushing is worth: views of a tool and an object at places that a test chooses, judged by the task's own rewards."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.robots import PANDA
from assets.scene import compile_for_physics
from envs.judgement import judge
from envs.push import push
from envs.terms.pushing import FLICKED
from envs.view import Layout, View

GOAL = np.array([0.6, 0.05])
CONTACT = 0.05
"""From the middle of a cube of 7 cm to a tool that touches it, about (m)."""


@pytest.fixture(scope="module")
def task():
    return push(PANDA)


@pytest.fixture(scope="module")
def worth(task):
    """Of a second: rewards by name for tool, object and velocity of the object, (n, 2) each, in the base's frame (m, m/s)."""
    model = compile_for_physics(task.scene())
    layout = Layout.of(task.robot, model, task.terrain, task.tracked)
    start, site = layout.start_qpos(), task.robot.end_effector
    assert layout.tracked is not None
    assert layout.tracked_motion is not None
    place, motion = (part.start + jnp.arange(2) for part in (layout.tracked, layout.tracked_motion))
    none = jnp.zeros(2)

    def one(tool, thing, velocity):
        qpos = jnp.asarray(start).at[place].set(thing)
        qvel = jnp.zeros(model.nv).at[motion].set(velocity)
        readings = jnp.zeros(model.nsensordata).at[layout.sensors[f"{site}_pos"]].set(jnp.append(tool, 0.03))
        view = View(
            qpos=qpos,
            qvel=qvel,
            sensordata=readings,
            fields={},
            command=jnp.asarray(GOAL, jnp.float32),
            action=none,
            last_action=none,
            memory={},
            time=jnp.zeros(()),
            command_time=jnp.zeros(()),
            layout=layout,
            dt=0.02,
        )
        judged = judge(dataclasses.replace(task, metrics=()), view, jnp.array(False))
        return judged.rewards | {"total": sum(judged.rewards.values()), "lost": judged.terminated}

    many = jax.jit(jax.vmap(one))

    def told(tool, thing, velocity=(0.0, 0.0)) -> dict[str, np.ndarray]:
        places = np.broadcast_arrays(*(np.atleast_2d(np.asarray(x, np.float32)) for x in (tool, thing, velocity)))
        return jax.device_get(many(*map(jnp.asarray, places)))

    return told


def behind(thing: np.ndarray, by: np.ndarray | float, turned: np.ndarray | float = 0.0) -> np.ndarray:
    """Places `by` (m) from the object, away from the goal, or turned from there about the object (rad)."""
    way = np.atleast_2d(thing - GOAL)
    angle = np.arctan2(way[:, 1], way[:, 0]) + turned
    return thing + np.atleast_1d(by)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


START = np.array([0.45, -0.05])


def test_all_grows_while_the_object_nears_the_goal_with_the_tool_behind_it(worth):
    share = np.linspace(0, 1, 200)[:-1, None]
    things = START + share * (GOAL - START)
    for by in (CONTACT, 0.1):
        told = worth(behind(things, by), things)
        assert (np.diff(told["total"]) > 0).all()
    assert told["total"][-1] > 4 * told["total"][0], "to arrive is worth several times as much as to wait behind the object"


def test_nobody_is_paid_for_keeping_off(worth):
    """Straight behind the object, each way nearer to it is worth more, till the tool touches."""
    by = np.linspace(0.3, 0.02, 60)
    assert (np.diff(worth(behind(START, by), START)["total"]) > 0).all()


def test_being_behind_is_never_worth_more_than_pushing(worth):
    """Of all places around the object none is worth as much as contact behind it while it moves, slow as that may be."""
    by, turned = (x.ravel() for x in np.meshgrid(np.linspace(CONTACT, 0.4, 40), np.linspace(-np.pi, np.pi, 73)))
    for thing in (START, np.array([0.5, 0.15]), np.array([0.6, 0.08]), GOAL - [0.031, 0]):
        ahead = (GOAL - thing) / np.linalg.norm(GOAL - thing)
        best = worth(behind(thing, by, turned), thing)["total"].max()
        pushed = worth(behind(thing, CONTACT), thing, 0.02 * ahead)["total"]
        assert pushed > best + 0.05


def test_from_behind_is_worth_more_than_from_the_side_and_that_more_than_from_before(worth):
    at = worth(behind(START, CONTACT, np.array([0.0, np.pi / 2, np.pi])), START)["behind_object"]
    assert at[0] > 3 * at[1] > 0
    assert at[2] == pytest.approx(0, abs=1e-6)


def test_progress_is_the_rate_of_the_distance_and_sums_to_nothing_over_a_round_trip(worth):
    rng = np.random.default_rng(0)
    things, velocity = rng.uniform((0.4, -0.2), (0.55, 0.2), (50, 2)), rng.normal(size=(50, 2)) * 0.1
    step = 1e-3
    nearer = np.linalg.norm(things - GOAL, axis=1) - np.linalg.norm(things + step * velocity - GOAL, axis=1)
    told = worth(behind(things, 0.1), things, velocity)["progress"] / 10
    slow = np.abs(nearer / step) < FLICKED - 1e-3
    assert 10 < slow.sum() < 50
    np.testing.assert_allclose(told[slow], (nearer / step)[slow], atol=1e-3)
    assert np.abs(told[~slow]).max() <= FLICKED + 1e-6


def test_once_it_has_arrived_the_tool_may_go(worth):
    arrived = GOAL - [0.01, 0.0]
    at = worth(behind(arrived, np.array([0.05, 0.2])), arrived)["total"]
    assert at[0] == pytest.approx(at[1])
    assert at[0] > 4.5


def test_what_leaves_the_table_is_lost_and_nothing_else(worth):
    things = np.array([[0.45, 0.0], [0.8, 0.39], [0.86, 0.0], [0.5, 0.41], [0.2, 0.0]])
    assert worth(behind(things, 0.1), things)["lost"].tolist() == [False, False, True, True, True]
