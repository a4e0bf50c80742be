"""How a twin differs from the nominal robot: `Gap`, as `sim2real.twin.gap_file` reads it from TOML.

    gap = Gap(motor=Motor(strength=Values.everywhere(0.9)), state_messages=Messages(latency=0.004))

All is nominal unless given. Where a quantity may differ from joint to joint or from body to body it is `Values`: numbers by
name patterns (`*` and `?`), of which the last that matches a name counts.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np

from assets.errors import UserError

FaultKind = Literal["nan", "jump", "tilt", "hot", "freeze", "silence", "checksum", "duplicate", "reorder", "rival"]


class GapError(UserError, ValueError):
    """A gap, or the file of one, is ill-formed; the message names the file, the entry, what was expected and what was found."""


@dataclass(frozen=True)
class Values:
    """A number for each name, by patterns; nothing for a name that none matches."""

    patterns: tuple[tuple[str, float], ...] = ()

    @classmethod
    def everywhere(cls, value: float) -> "Values":
        return cls((("*", value),))

    def over(self, names: Sequence[str], nominal: float | np.ndarray) -> np.ndarray:
        """The values of these names, (len(names),); the nominal ones where none is given."""
        values = np.array(np.broadcast_to(nominal, len(names)), float)
        for pattern, value in self.patterns:
            values[[fnmatchcase(name, pattern) for name in names]] = value
        return values

    def check(self, what: str, names: Sequence[str]) -> None:
        """Raise GapError where a pattern matches none of the names."""
        for pattern, _ in self.patterns:
            check_pattern(what, pattern, names)


def check_pattern(what: str, pattern: str, names: Sequence[str]) -> None:
    """Raise GapError, with the nearest name, where the pattern matches none of them."""
    if not any(fnmatchcase(name, pattern) for name in names):
        near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise GapError(f"{what}: no name matches {pattern!r}; {hint}")


def quantity(low: float = -np.inf, high: float = np.inf, unit: str = "", default: Any = None) -> Any:
    """A field of a gap that lies in [low, high]; `None` where the nominal robot's own value holds."""
    return field(default=default, metadata={"low": low, "high": high, "unit": unit})


def per_name(kind: Literal["joint", "body"], low: float = -np.inf, high: float = np.inf, unit: str = "") -> Any:
    """A field of `Values`, by the names of joints or bodies."""
    return field(default=Values(), metadata={"low": low, "high": high, "unit": unit, "names": kind})


@dataclass(frozen=True)
class Links:
    """`[links]`: what the robot's bodies weigh."""

    mass_scale: Values = per_name("body", 0.01, 100.0)
    """Mass over the nominal, with inertia in proportion."""
    center_shift_x: Values = per_name("body", -1.0, 1.0, "m")
    """Of the centre of mass, in the body's frame."""
    center_shift_y: Values = per_name("body", -1.0, 1.0, "m")
    center_shift_z: Values = per_name("body", -1.0, 1.0, "m")


@dataclass(frozen=True)
class Payload:
    """`[payload]`: a solid box fixed to a body."""

    mass: float = quantity(0.0, 1000.0, "kg", 0.0)
    body: str = ""
    """The robot's base where none is named."""
    position: tuple[float, float, float] = quantity(-10.0, 10.0, "m", (0.0, 0.0, 0.0))
    """Of its centre, in the body's frame."""
    size: tuple[float, float, float] = quantity(1e-3, 10.0, "m", (0.1, 0.1, 0.05))
    """Full edge lengths."""


@dataclass(frozen=True)
class Contact:
    """`[contact]`"""

    foot_friction: float | None = quantity(0.0, 10.0)
    """Sliding friction coefficient of the feet, which then counts, whatever the ground's is."""
    ground_friction: float | None = quantity(0.0, 10.0)
    """Of the ground: what counts for all that has no priority of its own, where it is the larger one."""


@dataclass(frozen=True)
class Joints:
    """`[joints]`: what a motor turns against. Friction is the motor's, damping too."""

    armature: Values = per_name("joint", 0.0, 100.0, "kg m²")
    """Inertia of the rotor as the joint feels it."""
    damping: Values = per_name("joint", 0.0, 1000.0, "N m s/rad")
    frictionloss: Values = per_name("joint", 0.0, 1000.0, "N m")
    """Coulomb friction."""
    breakaway: Values = per_name("joint", 0.0, 1000.0, "N m")
    """Friction at rest, no less than Coulomb's; it falls to that with speed (Stribeck): Coulomb + (breakaway - Coulomb)
    exp(-(speed / stribeck_velocity)²)."""
    stribeck_velocity: Values = per_name("joint", 1e-3, 100.0, "rad/s")
    """0.1 where breakaway is given and this is not."""
    viscous: Values = per_name("joint", 0.0, 1000.0, "N m s/rad")
    """Stribeck's viscous part, which adds to the damping."""
    backlash: Values = per_name("joint", 0.0, 0.5, "rad")
    """Half the play of the gear: the motor's shaft, with the rotor's inertia and all friction, turns that far either way before
    it takes the link along. Encoders sit on the motor's side."""


