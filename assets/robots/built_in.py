"""The robots that zerogap brings, by name: what a command line, a driver or a task's name may call them."""

from collections.abc import Callable

from assets.robots.go2 import GO2
from assets.robots.panda import PANDA
from assets.robots.robot import Robot
from assets.robots.so101 import SO101

ROBOTS: dict[str, Callable[[], Robot]] = {"go2": lambda: GO2, "so101": lambda: SO101, "panda": lambda: PANDA}
