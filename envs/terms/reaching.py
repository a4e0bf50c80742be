"""Rewards, metrics, observations and commands of reaching. A command is the pose of the end effector in the base's frame:
position (x, y, z) in m and unit quaternion (w, x, y, z) with w >= 0."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.robots.robot import Robot
from envs.kinematics import Kinematics, Poses
from envs.proprioception import Proprioception, multiply
from envs.view import View

# A new command is a step that no arm follows at once: errors that count as settled start this long after it (s).
SETTLING = 2.0

# Joints are drawn this many times for a pose whose links are clear of the ground and of the base.
_TRIALS = 32


def position_error(view: View) -> jax.Array:
    """m"""
    return jnp.linalg.norm(view.command[:3] - view.end_effector_position)


def orientation_error(view: View) -> jax.Array:
    """Angle of the turn from one orientation to the other (rad)."""
    return _angle(view.command[3:], view.end_effector_quaternion)


def is_settled(view: View) -> jax.Array:
    """Whether the arm has had the time to reach its command."""
    return view.command_time >= SETTLING


def position_error_at_rest(arm: Kinematics, robot: Robot) -> Callable[[View], jax.Array]:
    """The error of an arm that stays in its default pose (m): what reaching is measured against."""
    position, _ = arm.end_effector(arm.poses(jnp.asarray(robot.default_pose, jnp.float32)))
    return lambda view: jnp.linalg.norm(view.command[:3] - position)


def orientation_error_at_rest(arm: Kinematics, robot: Robot) -> Callable[[View], jax.Array]:
    """rad"""
    _, quat = arm.end_effector(arm.poses(jnp.asarray(robot.default_pose, jnp.float32)))
    return lambda view: _angle(view.command[3:], quat)


def near_position(scale: float) -> Callable[[View], jax.Array]:
    """1 at the commanded position, a quarter at `scale` (m) from it."""
    return lambda view: 1 - jnp.tanh(position_error(view) / scale)


def near_orientation(scale: float) -> Callable[[View], jax.Array]:
    """1 at the commanded orientation, a quarter at `scale` (rad) from it."""
    return lambda view: 1 - jnp.tanh(orientation_error(view) / scale)


def joint_speed(view: View) -> jax.Array:
    """Sum of squared joint velocities, each relative to its limit."""
    return jnp.sum(jnp.square(view.joint_velocity / jnp.asarray(view.layout.robot.velocity_limits, jnp.float32)))


def _angle(a: jax.Array, b: jax.Array) -> jax.Array:
    """Between two unit quaternions (rad): well-conditioned near zero, where an arc cosine is not."""
    relative = multiply(a, b * jnp.array([1.0, -1.0, -1.0, -1.0]))
    return 2 * jnp.arctan2(jnp.linalg.norm(relative[1:]), jnp.abs(relative[0]))


# The policy's observations


def way_to_go(arm: Kinematics, length: float) -> Callable[[Proprioception, Robot], jax.Array]:
    """From the measured pose to the commanded one: shift (3, m) and rotation vector (3, rad) in the base's frame, and which way
    each joint lessens both (num_joints): the negative gradient, by joint positions, of (d / length)^2 / 2 + 2 sin^2(angle / 2),
    d the distance; near the command the second term is angle^2 / 2."""

    def term(sensed: Proprioception, robot: Robot) -> jax.Array:
        poses = arm.poses(sensed.joint_position)
        position, quat = arm.end_effector(poses)
        shift, turn = sensed.command[:3] - position, rotation_vector(sensed.command[3:], quat)
        angle = jnp.linalg.norm(turn)
        descent = arm.along_joints(poses, shift / length**2, turn * jnp.sinc(angle / jnp.pi))
        return jnp.concatenate([shift, turn, descent])

    return term


def step_to_position(arm: Kinematics, damping: float, longest: float) -> Callable[[Proprioception, Robot], jax.Array]:
    """How far to turn each joint for the end effector to come to the commanded position, or `longest` (m) nearer to it where it
    is farther, to first order: (num_joints,) rad. Least squares, damped by `damping` (m/rad) where the arm is hardly able to go
    that way (Wampler 1986)."""

    def term(sensed: Proprioception, robot: Robot) -> jax.Array:
        poses = arm.poses(sensed.joint_position)
        shift = sensed.command[:3] - arm.end_effector(poses)[0]
        shift = shift * (longest / jnp.maximum(jnp.sqrt(jnp.sum(jnp.square(shift))), longest))
        jacobian = arm.position_jacobian(poses)
        a, b, c = jacobian.T @ jacobian + damping**2 * np.eye(3, dtype=np.float32)
        # The inverse of a matrix of three rows, by their cross products.
        columns = jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], axis=1)
        return jacobian @ (columns @ shift) / jnp.dot(a, columns[:, 0])

    return term


def nearest_posture(robot: Robot, count: int, length: float) -> Callable[[Proprioception, Robot], jax.Array]:
    """From the joints' positions to those of the one of `count` known postures whose end effector is nearest to the command:
    (num_joints,) rad. It tells which way round, where all that is downhill ends at a joint's limit. A distance of `length` (m)
    counts as much as a turn of 1 rad."""
    postures = [jnp.asarray(part, jnp.float32) for part in _postures(robot, count)]

    def term(sensed: Proprioception, robot: Robot) -> jax.Array:
        joints, position, quat = postures
        apart = jnp.sum(jnp.square((position - sensed.command[:3]) / length), axis=1)
        apart = apart + 4 * (1 - jnp.square(quat @ sensed.command[3:]))
        nearest = (apart <= jnp.min(apart)).astype(jnp.float32)
        return nearest @ joints / jnp.sum(nearest) - sensed.joint_position

    return term


def _postures(robot: Robot, count: int) -> tuple[np.ndarray, ...]:
    """Joint positions drawn from their ranges whose links are above the ground, always the same, and the poses (3,) and (4,) of
    the end effector in the base's frame."""
    model = robot.spec().compile()
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    where = [int(model.joint(name).qposadr[0]) for name in robot.joints]
    low, high = robot.joint_ranges().T
    base, site = model.body(robot.base).id, model.site(robot.end_effector).id
    own = np.flatnonzero(model.body_rootid == model.body_rootid[base])
    inverse, quat, turn = np.empty(4), np.empty(4), np.empty(4)
    mujoco.mju_negQuat(inverse, model.body_quat[base])
    found: list[tuple[np.ndarray, ...]] = []
    while len(found) < count:
        data.qpos[where] = joints = rng.uniform(low, high)
        mujoco.mj_kinematics(model, data)
        if min(data.xpos[own, 2].min(), data.site_xpos[site, 2]) < data.xpos[base, 2]:
            continue
        position = np.empty(3)
        mujoco.mju_rotVecQuat(position, data.site_xpos[site] - model.body_pos[base], inverse)
        mujoco.mju_mat2Quat(turn, data.site_xmat[site])
        mujoco.mju_mulQuat(quat, inverse, turn)
        found.append((joints, position, quat.copy()))
    return tuple(np.array(part) for part in zip(*found, strict=True))


