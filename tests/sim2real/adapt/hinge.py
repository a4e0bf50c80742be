"""A hinge that is to follow an angle, as a task that can be trained, exported and tried on a twin in a test."""

import dataclasses

from assets.robots.robot import Motor
from assets.scene import scene_spec
from envs.measured import Measured, Measurement
from envs.task import Task
from sim2real.twin.gap import Encoder, Gap, Values
from tests.rl.tracking import arm, tracking_task

NAME = "tests.sim2real.adapt.hinge:task"
OFFSET = 0.3
"""rad that its encoder reads too much: so far beside its angle goes whoever believes it."""


def task() -> Task:
    robot = dataclasses.replace(arm(), motors=(Motor(0),))
    return tracking_task(robot=robot, scene=lambda: scene_spec(robot))


MEASURED = Measured("hinge", ("hinge",), (Measurement("offset", ("hinge",), OFFSET, 0.29, 0.31),), ((0.29,), (0.3,), (0.31,)))
GAP = Gap(encoder=Encoder(offset=Values.everywhere(OFFSET)))
