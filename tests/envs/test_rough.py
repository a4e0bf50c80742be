"""The rough task as a whole: what the policy cannot see, where robots begin, and what becomes of one that leaves its tile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.terrains.terrain import FIELDS
from envs.env import Env, EnvState
from envs.registry import make_env, make_task

NUM_ENVS = 24


class Rough:
    def __init__(self):
        self.env: Env = make_env(make_task("go2-velocity-rough"), NUM_ENVS, "native")
        self.start: EnvState = jax.jit(self.env.reset)(jax.random.key(0))
        self._step = jax.jit(self.env.step)

    def step(self, state: EnvState) -> EnvState:
        return self._step(state, jnp.zeros((NUM_ENVS, self.env.num_actions)))

    def tiles(self, state: EnvState) -> dict[str, np.ndarray]:
        return {name: np.asarray(state.physics.fields[name])[:, self.env.layout.ground] for name in FIELDS}


@pytest.fixture(scope="module")
def rough() -> Rough:
    return Rough()


def expected_tiles(rough: Rough, state: EnvState) -> dict[str, np.ndarray]:
    terrain = rough.env.task.terrain
    assert terrain is not None
    at = np.asarray(state.curriculum["level"]), np.asarray(state.curriculum["kind"])
    return {name: table[at] for name, table in terrain.table.items()}


def test_every_environment_has_its_tile(rough):
    for name, value in expected_tiles(rough, rough.start).items():
        np.testing.assert_array_equal(rough.tiles(rough.start)[name], value)
    assert np.bincount(rough.start.curriculum["kind"]).tolist() == [NUM_ENVS // 6] * 6


def test_the_critic_sees_the_ground_and_the_policy_does_not(rough):
    # In the air, where neither feels it.
    physics = rough.start.physics.replace(qpos=rough.start.physics.qpos.at[:, 2].add(1.0))
    ground = rough.env.layout.ground
    lower = physics.fields | {"geom_pos": physics.fields["geom_pos"].at[:, ground, 2].add(-0.1)}
    here, there = (rough.step(rough.start.replace(physics=p)).observation for p in (physics, physics.replace(fields=lower)))
    np.testing.assert_array_equal(here["policy"], there["policy"])
    differs = np.asarray(here["critic"] != there["critic"])
    critic = [term.name for term in rough.env.task.critic_observation]
    assert critic[-1] == "ground_around_feet"
    # All 36 heights, and the base's above them.
    assert differs[:, -36:].all()
    assert (differs[:, :-36].sum(axis=1) == 1).all()


def test_who_leaves_its_tile_has_not_failed_and_begins_anew_a_level_up(rough):
    state = rough.start
    earned = {"commanded_distance": 5.0, "covered_distance": 4.9, "farthest": 3.5}
    memory = {name: state.memory[name].at[3].set(value) for name, value in earned.items()}
    away = state.physics.qpos.at[3, 0].set(3.6).at[3, 2].add(1.0)
    after = rough.step(state.replace(physics=state.physics.replace(qpos=away), memory=state.memory | memory))
    assert after.truncated.tolist() == [i == 3 for i in range(NUM_ENVS)]
    assert not after.terminated.any()
    assert after.time[3] == 0
    assert (np.asarray(after.curriculum["level"]) == np.arange(NUM_ENVS) * 0 + (np.arange(NUM_ENVS) == 3)).all()
    assert np.abs(after.physics.qpos[3, :2]).max() < 0.2
    assert after.memory["farthest"][3] == 0
    for name, value in expected_tiles(rough, after).items():
        np.testing.assert_array_equal(rough.tiles(after)[name], value)
    # It shows in the figures of the next step, the same for all.
    later = rough.step(after)
    np.testing.assert_allclose(later.metrics["curriculum/level"], 1 / NUM_ENVS, rtol=1e-6)
    assert later.metrics["curriculum/level/stairs"][0] == pytest.approx(6 / NUM_ENVS)


def test_robots_that_only_stand_do_so_on_every_kind(rough):
    state = rough.start
    for _ in range(50):
        state = rough.step(state)
    assert not state.metrics["failed/toppled"].any()
    np.testing.assert_allclose(state.time, 1.0, atol=1e-5)
    assert (np.asarray(state.physics.qpos[:, 2]) > 0.2).all()
