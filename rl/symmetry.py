"""What an actor would see and do in the mirror: the left-right symmetry of a robot, carried over to its observations.

    mirror = actor_mirror(env, "policy")
    mirror.observation(observation), mirror.action(action)

The mirror acts on `Proprioception`. How it acts on the policy's observation follows from the task's own terms: each entry of a
mirrored observation must be an entry of the observation, or its negative. That map is found by trying random robots.
The critic's terms see a whole simulation, which cannot be turned round from outside: each of them declares its own mirror image
(`CriticTerm.mirror`, of `envs.terms.mirrors`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Mirror
from envs.env import Env
from envs.proprioception import Proprioception
from envs.task import CommandTerm, Task, TaskError

_TRIALS = 64


@dataclass(frozen=True)
class SignedPermutation:
    index: np.ndarray
    sign: np.ndarray

    def __call__(self, x: jax.Array) -> jax.Array:
        return x[..., self.index] * jnp.asarray(self.sign, jnp.float32)


@dataclass(frozen=True)
class ActorMirror:
    observation: SignedPermutation
    action: SignedPermutation


def mirror_proprioception(sensed: Proprioception, mirror: Mirror, asked: CommandTerm) -> Proprioception:
    """The reflection in the plane of x and z. Angular velocity is an axial vector: its x and z turn round."""
    joints = SignedPermutation(np.array(mirror.index), np.array(mirror.sign))
    command = sensed.command * np.array(asked.mirror_sign, np.float32)
    return Proprioception(
        joint_position=joints(sensed.joint_position),
        joint_velocity=joints(sensed.joint_velocity),
        imu_quaternion=sensed.imu_quaternion * jnp.array([1.0, -1.0, 1.0, -1.0]),
        angular_velocity=sensed.angular_velocity * jnp.array([-1.0, 1.0, -1.0]),
        command=command,
        last_action=joints(sensed.last_action),
        reference=asked.reference(command),
    )


def actor_mirror(env: Env, observation: str) -> ActorMirror:
    """The mirror of the environment's actions and of that one of its observations. Raises TaskError where a term has none."""
    robot = env.task.robot
    mirror = robot.mirror
    if mirror is None:
        raise TaskError(f"robot {robot.name!r} declares no mirror")
    if env.num_actions != robot.num_joints:
        raise TaskError(
            f"task {env.task.name!r}: an action has {env.num_actions} entries, and only those with one for each of"
            f" {robot.num_joints} joints have a known mirror image; train with --symmetry False"
        )
    if not np.allclose(robot.default_pose, np.array(robot.default_pose)[list(mirror.index)] * np.array(mirror.sign)):
        raise TaskError(f"robot {robot.name!r}: its default pose is not its own mirror image")
    of_observation = {"policy": _of_policy_observation, "critic": _of_critic_observation}[observation]
    return ActorMirror(of_observation(env, mirror), SignedPermutation(np.array(mirror.index), np.array(mirror.sign)))


def _of_policy_observation(env: Env, mirror: Mirror) -> SignedPermutation:
    task, robot = env.task, env.task.robot
    size = len(task.command.names)
    if len(task.command.mirror_sign) != size:
        raise TaskError(f"task {task.name!r}: command.mirror_sign has {len(task.command.mirror_sign)} entries, expected {size}")
    rng, n = np.random.default_rng(0), robot.num_joints

    def draw(size: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal((_TRIALS, size)), jnp.float32)

    quat, command = draw(4), draw(size)
    sensed = Proprioception(
        joint_position=draw(n),
        joint_velocity=draw(n),
        imu_quaternion=quat / jnp.linalg.norm(quat, axis=1, keepdims=True),
        angular_velocity=draw(3),
        command=command,
        last_action=draw(n),
        reference=jax.vmap(task.command.reference)(command),
    )

    def observe(sensed: Proprioception) -> list[jax.Array]:
        return [jnp.atleast_1d(term.function(sensed, robot)) for term in task.policy_observation]

    @jax.jit  # term by term it would take a second
    @jax.vmap
    def both(sensed: Proprioception) -> tuple[list[jax.Array], list[jax.Array]]:
        return observe(sensed), observe(mirror_proprioception(sensed, mirror, task.command))

    parts = []
    values = jax.device_get(both(sensed))
    for term, plain, image in zip(task.policy_observation, *values, strict=True):
        part = _rearrangement(plain, image)
        if part is None:
            raise TaskError(
                f"task {task.name!r}: the mirror image of observation term {term.name!r} is no rearrangement of the term;"
                " train with --symmetry False, or split the term"
            )
        parts.append(part)
    return _repeated(_side_by_side(parts), task.observation_history)


def check_critic_mirrors(task: Task) -> None:
    """Raise TaskError where a robot that has a mirror sees terms that have none."""
    missing = [term.name for term in task.critic_observation if term.mirror is None]
    if task.robot.mirror is not None and missing:
        raise TaskError(
            f"task {task.name!r}: critic observation term {missing[0]!r} declares no mirror, which an actor that sees it needs;"
            " give it one of envs.terms.mirrors, or train with --symmetry False"
        )


def _of_critic_observation(env: Env, mirror: Mirror) -> SignedPermutation:
    task, robot = env.task, env.task.robot
    check_critic_mirrors(task)
    parts = []
    for i, (term, size) in enumerate(zip(task.critic_observation, env.critic_term_sizes, strict=True)):
        name = f"task {task.name!r}: critic observation term {term.name!r}"
        assert term.mirror is not None
        values = jax.random.normal(jax.random.fold_in(jax.random.key(0), i), (_TRIALS, size))
        part = _rearrangement(np.asarray(values), np.asarray(_images(name, term.mirror, values, robot)))
        if part is None:
            raise TaskError(
                f"{name}: its mirror gives no rearrangement of the term; split the term, or train with --symmetry False"
            )
        parts.append(part)
    return _side_by_side(parts)


def _images(name: str, mirror: Callable[..., jax.Array], values: jax.Array, robot: object) -> jax.Array:
    try:
        images = jax.vmap(lambda v: mirror(v, robot))(values)
    except (TypeError, ValueError, IndexError) as error:
        raise TaskError(f"{name}, of size {values.shape[1]}: its mirror raised {type(error).__name__}: {error}") from error
    if images.shape != values.shape:
        raise TaskError(f"{name}: its mirror gives shape {images.shape[1:]}, expected {values.shape[1:]}")
    return images


def _rearrangement(plain: np.ndarray, image: np.ndarray) -> SignedPermutation | None:
    """The signed permutation of columns that makes `image` of `plain`, (trials, size) each; None where there is none."""
    index, sign = [], []
    for column in image.T:
        same = np.abs(plain - column[:, None]).max(0)
        opposite = np.abs(plain + column[:, None]).max(0)
        best = int(np.argmin(np.minimum(same, opposite)))
        if min(same[best], opposite[best]) > 1e-4:
            return None
        index.append(best)
        sign.append(1.0 if same[best] <= opposite[best] else -1.0)
    return SignedPermutation(np.array(index), np.array(sign))


def _side_by_side(parts: list[SignedPermutation]) -> SignedPermutation:
    starts = np.cumsum([0, *(part.index.size for part in parts)])
    index = np.concatenate([start + part.index for start, part in zip(starts, parts, strict=False)])
    return SignedPermutation(index, np.concatenate([part.sign for part in parts]))


def _repeated(frame: SignedPermutation, times: int) -> SignedPermutation:
    return _side_by_side([frame] * times)
