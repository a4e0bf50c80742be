"""A leg of the Go2, bolted down, and recordings of it: the twin moved by multisines, its encoders noisy."""

import numpy as np

from assets.robots.go2 import GO2
from assets.robots.limb import limb
from sim2real.logs.robot_log import LogInfo, RobotLog, Stream
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Gap, Joints, Values
from sim2real.twin.simulated import SimulatedRobot

RATE = 250.0
NOISE = 3e-4  # rad

# What no parameter of the model is: friction that falls with speed.
STRIBECK = Gap(joints=Joints(breakaway=Values.everywhere(2.5), stribeck_velocity=Values.everywhere(1.0)))


LEG = limb(GO2, "FL_hip")


def multisine(seconds: float, seed: int, band: tuple[float, float] = (0.3, 3.0), amplitude: float = 0.35) -> np.ndarray:
    """Targets around the default pose, (samples, 3) rad."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = np.exp(rng.uniform(*np.log(band), (12, 3)))
    angle = 2 * np.pi * frequency * time[:, None, None] + rng.uniform(0, 2 * np.pi, (12, 3))
    wave = (np.sin(angle) / np.maximum(frequency, 0.7)).sum(axis=1)
    return np.array(LEG.default_pose) + np.minimum(1.0, time)[:, None] * amplitude * wave / np.abs(wave).max(axis=0)


def record(gap: Gap, targets: np.ndarray, excitation: str, seed: int) -> RobotLog:
    """A log of the twin that is given these targets."""
    twin = SimulatedRobot(LEG, gap, seed=seed, rate=RATE, physics_step=0.001)
    zero, gains = np.zeros(3), (np.array(LEG.stiffness), np.array(LEG.damping))
    for _ in range(round(0.5 * RATE)):
        state = twin.step(RobotCommand(0, np.array(LEG.default_pose), zero, zero, *gains))
    positions = []
    for target in targets:
        positions.append(state.position)
        state = twin.step(RobotCommand(0, target, zero, zero, *gains))
    position = np.array(positions) + np.random.default_rng(seed).normal(0, NOISE, targets.shape)
    stamps = (np.arange(len(targets)) * (1e9 / RATE)).astype(np.int64)
    streams = {"position": Stream(stamps, position), "target": Stream(stamps, targets)}
    streams |= {name: Stream(stamps[:1], g[None]) for name, g in zip(("stiffness", "damping"), gains, strict=True)}
    return RobotLog(LogInfo(LEG.name, LEG.joints, excitation=excitation, source=f"{excitation}-{seed}"), streams)
