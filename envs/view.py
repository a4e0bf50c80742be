"""One environment's view of the world: what rewards, terminations and the critic may look at.

Quantities of the state itself come from `qpos` and `qvel`; sensors describe the state one substep earlier.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct

from assets.robots.robot import Robot
from assets.terrains import Terrain
from assets.terrains.terrain import TILE_SIZE
from envs.proprioception import multiply, rotate, rotate_inverse


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a robot's quantities sit in the arrays of its scene's model."""

    robot: Robot
    model: mujoco.MjModel
    qpos_index: np.ndarray
    """Of the joints, policy order."""
    qvel_index: np.ndarray
    joint_range: np.ndarray
    """(num_joints, 2) rad; infinite where the joint has no limits"""
    sensors: dict[str, slice]
    base_touch: np.ndarray
    """In sensordata: contact forces of the base's collision geoms."""
    limb_touch: np.ndarray
    """In sensordata: those of all other bodies, but for the feet."""
    base_body: int
    floating: bool
    ground: np.ndarray
    """Geoms that are the boxes of a terrain; none where the ground is a plane at height 0."""
    tracked: slice | None = None
    """In qpos: the pose of the free body that the task tracks."""
    tracked_motion: slice | None = None
    """In qvel: its velocities."""

    @classmethod
    def of(cls, robot: Robot, model: mujoco.MjModel, terrain: Terrain | None = None, tracked: str | None = None) -> "Layout":
        joints = [model.joint(name) for name in robot.joints]
        base = model.body(robot.base)
        floating = bool(model.body_dofnum[base.id] == 6 and model.body_dofadr[base.id] == 0)
        sensors = {}
        for i in range(model.nsensor):
            start = int(model.sensor_adr[i])
            sensors[model.sensor(i).name] = slice(start, start + int(model.sensor_dim[i]))
        touch = {name: int(where.start) for name, where in sensors.items() if name.endswith("_touch")}
        feet = {f"{foot}_touch" for foot in robot.feet}
        of_base = {name for name in touch if model.site(name).bodyid[0] == base.id}
        return cls(
            robot=robot,
            model=model,
            qpos_index=np.array([j.qposadr[0] for j in joints]),
            qvel_index=np.array([j.dofadr[0] for j in joints]),
            joint_range=np.array([j.range if model.jnt_limited[j.id] else (-np.inf, np.inf) for j in joints]),
            sensors=sensors,
            base_touch=np.array([i for name, i in touch.items() if name in of_base], int),
            limb_touch=np.array([i for name, i in touch.items() if name not in of_base | feet], int),
            base_body=int(base.id),
            floating=floating,
            ground=terrain.geom_ids(model) if terrain is not None else np.zeros(0, int),
            tracked=free_pose(model, tracked) if tracked is not None else None,
            tracked_motion=_free_motion(model, tracked) if tracked is not None else None,
        )

    def start_qpos(self) -> np.ndarray:
        """The robot standing in its default pose, (nq,)."""
        qpos = np.array(self.model.qpos0, np.float32)
        if self.floating:
            qpos[2] = self.robot.standing_height
        qpos[self.qpos_index] = self.robot.default_pose
        return qpos


def free_pose(model: mujoco.MjModel, body: str) -> slice:
    """Where in qpos a free body's pose is. Raises KeyError where there is no free body of that name."""
    joint = int(model.body(body).jntadr[0])
    if joint < 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
        raise KeyError(f"body {body!r} does not move freely")
    start = int(model.jnt_qposadr[joint])
    return slice(start, start + 7)


def _free_motion(model: mujoco.MjModel, body: str) -> slice:
    start = int(model.body(body).dofadr[0])
    return slice(start, start + 6)


