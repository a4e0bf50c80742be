import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.task import CriticTerm, TaskError
from rl.checkpoint import Checkpoints
from rl.distill import DistillConfig, Distiller, check_same_robot_and_world, with_teacher
from rl.ppo import PPO, PPOConfig
from tests.rl.hidden import COMMAND, DT, POSITION, SPEED, STUDENT, TEACHER, hidden_task, teacher_actor
from tests.rl.tracking import make_env, tracking_task

CONFIG = DistillConfig(data_steps=2**13, learning_rate=0.01)
NUM_ENVS = 32


def make_distiller(history: int, student: PPOConfig = STUDENT, config: DistillConfig = CONFIG) -> Distiller:
    return Distiller(make_env(hidden_task(observation_history=history), NUM_ENVS), student, TEACHER, config)


def begin(distiller: Distiller, seed: int = 0):
    """The first state, and the teacher's as PPO would have left it."""
    teacher = jax.jit(PPO(distiller.env, TEACHER).init)(jax.random.key(1))
    actor, normalizer = teacher_actor()
    teacher = teacher.replace(average=actor, policy_normalizer=normalizer)
    return with_teacher(jax.jit(distiller.init)(jax.random.key(seed)), teacher), teacher


def learn(distiller: Distiller, updates: int):
    update, figures = jax.jit(distiller.update, donate_argnums=0), []
    state, _ = begin(distiller)
    for _ in range(updates):
        state, metrics = update(state)
        figures.append({name: float(value) for name, value in metrics.items()})
    return state, figures, update


@pytest.fixture(scope="module")
def learned():
    distiller = make_distiller(history=2)
    return distiller, *learn(distiller, 120)


def test_the_teacher_is_recovered_from_two_positions(learned):
    """A linear student can do exactly what the teacher does: its speed is the difference of the positions over the period."""
    _, state, figures, _ = learned
    assert figures[0]["imitation_error"] > 0.2
    assert figures[-1]["imitation_error"] < 0.02, "the teacher's actions are not met"
    layer = state.average["actor"]["params"]["MLP_0"]["Dense_0"]
    before, old_command, now, command = np.asarray(layer["kernel"][:, 0] / state.policy_normalizer.std)
    assert now + before == pytest.approx(POSITION, abs=0.05)
    assert now == pytest.approx(POSITION + SPEED / DT, rel=0.1)
    assert before == pytest.approx(-SPEED / DT, rel=0.1)
    assert command + old_command == pytest.approx(COMMAND, abs=0.05)


def test_one_position_does_not_tell_the_teacher():
    """The control of the above: without a history the speed stays hidden."""
    _, figures, _ = learn(make_distiller(history=1), 60)
    assert figures[-1]["imitation_error"] > 0.1


def test_the_share_of_the_teacher_goes_as_stated(learned):
    distiller, _, figures, _ = learned
    share, decay = [f["teacher_share"] for f in figures], distiller.config.teacher_share_decay
    assert share[0] == 1.0
    draws = distiller.steps_per_update
    for update in range(40):
        expected = decay**update
        assert share[update] == pytest.approx(expected, abs=4 * (expected * (1 - expected) / draws) ** 0.5 + 1e-9)
    assert share[-1] == 0.0


def test_one_compilation_serves_all_updates(learned):
    assert learned[-1]._cache_size() == 1


def test_the_student_acts_by_its_own_observation_alone(learned):
    """With another critic's observation the teacher would do something else; the student, who acts by now, does the same."""
    distiller, state, *_ = learned
    env = state.env
    strange = env.replace(observation={**env.observation, "critic": env.observation["critic"] + 1.0})
    collect = jax.jit(distiller.collect)
    after, labelled, _ = collect(state, jax.random.key(5))
    other, relabelled, _ = collect(state.replace(env=strange), jax.random.key(5))
    assert np.abs(labelled.action[0] - relabelled.action[0]).min() > 0.1
    np.testing.assert_array_equal(after.physics.qpos, other.physics.qpos)
    ppo = PPO(distiller.env, STUDENT)
    _, teacher = begin(distiller)
    acting = teacher.replace(average=state.average, policy_normalizer=state.policy_normalizer)
    np.testing.assert_array_equal(ppo.act(acting, ppo.seen(env)), ppo.act(acting, ppo.seen(strange)))
    watching = PPO(distiller.env, TEACHER)
    assert np.abs(watching.act(teacher, watching.seen(env)) - watching.act(teacher, watching.seen(strange))).min() > 0.1


