"""The safety filter: which command may go to a robot in the state that it is in, and what ends its trust in that robot.

    verdict = guard(Limits.of(GO2), readings, wanted, last, period=0.002)
    if verdict.trips.any():
        print(explain(limits, readings, verdict.trips))     # "tilt: 1.23 rad, at most 1.00"

A pure function on the array API: NumPy on the robot, `jax.numpy` in the evaluation of policies, any leading axes in both. What
is too much of a command is taken off it: a target is kept within the joint's range and near the one before, gains and torque
shrink until the torque that they give now is one that the motor has. What says that the robot, its sensors or its bus are not
what they should be is a trip, one of `CAUSES`, and the command that is then given is damping.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np

from assets.robots.robot import Robot

CAUSES = (
    "stale",
    "corrupt",
    "repeated",
    "reordered",
    "rival",
    "state_not_finite",
    "bad_command",
    "joint_range",
    "jump",
    "velocity",
    "tilt",
    "temperature",
)
"""In the order in which they are told: what explains the others first."""

Array = Any
"""Of NumPy or of `jax.numpy`."""


class Readings(NamedTuple):
    """What is known of a robot at the time of a command. Joint arrays are (..., num_joints), scalars (...)."""

    position: Array
    """rad"""
    velocity: Array
    """rad/s"""
    quaternion: Array
    """(..., 4) w, x, y, z: from the IMU's frame to the world's; of no account without an IMU"""
    temperature: Array
    """°C; NaN where it is not measured"""
    moved: Array
    """Since the good state before this one (rad)."""
    elapsed: Array
    """Between those two (s)."""
    age: Array
    """Since this state arrived (s)."""
    corrupt: Array
    """How many of the latest states in a row were faulty, each for one of three reasons: by their checksum,"""
    repeated: Array
    """by a sequence number seen before,"""
    reordered: Array
    """by an older one."""
    rivals: Array
    """How many others give this robot commands."""


class Targets(NamedTuple):
    """What the joints' controllers do, (..., num_joints): torque + stiffness (position - q) + damping (velocity - dq)."""

    position: Array
    """rad"""
    velocity: Array
    """rad/s"""
    torque: Array
    """N m"""
    stiffness: Array
    """N m/rad"""
    damping: Array
    """N m s/rad"""


class Verdict(NamedTuple):
    targets: Targets
    """What may go out: damping where anything trips."""
    trips: Array
    """(..., len(CAUSES)) bool"""


@dataclass(frozen=True, eq=False)
class Limits:
    """A robot's limits as arrays, in policy order."""

    low: np.ndarray
    """Joint ranges (rad); infinite where there is none."""
    high: np.ndarray
    range_margin: float
    """rad"""
    velocity: np.ndarray
    """Measured (rad/s)."""
    target_speed: np.ndarray
    """rad/s"""
    torque: np.ndarray
    """N m"""
    stiffness: np.ndarray
    """N m/rad"""
    damping: np.ndarray
    """N m s/rad"""
    rest_damping: np.ndarray
    """The gains of damping (N m s/rad)."""
    jump: float
    """rad"""
    upright: np.ndarray | None
    """The base's z axis in the IMU's frame, (3,); None without an IMU."""
    tilt: float
    """rad"""
    temperature: float
    """°C"""
    stale_seconds: float
    faulty_states: int
    joints: tuple[str, ...]
    """Their names, to tell of them."""

    @classmethod
    def of(cls, robot: Robot) -> "Limits":
        """Compiles the robot's model, which tells joint ranges and how the IMU sits."""
        safety, model = robot.safety, robot.spec().compile()
        joints = [model.joint(name) for name in robot.joints]
        ranges = np.array([j.range if model.jnt_limited[j.id] else (-np.inf, np.inf) for j in joints], float)
        velocity, effort = np.array(robot.velocity_limits, float), np.array(robot.effort_limits, float)
        return cls(
            low=ranges[:, 0],
            high=ranges[:, 1],
            range_margin=safety.range_margin,
            velocity=safety.velocity * velocity,
            target_speed=safety.target_speed * velocity,
            torque=safety.torque * effort,
            stiffness=safety.gain * np.array(robot.stiffness, float),
            damping=safety.gain * np.array(robot.damping, float),
            rest_damping=np.array(robot.damping, float),
            jump=safety.jump,
            upright=_upright(model, robot),
            tilt=safety.tilt,
            temperature=safety.temperature,
            stale_seconds=safety.stale_seconds,
            faulty_states=safety.faulty_states,
            joints=robot.joints,
        )


