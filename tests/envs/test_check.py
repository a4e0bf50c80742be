"""Terms that are ill-formed, and scenes that are not their task's, are refused before an engine gets them."""

import dataclasses

import jax.numpy as jnp
import mujoco
import pytest

from assets.robots import SO101
from assets.scene import scene_spec
from assets.terrains import rough_terrain
from envs.action import JointPosition
from envs.registry import make_env
from envs.task import CriticTerm, MemoryTerm, MetricTerm, PolicyTerm, RewardTerm, TaskError, TerminationTerm
from sim.randomization import Push, Randomization
from tests.envs.walker import ROBOT, WALKER, walker_task


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


class OneTarget(JointPosition):
    def target(self, robot, action, measured):
        return action[:1]


def broken_terms() -> dict[str, tuple[dict, str]]:
    """What to change in the task, and what is to be said of it."""
    wide = dataclasses.replace(walker_task().command, names=("a", "b"))
    return {
        "a reward of many numbers": (
            {"rewards": (RewardTerm("bad", lambda view: view.qpos, 1.0),)},
            r"reward term 'bad' gives shape \(9,\), expected a scalar",
        ),
        "a reward that raises": (
            {"rewards": (RewardTerm("bad", lambda view: view.sensor("no_such"), 1.0),)},
            r"reward term 'bad' raised KeyError: .*no sensor 'no_such'; it has: imu_quat, imu_gyro",
        ),
        "a termination that is a number": (
            {"terminations": (TerminationTerm("bad", lambda view: view.qpos[2]),)},
            "termination term 'bad' gives float32, expected bool",
        ),
        "a termination per joint": (
            {"terminations": (TerminationTerm("bad", lambda view: view.joint_position > 0),)},
            r"termination term 'bad' gives shape \(2,\), expected a scalar",
        ),
        "a metric per joint": (
            {"metrics": (MetricTerm("bad", lambda view: view.joint_position),)},
            r"metric term 'bad' gives shape \(2,\)",
        ),
        "a metric that counts a number of times": (
            {"metrics": (MetricTerm("bad", lambda view: view.qpos[0], lambda view: view.qpos[1]),)},
            "metric term 'bad' gives float32, expected bool",
        ),
        "a memory that changes its shape": (
            {"memory": (MemoryTerm("age", lambda layout: jnp.zeros(()), lambda view: view.qpos),)},
            r"memory term 'age' gives shape \(9,\), expected a scalar",
        ),
        "a policy that asks for what no robot knows": (
            {"policy_observation": (PolicyTerm("bad", lambda sensed, robot: sensed.base_height),)},
            "policy observation term 'bad' raised AttributeError: .*base_height",
        ),
        "an observation of two axes": (
            {"critic_observation": (CriticTerm("bad", lambda view: view.foot_position),)},
            r"critic observation term 'bad' gives shape \(2, 3\), expected one axis",
        ),
        "an observation of two arrays": (
            {"critic_observation": (CriticTerm("bad", lambda view: (view.qpos, view.qvel)),)},
            "critic observation term 'bad' gives tuple, expected one array",
        ),
        "a command that is not what its names say": (
            {"command": wide},
            r"its command has shape \(1,\), expected one entry for each of \('a', 'b'\)",
        ),
        "a command that raises": (
            {"command": dataclasses.replace(walker_task().command, sample=lambda key: key["x"]["y"])},
            "its command raised TypeError",
        ),
        "a command of whole numbers": (
            {"command": dataclasses.replace(walker_task().command, sample=lambda key: jnp.zeros(1, int))},
            "its command gives int32, expected float32",
        ),
        "a memory of two arrays": (
            {"memory": (MemoryTerm("age", lambda layout: (jnp.zeros(1),) * 2, lambda view: view.time),)},
            "memory term 'age' at first gives tuple, expected one array",
        ),
        "a curriculum that is none": (
            {"curriculum": "hard"},
            "its curriculum raised AttributeError: 'str' object has no attribute 'first'",
        ),
        "an action mapping without a target for every joint": (
            {"action": OneTarget()},
            r"its action mapping gives shape \(1,\), expected \(2,\)",
        ),
        "a command whose reference cannot be worked out": (
            {"command": dataclasses.replace(walker_task().command, reference=lambda command: jnp.eye(3) @ command)},
            "its command's reference raised TypeError: ",
        ),
        "a control period between time steps": (
            {"control_seconds": 0.012},
            r"control_seconds is 0\.012, expected a whole number of the scene's time steps of 0\.005 s",
        ),
    }


@pytest.mark.parametrize("changes, complaint", broken_terms().values(), ids=broken_terms().keys())
def test_an_ill_formed_task_is_named_before_anything_is_compiled(changes, complaint):
    with pytest.raises(TaskError, match=f"task 'walker': .*{complaint}|task 'walker': {complaint}"):
        make_env(walker_task(**changes), 2, "native")


def test_an_imu_that_sits_on_another_body_than_the_base_is_refused():
    robot = dataclasses.replace(ROBOT, imu_site="left_shin_touch")
    task = walker_task(robot=robot, scene=lambda: scene_spec(ROBOT))
    with pytest.raises(TaskError, match="IMU site 'left_shin_touch' sits on 'left', expected the base, 'trunk'"):
        make_env(task, 2, "native")


def test_a_robot_that_is_bolted_down_cannot_be_pushed():
    robot = dataclasses.replace(ROBOT, spec=lambda: mujoco.MjSpec.from_string(WALKER.replace("<freejoint/>", "")))
    task = walker_task(robot=robot, scene=lambda: scene_spec(robot), randomization=Randomization(push=Push(linear=1.0)))
    with pytest.raises(TaskError, match="pushes need a floating base, and 'trunk' of 'walker' is fixed"):
        make_env(task, 2, "native")
