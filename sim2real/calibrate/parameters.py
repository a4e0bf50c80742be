"""What may differ from the nominal model: `QUANTITIES`, and `parameters(robot, ...)`, one `Parameter` for each group of joints
or bodies that share a value.

    free = parameters(GO2, ("armature", "delay"), sharing={"armature": "kind"})
    model = build_model(base_spec, free, values)
    signals = read_signals(robot, free, values)

Values are physical, in the quantity's unit. A solver sees each as a multiple of its `scale`, so that a step of one is of about
the same consequence for all; those that can be wrong by a factor it sees as logarithms.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from assets.robots.robot import Robot
from sim2real.calibrate.replay import PAYLOAD, PAYLOAD_RADIUS, Signals
from sim2real.calibrate.windows import CalibrationError

Sharing = Literal["joint", "kind", "robot"]
"""One value for each joint or body; one for those that are alike (`kinds`); one for all."""


@dataclass(frozen=True)
class Quantity:
    unit: str
    of: Literal["joint", "body", "tip", "base"]
    """A tip is the body of a tool or a foot."""
    low: float
    high: float
    """Bounds; of a factor where `factor` holds."""
    scale: float
    """Of a likely deviation from the nominal value, in the quantity's unit; of its logarithm where `factor` holds."""
    stage: int
    """Those of the first stage are fitted first, then together with those of the next."""
    sharing: Sharing
    """Unless one asks for another."""
    modify: Callable[[mujoco.MjSpec, str, float], None] | None = None
    """Gives the element of that name the value; None for what is no part of the model but of the signals."""
    nominal: Callable[[mujoco.MjModel, str], float] = lambda model, name: 0.0
    factor: bool = False
    """Whether the value multiplies the nominal one."""


def _joint_field(field: str) -> Callable[[mujoco.MjModel, str], float]:
    return lambda model, name: float(getattr(model, f"dof_{field}")[model.joint(name).dofadr[0]])


def _set_armature(spec: mujoco.MjSpec, name: str, value: float) -> None:
    spec.joint(name).armature = value


def _set_damping(spec: mujoco.MjSpec, name: str, value: float) -> None:
    spec.joint(name).damping[0] = value


def _set_frictionloss(spec: mujoco.MjSpec, name: str, value: float) -> None:
    spec.joint(name).frictionloss = value


def _scale_mass(spec: mujoco.MjSpec, name: str, value: float) -> None:
    """The same shape of another density: what was physical stays so."""
    body = spec.body(name)
    body.mass *= value
    body.inertia = np.array(body.inertia) * value
    body.fullinertia = np.array(body.fullinertia) * value


def _add_payload(spec: mujoco.MjSpec, name: str, value: float) -> None:
    """A small ball in the place that `suspended_spec` marks."""
    load = spec.body(name).add_body(name=PAYLOAD + name, pos=spec.site(PAYLOAD + name).pos)
    load.explicitinertial = True
    load.ipos = [0.0, 0.0, 0.0]  # else MuJoCo takes the body's own place in its parent, once more
    load.mass, load.inertia = value, np.full(3, 0.4 * value * PAYLOAD_RADIUS**2)


def _shift(axis: int) -> Callable[[mujoco.MjSpec, str, float], None]:
    def shift(spec: mujoco.MjSpec, name: str, value: float) -> None:
        position = np.array(spec.body(name).ipos)
        position[axis] += value
        spec.body(name).ipos = position

    return shift


QUANTITIES: Mapping[str, Quantity] = {
    "delay": Quantity("s", "joint", -0.005, 0.3, 0.005, 1, "robot"),  # below zero where commands are stamped late
    "offset": Quantity("rad", "joint", -0.2, 0.2, 0.01, 1, "joint"),
    "stiffness": Quantity("x", "joint", 0.01, 10.0, 0.3, 1, "joint", factor=True, nominal=lambda m, n: 1.0),
    "gain_damping": Quantity("x", "joint", 0.01, 100.0, 0.3, 2, "joint", factor=True, nominal=lambda m, n: 1.0),
    "tilt_x": Quantity("rad", "base", -0.5, 0.5, 0.05, 1, "robot"),
    "tilt_y": Quantity("rad", "base", -0.5, 0.5, 0.05, 1, "robot"),
    "strength": Quantity("x", "joint", 0.2, 3.0, 0.1, 2, "joint", factor=True, nominal=lambda m, n: 1.0),
    "armature": Quantity(
        "kg m²", "joint", 1e-3, 0.5, 0.005, 2, "joint", modify=_set_armature, nominal=_joint_field("armature")
    ),
    "damping": Quantity("N m s/rad", "joint", 0.0, 20.0, 0.1, 2, "joint", modify=_set_damping, nominal=_joint_field("damping")),
    "frictionloss": Quantity(
        "N m", "joint", 0.0, 10.0, 0.1, 2, "joint", modify=_set_frictionloss, nominal=_joint_field("frictionloss")
    ),
    "mass": Quantity("x", "body", 0.3, 3.0, 0.1, 3, "kind", modify=_scale_mass, nominal=lambda m, n: 1.0, factor=True),
    "payload": Quantity("kg", "tip", 1e-6, 2.0, 0.05, 3, "joint", modify=_add_payload),
    "center_x": Quantity("m", "body", -0.1, 0.1, 0.01, 3, "kind", modify=_shift(0)),
    "center_y": Quantity("m", "body", -0.1, 0.1, 0.01, 3, "kind", modify=_shift(1)),
    "center_z": Quantity("m", "body", -0.1, 0.1, 0.01, 3, "kind", modify=_shift(2)),
}