def rotation_vector(target: jax.Array, quat: jax.Array) -> jax.Array:
    """Of the turn from one orientation to the other, (3,) rad."""
    relative = multiply(target, quat * jnp.array([1.0, -1.0, -1.0, -1.0]))
    relative = jnp.where(relative[0] < 0, -relative, relative)
    sine = jnp.linalg.norm(relative[1:])
    factor = jnp.where(sine > 1e-6, 2 * jnp.arctan2(sine, relative[0]) / jnp.maximum(sine, 1e-6), 2.0)
    return factor * relative[1:]


# Commands


def reachable_pose(arm: Kinematics, robot: Robot, clearance: float, margin: float = 0.05) -> Callable[[jax.Array], jax.Array]:
    """Poses that the arm takes at joint positions drawn uniformly from their ranges, less `margin` of each at either end.

    Of the drawn ones the first counts in which no moving part is lower than `clearance` (m) above the ground, or than it ever
    is in the default pose, and the end effector keeps `clearance` from the box around the base; where all trials fail, which is
    rare, it is the default pose.
    """
    low, high = robot.joint_ranges().T
    low, high = jnp.asarray(low + margin * (high - low), jnp.float32), jnp.asarray(high - margin * (high - low), jnp.float32)
    default = jnp.asarray(robot.default_pose, jnp.float32)
    lowest = jnp.minimum(arm.heights(arm.poses(default)) - 1e-3, clearance)
    box = jnp.asarray(arm.base_box + clearance * np.array([[-1.0], [1.0]]), jnp.float32)

    def is_clear(poses: Poses) -> jax.Array:
        position, _ = arm.end_effector(poses)
        in_base = jnp.all((position > box[0]) & (position < box[1]))
        return jnp.all(arm.heights(poses) > lowest) & ~in_base

    def sample(key: jax.Array) -> jax.Array:
        drawn = jax.random.uniform(key, (_TRIALS, len(low)), minval=low, maxval=high)
        drawn = jnp.concatenate([drawn, default[None]])
        poses = jax.vmap(arm.poses)(drawn)
        first = jnp.argmax(jax.vmap(is_clear)(poses).at[-1].set(True))
        position, quat = arm.end_effector(jax.tree.map(lambda x: x[first], poses))
        return jnp.concatenate([position, jnp.where(quat[0] < 0, -quat, quat)])

    return sample


def as_pose(command: jax.Array) -> jax.Array:
    """The command with its quaternion made one: of unit length, w >= 0; no turn where all its entries are zero."""
    position, quat = command[:3], command[3:]
    length = jnp.linalg.norm(quat)
    quat = jnp.where(length > 1e-6, quat / jnp.maximum(length, 1e-6), jnp.array([1.0, 0.0, 0.0, 0.0]))
    return jnp.concatenate([position, jnp.where(quat[0] < 0, -quat, quat)])
