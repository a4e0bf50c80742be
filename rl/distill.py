"""A teacher distilled into a student: DAgger (Ross, Gordon and Bagnell 2011).

    distiller = Distiller(env, student, teacher, DistillConfig())           # PPOConfigs of the two
    state = with_teacher(jax.jit(distiller.init)(key), teacher_state)
    state, metrics = jax.jit(distiller.update, donate_argnums=0)(state)     # one rollout, then gradient steps on all the data

The teacher acts on the critic's observation, which only a simulation can supply; the student on the policy's, with as much
history as the environment's task says. An update acts with a mixture of the two, notes for every state that is met what the
teacher would do, adds that to the data of the updates before, and fits the student to it by regression.

The student's networks are PPO's, and its state has the parts that acting needs under PPO's names: what evaluates a policy of
PPO evaluates a student. The value function is the teacher's, so that PPO could go on from there.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from envs.env import Env, EnvState
from envs.task import Task, TaskError
from rl.aggregate import Aggregate, Labelled
from rl.networks import Params
from rl.normalization import Normalizer
from rl.ppo import PPOConfig, TrainState, networks_of, over_all, step_metrics

_FEWEST_ROLLOUTS = 4


@dataclass(frozen=True)
class DistillConfig:
    teacher_share_decay: float = 0.9
    """In update u (from 0) the teacher acts with probability `teacher_share_decay ** u`, drawn for every step of every
    environment, else the student (Ross et al. 2011, section 3.1): the student soon learns from where it gets by itself."""
    data_steps: int = 2**19
    """Control steps of all environments that are kept: the latest, in whole rollouts and at least four of those. With 512
    environments these are the last 85 updates, where the present student and those little worse get to. A checkpoint holds them
    all, or a resumed run would not go on as if it had never stopped: for a Go2 this many are 122 MB, of any history."""
    minibatches: int = 8
    """A gradient step takes as many of the kept steps as one rollout has, divided by this."""
    passes: int = 2
    """Gradient steps of an update, in units of `minibatches`: on average each step is learned from so many times."""
    learning_rate: float = 1e-3
    max_gradient_norm: float = 1.0


class Teacher(struct.PyTreeNode):
    """A policy to learn from; it lies in the student's checkpoints, so that a resumed run needs no other."""

    actor: Params
    normalizer: Normalizer


class DistillState(struct.PyTreeNode):
    params: Params
    average: Params
    """The moving average of the actor's parameters: the student that acts."""
    optimizer: Any
    policy_normalizer: Normalizer
    critic_normalizer: Normalizer
    env: EnvState
    key: jax.Array
    """Raw key data."""
    updates: jax.Array
    teacher: Teacher
    data: Aggregate


