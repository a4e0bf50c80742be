"""What was measured of a robot, in place of its nominal model: `Measured`, read from a calibration, and a task with it.

    measured = Measured.load(Path("runs/calibration"))
    task = measured_task(task, measured)                   # the calibrated robot is the nominal one
    task = measured_task(task, measured, spread=True)      # robots drawn from what the logs leave open

What a task randomises beside that, it randomises around the measured values; only the delay of commands is the measured one.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.errors import UserError
from assets.robots.robot import Robot
from envs.task import Task
from sim.randomization import Uniform
from sim.randomization.bodies import with_box
from sim.randomization.term import Draw, RandomizationError
from sim.randomization.term import Values as Fields

FILE = "calibration.json"
_LARGEST_FILE = 64 * 2**20

Of = Literal["joint", "body"]

_JOINT_FIELDS = ("armature", "damping", "frictionloss")
_BODY = ("mass", "center_x", "center_y", "center_z")
_LOAD = "payload"
_LOAD_SIZE = (0.031, 0.031, 0.031)  # m: as heavy to turn as the small ball that a calibration puts there
_ACTUATOR = ("stiffness", "gain_damping", "strength", "offset")
_SIGNAL = ("delay", "tilt_x", "tilt_y")
QUANTITIES = (*_JOINT_FIELDS, *_BODY, _LOAD, *_ACTUATOR, *_SIGNAL)
"""Those that a calibration may hold; the tilt is of a recording, not of the robot."""


class MeasuredError(UserError, ValueError):
    """A calibration cannot be used; the message names the file or the parameter, what was expected and what was found."""


@dataclass(frozen=True)
class Measurement:
    """One parameter: `sim2real.calibrate.parameters` tells the quantities and their units."""

    quantity: str
    members: tuple[str, ...]
    """Joints or bodies that share it."""
    value: float
    low: float
    """Ends of the 95 % interval."""
    high: float


@dataclass(frozen=True)
class Measured:
    robot: str
    joints: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    draws: tuple[tuple[float, ...], ...]
    """Values of all measurements together, as the logs leave them open; rows."""

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """From a directory of `zerogap calibrate`, or its calibration.json. Raises MeasuredError where it is not one."""
        file = path / FILE if path.is_dir() else path
        try:
            if file.stat().st_size > _LARGEST_FILE:
                raise MeasuredError(f"{file} has {file.stat().st_size} bytes, expected at most {_LARGEST_FILE}")
            return cls.from_json(json.loads(file.read_text()))
        except OSError as error:
            raise MeasuredError(f"cannot read {file}: {error.strerror}; `zerogap calibrate --out` writes one") from error
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, MeasuredError):
                raise MeasuredError(f"{file}: {error}") from error
            raise MeasuredError(f"{file} is no calibration: {type(error).__name__}: {error}") from error

    @classmethod
    def from_json(cls, told: Any) -> "Measured":
        """Of what a calibration's file holds, what concerns a task."""
        measurements = tuple(
            Measurement(e["quantity"], tuple(e["members"]), float(e["value"]), float(e["low"]), float(e["high"]))
            for e in told["estimates"]
        )
        for m in measurements:
            if m.quantity not in QUANTITIES:
                raise MeasuredError(f"unknown quantity {m.quantity!r}, expected one of {', '.join(QUANTITIES)}")
            if not (math.isfinite(m.value) and m.low <= m.high and math.isfinite(m.low) and math.isfinite(m.high)):
                raise MeasuredError(f"{m.quantity} of {', '.join(m.members)} is {m.value} in [{m.low}, {m.high}]")
        draws = tuple(tuple(map(float, row)) for row in told["draws"])
        if any(len(row) != len(measurements) or not np.isfinite(row).all() for row in draws):
            raise MeasuredError(f"a draw has not {len(measurements)} finite values, one for each parameter")
        return cls(str(told["robot"]), tuple(told["joints"]), measurements, draws)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        estimates = [asdict(m) for m in self.measurements]
        return {
            "robot": self.robot,
            "joints": list(self.joints),
            "estimates": estimates,
            "draws": [list(r) for r in self.draws],
        }

    def check_members(self, robot: Robot) -> None:
        """Raise MeasuredError where something was measured that the robot has not."""
        spec = robot.spec()
        bodies, tips = {body.name for body in spec.bodies}, set(robot.tips())
        for m in self.measurements:
            known = tips if m.quantity == _LOAD else bodies if m.quantity in _BODY else {*robot.joints, *bodies}
            if strange := sorted(set(m.members) - known):
                raise MeasuredError(f"the calibration's {m.quantity} is of {strange[0]!r}, which {robot.name!r} does not have")

    def of(self, quantity: str) -> tuple[Measurement, ...]:
        return tuple(m for m in self.measurements if m.quantity == quantity)

    def rows(self, spread: bool) -> tuple[tuple[float, ...], ...]:
        """The measured values, or draws around them."""
        return self.draws if spread and self.draws else (tuple(m.value for m in self.measurements),)


