"""The robots that zerogap brings, by name: what a command line, a driver or a task's name may call them.

They are made only when asked for, as one may need a model that is not at hand.
"""

from collections.abc import Callable

from assets.robots.go2 import GO2
from assets.robots.panda import panda
from assets.robots.robot import Robot
from assets.robots.so101 import SO101

ROBOTS: dict[str, Callable[[], Robot]] = {"go2": lambda: GO2, "so101": lambda: SO101, "panda": panda}
"""The robot, or RobotError where its model cannot be had: the Panda's is MuJoCo Menagerie's."""
