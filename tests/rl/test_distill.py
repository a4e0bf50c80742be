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
from tests.rl.untrained import untrained

CONFIG = DistillConfig(data_steps=2**13, learning_rate=0.01)
NUM_ENVS = 32


def make_distiller(history: int, student: PPOConfig = STUDENT, config: DistillConfig = CONFIG) -> Distiller:
    return Distiller(make_env(hidden_task(observation_history=history), NUM_ENVS), student, TEACHER, config)


class Lesson:
    """A distiller with its functions compiled, and its teacher as PPO would have left it."""

    def __init__(self, distiller: Distiller):
        self.distiller = distiller
        self.update = jax.jit(distiller.update, donate_argnums=0)
        self._init = jax.jit(distiller.init)
        actor, normalizer = teacher_actor()
        self.teacher = untrained(PPO(distiller.env, TEACHER)).replace(average=actor, policy_normalizer=normalizer)

    def begin(self):
        return with_teacher(self._init(jax.random.key(0)), self.teacher)

    def learn(self, updates: int):
        state, figures = self.begin(), []
        for _ in range(updates):
            state, metrics = self.update(state)
            figures.append({name: float(value) for name, value in metrics.items()})
        return state, figures


@pytest.fixture(scope="module")
def lesson():
    return Lesson(make_distiller(history=2))


@pytest.fixture(scope="module")
def learned(lesson):
    return lesson.distiller, *lesson.learn(120)


@pytest.fixture(scope="module")
def collect(lesson):
    return jax.jit(lesson.distiller.collect)


def test_the_teacher_is_recovered_from_two_positions(learned):
    """A linear student can do exactly what the teacher does: its speed is the difference of the positions over the period."""
    _, state, figures = learned
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
    _, figures = Lesson(make_distiller(history=1)).learn(60)
    assert figures[-1]["imitation_error"] > 0.1


def test_the_share_of_the_teacher_goes_as_stated(learned):
    distiller, _, figures = learned
    share, decay = [f["teacher_share"] for f in figures], distiller.config.teacher_share_decay
    assert share[0] == 1.0
    draws = distiller.steps_per_update
    for update in range(40):
        expected = decay**update
        assert share[update] == pytest.approx(expected, abs=4 * (expected * (1 - expected) / draws) ** 0.5 + 1e-9)
    assert share[-1] == 0.0


def test_one_compilation_serves_all_updates(lesson, learned):
    assert lesson.update._cache_size() == 1


def test_the_student_acts_by_its_own_observation_alone(lesson, learned, collect):
    """With another critic's observation the teacher would do something else; the student, who acts by now, does the same."""
    distiller, state, *_ = learned
    env = state.env
    strange = env.replace(observation={**env.observation, "critic": env.observation["critic"] + 1.0})
    after, labelled, _ = collect(state, jax.random.key(5))
    other, relabelled, _ = collect(state.replace(env=strange), jax.random.key(5))
    assert np.abs(labelled.action[0] - relabelled.action[0]).min() > 0.1
    np.testing.assert_array_equal(after.physics.qpos, other.physics.qpos)
    ppo = PPO(distiller.env, STUDENT)
    teacher = lesson.teacher
    acting = teacher.replace(average=state.average, policy_normalizer=state.policy_normalizer)
    np.testing.assert_array_equal(ppo.act(acting, ppo.seen(env)), ppo.act(acting, ppo.seen(strange)))
    watching = PPO(distiller.env, TEACHER)
    assert np.abs(watching.act(teacher, watching.seen(env)) - watching.act(teacher, watching.seen(strange))).min() > 0.1


def test_the_labels_are_the_teachers_actions(learned, collect):
    distiller, state, _ = learned
    critic = np.asarray(state.env.observation["critic"])
    _, labelled, _ = collect(state, jax.random.key(5))
    expected = distiller.networks.action(critic @ [POSITION, SPEED, COMMAND])
    np.testing.assert_allclose(labelled.action[0, :, 0], expected, atol=1e-5)


def test_a_resumed_distillation_goes_on_as_if_never_stopped(tmp_path):
    config = DistillConfig(data_steps=0, passes=1, minibatches=2)  # the ring of four rollouts is full when it stops
    lesson = Lesson(make_distiller(2, config=config))
    straight, _ = lesson.learn(12)
    half, _ = lesson.learn(6)
    Checkpoints(tmp_path).save(half)
    fresh = make_distiller(2, config=config)
    state = Checkpoints(tmp_path).restore(jax.eval_shape(fresh.init, jax.random.key(0)))
    update = jax.jit(fresh.update, donate_argnums=0)
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
    mean, _ = distiller.networks.policy(state.average, state.policy_normalizer(seen))
    np.testing.assert_array_equal(ppo.act(restored, seen), distiller.networks.action(mean))


def test_what_the_student_does_not_learn_is_the_teachers(lesson, learned):
    _, state, _ = learned
    teacher = lesson.teacher
    expected = {"critic": teacher.params["critic"], "normalizer": teacher.critic_normalizer}
    jax.tree.map(
        np.testing.assert_array_equal, {"critic": state.params["critic"], "normalizer": state.critic_normalizer}, expected
    )
    assert state.params["actor"]["params"]["raw_std"] == teacher.average["actor"]["params"]["raw_std"]


def test_the_student_that_acts_is_the_average_of_those_that_learned(lesson):
    state, learned = lesson.begin(), []
    for _ in range(3):
        state, _ = lesson.update(state)
        learned.append(jax.device_get(state.params["actor"]))
    decay = STUDENT.averaging
    weights = np.array([decay**2, decay, 1.0]) / (1 + decay + decay**2)
    expected = jax.tree.map(lambda *leaves: sum(w * leaf for w, leaf in zip(weights, leaves, strict=True)), *learned)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.average["actor"], expected)


def test_a_gradient_that_is_not_finite_is_skipped_and_counted(lesson):
    state = lesson.begin()
    before = jax.device_get(state.params)
    broken = jax.tree.map(lambda x: x * jnp.nan, state.teacher.actor)
    after, metrics = lesson.update(state.replace(teacher=state.teacher.replace(actor=broken)))
    assert metrics["skipped_updates"] == CONFIG.passes * CONFIG.minibatches
    jax.tree.map(np.testing.assert_array_equal, after.params, before)


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
    fresh, teacher = (jax.eval_shape(learner.init, jax.random.key(0)) for learner in (distiller, stranger))
    with pytest.raises(TaskError, match=r"sees 6 numbers.*has 3"):
        with_teacher(fresh, teacher)
