import jax
import numpy as np
import pytest

from rl.checkpoint import CheckpointError, Checkpoints
from rl.ppo import PPO, PPOConfig
from tests.rl.tracking import Heavier, make_env, tracking_task

CONFIG = PPOConfig(rollout_length=8, epochs=2, minibatches=2, actor_hidden=(16,), critic_hidden=(16,))


@pytest.fixture(scope="module")
def learner():
    ppo = PPO(make_env(tracking_task(episode_seconds=0.3), 32), CONFIG)
    return ppo, jax.jit(ppo.init), jax.jit(ppo.update)


def run(update, state, times):
    for _ in range(times):
        state, _ = update(state)
    return state


def assert_equal(a, b):
    for (path, x), (_, y) in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree_util.tree_leaves_with_path(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=jax.tree_util.keystr(path))


def test_a_resumed_run_goes_on_as_if_never_stopped(learner, tmp_path):
    _, init, update = learner
    straight = run(update, init(jax.random.key(0)), 20)
    half = run(update, init(jax.random.key(0)), 10)
    Checkpoints(tmp_path).save(half)
    # A new process would have a new engine, whose slots know nothing of the old one's model fields.
    fresh = PPO(make_env(tracking_task(episode_seconds=0.3), 32), CONFIG)
    restored = Checkpoints(tmp_path).restore(jax.eval_shape(fresh.init, jax.random.key(0)))
    assert_equal(half, restored)
    assert_equal(straight, run(jax.jit(fresh.update), restored, 10))


def test_a_resumed_curriculum_goes_on_as_if_never_stopped(tmp_path):
    def learner() -> PPO:
        return PPO(make_env(tracking_task(episode_seconds=0.3, curriculum=Heavier()), 32), CONFIG)

    ppo = learner()
    update, state = jax.jit(ppo.update), jax.jit(ppo.init)(jax.random.key(0))
    straight = run(update, state, 12)
    half = run(update, state, 6)
    assert len(np.unique(half.env.curriculum["level"])) > 1, "else nothing has moved"
    Checkpoints(tmp_path).save(half)
    fresh = learner()
    restored = Checkpoints(tmp_path).restore(jax.eval_shape(fresh.init, jax.random.key(0)))
    assert_equal(half, restored)
    assert_equal(straight, run(jax.jit(fresh.update), restored, 6))


def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_used(learner, tmp_path):
    _, init, update = learner
    state = init(jax.random.key(0))
    checkpoints = Checkpoints(tmp_path)
    for _ in range(2):
        state = run(update, state, 1)
        newest = checkpoints.save(state)
    victim = max((p for p in newest.rglob("*") if p.is_file() and p.name != "digest.json"), key=lambda p: p.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.write_bytes(bytes(data))
    restored = checkpoints.restore(jax.eval_shape(init, jax.random.key(0)))
    assert int(restored.updates) == 1
    assert len(checkpoints.warnings) == 1
    assert str(newest) in checkpoints.warnings[0]
    assert victim.name in checkpoints.warnings[0]


def test_a_checkpoint_cut_short_is_not_taken_for_one(learner, tmp_path):
    _, init, update = learner
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(run(update, init(jax.random.key(0)), 1))
    path.rename(path.with_name(f".{path.name}.partial"))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoints.restore(jax.eval_shape(init, jax.random.key(0)))


@pytest.mark.parametrize("digest", ["[]", "{}", '"whole"', "{"])
def test_a_checkpoint_whose_digest_is_none_is_not_trusted(learner, tmp_path, digest):
    _, init, _ = learner
    path = tmp_path / "7"
    path.mkdir()
    (path / "digest.json").write_text(digest)
    with pytest.raises(CheckpointError, match=r"no checkpoint can be read: .*its digest"):
        Checkpoints(tmp_path).restore(jax.eval_shape(init, jax.random.key(0)))


def test_a_checkpoint_of_other_sizes_says_what_differs(learner, tmp_path):
    _, init, update = learner
    Checkpoints(tmp_path).save(run(update, init(jax.random.key(0)), 1))
    other = PPO(make_env(tracking_task(), 32), PPOConfig(**{**vars(CONFIG), "actor_hidden": (24,)}))
    with pytest.raises(CheckpointError, match=r"actor.*is \(.*16.*expected \(.*24"):
        Checkpoints(tmp_path).restore(jax.eval_shape(other.init, jax.random.key(0)))


def test_only_the_newest_are_kept(learner, tmp_path):
    _, init, update = learner
    state, checkpoints = init(jax.random.key(0)), Checkpoints(tmp_path, keep=2)
    for _ in range(4):
        state = run(update, state, 1)
        checkpoints.save(state)
    assert checkpoints.updates == [3, 4]


def test_where_nothing_can_be_written_the_error_names_the_place_and_leaves_nothing(learner, tmp_path):
    _, init, _ = learner
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="file"):
        Checkpoints(tmp_path / "file" / "checkpoints").save(init(jax.random.key(0)))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
