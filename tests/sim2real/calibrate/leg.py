"""A leg of the Go2, bolted down, and recordings of it by its twin."""

from dataclasses import replace

import numpy as np

from assets.robots import GO2
from assets.robots.limb import limb
from sim2real.excite.motion import Motion
from sim2real.logs.robot_log import LogInfo, RobotLog, Stream
from sim2real.twin.gap import Encoder, Gap, Joints, Messages, Values
from sim2real.twin.recording import record

LEG = limb(GO2, "FL_hip")
ENCODER = Encoder(noise=Values.everywhere(0.0015), resolution=Values.everywhere(2 * np.pi / 4096))
GAP = Gap(
    joints=Joints(armature=Values.everywhere(0.02), damping=Values.everywhere(0.2), frictionloss=Values.everywhere(0.36)),
    encoder=ENCODER,
    command_messages=Messages(latency=0.012),
)


def sines(seconds: float, seed: int = 0, stiffness: float = 1.0, rate: float = 500.0) -> Motion:
    """Some for each joint, from 0.3 to 6 Hz, from rest."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    frequency, phase = rng.uniform(0.3, 6.0, (2, 6, 3))
    waves = 0.06 * np.sin(2 * np.pi * frequency * times[:, None, None] + phase).sum(axis=1)
    begin = np.minimum(times / 0.5, 1.0)[:, None]
    gains = (tuple(stiffness * kp for kp in LEG.stiffness), LEG.damping)
    return Motion(LEG.name, LEG.joints, rate, LEG.default_pose + begin * waves, *gains, kind="multisine", seed=seed)


def recorded(seconds: float, gap: Gap = GAP, seed: int = 0, stiffness: float = 1.0, **info: str) -> RobotLog:
    log = record(LEG, sines(seconds, seed, stiffness), gap, seed)
    return replace(log, info=replace(log.info, **info))


def made_up(samples: int = 1000, rate: float = 500.0, **streams: Stream) -> RobotLog:
    """A log of smooth numbers that no robot moved by."""
    stamps = (1e9 / rate * np.arange(samples)).astype(np.int64)
    way = np.array(LEG.default_pose) + 0.1 * np.sin(2e-9 * np.pi * stamps)[:, None] * np.array([1.0, -1.0, 0.5])
    begin = stamps[:1]
    held = {name: Stream(begin, np.array(getattr(LEG, name))[None]) for name in ("stiffness", "damping")}
    own = {"position": Stream(stamps, way), "target": Stream(stamps, way), **held, **streams}
    return RobotLog(LogInfo(LEG.name, LEG.joints, excitation="sine", source="made up"), own)
