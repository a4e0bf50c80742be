"""Commands for a simulated robot."""

import numpy as np

from assets.robots.robot import Robot
from sim2real.robot_io import RobotCommand


def hold(robot: Robot, pose: np.ndarray | None = None, scale: float = 1.0, sequence: int = 0) -> RobotCommand:
    """Hold a pose (rad), by default the default one, with the robot's gains times `scale`."""
    zero = np.zeros(robot.num_joints)
    pose = np.array(robot.default_pose if pose is None else pose, float)
    return RobotCommand(sequence, pose, zero, zero, scale * np.array(robot.stiffness), np.array(robot.damping))
