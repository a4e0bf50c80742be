"""The rough task with less to compile: its terrain, curriculum and metrics, but few rewards, and only the ground varies."""

import dataclasses

from assets.robots import GO2
from envs.rough import velocity_rough
from envs.task import Task
from sim.randomization import Randomization


def rough_ground() -> Task:
    task = velocity_rough(GO2)
    return dataclasses.replace(
        task,
        name="go2-rough-ground",
        critic_observation=task.critic_observation[:2] + task.critic_observation[-1:],
        rewards=task.rewards[:2],
        randomization=Randomization(),
        observation_history=1,
    )
