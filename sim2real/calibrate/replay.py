"""Logs simulated open loop: `Replay` gives the joint positions that a model would have shown in each window of a log.

    replay = Replay(robot, windows, timestep=0.001)
    predicted = replay.positions(model, Signals(delay=np.array([0.004])))        # (windows, samples, joints)

The robot's base is fixed, and its controllers compute their torque all the time. A command takes effect `delay` after it was
sent: within the physics step in which it changes, it counts by its share of the step, so that what is predicted is a smooth
function of the delay.

MuJoCo's steps are of first order, and what they are wrong by is of the same kind as what is looked for: damping that acts at a
step's beginning is as a lighter rotor (h / 2 times the damping), dry friction likewise, which is a stiff damper until a joint
slips, and a torque as a shorter delay (h / 2). All are set right here, which leaves errors of nearly second order: a step is
leapfrog's, its velocities half a step away from its positions and torques.
"""

import copy
from dataclasses import dataclass
from functools import cached_property

import mujoco
import mujoco.rollout
import numpy as np

from assets.robots.robot import Robot
from assets.scene import scene_spec, spec_for_physics
from sim2real.calibrate.windows import Windows

PAYLOAD = "payload_"
"""Before the name of a tool's or a foot's body, the site at which it may carry something."""
PAYLOAD_RADIUS = 0.02  # m
_FEEDFORWARD = "feedforward_"


def suspended_spec(robot: Robot, timestep: float) -> mujoco.MjSpec:
    """The robot with its base fixed, as it hangs or is bolted down: position controllers, and motors for the feed-forward.

    It touches nothing, not even itself, and measures nothing.
    """
    spec = spec_for_physics(scene_spec(robot, timestep=timestep))
    for joint in [joint for joint in spec.joints if joint.type == mujoco.mjtJoint.mjJNT_FREE]:
        spec.delete(joint)
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_SENSOR)
    spec.option.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # a light rotor behind stiff gains stays stable
    spec.option.tolerance = 1e-8  # what is fitted by differences must not be rough
    spec.option.iterations = 50
    for joint in robot.joints:
        spec.add_actuator(
            name=_FEEDFORWARD + joint,
            target=joint,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            gaintype=mujoco.mjtGain.mjGAIN_FIXED,
            gainprm=[1.0, *[0.0] * 9],
        )
    for body, position in robot.tips().items():
        spec.body(body).add_site(name=PAYLOAD + body, pos=position)
    return spec


@dataclass(frozen=True, eq=False)
class Signals:
    """In what the signals differ from those of a perfect robot."""

    delay: np.ndarray
    """From a command's stamp to its effect (s): (joints,) or (1,)."""
    offset: np.ndarray
    """Encoder reading less truth, (joints,) or (1,) rad; the controller goes by the reading."""
    stiffness: np.ndarray
    """Over that in the log, (joints,) or (1,)."""
    damping: np.ndarray
    """Likewise."""
    strength: np.ndarray
    """Torque over what was commanded, limit included, (joints,) or (1,)."""
    tilt: np.ndarray
    """Of the base while the log was recorded: about its x and its y axis, (2,) rad."""


NOMINAL = Signals(np.zeros(1), np.zeros(1), np.ones(1), np.ones(1), np.ones(1), np.zeros(2))


@dataclass(frozen=True, eq=False)
class Beginning:
    """Of every window of a replay."""

    models: list[mujoco.MjModel]
    """With the gains of the window."""
    states: np.ndarray
    """(windows, size), of MuJoCo's full physics."""
    control: np.ndarray
    """(windows, steps, nu)"""
    qpos: np.ndarray
    """Of the joints in a state, policy order."""
    qvel: np.ndarray
    actuators: np.ndarray
    """In control: those whose control is the joint's target less its encoder's offset."""


