"""What the project knows of a robot: one frozen description, read by the simulation, the tasks, the export and the drivers.

All per-joint tuples are in *policy order*, the order of `Robot.joints`. Everything is matched by name: a model's own joint,
actuator or motor order never matters.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import mujoco
import numpy as np

from assets.errors import UserError
from assets.robots.safety import SafetyLimits


class RobotError(UserError, ValueError):
    """A robot description contradicts itself or its model; the message names the robot, the field and the remedy."""


def unknown_name(robot: str, kind: str, name: str, known: Iterable[str]) -> RobotError:
    """The error for a `kind` of element that the model lacks: offers the nearest of the `known` names, or all of them."""
    have = [other for other in known if other]
    near = difflib.get_close_matches(name, have, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has: {', '.join(have) or 'none with a name'}"
    return RobotError(f"robot {robot!r}: its model has no {kind} {name!r}; {hint}")


@dataclass(frozen=True)
class Motor:
    """Where a joint sits in the hardware's own arrays."""

    index: int
    """Position in the robot's low-level command and state arrays."""
    sign: int = 1
    """+1 where the motor turns as the joint does, -1 where it turns against it."""


@dataclass(frozen=True)
class Mirror:
    """The left-right symmetry of a robot, as an action on its joint vector: mirrored[i] = sign[i] * joint[index[i]]."""

    index: tuple[int, ...]
    sign: tuple[int, ...]


@dataclass(frozen=True)
class Robot:
    """A robot: its model and what a policy, a task and a driver must know beyond the model."""

    name: str
    spec: Callable[[], mujoco.MjSpec]
    """Makes a fresh model of bodies, joints, geoms and sites. Actuators and sensors are added by `assets.scene`."""
    joints: tuple[str, ...]
    """Actuated joints, in policy order."""
    default_pose: tuple[float, ...]
    """Joint positions that a zero action asks for (rad)."""
    stiffness: tuple[float, ...]
    """Proportional gains of the joint controllers (N m/rad)."""
    damping: tuple[float, ...]
    """Derivative gains of the joint controllers (N m s/rad)."""
    effort_limits: tuple[float, ...]
    """Largest joint torques (N m)."""
    velocity_limits: tuple[float, ...]
    """Largest joint speeds (rad/s)."""
    action_scale: tuple[float, ...]
    """Joint target per unit of action (rad)."""
    motors: tuple[Motor, ...]
    """The hardware's motor behind each joint; empty where the robot is simulated only."""
    base: str
    """Name of the root body: the trunk of a legged robot, the first link of an arm."""
    imu_site: str | None = None
    """Site whose frame the inertial measurement unit reports in; None where there is none."""
    feet: tuple[str, ...] = ()
    """Names of the foot geoms of a legged robot, in the order of its legs."""
    end_effector: str | None = None
    """Site at the tool centre point of an arm."""
    standing_height: float = 0.0
    """Height of the root body above the ground in the default pose (m)."""
    mirror: Mirror | None = None
    """Left-right symmetry; None where the robot has none or declares none."""
    foot_mirror: tuple[int, ...] = ()
    """For each foot the index of its mirror image; empty without symmetry."""
    safety: SafetyLimits = SafetyLimits()
    """Where the real robot is let down."""
    servos: bool = False
    """Whether its motors are position servos, with gains of their own that no command carries."""

    def __post_init__(self) -> None:
        n = len(self.joints)
        for field in ("default_pose", "stiffness", "damping", "effort_limits", "velocity_limits", "action_scale", "motors"):
            found = len(getattr(self, field))
            if found != n and not (field == "motors" and found == 0):
                raise RobotError(f"robot {self.name!r}: {field} has {found} entries, expected {n}, one per joint of `joints`")
        for what, values in (("joint", self.joints), ("motor index", tuple(motor.index for motor in self.motors))):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise RobotError(f"robot {self.name!r}: {what} {twice[0]!r} appears more than once")
        for field, least in (("stiffness", 0.0), ("damping", 0.0), ("effort_limits", 1e-9), ("velocity_limits", 1e-9)):
            for joint, value in zip(self.joints, getattr(self, field), strict=True):
                if not value >= least:
                    expected = "none below zero" if least == 0.0 else "a positive number"
                    raise RobotError(f"robot {self.name!r}: {field} of joint {joint!r} is {value:g}, expected {expected}")
        if self.mirror is not None:
            _check_mirror(self.name, self.mirror, n)
        if self.foot_mirror and sorted(self.foot_mirror) != list(range(len(self.feet))):
            raise RobotError(f"robot {self.name!r}: foot_mirror must be a permutation of 0..{len(self.feet) - 1}")

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def is_floating(self) -> bool:
        """Whether the root body has a free joint."""
        body = self.spec().body(self.base)
        return any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in body.joints)

    def check(self) -> None:
        """Raise RobotError where the description names something that its model lacks, or exceeds the model's limits, and where
        there is no model."""
        try:
            spec = self.spec()
            model = spec.compile()
        except RobotError:
            raise
        except Exception as error:  # whatever a function of a user's, or MuJoCo, makes of it
            raise RobotError(f"robot {self.name!r} has no model: {type(error).__name__}: {error}") from error
        for kind, elements, names in (
            ("joint", spec.joints, self.joints),
            ("body", spec.bodies, (self.base,)),
            ("geom", spec.geoms, self.feet),
            ("site", spec.sites, tuple(site for site in (self.imu_site, self.end_effector) if site)),
        ):
            have = [element.name for element in elements]
            for name in names:
                if name not in have:
                    raise unknown_name(self.name, kind, name, have)
        for name, value in zip(self.joints, self.default_pose, strict=True):
            low, high = model.joint(name).range
            if model.joint(name).type[0] != mujoco.mjtJoint.mjJNT_HINGE:
                raise RobotError(f"robot {self.name!r}: joint {name!r} is no hinge; only hinge joints can be actuated")
            if model.jnt_limited[model.joint(name).id] and not low <= value <= high:
                raise RobotError(f"robot {self.name!r}: default_pose of {name!r} is {value:g} rad, outside [{low:g}, {high:g}]")

    def tips(self) -> dict[str, np.ndarray]:
        """Bodies that end in a foot or a tool, and where on each of them that is, in its frame (3,) m."""
        model = self.spec().compile()
        ends = [(model.geom_bodyid[model.geom(foot).id], model.geom(foot).pos) for foot in self.feet]
        if self.end_effector is not None:
            site = model.site(self.end_effector)
            ends.append((model.site_bodyid[site.id], site.pos))
        return {model.body(body).name: np.array(position) for body, position in ends}

    def joint_ranges(self) -> np.ndarray:
        """Joint limits in policy order, (num_joints, 2), rad."""
        model = self.spec().compile()
        return np.array([model.joint(name).range for name in self.joints])


def _check_mirror(robot: str, mirror: Mirror, n: int) -> None:
    if sorted(mirror.index) != list(range(n)):
        raise RobotError(f"robot {robot!r}: mirror.index must be a permutation of 0..{n - 1}, found {mirror.index}")
    if len(mirror.sign) != n or not set(mirror.sign) <= {-1, 1}:
        raise RobotError(f"robot {robot!r}: mirror.sign must be {n} times +1 or -1, found {mirror.sign}")
    for i, j in enumerate(mirror.index):
        if mirror.index[j] != i or mirror.sign[j] != mirror.sign[i]:
            raise RobotError(f"robot {robot!r}: mirror must undo itself, but joints {i} and {j} are not each other's image")
