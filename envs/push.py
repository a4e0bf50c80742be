"""Pushing objects over a table to commanded places, for any `Robot` that is an arm on a fixed base with an end effector.

    task = push(PANDA)                                      # simple shapes of many materials
    task = push(PANDA, Shelf.of_primitives(drawn(mug, predicted, count=32, seed=0)))

Each environment has an object of the shelf, another one in each episode. The policy sees the object's pose as a camera tells
it, late and noisy, the goal and its own joints; it sees nothing of what the object is made of, and has to push all of them.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import scene_spec
from envs.kinematics import Kinematics
from envs.planar import PlanarTool, posture
from envs.task import (
    CommandTerm,
    CriticTerm,
    InitialState,
    MetricTerm,
    Placed,
    PolicyTerm,
    RewardTerm,
    Task,
    TerminationTerm,
)
from envs.terms import observations, pushing
from envs.terms.goals import GoalCurriculum
from sim.randomization import (
    ActuatorGains,
    AnyObject,
    JointOffset,
    Latency,
    MotorStrength,
    Randomization,
    SensorNoise,
    Uniform,
)

if TYPE_CHECKING:
    from assets.objects.shelf import Shelf

DESCRIPTION = "push an object over the table to a commanded place"

TIMESTEP = 0.004
"""s: what a shelf's objects are to be embodied for."""

LOW, HIGH = (0.43, -0.12), (0.5, 0.12)
"""Where objects begin, in the base's frame (m)."""

GOAL_LOW, GOAL_HIGH = (0.54, -0.12), (0.64, 0.12)
"""Where goals are: beyond, so that what slides too far is harder to bring back."""

_TOOL_LOW, _TOOL_HIGH = (0.33, -0.3), (0.8, 0.3)
"""With room beyond the goals, to fetch back what slid too far."""
_TABLE_LOW, _TABLE_HIGH = (0.24, -0.4), (0.84, 0.4)
_TOOL_HEIGHT = 0.03
_START = (0.35, 0.0, 0.12)  # of the tool: it comes down beside the objects, not upon them
_GOAL = "goal"
_EPISODE = 8.0  # s

# Of the usual objects: kinds, and the share of their volume that is material.
_MATERIALS = {
    "steel": 0.15,
    "hardwood": 1.0,
    "softwood": 0.5,
    "polyolefin": 0.3,
    "soft rubber": 0.6,
    "dense foam": 1.0,
    "porcelain": 0.3,
    "corrugated board": 0.5,
}
_DRAWS = 2


