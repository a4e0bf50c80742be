"""Velocity tracking over rough terrain, for any quadruped `Robot`: the terms of `envs.velocity` on other ground.

The policy sees what it sees on flat ground, and feels its way; the critic sees the ground around the feet as well. Heights, of
the base and of swinging feet, count from the ground. An episode ends at the edge of its tile, and a curriculum moves each
environment to harder or easier ones.
"""

import dataclasses

from assets.robots.robot import Robot
from assets.scene import scene_spec
from assets.terrains import rough_terrain
from envs.task import CriticTerm, RewardTerm, Task, TruncationTerm
from envs.terms import terrain as terms
from envs.velocity import velocity_flat

# On a slope the base tilts with the ground, and on stairs it rises and falls: both are asked for more gently than on the flat.
_WEIGHTS = {"tilt": -0.5, "vertical_velocity": -0.1, "base_height": -5.0}


def velocity_rough(robot: Robot) -> Task:
    """Follow a commanded velocity and yaw rate over slopes, steps, stairs, rough ground and gaps."""
    flat = velocity_flat(robot)
    terrain = rough_terrain()
    return dataclasses.replace(
        flat,
        name=f"{robot.name}-velocity-rough",
        description="walk at a commanded velocity and yaw rate over slopes, steps, stairs, rough ground and gaps",
        scene=lambda: scene_spec(robot, terrain),
        critic_observation=(*flat.critic_observation, CriticTerm("ground_around_feet", terms.ground_around_feet, scale=5.0)),
        rewards=tuple(RewardTerm(t.name, t.function, _WEIGHTS.get(t.name, t.weight)) for t in flat.rewards),
        truncations=(TruncationTerm("leaves_tile", terms.leaves_tile),),
        memory=(*flat.memory, *terms.MEMORIES),
        terrain=terrain,
        curriculum=terms.TerrainCurriculum(terrain, flat.episode_seconds),
    )
