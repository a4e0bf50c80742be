"""Forward kinematics of an arm in JAX: where its end effector is, and how high its parts are, from joint positions alone.

    arm = Kinematics.of(robot)
    position, quaternion = arm.end_effector(joints)      # joints (num_joints,) rad, policy order; in the base's frame
    gap = arm.height(joints)                             # of the lowest moving part above the ground (m)

It is what a robot can compute of itself, so a policy's observation terms may use it; a command can be drawn from it.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.robots.robot import Robot, RobotError
from envs.proprioception import multiply, rotate

Pose = tuple[jax.Array, jax.Array]
"""Position (3,) m and unit quaternion (4,) w, x, y, z."""


@dataclass(frozen=True)
class _Hinge:
    index: int
    """In the policy's order."""
    axis: np.ndarray
    anchor: np.ndarray
    zero: float
    """Its position in the model's own frames (rad)."""


@dataclass(frozen=True)
class _Link:
    parent: int
    pos: np.ndarray
    quat: np.ndarray
    hinges: tuple[_Hinge, ...]
    corners: np.ndarray
    """Of the boxes around its collision geoms, (n, 3) in its frame."""


@dataclass(frozen=True, eq=False)
class Kinematics:
    """The tree of links below a fixed base, which is the first of them. Joints that the policy does not move stay put."""

    links: tuple[_Link, ...]
    tool_link: int
    tool_pos: np.ndarray
    tool_quat: np.ndarray
    base_pos: np.ndarray
    """In the world."""
    base_quat: np.ndarray

    @classmethod
    def of(cls, robot: Robot) -> "Kinematics":
        """Raises RobotError where the robot is no arm: its base floats, or it has no end effector."""
        model = robot.spec().compile()
        base = model.body(robot.base).id
        if robot.end_effector is None or model.body_dofnum[base]:
            what = "names no end effector" if robot.end_effector is None else f"has a base, {robot.base!r}, that moves"
            raise RobotError(f"robot {robot.name!r}: expected an arm on a fixed base; it {what}")
        bodies = [base]  # a parent's number is below its children's
        for body in range(base + 1, model.nbody):
            if int(model.body_parentid[body]) in bodies:
                bodies.append(body)
        tool = model.site(robot.end_effector)
        return cls(
            links=tuple(_link(robot, model, body, bodies) for body in bodies),
            tool_link=bodies.index(int(tool.bodyid[0])),
            tool_pos=tool.pos,
            tool_quat=tool.quat,
            base_pos=model.body_pos[base],
            base_quat=model.body_quat[base],
        )

    def poses(self, joints: jax.Array) -> list[Pose]:
        """Of all links in the base's frame."""
        found: list[Pose] = [(jnp.zeros(3), jnp.array([1.0, 0.0, 0.0, 0.0]))]
        for link in self.links[1:]:
            at, turn = found[link.parent]
            position, quat = at + rotate(turn, jnp.asarray(link.pos)), multiply(turn, jnp.asarray(link.quat))
            for hinge in link.hinges:
                anchor = position + rotate(quat, jnp.asarray(hinge.anchor))
                half = 0.5 * (joints[hinge.index] - hinge.zero)
                spin = jnp.concatenate([jnp.cos(half)[None], jnp.sin(half) * jnp.asarray(hinge.axis)])
                quat = multiply(quat, spin)
                position = anchor - rotate(quat, jnp.asarray(hinge.anchor))
            found.append((position, quat))
        return found

    def end_effector(self, joints: jax.Array) -> Pose:
        """In the base's frame."""
        position, quat = self.poses(joints)[self.tool_link]
        return position + rotate(quat, jnp.asarray(self.tool_pos)), multiply(quat, jnp.asarray(self.tool_quat))

    def height(self, joints: jax.Array) -> jax.Array:
        """Of the lowest point of the boxes around all moving collision geoms above the world's origin (m)."""
        up = rotate(jnp.asarray(self.base_quat * [1, -1, -1, -1]), jnp.array([0.0, 0.0, 1.0]))
        lowest = [
            jnp.min((position + rotate(quat[None], jnp.asarray(link.corners))) @ up)
            for link, (position, quat) in zip(self.links, self.poses(joints), strict=True)
            if len(link.corners) and link.parent >= 0
        ]
        return jnp.min(jnp.stack(lowest)) + self.base_pos[2]


def _link(robot: Robot, model: mujoco.MjModel, body: int, bodies: list[int]) -> _Link:
    parent = int(model.body_parentid[body])
    first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
    hinges = []
    for joint in range(first, first + count):
        name = model.joint(joint).name
        if name in robot.joints:
            zero = float(model.qpos0[model.jnt_qposadr[joint]])
            hinges.append(_Hinge(robot.joints.index(name), model.jnt_axis[joint], model.jnt_pos[joint], zero))
    corners = []
    for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_conaffinity != 0)):
        center, half = model.geom_aabb[geom].reshape(2, 3)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        corners.append((center + signs * half) @ turn.reshape(3, 3).T + model.geom_pos[geom])
    return _Link(
        parent=bodies.index(parent) if parent in bodies else -1,
        pos=model.body_pos[body],
        quat=model.body_quat[body],
        hinges=tuple(hinges),
        corners=np.concatenate(corners) if corners else np.zeros((0, 3)),
    )
