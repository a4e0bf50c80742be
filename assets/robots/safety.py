"""How far a robot may go before it is let down: `SafetyLimits`, part of every `Robot`.

    replace(GO2, safety=replace(GO2.safety, tilt=0.6))       # a more careful Go2

Joint ranges, speeds, torques and gains are the robot's own; what is here says what becomes of them at the limit. The safety
filter (`envs.safety`) reads nothing else.
"""

import math
from dataclasses import dataclass, fields

from assets.errors import UserError


class SafetyError(UserError, ValueError):
    """A limit is none; the message names it, what was expected and what was found."""


@dataclass(frozen=True)
class SafetyLimits:
    """The defaults are for a robot of which nothing more is known."""

    tilt: float = 1.0
    """Largest angle between the base and upright (rad); of no account without an IMU."""
    velocity: float = 1.5
    """Largest measured joint speed, in units of the robot's `velocity_limits`."""
    range_margin: float = 0.15
    """How far outside its range a joint may be measured (rad): stops yield, and encoders have offsets."""
    jump: float = 0.15
    """How much farther a joint may have moved from one state to the next than the largest measured speed allows (rad)."""
    temperature: float = 70.0
    """Of the motors (°C); of no account where they do not tell."""
    target_speed: float = 4.0
    """Largest speed of a joint's target, in units of the robot's `velocity_limits`: this times the period is the largest step
    from one command to the next."""
    torque: float = 1.0
    """Largest torque that a command may ask for in the state it is sent in, in units of the robot's `effort_limits`; infinite
    where the motor's own controller bounds its torque and takes positions only."""
    gain: float = 2.0
    """Largest gains, in units of the robot's own."""
    stale_seconds: float = 0.1
    """Age of the newest good state at which the robot counts as gone (s)."""
    faulty_states: int = 0
    """How many states in a row may be corrupt, repeated or out of order. They are never acted on; one more and the robot is no
    longer trusted."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0.0 if field.name in ("range_margin", "jump", "faulty_states") else math.ulp(0.0)
            if not value >= least or (math.isinf(value) and field.name not in ("torque", "temperature", "tilt")):
                expected = "a number that is not negative" if least == 0.0 else "a positive number"
                raise SafetyError(f"safety limit {field.name} is {value!r}, expected {expected}")
