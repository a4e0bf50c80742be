from assets.robots.go2 import GO2, go2_spec
from assets.robots.menagerie import menagerie_robot, menagerie_spec
from assets.robots.panda import PANDA, panda_spec
from assets.robots.robot import Mirror, Motor, Robot, RobotError
from assets.robots.safety import SafetyLimits
from assets.robots.so101 import SO101, so101_spec
from assets.robots.symmetry import find_foot_mirror, find_mirror

__all__ = [
    "GO2",
    "PANDA",
    "SO101",
    "Mirror",
    "Motor",
    "Robot",
    "RobotError",
    "SafetyLimits",
    "find_foot_mirror",
    "find_mirror",
    "go2_spec",
    "menagerie_robot",
    "menagerie_spec",
    "panda_spec",
    "so101_spec",
]
