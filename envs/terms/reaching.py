"""Rewards, metrics, observations and commands of reaching. A command is the pose of the end effector in the base's frame:
position (x, y, z) in m and unit quaternion (w, x, y, z) with w >= 0."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Robot
from envs.kinematics import Kinematics, Poses
from envs.proprioception import Proprioception, multiply, rotation_vector
from envs.view import View

# What an arm may need beside the way itself: to set off, to slow down, and to home in (s).
_HOMING = 0.8

# Joints are drawn this many times for a pose whose links are clear of the ground and of the base.
_TRIALS = 32


def position_error(view: View) -> jax.Array:
    """m"""
    return jnp.linalg.norm(view.command[:3] - view.end_effector_position)


def orientation_error(view: View) -> jax.Array:
    """Angle of the turn from one orientation to the other (rad)."""
    return _angle(view.command[3:], view.end_effector_quaternion)


def settling_seconds(robot: Robot) -> float:
    """How long after a new command its errors count as settled (s): as its slowest joint takes through its whole range, and a
    little more. No arm follows at once."""
    low, high = robot.joint_ranges().T
    return round(float(((high - low) / np.array(robot.velocity_limits)).max()) + _HOMING, 1)


def is_settled(robot: Robot) -> Callable[[View], jax.Array]:
    """Whether the arm has had the time to reach its command."""
    seconds = settling_seconds(robot)
    return lambda view: view.command_time >= seconds


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


def overspeed(from_share: float) -> Callable[[View], jax.Array]:
    """Sum over the joints of what their speeds exceed `from_share` of the safety filter's limits by, relative to those limits:
    an arm that comes near them is soon let down."""

    def term(view: View) -> jax.Array:
        robot = view.layout.robot
        limits = robot.safety.velocity * jnp.asarray(robot.velocity_limits, jnp.float32)
        return jnp.sum(jnp.maximum(jnp.abs(view.joint_velocity) / limits - from_share, 0.0))

    return term


def towards_posture(near: float) -> Callable[[View], jax.Array]:
    """How fast the joints go to their command's posture (rad/s), each counting half where it is `near` (rad) to it. It is the
    rate of a potential, so that it changes what is learned first and not what is best (Ng, Harada and Russell 1999)."""

    def term(view: View) -> jax.Array:
        way = true_way_to_posture(view)
        return jnp.sum(view.joint_velocity * way / (near + jnp.abs(way)))

    return term


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


def way_to_posture(sensed: Proprioception, robot: Robot) -> jax.Array:
    """From the joints' positions to the command's posture, which is its reference: (num_joints,) rad. It tells which way round,
    where all that is downhill ends at a joint's limit."""
    return sensed.reference - sensed.joint_position


def true_way_to_posture(view: View) -> jax.Array:
    """Likewise, from where the joints are."""
    return view.reference - view.joint_position


def with_fine(term: Callable[[Proprioception, Robot], jax.Array], scale: float) -> Callable[[Proprioception, Robot], jax.Array]:
    """A term, and once more between -1 and 1 with half of it at `scale` (softsign), where what is small is told apart well,
    however large the term gets. Normalised by its spread alone, the last centimetre of a way is lost beside its length."""

    def both(sensed: Proprioception, robot: Robot) -> jax.Array:
        x = term(sensed, robot)
        return jnp.concatenate([x, x / (scale + jnp.abs(x))])

    return both


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


def default_pose(arm: Kinematics, robot: Robot) -> tuple[float, ...]:
    """The command that an arm in its default pose has reached."""
    position, quat = arm.end_effector(arm.poses(jnp.asarray(robot.default_pose, jnp.float32)))
    return tuple(as_pose(jnp.concatenate([position, quat])).tolist())


def as_pose(command: jax.Array) -> jax.Array:
    """The command with its quaternion made one: of unit length, w >= 0; no turn where all its entries are zero."""
    position, quat = command[:3], command[3:]
    length = jnp.linalg.norm(quat)
    quat = jnp.where(length > 1e-6, quat / jnp.maximum(length, 1e-6), jnp.array([1.0, 0.0, 0.0, 0.0]))
    return jnp.concatenate([position, jnp.where(quat[0] < 0, -quat, quat)])