def guard(limits: Limits, readings: Readings, wanted: Targets, last: Array, period: float) -> Verdict:
    """What may go out of what is `wanted`, given the positions of the `last` command (..., num_joints), which are finite and
    within the joints' ranges, and the time since then (s)."""
    with np.errstate(all="ignore"):  # what is no number is looked for, and found
        return _guard(last.__array_namespace__(), limits, readings, wanted, last, period)


def torque_of(targets: Targets, position: Array, velocity: Array) -> Array:
    """The torques that targets ask for in a state (N m)."""
    return targets.torque + targets.stiffness * (targets.position - position) + targets.damping * (targets.velocity - velocity)


def tilt_of(limits: Limits, quaternion: Array) -> Array:
    """The angle between the base and upright (rad); NaN where the quaternion is none, and without an IMU."""
    xp = quaternion.__array_namespace__()
    if limits.upright is None:
        return quaternion[..., 0] * math.nan
    w, x, y, z = (quaternion[..., i] for i in range(4))
    a, b, c = (float(value) for value in limits.upright)
    # The last row of the rotation matrix and the axis, times the square of the quaternion's norm.
    up = 2.0 * (a * (x * z - w * y) + b * (y * z + w * x)) + c * (w * w - x * x - y * y + z * z)
    square = w * w + x * x + y * y + z * z
    cosine = xp.where(square > 0.25, up / xp.maximum(square, 0.25), math.nan)
    return xp.acos(xp.minimum(xp.maximum(cosine, -1.0), 1.0))


def explain(limits: Limits, readings: Readings, trips: np.ndarray) -> str:
    """The causes of one robot's trips in words, with what was found and what is allowed."""
    return "; ".join(_words(name, limits, readings) for name, tripped in zip(CAUSES, trips, strict=True) if tripped)


def _guard(xp: Any, limits: Limits, readings: Readings, wanted: Targets, last: Array, period: float) -> Verdict:
    trips = xp.stack(_trips(xp, limits, readings, wanted), axis=-1)
    tripped = xp.any(trips, axis=-1)[..., None]

    def within(value: Array, low: Array, high: Array, rest: Array) -> Array:
        """Bounds, not `clip`, which takes three times as long on a few numbers. A NaN passes them, but also trips."""
        return xp.where(tripped, rest, xp.minimum(xp.maximum(value, low), high))

    step, zero = limits.target_speed * period, last - last
    chosen = Targets(
        position=within(wanted.position, xp.maximum(limits.low, last - step), xp.minimum(limits.high, last + step), last),
        velocity=within(wanted.velocity, -limits.velocity, limits.velocity, zero),
        torque=within(wanted.torque, -limits.torque, limits.torque, zero),
        stiffness=within(wanted.stiffness, 0.0, limits.stiffness, zero),
        damping=within(wanted.damping, 0.0, limits.damping, zero + limits.rest_damping),
    )
    return Verdict(_within_torque(xp, limits, readings, chosen), trips)


