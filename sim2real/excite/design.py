"""A motion made for a robot: `design`, which shapes it, rehearses it in simulation and moves less where that asks for it.

    made = design(GO2, Wish(kind="multisine", seconds=30.0))
    made.motion, made.rehearsal, made.notes

A motion goes from the default pose to the centres about which its joints move, does what its kind asks for, and goes back. What
the rehearsal finds wanting, a part that touches another or a torque that is too much, takes amplitude off the joints that can
mend it, in the segment where it happens, until nothing is left to find.
"""

import fnmatch
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assets.robots.robot import Robot, unknown_name
from sim2real.excite.chirp import chirp
from sim2real.excite.holds import holds
from sim2real.excite.motion import MAX_STEPS, Motion, MotionError, Segment
from sim2real.excite.multisine import multisine
from sim2real.excite.prbs import prbs
from sim2real.excite.ramp import ramp_seconds, smooth
from sim2real.excite.rehearsal import Fault, Rehearsal, Stage, touching
from sim2real.excite.room import Room
from sim2real.excite.shape import Kind, Shape, Signal, in_turn
from sim2real.excite.steps import steps

KINDS: dict[str, Kind] = {"chirp": chirp, "multisine": multisine, "prbs": prbs, "steps": steps, "holds": holds}
KindName = Literal["chirp", "multisine", "prbs", "steps", "holds"]

_BANDLESS = ("steps", "holds")
_DIGITS = 9  # of targets in rad
_LEAST_RAMP = 0.5  # s
_RAMP_EASE = 0.5  # of the speed and acceleration that a motion may have
_SHRINK = 0.85
_LEAST_SCALE = 0.05
_TORQUE_SHARE = 0.9  # of the effort limit, that the targets' way may need
_ROUNDS = 80
_PERIODS = 2.0  # of the lowest frequency, that a motion has by default


@dataclass(frozen=True)
class Wish:
    """What is to be made."""

    kind: KindName
    seconds: float = 30.0
    """The whole motion, ways there and back included."""
    rate: float = 500.0
    """Targets a second (Hz)."""
    joints: str = "*"
    """A pattern of names; the others stay in the default pose."""
    band: tuple[float, float] | None = None
    """Hz; by default from 0.1, or what two periods need, to 10, or a tenth of the rate."""
    amplitude: float | None = None
    """rad, at most; by default the robot's action scale, and for holds all of the range."""
    stiffness: float = 1.0
    """In units of the robot's own."""
    damping: float = 1.0
    """In units of the robot's own."""
    order: Literal["together", "in-turn"] = "together"
    """All joints at once, or one after another."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Design:
    motion: Motion
    rehearsal: Rehearsal
    room: Room
    """Of all joints; the amplitudes of those that do not move are without meaning."""
    moved: tuple[int, ...]
    """The joints that move, by index."""
    band: tuple[float, float] | None
    """Hz; None for a kind that has none."""
    notes: tuple[str, ...]
    """What became less than was asked for, and why."""


def design(robot: Robot, wish: Wish, stage: Stage | None = None) -> Design:
    """Raises MotionError where the wish cannot be met. `stage` saves making the robot's models again."""
    stage = stage or Stage(robot)
    band = _band(wish)
    moved = _moved(robot, wish.joints)
    _check_strength(stage)
    room = _room(robot, wish, stage)
    wanted = room.amplitude[moved]
    lead = _lead_seconds(room)
    draft = _Draft(robot, wish, room.pick(moved), moved, lead, band)
    reasons: dict[tuple[int, int], str] = {}
    suspects: list[int] = []
    told_band = None if wish.kind in _BANDLESS else band
    told = ""
    for _ in range(_ROUNDS):
        motion = draft.motion()
        # The cheapest question first: whether where it was too near before it still is.
        clearance, targets = stage.clearance, motion.targets
        contacts = clearance.contacts_at(targets, suspects) or clearance.contacts(targets)
        suspects = sorted({contact.step for contact in contacts})
        faults = touching(contacts)
        if not faults:
            rehearsal = Rehearsal.of(motion, stage)
            faults = [*rehearsal.faults, *_torque_faults(rehearsal)]
            if not faults:
                return Design(motion, rehearsal, room, tuple(moved.tolist()), told_band, draft.notes(wanted, reasons))
        eased = draft.ease({fault: fault.tell(motion.rate) for fault in faults})
        reasons |= eased
        told = next(iter(eased.values()))
    raise MotionError(f"robot {robot.name!r}: no {wish.kind} was found that it can play: {told}")


