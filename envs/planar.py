"""The action of an arm that works on a table: its tool is moved in a plane, held at a height and pointing down.

    Task(..., action=PlanarTool(Kinematics.of(robot), height=0.03, low=(0.3, -0.3), high=(0.7, 0.3)))

An action is the tool's way in x and y, in units of `step`. Joints follow by damped least squares (Wampler 1986), and what the
tool leaves open brings them nearer to the default pose.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from assets.robots.robot import Robot, RobotError
from envs.kinematics import Kinematics
from envs.proprioception import rotation_vector

_TURN = 0.15  # rad, that is mended at once
_PULL = 0.02  # of the way to the default pose
_STEPS = 400  # to another posture
_NEAR = 0.005  # m


@dataclass(frozen=True)
class PlanarTool:
    arm: Kinematics
    height: float
    """Of the tool above the base's origin (m)."""
    low: tuple[float, float]
    """Corner of the rectangle that the tool stays in, in the base's frame (m)."""
    high: tuple[float, float]
    step: float = 0.02
    """From where the tool is to where it is to go, at most (m)."""
    damping: float = 0.05

    @property
    def description(self) -> str:
        return f"measured position + the step that takes the tool {self.step:g} m x action in x and y, {self.height:g} m high"

    def size(self, robot: Robot) -> int:
        return 2

    def target(self, robot: Robot, action: jax.Array, measured: jax.Array) -> jax.Array:
        default = jnp.asarray(robot.default_pose, jnp.float32)
        _, down = self.arm.end_effector(self.arm.poses(default))

        def one(action: jax.Array, joints: jax.Array) -> jax.Array:
            poses = self.arm.poses(joints)
            position, quat = self.arm.end_effector(poses)
            ahead = position[:2] + self.step * jnp.clip(action, -1.0, 1.0)
            ahead = jnp.clip(ahead, jnp.array(self.low), jnp.array(self.high))
            way = jnp.append(ahead, self.height) - position
            way = way * (2 * self.step / jnp.maximum(jnp.linalg.norm(way), 2 * self.step))
            turn = jnp.clip(rotation_vector(down, quat), -_TURN, _TURN)
            jacobian = self.arm.jacobian(poses)
            pull = _PULL * (default - joints)
            wanted = jnp.concatenate([way, turn]) - jacobian.T @ pull
            square = jacobian.T @ jacobian + self.damping**2 * jnp.eye(6)
            return joints + pull + jacobian @ jnp.linalg.solve(square, wanted)

        return jnp.vectorize(one, signature="(a),(n)->(n)")(action, measured)


def posture(arm: Kinematics, robot: Robot, place: tuple[float, float, float]) -> tuple[float, ...]:
    """Joint positions (rad) with the tool at that place in the base's frame (m), turned as in the default pose.

    Raises RobotError where the arm can't get there.
    """
    there = PlanarTool(arm, place[2], place[:2], place[:2])
    low, high = jnp.asarray(robot.joint_ranges(), jnp.float32).T
    nothing = jnp.zeros(there.size(robot))

    def nearer(_: int, joints: jax.Array) -> jax.Array:
        return jnp.clip(there.target(robot, nothing, joints), low, high)

    joints = jax.jit(lambda start: jax.lax.fori_loop(0, _STEPS, nearer, start))(jnp.asarray(robot.default_pose, jnp.float32))
    position, _ = arm.end_effector(arm.poses(joints))
    if not (off := float(jnp.linalg.norm(position - jnp.array(place)))) < _NEAR:
        raise RobotError(f"robot {robot.name!r} can't bring its tool to {place}: it stays {off:.3f} m away")
    return tuple(float(x) for x in joints)
