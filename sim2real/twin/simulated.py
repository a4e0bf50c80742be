"""`SimulatedRobot`: a robot as it would answer, simulated by MuJoCo's C engine, with a gap's deviations from the nominal model.

    robot = SimulatedRobot(GO2, Gap(), seed=0)
    state = robot.step(None)                    # by one period; the motors are limp
    state = robot.step(command)

The nominal twin is the training's scene at a finer step: its motors' electronics compute their torque from the motor's own
position and velocity in every physics step, whereas the training's do it every 5 ms. The same seed, gap and commands give the
same states, bit for bit. `step` gives the newest state that has arrived: where a gap delays or drops states, that may be an
older one, or the same as before.
"""

from typing import Literal

import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import Ground, compile_for_physics, flat_ground
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.gap import Gap
from sim2real.twin.messages import UnderWay
from sim2real.twin.motors import Motors
from sim2real.twin.sensors import Sensors
from sim2real.twin.server import TwinError
from sim2real.twin.world import twin_spec

Start = Literal["lying", "standing", "hanging"]

_SETTLE_SECONDS = 4.0
_AT_REST = 0.02  # rad/s and m/s
_STANDING_SHARE = 0.6  # of the standing height, above which a robot stands
_UPRIGHT = 0.5  # cosine of the tilt up to which it does


class SimulatedRobot:
    """One robot. `rate` is that of its states (Hz); `physics_step` at most that of its physics (s).

    It starts `lying`, as it sinks to the ground from its default pose; or `standing` in that pose; or, if it is floating,
    `hanging` from a stand with its feet in the air. Raises GapError where the gap does not fit the robot.
    """

    def __init__(
        self,
        robot: Robot,
        gap: Gap | None = None,
        seed: int = 0,
        terrain: Ground = flat_ground,
        *,
        rate: float = 500.0,
        physics_step: float = 0.0005,
        start: Start = "lying",
    ):
        gap = gap or Gap()
        if not 1.0 <= rate <= 10_000.0:
            raise TwinError(f"a rate of {rate:g} Hz: expected one from 1 to 10,000")
        self.robot, self.gap = robot, gap
        self.period = 1.0 / rate
        self._substeps = max(1, round(self.period / physics_step + 0.499999))
        self.spec = twin_spec(robot, gap, terrain, self.period / self._substeps)
        """With all that is there to be seen."""
        self._hangs = start == "hanging"
        if self._hangs:
            _hang(self.spec, robot)
        self.model = compile_for_physics(self.spec)
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET | mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
        self.data = mujoco.MjData(self.model)
        rng = np.random.default_rng(seed)
        streams = rng.spawn(3)
        self._motors = Motors(robot, gap)
        self._sensors = Sensors(robot, gap, self._motors, self.data, streams[0])
        self._friction = _Stribeck(self.model, robot, gap)
        self._commands: UnderWay[RobotCommand] = UnderWay(gap.command_messages, streams[1])
        self._states: UnderWay[RobotState] = UnderWay(gap.state_messages, streams[2])
        self._base = self.model.body(robot.base).id
        self._floating = bool(self.model.body_dofnum[self._base] == 6)
        self._dofs = np.array([self.model.joint(name).dofadr[0] for name in robot.joints])
        self._actuators = np.array([self.model.actuator(name).id for name in robot.joints])
        self._begin(start)
        self.sequence = 0
        """Of periods simulated."""
        self.falls = 0
        """How often it went down while its motors were to hold it."""
        self.torque = np.zeros(robot.num_joints)
        """As the motors really exert it (N m)."""
        self._stood, self._fell = self.is_standing, False
        self._sent: RobotCommand | None = None
        self._state = self._sensors.measure(0, 0, np.zeros(robot.num_joints))

    # Stepping

    def step(self, command: RobotCommand | None) -> RobotState:
        """Advance by one period under the newest command; None: the motors are limp. Raises TwinError if physics diverge."""
        if command is None:
            self._commands.clear()
        elif command is not self._sent:
            self._commands.send(self.time, command)
        self._sent = command
        torque = np.zeros(self.robot.num_joints)
        obeyed = None
        for i in range(self._substeps):
            obeyed = self._commands.receive(self.time + i * self.model.opt.timestep)
            torque = self._substep(obeyed)
        if not np.isfinite(self.data.qpos).all() or not np.isfinite(self.data.qvel).all():
            raise TwinError(
                f"the simulation diverged after {self.time:.3f} s: its gap or its commands are beyond what the physics step of"
                f" {self.model.opt.timestep:g} s can follow"
            )
        self.sequence += 1
        self._motors.warm(torque, self.period)
        self._note_falls(obeyed)
        self._states.send(self.time, self._sensors.measure(self.sequence, round(1e9 * self.time), torque))
        self._state = self._states.receive(self.time) or self._state
        self.torque = self._motors.exerted(torque)
        return self._state

    def _substep(self, command: RobotCommand | None) -> np.ndarray:
        """What the motors' electronics believe to exert in this physics step."""
        data = self.data
        torque = np.zeros(len(self._dofs))
        if command is not None:
            torque = self._motors.torque(command, self._sensors.position, self._sensors.velocity)
        data.ctrl[self._actuators] = self._motors.exerted(torque)
        self._friction.follow(data.qvel[self._dofs])
        mujoco.mj_step2(self.model, data)
        mujoco.mj_step1(self.model, data)  # so that whatever reads positions and velocities sees those of this moment
        return torque

    # Looking

    @property
    def time(self) -> float:
        """Simulated (s)."""
        return self.sequence * self.period

    @property
    def base_height(self) -> float:
        """Of the root body's frame in the world (m)."""
        return float(self.data.xpos[self._base, 2])

    @property
    def tilt(self) -> float:
        """Of the root body from its upright pose (rad)."""
        return float(np.arccos(np.clip(self.data.xmat[self._base, 8], -1.0, 1.0)))

    @property
    def is_standing(self) -> bool:
        """Whether a floating robot's base is upright and high."""
        high = self.base_height > _STANDING_SHARE * self.robot.standing_height
        return self._floating and high and self.tilt < np.arccos(_UPRIGHT)

    @property
    def qpos(self) -> np.ndarray:
        """Generalised positions, for pictures by a model compiled from `spec` (nq,)."""
        return self.data.qpos.copy()

    @property
    def posture(self) -> str:
        """In a word: fixed (an arm), hanging, standing, lying, or fallen, which is lying against its will."""
        if not self._floating or self._hangs:
            return "hanging" if self._hangs else "fixed"
        return "standing" if self.is_standing else "fallen" if self._fell else "lying"

    @property
    def is_floating(self) -> bool:
        return self._floating

    def _note_falls(self, command: RobotCommand | None) -> None:
        stands = self.is_standing
        if stands:
            self._fell = False
        elif self._stood and command is not None and (command.stiffness > 0).any():
            self._fell = True
            self.falls += 1
        self._stood = stands

    # Starting

    def _begin(self, start: Start) -> None:
        robot, data = self.robot, self.data
        for name, value in zip(robot.joints, robot.default_pose, strict=True):
            data.joint(name).qpos[:] = value
        if self._floating and start != "hanging":
            data.qpos[2] = robot.standing_height
        mujoco.mj_step1(self.model, data)
        if start != "standing":
            self._settle()
        data.time = 0.0

    def _settle(self) -> None:
        """Let the robot sink from where it is, its motors only damping, until it is at rest."""
        zero = np.zeros(self.robot.num_joints)
        sink = RobotCommand(0, zero, zero, zero, zero, np.array(self.robot.damping) * 2)
        for i in range(round(_SETTLE_SECONDS / self.model.opt.timestep)):
            self._substep(sink)
            if i > 500 and np.abs(self.data.qvel).max() < _AT_REST:
                break
        self.data.qvel[:] = 0.0
        self.data.ctrl[:] = 0.0
        mujoco.mj_step1(self.model, self.data)


