"""What a policy would see and do in the mirror: the left-right symmetry of a robot, carried over to its observations.

The mirror acts on `Proprioception`. How it acts on the observation follows from the task's own terms: each entry of a mirrored
observation must be an entry of the observation, or its negative. That map is found by trying random robots, and checked.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Mirror
from envs.env import Env
from envs.proprioception import Proprioception
from envs.task import TaskError


@dataclass(frozen=True)
class SignedPermutation:
    index: np.ndarray
    sign: np.ndarray

    def __call__(self, x: jax.Array) -> jax.Array:
        return x[..., self.index] * jnp.asarray(self.sign, jnp.float32)


@dataclass(frozen=True)
class PolicyMirror:
    observation: SignedPermutation
    action: SignedPermutation


def mirror_proprioception(sensed: Proprioception, mirror: Mirror, command_sign: np.ndarray) -> Proprioception:
    """The reflection in the plane of x and z. Angular velocity is an axial vector: its x and z turn round."""
    joints = SignedPermutation(np.array(mirror.index), np.array(mirror.sign))
    return Proprioception(
        joint_position=joints(sensed.joint_position),
        joint_velocity=joints(sensed.joint_velocity),
        imu_quaternion=sensed.imu_quaternion * jnp.array([1.0, -1.0, 1.0, -1.0]),
        angular_velocity=sensed.angular_velocity * jnp.array([-1.0, 1.0, -1.0]),
        command=sensed.command * command_sign,
        last_action=joints(sensed.last_action),
    )


def policy_mirror(env: Env) -> PolicyMirror:
    """The mirror of the environment's policy observations and actions. Raises TaskError where a term has none."""
    robot, task = env.task.robot, env.task
    mirror = robot.mirror
    if mirror is None:
        raise TaskError(f"robot {robot.name!r} declares no mirror")
    if not np.allclose(robot.default_pose, np.array(robot.default_pose)[list(mirror.index)] * np.array(mirror.sign)):
        raise TaskError(f"robot {robot.name!r}: its default pose is not its own mirror image")
    command_sign = np.array(task.command.mirror_sign, np.float32)
    if command_sign.shape != (len(task.command.names),):
        raise TaskError(
            f"task {task.name!r}: command.mirror_sign has {command_sign.size} entries, expected {len(task.command.names)}"
        )
    trials, n = 64, robot.num_joints
    draw = np.random.default_rng(0).standard_normal
    quat = draw((trials, 4))
    sensed = Proprioception(
        joint_position=draw((trials, n)),
        joint_velocity=draw((trials, n)),
        imu_quaternion=quat / np.linalg.norm(quat, axis=1, keepdims=True),
        angular_velocity=draw((trials, 3)),
        command=draw((trials, command_sign.size)),
        last_action=draw((trials, n)),
    )

    def observe(sensed: Proprioception) -> list[jax.Array]:
        return [jnp.atleast_1d(term.function(sensed, robot)) for term in task.policy_observation]

    @jax.jit  # term by term it would take a second
    @jax.vmap
    def both(sensed: Proprioception) -> tuple[list[jax.Array], list[jax.Array]]:
        return observe(sensed), observe(mirror_proprioception(sensed, mirror, command_sign))

    terms = jax.device_get(both(jax.tree.map(np.float32, sensed)))
    index, sign, start = [], [], 0
    for term, plain, image in zip(task.policy_observation, *terms, strict=True):
        for column in image.T:
            same = np.abs(plain - column[:, None]).max(0)
            opposite = np.abs(plain + column[:, None]).max(0)
            best = int(np.argmin(np.minimum(same, opposite)))
            if min(same[best], opposite[best]) > 1e-4:
                raise TaskError(
                    f"task {task.name!r}: the mirror image of observation term {term.name!r} is no rearrangement of the term;"
                    " train with symmetry off, or split the term"
                )
            index.append(start + best)
            sign.append(1.0 if same[best] <= opposite[best] else -1.0)
        start += plain.shape[1]
    frames = np.arange(task.observation_history)[:, None] * start
    observation = SignedPermutation((frames + np.array(index)).ravel(), np.tile(sign, task.observation_history))
    return PolicyMirror(observation, SignedPermutation(np.array(mirror.index), np.array(mirror.sign)))