def test_the_labels_are_the_teachers_actions(learned):
    distiller, state, *_ = learned
    critic = np.asarray(state.env.observation["critic"])
    _, labelled, _ = jax.jit(distiller.collect)(state, jax.random.key(5))
    np.testing.assert_allclose(labelled.action[0, :, 0], critic @ [POSITION, SPEED, COMMAND], atol=1e-5)


def test_a_resumed_distillation_goes_on_as_if_never_stopped(tmp_path):
    config = DistillConfig(data_steps=0, passes=1, minibatches=2)  # the ring of four rollouts is full when it stops
    straight, _, _ = learn(make_distiller(2, config=config), 12)
    half, _, _ = learn(make_distiller(2, config=config), 6)
    Checkpoints(tmp_path).save(half)
    fresh = make_distiller(2, config=config)
    state = Checkpoints(tmp_path).restore(jax.eval_shape(fresh.init, jax.random.key(0)))
    update = jax.jit(fresh.update)
    for _ in range(6):
        state, _ = update(state)
    for (path, x), (_, y) in zip(
        jax.tree_util.tree_leaves_with_path(straight), jax.tree_util.tree_leaves_with_path(state), strict=True
    ):
        np.testing.assert_array_equal(x, y, err_msg=jax.tree_util.keystr(path))


def test_a_students_checkpoint_is_read_as_any_policys(learned, tmp_path):
    distiller, state, *_ = learned
    Checkpoints(tmp_path).save(state)
    ppo = PPO(distiller.env, STUDENT)
    restored = Checkpoints(tmp_path).restore_policy(jax.eval_shape(ppo.init, jax.random.key(0)))
    seen = state.env.observation["policy"]
    expected = distiller.networks.policy(state.average, state.policy_normalizer(seen))[0]
    np.testing.assert_array_equal(ppo.act(restored, seen), expected)


def test_what_the_student_does_not_learn_is_the_teachers(learned):
    distiller, state, *_ = learned
    _, teacher = begin(distiller)
    expected = {"critic": teacher.params["critic"], "normalizer": teacher.critic_normalizer}
    jax.tree.map(
        np.testing.assert_array_equal, {"critic": state.params["critic"], "normalizer": state.critic_normalizer}, expected
    )
    assert state.params["actor"]["params"]["raw_std"] == teacher.average["actor"]["params"]["raw_std"]


def test_the_student_that_acts_is_the_average_of_those_that_learned():
    distiller = make_distiller(2)
    state, _ = begin(distiller)
    update, learned = jax.jit(distiller.update), []
    for _ in range(3):
        state, _ = update(state)
        learned.append(state.params["actor"])
    decay = STUDENT.averaging
    weights = np.array([decay**2, decay, 1.0]) / (1 + decay + decay**2)
    expected = jax.tree.map(lambda *leaves: sum(w * leaf for w, leaf in zip(weights, leaves, strict=True)), *learned)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.average["actor"], expected)


def test_a_gradient_that_is_not_finite_is_skipped_and_counted():
    distiller = make_distiller(2)
    state, _ = begin(distiller)
    broken = jax.tree.map(lambda x: x * jnp.nan, state.teacher.actor)
    after, metrics = jax.jit(distiller.update)(state.replace(teacher=state.teacher.replace(actor=broken)))
    assert metrics["skipped_updates"] == CONFIG.passes * CONFIG.minibatches
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)


def test_a_teacher_of_another_robot_or_world_is_told_so():
    task = hidden_task()
    check_same_robot_and_world(task, hidden_task(observation_history=7))
    for changes, expected in (
        ({"control_seconds": 0.01}, r"control period: 0.02 and 0.01"),
        ({"critic_observation": (*task.critic_observation, CriticTerm("mass", lambda v: v.time))}, r"only the student's.*mass"),
    ):
        with pytest.raises(TaskError, match=expected):
            check_same_robot_and_world(task, hidden_task(**changes))


def test_a_teacher_that_sees_other_numbers_is_told_so():
    wide = (CriticTerm("joint_position", lambda v: v.joint_position), CriticTerm("all", lambda v: jnp.zeros(5)))
    stranger = PPO(make_env(tracking_task(critic_observation=wide), 2), PPOConfig(**{**vars(TEACHER), "minibatches": 1}))
    distiller = make_distiller(2)
    fresh = jax.jit(distiller.init)(jax.random.key(0))
    with pytest.raises(TaskError, match=r"sees 6 numbers.*has 3"):
        with_teacher(fresh, jax.jit(stranger.init)(jax.random.key(0)))
