"""A hinge that is to follow an angle, as a task that can be trained, exported and tried on a twin in a test."""

import dataclasses

from assets.robots.robot import Motor
from assets.scene import scene_spec
from envs.measured import Measured, Measurement
from envs.task import Task
from sim2real.twin.gap import Gap, Values
from sim2real.twin.gap import Motor as MotorGap
from tests.rl.tracking import arm, tracking_task

NAME = "tests.sim2real.adapt.hinge:task"
WEAK = 0.25
"""Of its torque, so that gravity pulls it down."""


def task() -> Task:
    robot = dataclasses.replace(arm(), motors=(Motor(0),))
    return tracking_task(robot=robot, scene=lambda: scene_spec(robot))


MEASURED = Measured("hinge", ("hinge",), (Measurement("strength", ("hinge",), WEAK, 0.23, 0.27),), ((0.24,), (0.25,), (0.26,)))
GAP = Gap(motor=MotorGap(strength=Values.everywhere(WEAK)))
