"""Forward kinematics of an arm in JAX: where its end effector is, and how high its parts are, from joint positions alone.

    arm = Kinematics.of(robot)
    poses = arm.poses(joints)                            # joints (num_joints,) rad, policy order; in the base's frame
    position, quaternion = arm.end_effector(poses)
    heights = arm.heights(poses)                         # of the corners of the boxes around all moving parts (m)
    tool = arm.tool(joints)                              # the end effector alone: its frame and its Jacobian

It is what a robot can compute of itself, so a policy's observation terms may use it; a command can be drawn from it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct

from assets.robots.robot import Robot, RobotError
from envs.proprioception import multiply, rotate


class Poses(struct.PyTreeNode):
    """Of all links, base first, in the base's frame."""

    position: jax.Array
    """(links, 3) m"""
    quat: jax.Array
    """(links, 4) w, x, y, z"""
    anchor: jax.Array
    """(links, 3) m, a point on the link's joint axis"""
    axis: jax.Array
    """(links, 3) unit vector along it; zero where the link has no joint of the policy's"""


class Tool(struct.PyTreeNode):
    """Of the end effector, in the base's frame."""

    position: jax.Array
    """(3,) m"""
    rotation: jax.Array
    """(3, 3), its axes in columns"""
    jacobian: jax.Array
    """How far it moves (m/rad) and turns (rad/rad) with each joint, (num_joints, 6)."""


class _Links(struct.PyTreeNode):
    """Links with at most one joint each, a parent before its children: (links, ...) each."""

    parent: np.ndarray
    anchor: np.ndarray
    """Of the joint in the parent's frame; without a joint, the link's origin."""
    quat: np.ndarray
    offset: np.ndarray
    """From the link's origin to the anchor, in the link's frame."""
    axis: np.ndarray
    joint: np.ndarray
    """In the policy's order."""
    zero: np.ndarray
    """The joint's position in the model's own frames (rad)."""


@dataclass(frozen=True, eq=False)
class _Path:
    """The links from the base, which is not among them, to the end effector, (links, ...) each but for the last two."""

    joint: np.ndarray
    zero: np.ndarray
    still: np.ndarray
    """A link's frame in its parent's is still + cos(angle) by_cosine + sin(angle) by_sine, (links, 4, 4)."""
    by_cosine: np.ndarray
    by_sine: np.ndarray
    lines: np.ndarray
    """The joint's axis and a point on it in the link's frame, in columns (links, 4, 2)."""
    tool: np.ndarray
    """The end effector's frame in the last link's, (4, 4)."""
    to_joints: np.ndarray
    """(num_joints, links)"""