class Replay:
    """Windows of one log, simulated on `threads` threads. What a robot that is bolted down carried is at its tool or foot."""

    def __init__(self, robot: Robot, windows: Windows, timestep: float = 0.001, threads: int = 2):
        self.robot, self.windows, self.timestep, self.threads = robot, windows, timestep, threads
        # In the log's own order of joints.
        self._order = [windows.joints.index(name) for name in robot.joints]
        self._steps = int(np.ceil(windows.seconds / timestep - 1e-9)) + 1
        index = windows.time / timestep
        self._before = np.clip(np.floor(index).astype(int), 0, self._steps - 1)
        self._share = (index - self._before)[..., None]
        tips = robot.tips() if windows.payload and not robot.is_floating else {}
        self._carried = (*next(iter(tips.items())), windows.payload) if len(tips) == 1 else None
        self._pool = mujoco.rollout.Rollout(nthread=threads)
        self._controls: dict[bytes, tuple[np.ndarray, ...]] = {}

    @property
    def joints(self) -> tuple[str, ...]:
        return self.robot.joints

    @cached_property
    def measured(self) -> np.ndarray:
        """(windows, samples, joints) rad, NaN where there is no sample."""
        return self.windows.position[..., self._order]

    def positions(self, model: mujoco.MjModel, signals: Signals = NOMINAL) -> np.ndarray:
        """Joint positions as the encoders would have read them, (windows, samples, joints) rad."""
        return self.read(self._simulate(model, signals), signals)

    def read(self, qpos: np.ndarray, signals: Signals = NOMINAL) -> np.ndarray:
        """What the encoders would have read at the times of the samples, (windows, samples, joints) rad, of joint positions at
        every multiple of the time step, (windows, steps + 1, joints)."""
        rows = np.arange(len(qpos))[:, None]
        after = np.minimum(self._before + 1, self._steps)
        between = qpos[rows, self._before] * (1 - self._share) + qpos[rows, after] * self._share
        return between + signals.offset

    def errors(self, model: mujoco.MjModel, signals: Signals = NOMINAL) -> np.ndarray:
        """Predicted less measured, (windows, samples, joints) rad; NaN where there is no sample."""
        return self.positions(model, signals) - self.measured

    def _simulate(self, model: mujoco.MjModel, signals: Signals) -> np.ndarray:
        """Joint positions at every multiple of the time step, (windows, steps + 1, joints)."""
        begin = self.begin(model, signals)
        states = self.roll(begin.models, begin.states, begin.control)
        return np.concatenate([begin.states[:, None, begin.qpos], states[:, :, begin.qpos]], axis=1)

    def begin(self, model: mujoco.MjModel, signals: Signals = NOMINAL) -> "Beginning":
        """Where every window begins, and what its motors are told."""
        windows = self.windows
        names = self.robot.joints
        qpos = 1 + np.array([model.joint(name).qposadr[0] for name in names])
        qvel = 1 + model.nq + np.array([model.joint(name).dofadr[0] for name in names])
        actuators = np.array([model.actuator(name).id for name in names])
        feedforward = np.array([model.actuator(_FEEDFORWARD + name).id for name in names])
        target, torque, speed = self._control(signals)
        torque = torque + (windows.damping[:, self._order] * signals.damping)[:, None] * speed
        control = np.zeros((len(windows), self._steps, model.nu))
        control[:, :, actuators] = target - signals.offset
        control[:, :, feedforward] = torque * signals.strength
        size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS.value)
        states = np.zeros((len(windows), size))
        states[:, qpos] = windows.initial_position[:, self._order] - signals.offset
        states[:, qvel] = windows.initial_velocity[:, self._order]
        models = self._models(model, actuators, signals)
        velocity = slice(1 + model.nq, 1 + model.nq + model.nv)
        ahead = self.roll(models, states, control[:, :1])[:, 0, velocity]
        states[:, velocity] -= 0.5 * (ahead - states[:, velocity])  # half a step before
        return Beginning(models, states, control, qpos, qvel, actuators)

    def roll(self, models: list[mujoco.MjModel], states: np.ndarray, control: np.ndarray) -> np.ndarray:
        """States after each step of control (windows, steps, nu), (windows, steps, size)."""
        data = [mujoco.MjData(models[0]) for _ in range(max(1, self.threads))]
        return np.asarray(self._pool.rollout(models, data, states, control)[0])

    def _models(self, model: mujoco.MjModel, actuators: np.ndarray, signals: Signals) -> list[mujoco.MjModel]:
        """The model with the gains of each window."""
        gains = np.stack([self.windows.stiffness[:, self._order], self.windows.damping[:, self._order]], axis=1)
        made: dict[bytes, mujoco.MjModel] = {}
        effort = np.array(self.robot.effort_limits) * signals.strength
        dofs = model.jnt_dofadr[model.actuator_trnid[actuators, 0]]
        for stiffness, damping in gains:
            key = stiffness.tobytes() + damping.tobytes()
            if key in made:
                continue
            own = copy.copy(model)
            if self._carried:
                _carry(own, *self._carried)
            own.opt.gravity = _into(signals.tilt, model.opt.gravity)
            kp = stiffness * signals.stiffness * signals.strength
            own.actuator_gainprm[actuators, 0] = kp
            own.actuator_biasprm[actuators, 1] = -kp
            own.actuator_biasprm[actuators, 2] = -damping * signals.damping * signals.strength
            own.actuator_forcerange[actuators] = np.stack([-effort, effort], axis=1)
            _centre(own, dofs, model.dof_damping[dofs] - own.actuator_biasprm[actuators, 2])
            made[key] = own
        return [made[stiffness.tobytes() + damping.tobytes()] for stiffness, damping in gains]

    def _control(self, signals: Signals) -> tuple[np.ndarray, ...]:
        """Targets, feed-forward and target velocities that hold in each step, (windows, steps, joints) each."""
        key = signals.delay.tobytes()
        if key not in self._controls:
            if len(self._controls) > 8:
                self._controls.clear()
            grid = self.windows.start[:, None] + self.timestep * (np.arange(self._steps + 1) - 0.5)
            commands = (self.windows.target, self.windows.feedforward, self.windows.target_velocity)
            held = (_held_mean(self.windows.command_time, v[:, self._order], grid, signals.delay) for v in commands)
            self._controls[key] = tuple(held)
        return self._controls[key]