class View(struct.PyTreeNode):
    """One environment, without a leading axis. Joints are in policy order, feet in `Robot.feet`'s."""

    qpos: jax.Array
    qvel: jax.Array
    sensordata: jax.Array
    fields: dict[str, jax.Array]
    """Model fields that were randomised."""
    command: jax.Array
    action: jax.Array
    last_action: jax.Array
    memory: dict[str, jax.Array]
    """What the task's memory terms keep, before this step's update."""
    time: jax.Array
    """Since the start of the episode (s)."""
    command_time: jax.Array
    """Since the command was given (s)."""
    layout: Layout = struct.field(pytree_node=False)
    dt: float = struct.field(pytree_node=False)
    """Control period (s)."""
    reference: Any = ()
    """What the task's `CommandTerm.reference` gives for the command."""

    def sensor(self, name: str) -> jax.Array:
        try:
            return self.sensordata[self.layout.sensors[name]]
        except KeyError:
            have = ", ".join(self.layout.sensors)
            raise KeyError(f"the scene has no sensor {name!r}; it has: {have}") from None

    @property
    def joint_position(self) -> jax.Array:
        """rad"""
        return self.qpos[self.layout.qpos_index]

    @property
    def joint_velocity(self) -> jax.Array:
        """rad/s"""
        return self.qvel[self.layout.qvel_index]

    @property
    def joint_torque(self) -> jax.Array:
        """N m"""
        return jnp.concatenate([self.sensor(f"{joint}_torque") for joint in self.layout.robot.joints])

    @property
    def base_quaternion(self) -> jax.Array:
        """w, x, y, z, world from base; the floating base's."""
        return self.qpos[3:7]

    @property
    def base_height(self) -> jax.Array:
        """Of the floating base above the origin of the world (m)."""
        return self.qpos[2]

    @property
    def height_above_ground(self) -> jax.Array:
        """Of the floating base above the ground under the feet, their mean (m)."""
        if not self.layout.ground.size:
            return self.base_height
        return self.base_height - self.ground_height(self.foot_position[:, :2]).mean()

    def ground_height(self, points: jax.Array) -> jax.Array:
        """Of the ground at points (..., 2) in the world (m); that of the nearest point at its edge beside it."""
        ids = self.layout.ground
        if not ids.size:
            return jnp.zeros(points.shape[:-1])
        pos, quat, size = (self.fields[name][ids] for name in ("geom_pos", "geom_quat", "geom_size"))
        up = jax.vmap(rotate, (0, None))(quat, jnp.array([0.0, 0.0, 1.0]))
        top = pos + up * size[:, 2:]
        # Boxes lean about y only, and may not leave a crack between neighbours through rounding.
        half = size[:, :2] * jnp.stack([up[:, 2], jnp.ones_like(up[:, 2])], axis=1) + 1e-5
        edge = TILE_SIZE / 2
        # Else XLA computes all of this anew for every pair of a point and a box.
        points, top, half, up = jax.lax.optimization_barrier((points, top, half, up))
        x, y = (jnp.clip(points[..., i, None], -edge, edge) - top[:, i] for i in (0, 1))
        height = top[:, 2] - x * up[:, 0] / up[:, 2]
        return jnp.max(jnp.where((jnp.abs(x) <= half[:, 0]) & (jnp.abs(y) <= half[:, 1]), height, -jnp.inf), axis=-1)

    @property
    def ground_around_feet(self) -> jax.Array:
        """Heights of the ground under and around each foot, on a square of 3 by 3 points 0.1 m apart that turns with the base,
        (feet, 9) m in the world."""
        forward = rotate(self.base_quaternion, jnp.array([1.0, 0.0, 0.0]))[:2]
        forward = forward / (jnp.linalg.norm(forward) + 1e-6)
        axes = jnp.stack([forward, jnp.array([-forward[1], forward[0]])])
        square = jnp.stack(jnp.meshgrid(*[jnp.array([-0.1, 0.0, 0.1])] * 2, indexing="ij"), axis=-1).reshape(9, 2) @ axes
        return self.ground_height(self.foot_position[:, None, :2] + square)

    @property
    def foot_clearance(self) -> jax.Array:
        """Of each foot's centre above the highest ground around it, (feet,) m."""
        height = self.foot_position[:, 2]
        return height - self.ground_around_feet.max(axis=1) if self.layout.ground.size else height

    @property
    def base_linear_velocity(self) -> jax.Array:
        """m/s in the base's frame."""
        return rotate_inverse(self.base_quaternion, self.qvel[:3])

    @property
    def base_angular_velocity(self) -> jax.Array:
        """rad/s in the base's frame."""
        return self.qvel[3:6]

    @property
    def projected_gravity(self) -> jax.Array:
        """Unit vector downwards in the base's frame."""
        return rotate_inverse(self.base_quaternion, jnp.array([0.0, 0.0, -1.0]))

    @property
    def end_effector_position(self) -> jax.Array:
        """Of an arm on a fixed base, in the base's frame (m)."""
        model, base = self.layout.model, self.layout.base_body
        position = self.sensor(f"{self.layout.robot.end_effector}_pos")
        return rotate_inverse(jnp.asarray(model.body_quat[base], jnp.float32), position - model.body_pos[base])

    @property
    def end_effector_quaternion(self) -> jax.Array:
        """w, x, y, z, the base's frame from the end effector's; of an arm on a fixed base."""
        into_base = jnp.asarray(self.layout.model.body_quat[self.layout.base_body] * [1, -1, -1, -1], jnp.float32)
        return multiply(into_base, self.sensor(f"{self.layout.robot.end_effector}_quat"))

    @property
    def tracked_position(self) -> jax.Array:
        """Of what the task tracks, in the base's frame (m)."""
        return self.tracked_pose[:3]

    @property
    def tracked_pose(self) -> jax.Array:
        """Likewise, position and w, x, y, z, (7,)."""
        return in_base(self.layout, self.qpos[self.layout.tracked])

    @property
    def tracked_velocity(self) -> jax.Array:
        """Of its origin, m/s in the base's frame."""
        base = self.layout.model.body_quat[self.layout.base_body]
        return rotate_inverse(jnp.asarray(base, jnp.float32), self.qvel[self.layout.tracked_motion][:3])

    @property
    def foot_position(self) -> jax.Array:
        """(feet, 3) m in the world."""
        return jnp.stack([self.sensor(f"{foot}_pos") for foot in self.layout.robot.feet])

    @property
    def foot_velocity(self) -> jax.Array:
        """(feet, 3) m/s in the world."""
        return jnp.stack([self.sensor(f"{foot}_linvel") for foot in self.layout.robot.feet])

    @property
    def foot_force(self) -> jax.Array:
        """(feet,) N"""
        return jnp.concatenate([self.sensor(f"{foot}_touch") for foot in self.layout.robot.feet])

    @property
    def foot_contact(self) -> jax.Array:
        """(feet,) bool"""
        return self.foot_force > 1.0

    @property
    def base_contact_force(self) -> jax.Array:
        """Of each collision geom of the base (N)."""
        return self.sensordata[self.layout.base_touch]

    @property
    def limb_contact_force(self) -> jax.Array:
        """Of each collision geom of the robot's other bodies, but for the feet (N)."""
        return self.sensordata[self.layout.limb_touch]


def in_base(layout: Layout, pose: jax.Array) -> jax.Array:
    """Poses in the world as seen from the fixed base of an arm: position (m) and w, x, y, z, (..., 7)."""
    base = layout.model.body_pos[layout.base_body], layout.model.body_quat[layout.base_body]
    position, turn = (jnp.asarray(part, jnp.float32) for part in base)
    turn = jnp.broadcast_to(turn, (*pose.shape[:-1], 4))
    inverse = turn * jnp.array([1.0, -1.0, -1.0, -1.0])
    return jnp.concatenate([rotate_inverse(turn, pose[..., :3] - position), multiply(inverse, pose[..., 3:])], axis=-1)