@dataclass(frozen=True, eq=False)
class Kinematics:
    """The tree of links below a fixed base. Joints that the policy does not move stay put."""

    num_joints: int
    links: _Links
    tool_link: int
    tool_pos: np.ndarray
    tool_quat: np.ndarray
    moves_tool: np.ndarray
    """Whether a link's joint moves the end effector, (links,)."""
    corners: np.ndarray
    """Of the boxes around the collision geoms of moving links, (corners, 3) in the link's frame."""
    corner_link: np.ndarray
    base_box: np.ndarray
    """Lowest and highest corner of the box around the base's collision geoms, (2, 3); a point where it has none."""
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
        rows: list[_Links] = []
        link_of: dict[int, int] = {}
        for body in range(base, model.nbody):  # a parent's number is below its children's
            if body == base or int(model.body_parentid[body]) in link_of:
                rows += _links(robot, model, body, link_of.get(int(model.body_parentid[body]), 0), len(rows))
                link_of[body] = len(rows) - 1
        links = jax.tree.map(lambda *values: np.stack(values), *rows)
        tool = model.site(robot.end_effector)
        above, link = np.zeros(len(rows), bool), link_of[int(tool.bodyid[0])]
        while link > 0:
            above[link], link = True, int(links.parent[link])
        boxes = {body: _corners(model, body) for body in link_of}
        own = boxes.pop(base)
        return cls(
            num_joints=robot.num_joints,
            links=links,
            tool_link=link_of[int(tool.bodyid[0])],
            tool_pos=tool.pos.copy(),
            tool_quat=tool.quat.copy(),
            moves_tool=above & links.axis.any(axis=1),
            corners=np.concatenate(list(boxes.values())),
            corner_link=np.concatenate([np.full(len(box), link_of[body]) for body, box in boxes.items()]),
            base_box=np.stack([own.min(axis=0), own.max(axis=0)]) if len(own) else np.zeros((2, 3)),
            base_pos=model.body_pos[base].copy(),
            base_quat=model.body_quat[base].copy(),
        )

    def poses(self, joints: jax.Array) -> Poses:
        # A loop: written out, the chain of small products takes XLA minutes to compile.
        def place(found: Poses, link: tuple[jax.Array, Any]) -> tuple[Poses, None]:
            i, own = link
            turn = found.quat[own.parent]
            anchor = found.position[own.parent] + rotate(turn, own.anchor)
            half = 0.5 * (joints[own.joint] - own.zero)
            moves = jnp.any(own.axis != 0)
            spin = jnp.concatenate([jnp.where(moves, jnp.cos(half), 1.0)[None], jnp.sin(half) * own.axis])
            quat = multiply(multiply(turn, own.quat), spin)
            values = Poses(anchor - rotate(quat, own.offset), quat, anchor, rotate(quat, own.axis))
            return jax.tree.map(lambda all, one: all.at[i].set(one), found, values), None

        links = jax.tree.map(lambda x: jnp.asarray(x, jnp.int32 if x.dtype.kind == "i" else jnp.float32), self.links)
        n = len(self.links.parent)
        zeros = jnp.zeros((n, 3))
        start = Poses(zeros, jnp.tile(jnp.array([1.0, 0.0, 0.0, 0.0]), (n, 1)), zeros, zeros)
        rest = jax.tree.map(lambda x: x[1:], links)
        return jax.lax.scan(place, start, (jnp.arange(1, n), rest))[0]

    def end_effector(self, poses: Poses) -> tuple[jax.Array, jax.Array]:
        """Position (3,) m and unit quaternion (4,) in the base's frame."""
        position, quat = poses.position[self.tool_link], poses.quat[self.tool_link]
        tool_pos, tool_quat = jnp.asarray(self.tool_pos, jnp.float32), jnp.asarray(self.tool_quat, jnp.float32)
        return position + rotate(quat, tool_pos), multiply(quat, tool_quat)

    def along_joints(self, poses: Poses, shift: jax.Array, turn: jax.Array) -> jax.Array:
        """The transposed Jacobian of the end effector times a shift and a turn of it, (3,) each: (num_joints,)."""
        position, _ = self.end_effector(poses)
        per_link = jnp.cross(poses.axis, position - poses.anchor) @ shift + poses.axis @ turn
        return jnp.zeros(self.num_joints).at[self.links.joint].add(per_link * self.moves_tool)

    def position_jacobian(self, poses: Poses) -> jax.Array:
        """How far the end effector moves with each joint, (num_joints, 3) m/rad."""
        position, _ = self.end_effector(poses)
        return self._of_joints @ jnp.cross(poses.axis, position - poses.anchor)

    def jacobian(self, poses: Poses) -> jax.Array:
        """How far the end effector moves (m/rad) and turns (rad/rad) with each joint, (num_joints, 6)."""
        return jnp.concatenate([self.position_jacobian(poses), self._of_joints @ poses.axis], axis=1)

    @property
    def _of_joints(self) -> jax.Array:
        """From links to the joints that move the end effector, (num_joints, links)."""
        to_joint = np.zeros((self.num_joints, len(self.links.joint)), np.float32)
        to_joint[self.links.joint, np.arange(len(self.links.joint))] = self.moves_tool
        return jnp.asarray(to_joint)

    def tool(self, joints: jax.Array) -> Tool:
        """What `poses`, `end_effector` and `jacobian` give, by products of matrices: a tenth of the operators in an exported
        policy, where their number is what takes the time."""
        path = self._path
        angle = (joints[path.joint] - jnp.asarray(path.zero, jnp.float32))[:, None, None]
        local = path.still + jnp.cos(angle) * path.by_cosine + jnp.sin(angle) * path.by_sine
        frames = [local[0]]
        for i in range(1, len(path.joint)):
            frames.append(_exact(frames[-1], local[i]))
        axis, anchor = jnp.moveaxis(_exact(jnp.stack(frames), jnp.asarray(path.lines))[:, :3], 2, 0)
        frame = _exact(frames[-1], jnp.asarray(path.tool))
        lever = frame[:3, 3] - anchor
        return Tool(
            position=frame[:3, 3],
            rotation=frame[:3, :3],
            jacobian=jnp.asarray(path.to_joints) @ jnp.concatenate([jnp.cross(axis, lever), axis], axis=1),
        )

    @cached_property
    def _path(self) -> "_Path":
        links, way = self.links, [self.tool_link]
        while way[0] > 0:
            way.insert(0, int(links.parent[way[0]]))
        own = np.array(way[1:])
        n = len(own)
        before, after = np.tile(np.eye(4), (2, n, 1, 1))
        before[:, :3, :3], before[:, :3, 3] = [_matrix(links.quat[i]) for i in own], links.anchor[own]
        after[:, :3, 3] = -links.offset[own]
        # A turn by an angle t about a: a a' + (1 - a a') cos t + [a] sin t (Rodrigues); without a joint there is none.
        axis = links.axis[own]
        still, by_cosine, by_sine = np.zeros((3, n, 4, 4))
        turns = np.asarray(axis.any(axis=1))[:, None, None]
        still[:, :3, :3] = np.where(turns, axis[:, :, None] * axis[:, None], np.eye(3))
        by_cosine[:, :3, :3] = np.eye(3) - still[:, :3, :3]
        by_sine[:, :3, :3] = np.cross(axis[:, None], np.eye(3)).transpose(0, 2, 1)
        still[:, 3, 3] = 1
        tool = np.eye(4)
        tool[:3, :3], tool[:3, 3] = _matrix(self.tool_quat), self.tool_pos
        lines = np.zeros((n, 4, 2))
        lines[:, :3, 0], lines[:, :3, 1], lines[:, 3, 1] = axis, links.offset[own], 1
        to_joints = np.zeros((self.num_joints, n))
        to_joints[links.joint[own], np.arange(n)] = self.moves_tool[own]
        parts = (before @ part @ after for part in (still, by_cosine, by_sine))
        floats = (np.asarray(part, np.float32) for part in (links.zero[own], *parts, lines, tool, to_joints))
        return _Path(links.joint[own], *floats)

    def heights(self, poses: Poses) -> jax.Array:
        """Of the corners of the boxes around all moving parts, above the world's origin, (corners,) m."""
        upwards = rotate(jnp.asarray(self.base_quat * [1, -1, -1, -1], jnp.float32), jnp.array([0.0, 0.0, 1.0]))
        places = rotate(poses.quat[self.corner_link], jnp.asarray(self.corners, jnp.float32))
        return (poses.position[self.corner_link] + places) @ upwards + float(self.base_pos[2])