def measured_task(task: Task, measured: Measured, spread: bool = False) -> Task:
    """The task of the measured robot. Raises MeasuredError where the measurements are another robot's."""
    robot = task.robot
    if measured.robot != robot.name or set(measured.joints) != set(robot.joints):
        raise MeasuredError(f"the calibration is of {measured.robot!r}, and the task {task.name!r} is of {robot.name!r}")
    measured.check_members(robot)
    random = replace(task.randomization, model=(MeasuredModel(measured, robot, spread), *task.randomization.model))
    delays = measured.of("delay")
    if delays:
        low = float(np.mean([m.low if spread else m.value for m in delays]))
        high = float(np.mean([m.high if spread else m.value for m in delays]))
        jitter = random.action_latency.jitter
        longest = max(random.action_latency.longest, high + 0.01)
        latency = replace(random.action_latency, seconds=Uniform(max(0.0, low), max(0.0, high)), jitter=jitter, longest=longest)
        random = replace(random, action_latency=latency)
    return replace(task, randomization=random)


@dataclass(frozen=True)
class MeasuredModel:
    """A randomisation term: the measured model, or one draw of it for each episode."""

    measured: Measured
    robot: Robot
    spread: bool = False

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        measurements = self.measured.measurements
        rows = jnp.asarray(self.measured.rows(self.spread), jnp.float32)
        index = [_ids(model, m) for m in measurements]
        names = tuple(sorted({name for m in measurements for name in _fields(m.quantity)}))
        tips = self.robot.tips() if self.measured.of(_LOAD) else {}

        def draw(key: jax.Array, values: Fields) -> Fields:
            row = rows[jax.random.randint(key, (), 0, len(rows))]
            changed = {name: values[name] for name in names}
            for i, m in enumerate(measurements):
                if m.quantity == _LOAD:
                    for name, body in zip(m.members, index[i], strict=True):
                        changed |= with_box(changed, int(body), row[i], jnp.asarray(tips[name]), _LOAD_SIZE)
                else:
                    changed |= _apply(m.quantity, index[i], row[i], changed)
            return changed

        return names, draw


def _fields(quantity: str) -> tuple[str, ...]:
    if quantity in _JOINT_FIELDS:
        return (f"dof_{quantity}",)
    if quantity == "mass":
        return ("body_mass", "body_inertia")
    if quantity == _LOAD:
        return ("body_mass", "body_ipos", "body_inertia", "body_iquat")
    if quantity in _BODY:
        return ("body_ipos",)
    if quantity == "strength":
        return ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")
    if quantity in _ACTUATOR:
        return ("actuator_gainprm", "actuator_biasprm")
    return ()


def _ids(model: mujoco.MjModel, measurement: Measurement) -> np.ndarray:
    quantity = measurement.quantity
    try:
        if quantity in _JOINT_FIELDS:
            return np.array([model.joint(name).dofadr[0] for name in measurement.members])
        if quantity in (*_BODY, _LOAD):
            return np.array([model.body(name).id for name in measurement.members])
        return np.array([model.actuator(name).id for name in measurement.members])
    except KeyError as error:
        raise RandomizationError(f"the calibration's {quantity}: the model has no such element: {error}") from error


def _apply(quantity: str, ids: np.ndarray, value: jax.Array, fields: Fields) -> Fields:
    """The fields that a value changes."""
    if quantity in _JOINT_FIELDS:
        name = f"dof_{quantity}"
        return {name: fields[name].at[ids].set(value)}
    if quantity == "mass":
        return {name: fields[name].at[ids].multiply(value) for name in ("body_mass", "body_inertia")}
    if quantity in _BODY:
        axis = "xyz".index(quantity[-1])
        return {"body_ipos": fields["body_ipos"].at[ids, axis].add(value)}
    if quantity in ("stiffness", "strength", "gain_damping"):
        return _scale_gains(quantity, ids, value, fields)
    if quantity == "offset":
        bias = fields["actuator_biasprm"]
        return {"actuator_biasprm": bias.at[ids, 0].add(bias[ids, 1] * value)}
    return {}


def _scale_gains(quantity: str, ids: np.ndarray, value: jax.Array, fields: Fields) -> Fields:
    gain, bias = fields["actuator_gainprm"], fields["actuator_biasprm"]
    if quantity == "gain_damping":
        return {"actuator_biasprm": bias.at[ids, 2].multiply(value)}
    if quantity == "stiffness":
        return {
            "actuator_gainprm": gain.at[ids, 0].multiply(value),
            "actuator_biasprm": bias.at[ids, :2].multiply(value),
        }
    scaled = {name: fields[name].at[ids].multiply(value) for name in ("actuator_gainprm", "actuator_biasprm")}
    return scaled | {"actuator_forcerange": fields["actuator_forcerange"].at[ids].multiply(value)}