@dataclass(frozen=True)
class Motor:
    """`[motor]`"""

    strength: Values = per_name("joint", 0.0, 10.0)
    """Scales all torque, limit included, as `sim.randomization.MotorStrength` does. The robot does not know of it: it estimates
    its torque without."""
    stiffness_scale: Values = per_name("joint", 0.0, 100.0)
    """The stiffness that its electronics keep, over the one commanded."""
    damping_scale: Values = per_name("joint", 0.0, 100.0)
    """Likewise."""
    stall_torque: Values = per_name("joint", 1e-6, 10000.0, "N m")
    """With no_load_speed, the line below which the torque in the direction of motion stays:
    stall_torque (1 - speed / no_load_speed). The robot's effort limit holds as well."""
    no_load_speed: Values = per_name("joint", 1e-6, 10000.0, "rad/s")


@dataclass(frozen=True)
class Encoder:
    """`[encoder]`: what the motor's controller and the messages take for the joint."""

    offset: Values = per_name("joint", -3.2, 3.2, "rad")
    """Reading less truth; the controller goes by the reading."""
    resolution: Values = per_name("joint", 0.0, 1.0, "rad")
    """Readings are multiples of it, the controller's too."""
    velocity_resolution: Values = per_name("joint", 0.0, 100.0, "rad/s")
    """Of the velocity in the messages."""
    noise: Values = per_name("joint", 0.0, 1.0, "rad")
    """Standard deviation of the position in the messages."""
    velocity_noise: Values = per_name("joint", 0.0, 100.0, "rad/s")
    torque_noise: Values = per_name("joint", 0.0, 1000.0, "N m")


@dataclass(frozen=True)
class Imu:
    """`[imu]`. Noises are standard deviations of each axis in each message."""

    gyro_noise: float = quantity(0.0, 100.0, "rad/s", 0.0)
    gyro_bias: tuple[float, float, float] = quantity(-10.0, 10.0, "rad/s", (0.0, 0.0, 0.0))
    gyro_resolution: float = quantity(0.0, 10.0, "rad/s", 0.0)
    acceleration_noise: float = quantity(0.0, 1000.0, "m/s²", 0.0)
    acceleration_bias: tuple[float, float, float] = quantity(-100.0, 100.0, "m/s²", (0.0, 0.0, 0.0))
    orientation_noise: float = quantity(0.0, 1.0, "rad", 0.0)
    orientation_bias: tuple[float, float, float] = quantity(-3.2, 3.2, "rad", (0.0, 0.0, 0.0))
    """Of how the sensor is mounted: a rotation vector in its frame."""
    quaternion_resolution: float = quantity(0.0, 0.5, "", 0.0)
    """Entries of the quaternion are multiples of it."""


@dataclass(frozen=True)
class Messages:
    """`[command_messages]`, `[state_messages]`: how messages travel. They keep their order."""

    latency: float = quantity(0.0, 2.0, "s", 0.0)
    """Commands take effect in the first physics step, states are given in the first period, that is not before this."""
    jitter: float = quantity(0.0, 2.0, "s", 0.0)
    """Half width of the uniform spread around the latency; no message arrives before it was sent."""
    drop: float = quantity(0.0, 1.0, "", 0.0)
    """Probability that a message is lost."""


@dataclass(frozen=True)
class Fault:
    """`[[fault]]`: something that goes wrong at a given time, for tests of what commands the robot.

    Kinds: nan (a joint's position is no number), jump (it is `size` rad off), tilt (the IMU is turned by `size` rad about its x
    axis), hot (a motor is `size` °C warm), freeze (the last message again and again), silence (no messages), checksum (it is
    wrong), duplicate (each message twice), reorder (each two messages swapped), rival (`size` others command).
    """

    kind: FaultKind = "nan"
    at: float = quantity(0.0, 1e6, "s", 0.0)
    """Simulated time."""
    seconds: float = quantity(0.0, 1e6, "s", 0.0)
    """How long; 0 for one message, or two that are swapped."""
    since: Literal["start", "command"] = "start"
    """What `at` counts from: the twin's start, or the first command."""
    joint: str = ""
    """Whose; the first where none is named."""
    size: float | None = quantity(-1e6, 1e6)
    """By default: jump 1 rad, tilt 1.2 rad, hot 150 °C, rival 1."""


@dataclass(frozen=True)
class Gap:
    """All that differs."""

    links: Links = Links()
    payload: Payload = Payload()
    contact: Contact = Contact()
    joints: Joints = Joints()
    motor: Motor = Motor()
    encoder: Encoder = Encoder()
    imu: Imu = Imu()
    command_messages: Messages = Messages()
    state_messages: Messages = Messages()
    fault: tuple[Fault, ...] = ()