def _centre(model: mujoco.MjModel, dofs: np.ndarray, damping: np.ndarray) -> None:
    """Let what acts on velocities, in MuJoCo's explicit step, act on those of the step's middle: v + h / 2 a, and not v.

    Damping D: M a = -D (v + h / 2 a), a rotor heavier by h / 2 D. Dry friction, which MuJoCo makes a stiff damper until it
    gives way: a + R f = -b (v + h / 2 a), one of the same form with b and R smaller by 1 + h / 2 b.
    """
    half = 0.5 * model.opt.timestep
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP)
    model.dof_armature[dofs] += half * damping
    time, largest, least = model.dof_solref[:, 0], model.dof_solimp[:, 1], model.dof_solimp[:, 0]
    smaller = 1.0 + half * 2.0 / (largest * time)
    model.dof_solref[:, 0] = time * smaller
    model.dof_solimp[:, 0] = smaller * least / (1.0 + (smaller - 1.0) * least)  # R goes by (1 - least) / least


def _carry(model: mujoco.MjModel, body: str, position: np.ndarray, mass: float) -> None:
    """A small ball more, at that place of a body."""
    i, size = model.body(body).id, 0.4 * mass * PAYLOAD_RADIUS**2
    own, turn, quaternion = model.body_mass[i], np.zeros(9), np.zeros(4)
    mujoco.mju_quat2Mat(turn, model.body_iquat[i])
    axes = turn.reshape(3, 3)
    centre = (own * model.body_ipos[i] + mass * position) / (own + mass)
    inertia = axes * model.body_inertia[i] @ axes.T + size * np.eye(3)
    for part, at in ((own, model.body_ipos[i]), (mass, position)):
        arm = at - centre
        inertia += part * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    moments, axes = np.linalg.eigh(inertia)
    axes[:, 2] *= np.linalg.det(axes)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    model.body_mass[i], model.body_ipos[i] = own + mass, centre
    model.body_inertia[i], model.body_iquat[i] = moments, quaternion
    model.body_sameframe[i] = model.body_simple[i] = 0  # what the compiler found of the frames holds no longer
    mujoco.mj_setConst(model, mujoco.MjData(model))


def _into(tilt: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector of the world as seen from a base that is turned about its x and then about its new y axis."""
    turn, quaternion, seen = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_axisAngle2Quat(quaternion, [1.0, 0.0, 0.0], tilt[0])
    mujoco.mju_axisAngle2Quat(turn, [0.0, 1.0, 0.0], tilt[1])
    mujoco.mju_mulQuat(quaternion, quaternion.copy(), turn)
    mujoco.mju_negQuat(turn, quaternion)
    mujoco.mju_rotVecQuat(seen, vector, turn)
    return seen


def _held_mean(time: np.ndarray, values: np.ndarray, grid: np.ndarray, delay: np.ndarray) -> np.ndarray:
    """Means, over each interval of the grid (windows, steps + 1), of values (commands, joints) that hold from `delay` after
    their time until the next; (windows, steps, joints)."""
    joints = values.shape[1]
    late = np.broadcast_to(delay, joints)
    time = np.concatenate([[min(time[0], grid.min()) - late.max() - 1.0], time[1:], [max(time[-1], grid.max()) + 1.0]])
    sums = np.concatenate([np.zeros((1, joints)), np.cumsum(values * np.diff(time)[:, None], axis=0)])
    means = np.empty((*grid[:, 1:].shape, joints))
    for j in range(joints):
        means[..., j] = np.diff(np.interp(grid - late[j], time, sums[:, j]), axis=1)
    return means / np.diff(grid, axis=1)[..., None]