def push(robot: Robot, shelf: "Shelf | None" = None) -> Task:
    """Push the object to a goal, another one in each episode.

    The metrics `settled_distance` (m) and `arrived` are means over the steps that come 4 s or more after a new goal: how far
    from it the object lies, and the share within 3 cm of it. `distance` (m) is a mean over all steps.
    """
    arm = Kinematics.of(robot)
    robot = replace(robot, default_pose=posture(arm, robot, _START))
    things = shelf or _usual_shelf()
    return Task(
        name=f"{robot.name}-push",
        description=DESCRIPTION,
        robot=robot,
        scene=lambda: _scene(robot, things),
        command=CommandTerm(
            names=("x (m)", "y (m)"),
            sample=pushing.anywhere(GOAL_LOW, GOAL_HIGH),
            seconds=(_EPISODE, _EPISODE),
        ),
        tracked=things.name,
        policy_observation=(
            PolicyTerm("object_and_goal", pushing.object_and_goal(arm), scale=3.0),
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity, scale=0.2),
            PolicyTerm("last_action", observations.last_action),
        ),
        observation_history=3,
        critic_observation=(
            CriticTerm("object_to_goal", lambda v: v.command - v.tracked_position[:2], scale=3.0),
            CriticTerm("tool_to_object", lambda v: v.tracked_position - v.end_effector_position, scale=3.0),
            CriticTerm("object", lambda v: v.tracked_pose),
            CriticTerm("object_velocity", lambda v: v.tracked_velocity),
            CriticTerm("joint_position", observations.true_joint_position),
            CriticTerm("joint_velocity", lambda v: v.joint_velocity, scale=0.2),
            CriticTerm("last_action", lambda v: v.action),
            CriticTerm("near_goal", pushing.near_goal(0.03)),
            CriticTerm("friction", pushing.friction(things)),
            CriticTerm("mass", pushing.mass(things)),
        ),
        rewards=(
            RewardTerm("near_goal", pushing.near_goal(0.1), 2.0),
            RewardTerm("at_goal", pushing.near_goal(0.025), 3.0),
            RewardTerm("progress", pushing.progress, 10.0),
            RewardTerm("behind_object", pushing.behind_object(0.3), 2.0),
            RewardTerm("action_rate", pushing.action_rate, -0.03),
        ),
        terminations=(TerminationTerm("lost", pushing.is_lost(_TABLE_LOW, _TABLE_HIGH)),),
        termination_cost=1.0,
        action=PlanarTool(arm, _TOOL_HEIGHT, _TOOL_LOW, _TOOL_HIGH),
        action_limit=1.0,
        discount=0.99,  # two seconds: a second to get behind the object is to count little less than the push
        metrics=(
            MetricTerm("settled_distance", pushing.goal_distance, pushing.is_settled),
            MetricTerm("arrived", pushing.has_arrived, pushing.is_settled),
            MetricTerm("distance", pushing.goal_distance),
        ),
        randomization=Randomization(
            model=(
                AnyObject(things),
                ActuatorGains(Uniform(0.9, 1.1), Uniform(0.9, 1.1)),
                MotorStrength(Uniform(0.9, 1.1)),
                JointOffset(Uniform(-0.003, 0.003)),
            ),
            action_latency=Latency(Uniform(0.0, 0.02), longest=0.02),
            observation_latency=Latency(Uniform(0.01, 0.03), longest=0.03),
            noise=SensorNoise(joint_position=0.001, joint_velocity=0.05, tracked_position=0.003, tracked_orientation=0.03),
        ),
        initial_state=InitialState(joint_position=0.05, placed=(Placed(things.name, LOW, HIGH, height=0.001),)),
        curriculum=GoalCurriculum(arrived=pushing.ARRIVED),
        episode_seconds=_EPISODE,
        show=_show,
    )


def _scene(robot: Robot, shelf: "Shelf") -> mujoco.MjSpec:
    """The arm and the object on a table, and in pictures the goal: a green ring."""
    spec = scene_spec(robot, timestep=TIMESTEP)
    shelf.attach(spec, (0.5, 0.0, 0.001))
    goal = spec.body(robot.base).add_body(name=_GOAL)
    goal.add_geom(
        name=_GOAL,
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[pushing.ARRIVED, 0.001, 0],
        rgba=[0.2, 0.8, 0.3, 0.6],
        group=2,
        contype=0,
        conaffinity=0,
        mass=0,
    )
    return spec


def _show(model: mujoco.MjModel, command: np.ndarray) -> dict[str, np.ndarray]:
    pos = model.body_pos.copy()
    pos[model.body(_GOAL).id, :2] = command
    return {"body_pos": pos}


@cache
def _usual_shelf() -> "Shelf":
    """Simple shapes, each of every one of some materials, as each of them varies."""
    from trimesh import creation

    from assets.materials.embody import drawn
    from assets.materials.kinds import KINDS
    from assets.materials.known import of_kind
    from assets.objects.shelf import Shelf
    from assets.objects.simple import of_pieces

    shapes = (
        of_pieces("cube", creation.box((0.06, 0.06, 0.06))),
        of_pieces("slab", creation.box((0.12, 0.08, 0.05))),
        of_pieces("bar", creation.box((0.15, 0.05, 0.05))),
    )
    things = []
    for i, shape in enumerate(shapes):
        for j, (name, fill) in enumerate(_MATERIALS.items()):
            things += drawn(shape, of_kind(shape, KINDS[name], fill), count=_DRAWS, seed=10 * i + j, timestep=TIMESTEP)
    return Shelf.of_primitives(things, parts=1)