class _Draft:
    """A motion whose amplitudes are still being settled."""

    def __init__(self, robot: Robot, wish: Wish, room: Room, moved: np.ndarray, lead: float, band: tuple[float, float]):
        self._robot, self._wish, self._room, self._moved, self._lead = robot, wish, room, moved, lead
        signal = Signal(wish.rate, wish.seconds - 2 * lead, band, wish.seed)
        if signal.steps < 2:
            raise MotionError(
                f"{wish.seconds:g} s are too short: the ways there and back take {2 * lead:.3g} s. Give more --seconds"
            )
        kind = KINDS[wish.kind] if wish.order == "together" else in_turn(KINDS[wish.kind])
        self._shape: Shape = kind(room, signal, tuple(robot.joints[i] for i in moved))
        self._names = [robot.joints[i] for i in moved]
        self._center = room.center - room.rest
        self._scale = np.ones((len(self._shape.segments), len(moved)))
        values = self._shape.trace(self._scale)
        # Speeds and accelerations are in proportion to the amplitude: no trial is needed to keep them.
        speed = np.abs(np.diff(values, axis=0)).max(axis=0) * wish.rate
        acceleration = np.abs(np.diff(values, n=2, axis=0)).max(axis=0, initial=0.0) * wish.rate**2
        self._amplitude = np.minimum(
            room.amplitude,
            np.minimum(room.velocity / np.maximum(speed, 1e-9), room.acceleration / np.maximum(acceleration, 1e-9)),
        )

    def motion(self) -> Motion:
        robot, wish, moved = self._robot, self._wish, self._moved
        values = self._amplitude * self._shape.trace(self._scale)
        lead = round(self._lead * wish.rate)
        total = round(wish.seconds * wish.rate)
        targets = np.tile(np.array(robot.default_pose, float), (total, 1))
        times = np.arange(total) / wish.rate
        there = smooth(times / self._lead) * smooth((times[-1] - times) / self._lead)
        targets[:, moved] += there[:, None] * self._center
        targets[lead : lead + len(values), moved] += values
        segments = (Segment(s.name, round(s.begin + self._lead, 6), round(s.end + self._lead, 6)) for s in self._shape.segments)
        return Motion(
            robot=robot.name,
            joints=robot.joints,
            rate=wish.rate,
            targets=np.round(targets, _DIGITS),
            stiffness=tuple(wish.stiffness * value for value in robot.stiffness),
            damping=tuple(wish.damping * value for value in robot.damping),
            kind=wish.kind,
            seed=wish.seed,
            description=f"{wish.kind} of {self._told()}, {wish.order}",
            segments=tuple(segments),
        )

    def _told(self) -> str:
        return "all joints" if len(self._names) == self._robot.num_joints else ", ".join(self._names)

    def ease(self, faults: dict[Fault, str]) -> dict[tuple[int, int], str]:
        """Take amplitude off the joints at fault, once for each segment where it happens; on the ways there and back, from
        their centres too. Returns why, by segment and joint."""
        eased: dict[tuple[int, int], str] = {}
        off_center: set[int] = set()
        for fault, told in faults.items():
            own = [i for i, joint in enumerate(self._moved) if joint in fault.joints]
            if not own:
                raise MotionError(f"robot {self._robot.name!r} cannot play such a motion: {told}")
            at = fault.step / self._wish.rate - self._lead
            inside = [i for i, s in enumerate(self._shape.segments) if s.begin <= at < s.end]
            if not inside:
                off_center |= set(own)
            for segment in inside or range(len(self._shape.segments)):
                eased |= {(segment, joint): told for joint in own if (segment, joint) not in eased}
        self._center[list(off_center)] *= _SHRINK
        for (segment, joint), told in eased.items():
            self._scale[segment, joint] *= _SHRINK
            if self._scale[segment, joint] < _LEAST_SCALE:
                raise MotionError(
                    f"robot {self._robot.name!r}: {self._names[joint]} would hardly move: {told}, however small its amplitude."
                    " Choose other --joints, a lower --band or other gains"
                )
        return eased

    def notes(self, wanted: np.ndarray, reasons: dict[tuple[int, int], str]) -> tuple[str, ...]:
        told: dict[str, list[str]] = {}
        for joint, name in enumerate(self._names):
            if self._amplitude[joint] < 0.999 * wanted[joint]:
                amounts = f"{name} {self._amplitude[joint]:.3g} instead of {wanted[joint]:.3g} rad"
                told.setdefault("speed or acceleration is the limit", []).append(amounts)
        for (segment, joint), reason in sorted(reasons.items()):
            where = f" in {self._shape.segments[segment].name}" if len(self._shape.segments) > 1 else ""
            amount = self._scale[segment, joint] * self._amplitude[joint]
            told.setdefault(f"with more, {reason}", []).append(f"{self._names[joint]} {amount:.3g} rad{where}")
        return (*self._shape.notes, *(f"{', '.join(amounts)}: {reason}" for reason, amounts in told.items()))


