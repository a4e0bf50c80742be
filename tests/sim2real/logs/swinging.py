"""A log of joints that follow smooth motions, made from formulas: for tests of what needs no physics."""

from dataclasses import replace

import numpy as np

from sim2real.logs.robot_log import LogInfo, RobotLog, Stream

RATE = 200.0
SECONDS = 20.0


def swinging(seed: int = 0, num_joints: int = 4, chirps: bool = False) -> RobotLog:
    """Positions, velocities, torques and targets, all right, with a little noise."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(0.0, SECONDS, 1 / RATE)
    stamps = np.round(1e9 * seconds).astype(np.int64) + 10**9
    position, velocity, target, torque = (np.zeros((len(seconds), num_joints)) for _ in range(4))
    for j in range(num_joints):
        if chirps:
            pace, phase = rng.uniform(0.05, 0.12), rng.uniform(0, 6)
            angle, speed = 2 * np.pi * (0.3 + pace * seconds) * seconds + phase, 2 * np.pi * (0.3 + 2 * pace * seconds)
            position[:, j], velocity[:, j] = 0.5 * np.sin(angle), 0.5 * speed * np.cos(angle)
            target[:, j] = 0.5 * np.sin(angle + 0.03 * speed)
        else:
            for frequency, phase in zip(rng.uniform(0.2, 3.0, 5), rng.uniform(0, 6, 5), strict=True):
                w = 2 * np.pi * frequency
                position[:, j] += 0.2 * np.sin(w * seconds + phase)
                velocity[:, j] += 0.2 * w * np.cos(w * seconds + phase)
                target[:, j] += 0.2 * np.sin(w * (seconds + 0.03) + phase)
        torque[:, j] = 20 * (target[:, j] - position[:, j])
    position += 2e-4 * rng.standard_normal(position.shape)
    velocity += 2e-2 * rng.standard_normal(position.shape)
    values = {"position": position, "velocity": velocity, "target": target, "torque": torque}
    return RobotLog(
        LogInfo("swinging", tuple(f"j{j}" for j in range(num_joints))), {name: Stream(stamps, v) for name, v in values.items()}
    )


def with_stream(log: RobotLog, name: str, stream: Stream) -> RobotLog:
    return replace(log, streams={**log.streams, name: stream})


def with_values(log: RobotLog, name: str, values: np.ndarray) -> RobotLog:
    return with_stream(log, name, replace(log[name], values=values))


def restamped(log: RobotLog, name: str, stamps: np.ndarray, clock: str = "host") -> RobotLog:
    return with_stream(log, name, Stream(np.asarray(stamps).astype(np.int64), log[name].values, clock))