def _trips(xp: Any, limits: Limits, readings: Readings, wanted: Targets) -> list[Array]:
    """In the order of `CAUSES`. Each asks whether all is well, as no comparison with a NaN is."""
    r = readings

    def each(good: Array) -> Array:
        return ~good.all(axis=-1)

    finite = xp.isfinite(r.position + r.velocity).all(axis=-1)
    is_tilted = finite & False
    if limits.upright is not None:
        tilt = tilt_of(limits, r.quaternion)
        finite, is_tilted = finite & xp.isfinite(tilt), ~(tilt <= limits.tilt)
    sound = xp.isfinite(sum(wanted)) & (xp.minimum(wanted.stiffness, wanted.damping) >= 0.0)
    outside = xp.maximum(limits.low - r.position, r.position - limits.high)
    return [
        ~(r.age <= limits.stale_seconds),
        r.corrupt > limits.faulty_states,
        r.repeated > limits.faulty_states,
        r.reordered > limits.faulty_states,
        r.rivals > 0,
        ~finite,
        each(sound),
        each(outside <= limits.range_margin),
        each(xp.abs(r.moved) <= limits.velocity * r.elapsed[..., None] + limits.jump),
        each(xp.abs(r.velocity) <= limits.velocity),
        is_tilted,
        (r.temperature > limits.temperature).any(axis=-1),
    ]


def _within_torque(xp: Any, limits: Limits, readings: Readings, targets: Targets) -> Targets:
    """The same with gains and torque reduced to what the motor can give in this state, where that is known."""
    if np.isinf(limits.torque).all():
        return targets
    asked = xp.abs(torque_of(targets, readings.position, readings.velocity))
    # So that rounding does not lead beyond the limit.
    most = limits.torque * (1.0 - 8.0 * float(xp.finfo(asked.dtype).eps))
    share = xp.where(asked > most, most / xp.maximum(asked, most), 1.0)  # 1 where the state is no number
    return targets._replace(torque=share * targets.torque, stiffness=share * targets.stiffness, damping=share * targets.damping)


def _upright(model: mujoco.MjModel, robot: Robot) -> np.ndarray | None:
    if robot.imu_site is None:
        return None
    inverse, axis = np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(inverse, model.site(robot.imu_site).quat)
    mujoco.mju_rotVecQuat(axis, np.array([0.0, 0.0, 1.0]), inverse)
    return axis


def _words(cause: str, limits: Limits, r: Readings) -> str:
    def worst(value: np.ndarray, allowed: np.ndarray | float, unit: str) -> str:
        """The joint that is farthest beyond what is allowed, or not a number."""
        beyond = np.nan_to_num(value - allowed, nan=np.inf)
        i = int(np.argmax(beyond))
        return f"{limits.joints[i]} {value[i]:.3g} {unit}, at most {np.broadcast_to(allowed, value.shape)[i]:.3g}"

    with np.errstate(invalid="ignore"):
        outside = np.maximum(limits.low - r.position, r.position - limits.high)
        allowed = np.asarray(limits.velocity * r.elapsed + limits.jump)
        in_a_row = f"in a row, at most {limits.faulty_states}"
        words = {
            "stale": f"no good state for {1e3 * float(r.age):.1f} ms, at most {1e3 * limits.stale_seconds:.1f}",
            "corrupt": f"{int(r.corrupt)} with a wrong checksum {in_a_row}",
            "repeated": f"{int(r.repeated)} with a sequence number seen before {in_a_row}: frozen or duplicated",
            "reordered": f"{int(r.reordered)} older than one before {in_a_row}",
            "rival": f"{int(r.rivals)} other{'s' if r.rivals > 1 else ''} command{'s' if r.rivals == 1 else ''} this robot",
            "state_not_finite": "a joint position or velocity, or what the IMU says, is no number",
            "bad_command": "the command is not finite, or a gain is negative",
            "joint_range": f"outside its range: {worst(outside, limits.range_margin, 'rad')}",
            "jump": f"from one state to the next: {worst(np.abs(r.moved), allowed, 'rad')}",
            "velocity": worst(np.abs(r.velocity), limits.velocity, "rad/s"),
            "tilt": f"{float(tilt_of(limits, np.asarray(r.quaternion))):.2f} rad, at most {limits.tilt:.2f}",
            "temperature": worst(r.temperature, limits.temperature, "°C"),
        }
    return f"{cause}: {words[cause]}"