class Distiller:
    """A `rl.learner.Learner`."""

    def __init__(self, env: Env, student: PPOConfig, teacher: PPOConfig, config: DistillConfig):
        self.env = env
        self.config = config
        self.networks = networks_of(student, env)
        self._student = student
        self._teacher_networks = networks_of(teacher, env)
        self._batch = max(1, self.steps_per_update // config.minibatches)
        adam = optax.chain(optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(config.learning_rate))
        self._optimizer = optax.apply_if_finite(adam, max_consecutive_errors=np.iinfo(np.int32).max)

    @property
    def steps_per_update(self) -> int:
        return self._student.rollout_length * self.env.num_envs

    def init(self, key: jax.Array) -> DistillState:
        """A student that has learned nothing, of a teacher that knows nothing; the real one comes by `with_teacher`."""
        key_student, key_teacher, key_env, key = jax.random.split(key, 4)
        sizes, history, length = self.env.observation_size, self._history, self._student.rollout_length
        student = self.networks.init(key_student, sizes["policy"], sizes["critic"])
        teacher = self._teacher_networks.init(key_teacher, sizes["critic"], sizes["critic"])
        # A step can be learned from while its whole history is there: some must be left of the oldest rollouts.
        blocks = max(self.config.data_steps // self.steps_per_update, _FEWEST_ROLLOUTS, 2 + (history - 1) // length)
        frame = sizes["policy"] // history
        return DistillState(
            params=student,
            average={"actor": student["actor"]},
            optimizer=self._optimizer.init({"actor": student["actor"]}),
            policy_normalizer=Normalizer.of(sizes["policy"]),
            critic_normalizer=Normalizer.of(sizes["critic"]),
            env=self.env.staggered(self.env.reset(key_env), jax.random.fold_in(key_env, 1)),
            key=jax.random.key_data(key),
            updates=jnp.int32(0),
            teacher=Teacher({"actor": teacher["actor"]}, Normalizer.of(sizes["critic"])),
            data=Aggregate.of(blocks, length, self.env.num_envs, frame, self.env.num_actions),
        )

    def update(self, state: DistillState) -> tuple[DistillState, dict[str, jax.Array]]:
        """One rollout, and gradient steps on all that is kept. Metrics are scalars."""
        key, key_act, key_learn = jax.random.split(jax.random.wrap_key_data(state.key), 3)
        env, labelled, metrics = self.collect(state, key_act)
        state = state.replace(
            env=env,
            key=jax.random.key_data(key),
            policy_normalizer=self._normalizer(state.policy_normalizer, labelled.frame),
            data=state.data.write(state.updates, labelled),
            updates=state.updates + 1,
        )
        actor, optimizer, losses = self._fit(state, key_learn)
        # The weights of an exponential average add up to 1 from the first update on.
        decay = self._student.averaging
        weight = (1 - decay) / (1 - decay ** state.updates.astype(jnp.float32))
        average = jax.tree.map(lambda old, new: old + weight * (new - old), state.average, actor)
        state = state.replace(params={**state.params, **actor}, average=average, optimizer=optimizer)
        return state, metrics | {"imitation_loss": losses.mean(), "skipped_updates": optimizer.total_notfinite}

    def collect(self, state: DistillState, key: jax.Array) -> tuple[EnvState, Labelled, dict[str, jax.Array]]:
        """Act in all environments for a rollout's length with the mixture of teacher and student. Metrics are scalars."""
        task = self.env.task
        share = self.config.teacher_share_decay ** state.updates.astype(jnp.float32)

        def step(env: EnvState, key: jax.Array) -> tuple[EnvState, tuple[Labelled, dict[str, jax.Array]]]:
            seen = env.observation["policy"]
            told = self._ask(state.teacher, env.observation["critic"])
            own = self._mean_action(state.average, state.policy_normalizer(seen))
            taught = jax.random.bernoulli(key, share, (self.env.num_envs,))
            labelled = Labelled(
                frame=seen[:, seen.shape[1] // self._history * (self._history - 1) :],
                age=jnp.round(env.time / task.control_seconds).astype(jnp.int32),
                action=told,
            )
            env = self.env.step(env, jnp.where(taught[:, None], told, own))
            own_metrics = {
                "teacher_share": taught.astype(jnp.float32),
                "imitation_error": jnp.sqrt(jnp.mean(jnp.square(own - told), axis=-1)),
            }
            return env, (labelled, step_metrics(env) | own_metrics)

        keys = jax.random.split(key, self._student.rollout_length)
        env, (labelled, metrics) = jax.lax.scan(step, state.env, keys)
        return env, labelled, {name: over_all(name, value) for name, value in metrics.items()}

    @property
    def _history(self) -> int:
        return self.env.task.observation_history

    def _ask(self, teacher: Teacher, critic_observation: jax.Array) -> jax.Array:
        """The teacher's mean action."""
        mean, _ = self._teacher_networks.policy(teacher.actor, teacher.normalizer(critic_observation))
        return self._teacher_networks.action(mean)

    def _mean_action(self, actor: Params, observation: jax.Array) -> jax.Array:
        """The student's, of a normalised observation."""
        return self.networks.action(self.networks.policy(actor, observation)[0])

    def _normalizer(self, old: Normalizer, frames: jax.Array) -> Normalizer:
        """With a rollout's frames. Every frame of the history is normalised by the same statistics."""
        size = frames.shape[-1]
        one = Normalizer(old.count, old.mean[-size:], old.second[-size:]).update(frames)
        return Normalizer(one.count, jnp.tile(one.mean, self._history), jnp.tile(one.second, self._history))

    def _fit(self, state: DistillState, key: jax.Array) -> tuple[Params, Any, jax.Array]:
        def loss(actor: Params, observation: jax.Array, action: jax.Array) -> jax.Array:
            return jnp.mean(jnp.square(self._mean_action(actor, observation) - action))

        def minibatch(carry: tuple[Params, Any], key: jax.Array) -> tuple[tuple[Params, Any], jax.Array]:
            actor, optimizer = carry
            observation, action = state.data.sample(key, state.updates, self._batch, self._history)
            value, gradient = jax.value_and_grad(loss)(actor, state.policy_normalizer(observation), action)
            change, optimizer = self._optimizer.update(gradient, optimizer, actor)
            return (optax.apply_updates(actor, change), optimizer), value

        keys = jax.random.split(key, self.config.passes * self.config.minibatches)
        carry, losses = jax.lax.scan(minibatch, ({"actor": state.params["actor"]}, state.optimizer), keys)
        return *carry, losses


def with_teacher(state: DistillState, teacher: TrainState) -> DistillState:
    """A fresh state with the teacher that is to be learned from; its value function and its exploration become the student's.

    Raises TaskError where the teacher's observation is of another size.
    """
    found, expected = teacher.policy_normalizer.mean.size, state.teacher.normalizer.mean.size
    if found != expected:
        raise TaskError(
            f"the teacher sees {found} numbers, and the critic's observation of the student's task has {expected}:"
            " the teacher is another task's"
        )
    actor = {"params": {**state.params["actor"]["params"], "raw_std": teacher.average["actor"]["params"]["raw_std"]}}
    taken = state.replace(
        params={"actor": actor, "critic": teacher.params["critic"]},
        average={"actor": actor},
        critic_normalizer=teacher.critic_normalizer,
        teacher=Teacher(teacher.average, teacher.policy_normalizer),
    )
    # A buffer in two places cannot be donated.
    return jax.tree.map(jnp.array, taken)


def check_same_robot_and_world(teacher: Task, student: Task) -> None:
    """Raise TaskError where a teacher of the one task has nothing to tell a student of the other."""

    def world(task: Task) -> dict[str, object]:
        return {
            "robot": task.robot.name,
            "joints": task.robot.joints,
            "default pose": task.robot.default_pose,
            "action scale": task.robot.action_scale,
            "control period": task.control_seconds,
            "command": task.command.names,
            "critic's observation": tuple((term.name, term.scale) for term in task.critic_observation),
        }

    have, want = world(student), world(teacher)
    for name, value in want.items():
        if have[name] != value:
            raise TaskError(
                f"the teacher's task {teacher.name!r} and the student's {student.name!r} differ in their {name}:"
                f" {_difference(value, have[name])}"
            )


def _difference(a: object, b: object) -> str:
    if isinstance(a, tuple) and isinstance(b, tuple):
        missing, added = [x for x in a if x not in b], [x for x in b if x not in a]
        if missing or added:
            return f"only the teacher's has {missing or 'nothing'}, only the student's {added or 'nothing'}"
        return "their order"
    return f"{a!r} and {b!r}"