def _exact(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product of matrices in single precision everywhere; a GPU's default is coarser."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _matrix(quat: np.ndarray) -> np.ndarray:
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, quat)
    return turn.reshape(3, 3)


def _links(robot: Robot, model: mujoco.MjModel, body: int, parent: int, number: int) -> list[_Links]:
    """A link for each of a body's joints that the policy moves, or one without a joint; `number` is the first's."""
    first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
    moved = [joint for joint in range(first, first + count) if model.joint(joint).name in robot.joints]
    pos, quat = model.body_pos[body].copy(), model.body_quat[body].copy()
    if not moved:
        zeros = np.zeros(3)
        return [_Links(np.array(parent), pos, quat, zeros, zeros, np.array(0), np.array(0.0))]
    rows = []
    for i, joint in enumerate(moved):
        offset, anchor = model.jnt_pos[joint].copy(), np.zeros(3)
        mujoco.mju_rotVecQuat(anchor, offset, quat)
        rows.append(
            _Links(
                parent=np.array(parent if i == 0 else number + i - 1),
                anchor=pos + anchor,
                quat=quat,
                offset=offset,
                axis=model.jnt_axis[joint].copy(),
                joint=np.array(robot.joints.index(model.joint(joint).name)),
                zero=np.array(model.qpos0[model.jnt_qposadr[joint]]),
            )
        )
        pos, quat = np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0])
    return rows


def _corners(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Of the boxes around a body's collision geoms, (n, 3) in its frame."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners = [np.zeros((0, 3))]
    for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_conaffinity != 0)):
        center, half = model.geom_aabb[geom].reshape(2, 3)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        corners.append((center + signs * half) @ turn.reshape(3, 3).T + model.geom_pos[geom])
    return np.concatenate(corners)
