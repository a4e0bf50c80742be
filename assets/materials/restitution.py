"""How high a thing bounces in MuJoCo: from a coefficient of restitution to a contact's `solref`, by a measured table.

    bouncing(0.6, frequency=1e4, timestep=0.002)            # (-17800, -46.5): stiffness and damping per mass, negated

    python -m assets.materials.restitution                  # measures the table anew and prints it

A contact is a spring and a damper per mass, of frequency ω and damping ratio ζ. The textbook's exp(-πζ/√(1-ζ²)) lets the floor
pull on what leaves it, and is wrong by a quarter at ζ = 0.2. Measured is a sphere that falls on a plane, over sixteen ways in
which its fall may meet the time steps. What comes of it depends on three pure numbers: ζ; ωΔt, how well a step resolves the
contact, which has hardly an influence on the mean but spreads what single falls give; and g/(ωv), how much gravity does while
the contact lasts. So the table has for each ζ the largest ωΔt with which single falls stay within `SPREAD` of the mean, and the
mean at some values of g/(ωv).

Two things follow from MuJoCo's model of contact: a contact takes many time steps, so that what hits the floor at 1 m/s sinks
in by up to 1 m/s / ω (10 mm at a step of 2 ms, and less at a smaller one); and friction stops what slides slowly with the same
damper, so that what bounces well creeps where it should stick (`solref` in MuJoCo's manual, "Friction").
"""

import math

import mujoco
import numpy as np
from scipy.interpolate import PchipInterpolator

from assets.materials.errors import MaterialError

SPREAD = 0.025
"""By which a single fall's restitution may differ from the mean."""

SPEED = 2.0
"""Of the impact for which the restitution is meant (m/s): a fall of 0.2 m. At lower speeds gravity holds back more."""

GRAVITY = 9.81

_STIFFEST = 0.4
_PHASES = 16
_RATIOS = (0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.575, 0.65, 0.725, 0.775, 0.825, 0.9, 1.0, 1.3, 1.7)
_WEIGHTS = (0.0, 0.015, 0.03, 0.045, 0.06, 0.09, 0.12, 0.18, 0.24, 0.48)
_USUAL = 4  # of the weights: about that at a step of 2 ms

# Measured, by MuJoCo 4.0.0: ωΔt of each ratio, and the mean restitution there, a row for each weight.
# fmt: off
_STEPS = (
    0.400, 0.400, 0.400, 0.295, 0.244, 0.217, 0.191, 0.181, 0.177, 0.177,
    0.171, 0.154, 0.113, 0.113, 0.113, 0.113, 0.113, 0.113,
)
_RESTITUTION = (
    (1.0001, 0.9263, 0.8594, 0.7428, 0.6468, 0.5671, 0.4436, 0.3540, 0.2871, 0.2476,
     0.2155, 0.1898, 0.1775, 0.1637, 0.1456, 0.1255, 0.0839, 0.0529),
    (1.0001, 0.9256, 0.8580, 0.7399, 0.6424, 0.5611, 0.4347, 0.3419, 0.2720, 0.2300,
     0.1954, 0.1671, 0.1530, 0.1373, 0.1162, 0.0917, 0.0237, 0.0000),
    (1.0001, 0.9251, 0.8569, 0.7374, 0.6384, 0.5556, 0.4260, 0.3301, 0.2568, 0.2120,
     0.1743, 0.1424, 0.1256, 0.1067, 0.0793, 0.0377, 0.0000, 0.0000),
    (1.0002, 0.9249, 0.8559, 0.7352, 0.6346, 0.5503, 0.4177, 0.3185, 0.2416, 0.1937,
     0.1519, 0.1145, 0.0932, 0.0667, 0.0134, 0.0000, 0.0000, 0.0000),
    (1.0002, 0.9248, 0.8553, 0.7332, 0.6312, 0.5454, 0.4098, 0.3074, 0.2263, 0.1746,
     0.1275, 0.0809, 0.0466, 0.0051, 0.0000, 0.0000, 0.0000, 0.0000),
    (1.0005, 0.9247, 0.8547, 0.7300, 0.6253, 0.5368, 0.3953, 0.2860, 0.1963, 0.1349,
     0.0682, 0.0104, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000),
    (1.0008, 0.9247, 0.8549, 0.7278, 0.6206, 0.5295, 0.3822, 0.2667, 0.1678, 0.0942,
     0.0382, 0.0020, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000),
    (1.0016, 0.9275, 0.8555, 0.7264, 0.6148, 0.5190, 0.3628, 0.2371, 0.1340, 0.0765,
     0.0310, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000),
    (1.0028, 0.9292, 0.8562, 0.7261, 0.6132, 0.5149, 0.3530, 0.2273, 0.1292, 0.0699,
     0.0174, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000),
    (1.0194, 0.9370, 0.8677, 0.7273, 0.6111, 0.5095, 0.3431, 0.2127, 0.1049, 0.0377,
     0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000),
)
# fmt: on

