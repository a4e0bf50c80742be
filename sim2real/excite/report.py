"""What a designed motion asks of each joint and which frequencies it excites, in figures; `tell` gives all of it for JSON."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from sim2real.excite.design import Design


@dataclass(frozen=True)
class Peaks:
    """Of one joint."""

    SHARES: ClassVar = {"range_share": "position", "velocity_share": "velocity", "torque_share": "torque"}
    """Those that are shares of the robot's limits, and what of."""

    joint: str
    lowest: float
    """Of its targets (rad)."""
    highest: float
    velocity: float
    """Largest, of its targets or of the simulated robot (rad/s)."""
    velocity_limit: float
    torque: float
    """Largest that is needed to be on the targets (N m)."""
    simulated_torque: float
    """Largest that the simulated robot exerts (N m)."""
    torque_limit: float
    range_share: float
    """Of the way from the middle of its range to the stops, that the targets go."""
    velocity_share: float
    torque_share: float
    """Of what is needed."""


def peaks_of(made: Design) -> list[Peaks]:
    """One for each joint that moves."""
    motion, rehearsal, robot = made.motion, made.rehearsal, made.rehearsal.stage.robot
    ranges = rehearsal.stage.mechanics.ranges
    middle, half = ranges.mean(axis=1), 0.5 * (ranges[:, 1] - ranges[:, 0])
    peaks = []
    for j in made.moved:
        targets = motion.targets[:, j]
        velocity = max(float(np.abs(motion.velocity[:, j]).max()), float(np.abs(rehearsal.velocity[:, j]).max()))
        needed = float(np.abs(rehearsal.needed[:, j]).max())
        reach = float(np.abs(targets - middle[j]).max() / half[j]) if np.isfinite(half[j]) else 0.0
        peaks.append(
            Peaks(
                joint=motion.joints[j],
                lowest=float(targets.min()),
                highest=float(targets.max()),
                velocity=velocity,
                velocity_limit=robot.velocity_limits[j],
                torque=needed,
                simulated_torque=min(float(np.abs(rehearsal.torque[:, j]).max()), robot.effort_limits[j]),
                torque_limit=robot.effort_limits[j],
                range_share=reach,
                velocity_share=velocity / robot.velocity_limits[j],
                torque_share=needed / robot.effort_limits[j],
            )
        )
    return peaks


def spectrum(targets: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and one-sided amplitudes (rad) of targets (steps, joints) without their means, (frequencies, joints)."""
    deviation = targets - targets.mean(axis=0)
    return np.fft.rfftfreq(len(targets), 1.0 / rate), 2.0 * np.abs(np.fft.rfft(deviation, axis=0)) / len(targets)


def excited_band(made: Design) -> tuple[float, float]:
    """Between which frequencies (Hz) nine tenths of the power of the joints' targets lie, a twentieth below and above."""
    frequencies, amplitudes = spectrum(made.motion.targets, made.motion.rate)
    power = np.cumsum((amplitudes**2).sum(axis=1))
    first, last = np.searchsorted(power, power[-1] * np.array([0.05, 0.95]))
    return float(frequencies[first]), float(frequencies[last])


def tell(made: Design) -> dict[str, Any]:
    """What `zerogap excite --json` writes."""
    motion = made.motion
    told = {"robot": motion.robot, "kind": motion.kind, "seed": motion.seed, "seconds": motion.seconds, "rate": motion.rate}
    told |= {
        "band": list(made.band) if made.band else None,
        "excited": list(excited_band(made)),
        "hash": motion.content_hash,
        "notes": list(made.notes),
    }
    told |= {"segments": [asdict(segment) for segment in motion.segments]}
    return told | {"joints": [asdict(peak) for peak in peaks_of(made)]}