def _room(robot: Robot, wish: Wish, stage: Stage) -> Room:
    room = Room.of(robot, stage.mechanics)
    if wish.amplitude is not None:
        if not wish.amplitude > 0 or not np.isfinite(wish.amplitude):
            raise MotionError(f"--amplitude is {wish.amplitude:g} rad, expected more than 0")
        return room.with_amplitude(np.full(robot.num_joints, wish.amplitude))
    if wish.kind == "holds":
        span = 0.5 * (room.high - room.low)
        return room.with_amplitude(np.where(np.isfinite(span), span, np.pi))
    return room


def _check_strength(stage: Stage) -> None:
    """Raise MotionError where the robot cannot even hold its default pose."""
    robot = stage.robot
    _, bias = stage.mechanics.inertia_and_bias(np.array(robot.default_pose, float))
    for joint, needed, limit in zip(robot.joints, np.abs(bias), robot.effort_limits, strict=True):
        if needed > _TORQUE_SHARE * limit:
            raise MotionError(
                f"robot {robot.name!r}: {joint} needs {needed:.3g} N m to hold the default pose, at most"
                f" {_TORQUE_SHARE * limit:.3g}:"
                " give the robot another default pose, or its true effort limits"
            )


def _lead_seconds(room: Room) -> float:
    """How long the way from the default pose to the centres takes."""
    distance = np.abs(room.center - room.rest)
    return max(_LEAST_RAMP, float(ramp_seconds(distance, _RAMP_EASE * room.velocity, _RAMP_EASE * room.acceleration).max()))


def _moved(robot: Robot, pattern: str) -> np.ndarray:
    names = fnmatch.filter(robot.joints, pattern)
    if not names:
        raise MotionError(
            f"{unknown_name(robot.name, 'joint', pattern, robot.joints)} (--joints takes a pattern, such as '*_calf_joint')"
        )
    return np.array([robot.joints.index(name) for name in names])


def _band(wish: Wish) -> tuple[float, float]:
    if not 1.0 <= wish.rate <= 10_000.0 or not 0 < wish.seconds * wish.rate <= MAX_STEPS:
        raise MotionError(
            f"{wish.seconds:g} s at {wish.rate:g} Hz: expected a --rate from 1 to 10,000 and more than no --seconds,"
            f" {MAX_STEPS} targets at most"
        )
    for name in ("stiffness", "damping"):
        if not getattr(wish, name) >= 0 or not np.isfinite(getattr(wish, name)):
            raise MotionError(f"--{name} is {getattr(wish, name):g}, expected a factor of the robot's own, not below zero")
    low, high = wish.band or (max(0.1, _PERIODS / wish.seconds), min(10.0, 0.1 * wish.rate))
    if not 0 < low < high <= 0.25 * wish.rate:
        raise MotionError(
            f"the band is {low:g} to {high:g} Hz: expected a lower and a higher frequency, above 0 and at most a quarter of the"
            f" rate, {0.25 * wish.rate:g} Hz"
        )
    if low * wish.seconds < 1.0:
        raise MotionError(f"{wish.seconds:g} s are less than a period of {low:g} Hz: give more --seconds or a higher --band")
    return low, high


def _torque_faults(rehearsal: Rehearsal) -> list[Fault]:
    """Where the targets' way needs more torque than there is."""
    limits = np.array(rehearsal.stage.robot.effort_limits)
    faults = []
    for joint in np.flatnonzero((np.abs(rehearsal.needed) > _TORQUE_SHARE * limits).any(axis=0)).tolist():
        look = int(np.argmax(np.abs(rehearsal.needed[:, joint])))
        amount, step = abs(rehearsal.needed[look, joint]), int(rehearsal.looks[look])
        text = f"{rehearsal.motion.joints[joint]} needs {amount:.3g} N m, at most {_TORQUE_SHARE * limits[joint]:.3g}"
        faults.append(Fault(step, (joint,), text))
    return faults
