"""Velocity tracking over rough terrain, for any quadruped `Robot`: the terms of `envs.velocity` on other ground.

The policy sees what it sees on flat ground, of a few moments, and feels its way; the critic sees the ground around the feet
as well. Heights, of the base and of swinging feet, count from the ground. An episode ends at the edge of its tile, and a
curriculum moves each environment to harder or easier ones.
"""

import dataclasses

from assets.robots.robot import Robot
from assets.scene import scene_spec
from assets.terrains import Terrain, rough_terrain
from envs.task import CriticTerm, MetricTerm, RewardTerm, Task, TruncationTerm
from envs.terms import locomotion
from envs.terms import terrain as terms
from envs.velocity import velocity_flat

DESCRIPTION = "walk at a commanded velocity and yaw rate over slopes, steps, stairs, rough ground and gaps"

# On a slope the base tilts with the ground, on stairs it rises and falls, and a shin may brush an edge: all are asked for more
# gently than on the flat. Who sees no step must lift its feet over any.
_REWARDS = {
    t.name: t
    for t in (
        RewardTerm("tilt", locomotion.tilt, -0.5),
        RewardTerm("vertical_velocity", locomotion.vertical_velocity, -0.1),
        RewardTerm("base_height", locomotion.base_height, -5.0),
        RewardTerm("foot_clearance", locomotion.foot_clearance(0.11), -0.3),
    )
}


def velocity_rough(robot: Robot, terrain: Terrain | None = None) -> Task:
    """Follow a commanded velocity and yaw rate over slopes, steps, stairs, rough ground and gaps, or over another terrain."""
    flat = velocity_flat(robot)
    terrain = rough_terrain() if terrain is None else terrain
    return dataclasses.replace(
        flat,
        name=f"{robot.name}-velocity-rough",
        description=DESCRIPTION,
        scene=lambda: scene_spec(robot, terrain),
        critic_observation=(
            *flat.critic_observation,
            CriticTerm("ground_around_feet", terms.ground_around_feet, 5.0, terms.mirror_ground_around_feet),
        ),
        rewards=tuple(_REWARDS.get(t.name, t) for t in flat.rewards),
        truncations=(TruncationTerm("leaves_tile", terms.leaves_tile),),
        memory=(*flat.memory, *terms.MEMORIES),
        metrics=(
            *flat.metrics,
            MetricTerm("speed_along_command", locomotion.speed_along_command),
            MetricTerm("off_platform", terms.off_platform(terrain)),
        ),
        observation_history=3,
        terrain=terrain,
        curriculum=terms.TerrainCurriculum(terrain, flat.episode_seconds),
    )
