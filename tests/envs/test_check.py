"""Scenes that are not their task's are refused before an engine gets them. (Terms that are ill-formed: `test_env`.)"""

import pytest

from assets.robots import SO101
from assets.scene import scene_spec
from assets.terrains import rough_terrain
from envs.registry import make_env
from envs.task import TaskError
from tests.envs.walker import ROBOT, walker_task


def bodiless():
    spec = scene_spec(ROBOT)
    spec.worldbody.add_body(name="ghost").add_freejoint()
    return spec


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"scene": lambda: {}["arm"]}, "its scene raised KeyError"),
        ({"scene": lambda: scene_spec(ROBOT).compile()}, "its scene gives a MjModel, expected an MjSpec"),
        ({"scene": bodiless}, "its scene does not compile: .*mass and inertia"),
        ({"scene": lambda: scene_spec(SO101)}, "its scene has no joint 'right' of its robot 'walker'"),
        ({"scene": ROBOT.spec}, "its scene has no sensor 'right_foot_pos'"),
        ({"terrain": rough_terrain()}, r"its scene is without its terrain: make it by scene_spec\(robot, terrain\)"),
    ],
)
def test_a_scene_that_is_not_the_tasks_is_told(changes, complaint):
    with pytest.raises(TaskError, match=f"task 'walker': {complaint}"):
        make_env(walker_task(**changes), 2, "native")