@dataclass(frozen=True)
class Parameter:
    """One number to be found."""

    name: str
    """Quantity and group: "armature FL_hip_joint"."""
    quantity: str
    members: tuple[str, ...]
    """Joints or bodies that share it."""
    nominal: float
    low: float
    high: float

    @property
    def kind(self) -> Quantity:
        return QUANTITIES[self.quantity]

    @property
    def unit(self) -> str:
        return self.kind.unit

    def to_solver(self, value: float) -> float:
        """The solver's variable."""
        return (math.log(value) if self.kind.factor else value) / self.kind.scale

    def from_solver(self, x: float) -> float:
        return math.exp(x * self.kind.scale) if self.kind.factor else x * self.kind.scale

    def modify(self, spec: mujoco.MjSpec, value: float) -> None:
        if self.kind.modify is not None:
            for name in self.members:
                self.kind.modify(spec, name, value)


def kinds(robot: Robot) -> dict[str, tuple[str, ...]]:
    """Joints that are alike, by the name of the first: those at the same place of equal limbs."""
    model = robot.spec().compile()
    groups: dict[tuple, list[str]] = {}
    limbs = len([b for b in range(model.nbody) if model.body_parentid[b] == model.body(robot.base).id and model.body_dofnum[b]])
    for i, name in enumerate(robot.joints):
        body = model.jnt_bodyid[model.joint(name).id]
        depth = 0
        while body != model.body(robot.base).id and body != 0:
            body, depth = model.body_parentid[body], depth + 1
        groups.setdefault((depth,) if limbs > 1 else (i,), []).append(name)
    return {members[0]: tuple(members) for members in groups.values()}


def parameters(
    robot: Robot, spec: mujoco.MjSpec, quantities: Sequence[str], sharing: Mapping[str, Sharing] | None = None
) -> tuple[Parameter, ...]:
    """Raises CalibrationError for a quantity that there is not."""
    model = spec.copy().compile()
    made = []
    for name in quantities:
        if name not in QUANTITIES:
            raise CalibrationError(f"unknown quantity {name!r}: there are {', '.join(QUANTITIES)}")
        quantity = QUANTITIES[name]
        for group, members in _groups(robot, model, quantity, (sharing or {}).get(name, quantity.sharing)).items():
            nominal = float(np.mean([quantity.nominal(model, member) for member in members]))
            made.append(Parameter(f"{name} {group}", name, members, nominal, quantity.low, quantity.high))
    return tuple(made)


def _groups(robot: Robot, model: mujoco.MjModel, quantity: Quantity, sharing: Sharing) -> dict[str, tuple[str, ...]]:
    alike = kinds(robot)
    if quantity.of == "base":
        return {robot.base: robot.joints}
    if quantity.of == "tip":
        tips = tuple(robot.tips())
        return {"all": tips} if sharing == "robot" else {name: (name,) for name in tips}
    if quantity.of == "body":

        def body(joint: str) -> str:
            return model.body(model.jnt_bodyid[model.joint(joint).id]).name

        alike = {body(first): tuple(body(joint) for joint in members) for first, members in alike.items()}
        every = tuple(body(joint) for joint in robot.joints)
    else:
        every = robot.joints
    if sharing == "robot":
        return {"all": every}
    return alike if sharing == "kind" else {name: (name,) for name in every}


def build_model(spec: mujoco.MjSpec, free: Sequence[Parameter], values: Sequence[float] | np.ndarray) -> mujoco.MjModel:
    spec = spec.copy()
    for parameter, value in zip(free, values, strict=True):
        parameter.modify(spec, value)
    return spec.compile()


def read_signals(robot: Robot, free: Sequence[Parameter], values: Sequence[float] | np.ndarray) -> Signals:
    """What of the values concerns the signals."""
    n = robot.num_joints
    arrays = {"delay": np.zeros(n), "offset": np.zeros(n)}
    arrays |= {name: np.ones(n) for name in ("stiffness", "gain_damping", "strength")}
    for parameter, value in zip(free, values, strict=True):
        if parameter.quantity in arrays:
            arrays[parameter.quantity][[robot.joints.index(name) for name in parameter.members]] = value
    tilt = [sum(v for p, v in zip(free, values, strict=True) if p.quantity == f"tilt_{axis}") for axis in "xy"]
    return Signals(*arrays.values(), tilt=np.array(tilt, float))
