"""Logs of the twin for tests: a robot driven by multisines or chirps, as `record(...)` puts them together."""

from collections.abc import Callable

import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.robot_log import LogInfo, RobotLog, Stream
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Encoder, Gap, Joints, Messages, Values
from sim2real.twin.simulated import SimulatedRobot

PHYSICS_STEP = 0.001
STEP_LEAD = PHYSICS_STEP / 2
"""How much earlier than by the clock positions answer (s): MuJoCo moves them by the velocity at the end of each step, so that
they lead the motion of continuous time by half a step. Exact for every delay."""


def gap(robot: Robot, latency: float, jitter: float = 0.0, state_latency: float = 0.0) -> Gap:
    """Unlike the nominal robot in friction and inertia; noisy, coarse encoders; late commands."""
    return Gap(
        command_messages=Messages(latency=latency, jitter=jitter),
        state_messages=Messages(latency=state_latency),
        encoder=Encoder(
            noise=Values.everywhere(0.0005), resolution=Values.everywhere(0.0005), velocity_noise=Values.everywhere(0.02)
        ),
        joints=Joints(armature=Values.everywhere(0.02), damping=Values.everywhere(0.2), frictionloss=Values.everywhere(0.36)),
    )


def multisine(seed: int, num_joints: int, seconds: float) -> Callable[[float], np.ndarray]:
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.2, 6.0, (num_joints, 12))
    phase = rng.uniform(0, 2 * np.pi, frequency.shape)
    size = 1 / (1 + frequency / 2)
    size /= np.sqrt((size**2).sum(axis=1, keepdims=True) / 2)
    return lambda t: (size * np.sin(2 * np.pi * frequency * t + phase)).sum(axis=1)


def chirp(seed: int, num_joints: int, seconds: float) -> Callable[[float], np.ndarray]:
    """Up and down again, each joint at its own pace."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, num_joints)
    top = rng.uniform(4.0, 8.0, num_joints)
    return lambda t: 1.4 * np.sin(2 * np.pi * (0.3 * t + (top - 0.3) * t * t / (2 * seconds)) + phase)


def record(
    robot: Robot,
    known: Gap,
    seed: int,
    seconds: float,
    excitation: Callable[..., Callable[[float], np.ndarray]] = multisine,
    update: float = 0.02,
    rate: float = 500.0,
    size: float = 0.25,
    stiffness: float | None = None,
    damping: float | None = None,
) -> RobotLog:
    """A log of the twin, whose base hangs or is bolted down. Commands come every `update` s. Stamps are those of arrival."""
    start = "hanging" if robot.is_floating else "lying"
    twin = SimulatedRobot(robot, known, seed, rate=rate, physics_step=PHYSICS_STEP, start=start)
    offset = excitation(seed, robot.num_joints, seconds)
    low, high = robot.joint_ranges().T
    pose = np.clip(robot.default_pose, low + 3 * size, high - 3 * size)
    zero = np.zeros(robot.num_joints)
    gains = (
        np.array(robot.stiffness) if stiffness is None else np.full(robot.num_joints, stiffness),
        np.array(robot.damping) if damping is None else np.full(robot.num_joints, damping),
    )
    targets, states = [], []
    command, seen = None, -1
    for i in range(round(seconds * rate)):
        now = round(1e9 * twin.time)
        if i % max(1, round(update * rate)) == 0:
            command = RobotCommand(i, pose + size * min(1.0, 2 * twin.time) * offset(twin.time), zero, zero, *gains)
            targets.append((now, command.position))
        state = twin.step(command)
        if state.sequence != seen:
            seen = state.sequence
            states.append((round(1e9 * twin.time), state.position, state.velocity, state.torque))
    stamps = np.array([state[0] for state in states])
    sent = np.array([stamp for stamp, _ in targets])
    streams = {
        name: Stream(stamps, np.array([state[column] for state in states]))
        for column, name in ((1, "position"), (2, "velocity"), (3, "torque"))
    }
    streams["target"] = Stream(sent, np.array([target for _, target in targets]))
    for name, gain in zip(("stiffness", "damping"), gains, strict=True):
        streams[name] = Stream(sent[:1], gain[None])
    return RobotLog(LogInfo(robot.name, robot.joints, excitation=excitation.__name__), streams)