LEAST, MOST = 0.05, 0.98
"""What the table is good for: others are taken for the nearer of the two."""


def bouncing(restitution: float, frequency: float, timestep: float) -> tuple[float, float]:
    """`solref` of a contact that gives back this share of the speed: -stiffness (1/s²) and -damping (1/s), per mass.

    `frequency` is the contact's own (rad/s), as the material's stiffness has it; it is lowered to what the simulation's
    `timestep` (s) resolves. Raises MaterialError where an argument is no such quantity.
    """
    if not (0 <= restitution <= 1 and frequency > 0 and 0 < timestep < math.inf):
        raise MaterialError(
            "expected a restitution from 0 to 1, and a positive frequency (rad/s) and timestep (s), found"
            f" {restitution:g}, {frequency:g} and {timestep:g}"
        )
    restitution = min(max(restitution, LEAST), MOST)
    frequency = min(frequency, float(_stiffest(restitution)) / timestep)
    weight = min(GRAVITY / (frequency * SPEED), _WEIGHTS[-1])
    ratio = float(np.interp(weight, _WEIGHTS, [float(row(restitution)) for row in _ratios]))
    return -(frequency**2), -2 * ratio * frequency


def _inverse(restitution: tuple[float, ...], values: tuple[float, ...]) -> PchipInterpolator:
    """Of the values over the restitution, from where it first is nothing on."""
    count = next((i + 1 for i, e in enumerate(restitution) if e == 0), len(restitution))
    return PchipInterpolator(restitution[:count][::-1], values[:count][::-1])


_stiffest = _inverse(_RESTITUTION[_USUAL], _STEPS)
_ratios = tuple(_inverse(row, _RATIOS) for row in _RESTITUTION)


def measure(ratios: np.ndarray, steps: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean restitution of contacts of damping ratios ζ at ωΔt `steps`, (n,) each, and half the range of single falls, (n,).

    `weight` is g/(ωv). Energies are compared rather than speeds, as gravity goes on working while the contact lasts.
    """
    radius, speed, timestep = 0.1, 1.0, 0.002
    phase = (np.arange(_PHASES) + 0.5) / _PHASES
    spread, mean = np.empty(len(ratios)), np.empty(len(ratios))
    for i, (ratio, step) in enumerate(zip(ratios, steps, strict=True)):
        frequency = step / timestep
        gravity = weight * frequency * speed
        spec = mujoco.MjSpec()
        spec.option.timestep = timestep
        spec.option.gravity = (0, 0, -gravity)
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1])
        for j in range(_PHASES):
            ball = spec.worldbody.add_body(pos=(3 * radius * j, 0, radius + phase[j] * speed * timestep))
            ball.add_freejoint()
            geom = ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], mass=1.0, priority=1)
            geom.solref[:] = (-(frequency**2), -2 * ratio * frequency)
        model = spec.compile()
        data = mujoco.MjData(model)
        data.qvel[2::6] = -speed
        energy = _energy(data, radius, gravity)
        found, touched = np.zeros(_PHASES), np.zeros(_PHASES, bool)
        for _ in range(math.ceil(20 / step)):  # three times as long as an undamped contact lasts
            mujoco.mj_step(model, data)
            height, speeds = data.qpos[2::7] - radius, data.qvel[2::6]
            touched |= height < 0
            left = touched & (height > 0) & (speeds > 0) & (found == 0)
            found[left] = np.sqrt(np.maximum(_energy(data, radius, gravity) / energy, 0.0))[left]
        mean[i], spread[i] = found.mean(), np.ptp(found) / 2
    return mean, spread


def _energy(data: mujoco.MjData, radius: float, gravity: float) -> np.ndarray:
    """Per mass, (n,): what MuJoCo's integrator leaves exactly as it is while nothing touches."""
    height, speed = data.qpos[2::7] - radius, data.qvel[2::6]
    return 0.5 * speed**2 + gravity * (height - 0.5 * data.model.opt.timestep * speed)


def make_table() -> tuple[np.ndarray, np.ndarray]:
    """The largest ωΔt of each damping ratio, (ratios,), and the restitution there, (weights, ratios)."""
    ratios = np.array(_RATIOS)
    mean, spread = measure(ratios, np.full(len(ratios), 0.1), _WEIGHTS[_USUAL])
    last = int(np.flatnonzero(mean > 0.02)[-1])  # beyond it nothing leaves the floor, and nothing spreads
    steps = np.clip(0.1 * SPREAD / spread[np.minimum(np.arange(len(ratios)), last)], 0.0, _STIFFEST)
    return steps, np.array([measure(ratios, steps, weight)[0] for weight in _WEIGHTS])


if __name__ == "__main__":
    found_steps, found_restitution = make_table()
    print("_STEPS =", tuple(float(x) for x in np.round(found_steps, 3)))
    for row in found_restitution:
        print("   ", tuple(float(x) for x in np.round(row, 4)), ",")
