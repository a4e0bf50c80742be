"""A twin that differs from the nominal robot as a calibration found: `measured_gap(measured, robot)`."""

from dataclasses import replace

import numpy as np

from assets.robots.robot import Robot
from envs.measured import Measured, MeasuredError
from sim2real.twin.gap import Gap, Payload, Values

_NOTHING = 1e-3  # kg
_SIZE = 0.03  # m
_JOINTS = ("armature", "damping", "frictionloss")


def measured_gap(measured: Measured, robot: Robot, gap: Gap | None = None) -> Gap:
    """The gap of the measured values; where `gap` gives something itself, that counts.

    Raises MeasuredError where the measurements are another robot's, or of more payloads than a gap may have.
    """
    gap = gap or Gap()
    if measured.robot != robot.name:
        raise MeasuredError(f"the calibration is of {measured.robot!r}, and the twin is to be {robot.name!r}")
    measured.check_members(robot)
    joints = replace(gap.joints, **{name: _before(measured, name, getattr(gap.joints, name)) for name in _JOINTS})
    motor = replace(
        gap.motor,
        strength=_before(measured, "strength", gap.motor.strength),
        stiffness_scale=_before(measured, "stiffness", gap.motor.stiffness_scale),
        damping_scale=_before(measured, "gain_damping", gap.motor.damping_scale),
    )
    encoder = replace(gap.encoder, offset=_before(measured, "offset", gap.encoder.offset))
    links = replace(
        gap.links,
        mass_scale=_before(measured, "mass", gap.links.mass_scale),
        **{
            f"center_shift_{axis}": _before(measured, f"center_{axis}", getattr(gap.links, f"center_shift_{axis}"))
            for axis in "xyz"
        },
    )
    messages = gap.command_messages
    if (delays := measured.of("delay")) and not messages.latency:
        messages = replace(messages, latency=float(np.mean([max(0.0, m.value) for m in delays])))
    if not gap.payload.mass:
        gap = replace(gap, payload=_payload(measured, robot))
    return replace(gap, joints=joints, motor=motor, encoder=encoder, links=links, command_messages=messages)


def _payload(measured: Measured, robot: Robot) -> Payload:
    loads = [(body, m.value) for m in measured.of("payload") for body in m.members if m.value > _NOTHING]
    if not loads:
        return Payload()
    if len(loads) > 1:
        raise MeasuredError(
            f"the calibration found payloads on {len(loads)} bodies; a twin carries one: share it, or free none"
        )
    body, mass = loads[0]
    x, y, z = map(float, robot.tips()[body])
    return Payload(mass, body, (x, y, z), (_SIZE, _SIZE, _SIZE))


def _before(measured: Measured, quantity: str, given: Values) -> Values:
    """Measured values, and after them those given, of which the last counts."""
    found = tuple((member, m.value) for m in measured.of(quantity) for member in m.members)
    return Values(found + given.patterns)
