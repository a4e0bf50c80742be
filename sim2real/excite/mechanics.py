"""A robot with its base held, bolted down or hung up: the torques that a way needs, and what controllers make of their targets.

    mechanics = Mechanics(GO2, timestep=0.001)
    mechanics.needed(position, velocity, acceleration)      # inverse dynamics, N m
    mechanics.follow(motion)                                # position, velocity and torque, step by step

It is the nominal model of the scenes that policies are trained in, without a ground.
"""

import mujoco
import mujoco.rollout
import numpy as np

from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from sim2real.excite.motion import Motion

TIMESTEP = 0.001
"""At most (s)."""


def held_spec(robot: Robot, timestep: float) -> mujoco.MjSpec:
    """The scene's robot, its base fixed where it is, and no ground."""
    spec = scene_spec(robot, lambda _: None, timestep)
    for joint in list(spec.body(robot.base).joints):
        if joint.type == mujoco.mjtJoint.mjJNT_FREE:
            spec.delete(joint)
    return spec


class Mechanics:
    """Joint arrays are (..., joints) in policy order."""

    def __init__(self, robot: Robot, timestep: float = TIMESTEP):
        spec = held_spec(robot, timestep)
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # damping of stiff controllers, at any time step
        self.robot = robot
        self._model = compile_for_physics(spec)
        joints = [self._model.joint(name) for name in robot.joints]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        self._actuators = np.array([self._model.actuator(name).id for name in robot.joints])
        limited = np.array([self._model.jnt_limited[joint.id] for joint in joints], bool)
        ranges = np.array([joint.range for joint in joints])
        self.ranges = np.where(limited[:, None], ranges, (-np.inf, np.inf))
        """(joints, 2) rad; infinite where there is none"""

    def inertia_and_bias(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inertias that the joints see (kg m²) and the torques that hold them (N m), at rest in a pose (joints,)."""
        data = self._at_rest(pose)
        mujoco.mj_forward(self._model, data)
        full = np.zeros((self._model.nv, self._model.nv))
        mujoco.mj_fullM(self._model, data, full)
        bias = data.qfrc_bias - data.qfrc_passive
        return full[self._dofs, self._dofs], bias[self._dofs]

    def needed(self, position: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
        """The motors' torques (steps, joints) N m with which the joints move like that, each (steps, joints)."""
        data = self._at_rest(np.array(self.robot.default_pose))
        torque = np.zeros_like(position)
        for i in range(len(position)):
            data.qpos[self._qpos], data.qvel[self._dofs], data.qacc[self._dofs] = position[i], velocity[i], acceleration[i]
            mujoco.mj_inverse(self._model, data)
            torque[i] = data.qfrc_inverse[self._dofs]
        return torque

    def follow(self, motion: Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity and the torque that the controllers ask for, each (steps, joints), when each of the motion's
        targets begins to hold. It starts at rest in the default pose."""
        model = self._model
        stiffness, damping = np.array(motion.stiffness), np.array(motion.damping)
        model.actuator_gainprm[self._actuators, 0] = stiffness
        model.actuator_biasprm[self._actuators, 1] = -stiffness
        model.actuator_biasprm[self._actuators, 2] = -damping
        substeps = max(1, int(np.ceil(1.0 / (motion.rate * TIMESTEP) - 1e-9)))
        model.opt.timestep = 1.0 / (motion.rate * substeps)
        data = self._at_rest(np.array(self.robot.default_pose))
        control = np.zeros((len(motion.targets) * substeps, model.nu))
        control[:, self._actuators] = np.repeat(motion.targets, substeps, axis=0)
        kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
        start = np.zeros(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(model, data, start, kind)
        states = np.asarray(mujoco.rollout.rollout(model, data, start, control)[0])
        at = np.concatenate([start[None], states[0, substeps - 1 : -1 : substeps]])
        position, velocity = at[:, 1 + self._qpos], at[:, 1 + model.nq + self._dofs]
        return position, velocity, stiffness * (motion.targets - position) - damping * velocity

    def _at_rest(self, pose: np.ndarray) -> mujoco.MjData:
        data = mujoco.MjData(self._model)
        data.qpos[self._qpos] = pose
        return data