class _Stribeck:
    """Friction that falls from its breakaway value with speed: MuJoCo's dry friction, which holds at rest, of varying size."""

    def __init__(self, model: mujoco.MjModel, robot: Robot, gap: Gap):
        names, joints = robot.joints, gap.joints
        self._model = model
        self._dofs = np.array([model.joint(name).dofadr[0] for name in names])
        self._coulomb = model.dof_frictionloss[self._dofs].copy()
        self._excess = joints.breakaway.over(names, self._coulomb) - self._coulomb
        self._velocity = joints.stribeck_velocity.over(names, 0.1)
        self._active = bool(self._excess.any())

    def follow(self, velocity: np.ndarray) -> None:
        if self._active:
            loss = self._coulomb + self._excess * np.exp(-((velocity / self._velocity) ** 2))
            self._model.dof_frictionloss[self._dofs] = loss


def _hang(spec: mujoco.MjSpec, robot: Robot) -> None:
    """Hold a floating robot's base where its feet reach no ground."""
    base = spec.body(robot.base)
    if not robot.is_floating:
        raise TwinError(f"robot {robot.name!r} does not float, so that it cannot hang: start it lying or standing")
    base.pos = [0.0, 0.0, 2.0 * robot.standing_height]
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1=robot.base,
        name2="world",
        data=[*[0.0] * 10, 1.0, *[0.0] * (mujoco.mjNEQDATA - 11)],
        solref=[0.005, 1.0],
    )
