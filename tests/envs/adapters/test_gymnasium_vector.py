"""A batch through gymnasium's eyes: it is what gymnasium's own vector of single environments is, and its ends are in order."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_match import check_environments_match
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs.adapters.gymnasium_env import GymnasiumEnv
from envs.adapters.gymnasium_vector import GymnasiumVectorEnv
from envs.task import TaskError
from tests.envs.walker import STOP, make_env, walker_task

TASK = walker_task(episode_seconds=0.1)


@pytest.fixture(scope="module")
def envs():
    envs = GymnasiumVectorEnv(make_env(TASK, 3), render_mode="rgb_array", width=64, height=48)
    yield envs
    envs.close()


@pytest.fixture(scope="module")
def alike():
    """gymnasium's vector of one single environment, and ours of one."""
    single = GymnasiumEnv(make_env(TASK, 1), render_mode="rgb_array", width=64, height=48)
    sync = SyncVectorEnv([lambda: single], autoreset_mode=AutoresetMode.SAME_STEP)
    ours = GymnasiumVectorEnv(make_env(TASK, 1), render_mode="rgb_array", width=64, height=48)
    yield sync, ours
    sync.close()
    ours.close()


def test_gymnasium_finds_a_vector_of_one_and_the_single_environment_alike(alike):
    """Observations, rewards, ends and infos over several episodes. (It cannot compare the pictures of vectors.)"""
    check_environments_match(*alike, num_steps=13, seed=4, skip_render=True)
    np.testing.assert_array_equal(*(env.render() for env in alike))


def test_both_go_on_alike_after_an_episode_ends(alike):
    random = np.random.default_rng(0)
    told = []
    for env in alike:
        env.reset(seed=5)
    for _ in range(12):
        action = random.uniform(-1, 1, (1, 2))
        a, b = (env.step(action) for env in alike)
        for ours, theirs in zip(a[:4], b[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert a[4].keys() == b[4].keys()
        told.append(bool(b[3][0]))
    assert sum(told) == 2


def test_the_mode_is_declared_and_kept(envs):
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    actions = np.zeros((3, 2), np.float32)
    envs.step(actions)
    actions[1, 0] = STOP + 1
    observations, rewards, terminations, truncations, infos = envs.step(actions)
    assert terminations.tolist() == [False, True, False]
    assert not truncations.any()
    assert infos["_final_obs"].tolist() == [False, True, False]
    assert infos["final_obs"][0] is None
    final = infos["final_obs"][1]
    assert final in envs.single_observation_space
    # The last entry is the policy's last action, which a new episode has not.
    np.testing.assert_allclose(final[-2:], actions[1], atol=1e-6)
    np.testing.assert_array_equal(observations[1, -2:], 0)
    assert rewards.dtype == np.float64
    assert infos["final_info"]["metrics"]["failed/stopped"].tolist() == [0, 1, 0]
    assert infos["final_info"]["_metrics"].tolist() == [False, True, False]
    assert infos["metrics"]["_failed/stopped"].tolist() == [True, False, True]
    assert np.abs(infos["final_info"]["critic"][1] - infos["critic"][1]).max() > 0.01
    # The age of an episode, the critic's last entry, goes on where it did not end.
    np.testing.assert_allclose(infos["critic"][:, -1], [0.04, 0, 0.04], atol=1e-6)


def test_without_an_end_nothing_is_final(envs):
    envs.reset(seed=0)
    infos = envs.step(np.zeros((3, 2)))[4]
    assert not {"final_obs", "_final_obs", "final_info"} & infos.keys()


def test_a_seed_gives_the_same_trajectories_bit_for_bit(envs):
    def run(seed):
        return [envs.reset(seed=seed)[0], *(envs.step(np.full((3, 2), 0.1 * i))[0] for i in range(7))]

    np.testing.assert_array_equal(run(2), run(2))
    assert not np.array_equal(run(2)[0], run(3)[0])


def test_each_environment_is_pictured(envs):
    envs.reset(seed=0)
    pictures = envs.render()
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 3
    assert not np.array_equal(pictures[0], pictures[1])


def test_gymnasiums_wrappers_take_it(envs):
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    wrapped.reset(seed=0)
    for _ in range(5):
        infos = wrapped.step(np.zeros((3, 2), np.float32))[4]
    np.testing.assert_array_equal(infos["episode"]["l"], 5)


def test_misuse_is_told(envs):
    with pytest.raises(ValueError, match="expected \\(3, 2\\)"):
        envs.step(np.zeros((2, 2)))
    with pytest.raises(TaskError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.ones(3, bool)})
    with pytest.raises(gymnasium.error.ResetNeeded):
        GymnasiumVectorEnv(envs.env).step(np.zeros((3, 2)))
