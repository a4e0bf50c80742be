"""A motion played on a simulated robot, and what a recorder beside it would have kept: `record(robot, motion, gap, seed)`.

    log = record(leg, design(leg, Wish(kind="multisine")).motion, Gap(command_messages=Messages(latency=0.012)), seed=0)

There is neither a runtime nor a clock in between: a command's stamp is the time at which it was sent, a state's that at which
it was measured, and the same seed gives the same log.
"""

import numpy as np

from assets.robots.robot import Robot
from sim2real.excite.motion import Motion
from sim2real.logs.robot_log import LogInfo, RobotLog, Stream
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Gap
from sim2real.twin.simulated import SimulatedRobot


def record(robot: Robot, motion: Motion, gap: Gap | None = None, seed: int = 0, *, physics_step: float = 0.0005) -> RobotLog:
    """`physics_step` is that of the simulated robot (s); it gives as many states a second as the motion has targets."""
    start = "hanging" if robot.is_floating else "standing"
    twin = SimulatedRobot(robot, gap, seed, rate=motion.rate, physics_step=physics_step, start=start)
    zero, stiffness, damping = np.zeros(robot.num_joints), np.array(motion.stiffness), np.array(motion.damping)
    sent, states = [], []
    for i, target in enumerate(motion.targets):
        sent.append(round(1e9 * twin.time))
        states.append(twin.step(RobotCommand(i, target, zero, zero, stiffness, damping)))
    # A link that is late or loses messages gives a state more than once: the recorder keeps it once.
    fresh = [state for i, state in enumerate(states) if i == 0 or state.sequence != states[i - 1].sequence]
    stamps, begin = np.array([state.stamp_ns for state in fresh]), np.array(sent[:1])
    streams = {
        "position": Stream(stamps, np.stack([state.position for state in fresh])),
        "velocity": Stream(stamps, np.stack([state.velocity for state in fresh])),
        "torque": Stream(stamps, np.stack([state.torque for state in fresh])),
        "target": Stream(np.array(sent), motion.targets),
        "stiffness": Stream(begin, stiffness[None]),
        "damping": Stream(begin, damping[None]),
    }
    return RobotLog(LogInfo(robot.name, robot.joints, excitation=motion.kind, source=f"{motion.kind} {seed}"), streams)
