"""Data that make no task are refused where the task is made, and named."""

import dataclasses
import math

import pytest

from envs.task import CriticTerm, RewardTerm, TaskError
from tests.envs.walker import walker_task

COMMAND = walker_task().command
REWARD = RewardTerm("upright", lambda view: view.qpos[2], 1.0)


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"robot": "go2"}, "its robot is a str, expected a Robot"),
        ({"terrain": "steps"}, "its terrain is a str, expected a Terrain"),
        ({"rewards": REWARD}, "its rewards is a RewardTerm, expected a tuple of RewardTerm"),
        ({"rewards": (REWARD.function,)}, "its rewards holds a function, expected RewardTerm"),
        ({"rewards": (REWARD, REWARD)}, "rewards has more than one 'upright'"),
        ({"policy_observation": ()}, "its policy_observation has no term"),
        ({"rewards": (dataclasses.replace(REWARD, weight=math.nan),)}, "the weight of 'upright' in rewards is nan"),
        (
            {"critic_observation": (CriticTerm("qpos", lambda v: v.qpos, "2"),)},
            "the scale of 'qpos' in critic_obs.* is '2'",
        ),
        ({"control_seconds": 0.0}, "control_seconds is 0.0, expected a positive number"),
        ({"episode_seconds": 0.01}, "episode_seconds is 0.01, expected control_seconds or more"),
        ({"episode_seconds": math.nan}, "episode_seconds is nan"),
        ({"observation_history": 0}, "observation_history is 0, expected a whole number"),
        ({"observation_history": 2.5}, "observation_history is 2.5, expected a whole number"),
        ({"action_limit": -1.0}, "action_limit is -1.0, expected a positive number"),
        ({"discount": 1.5}, "discount is 1.5, expected a number from 0 to 1"),
        ({"command": dataclasses.replace(COMMAND, seconds=(5.0, 2.0))}, r"command.seconds is \(5.0, 2.0\)"),
        ({"command": dataclasses.replace(COMMAND, mirror_sign=(1.0, 1.0))}, r"command.mirror_sign is \(1.0, 1.0\)"),
    ],
)
def test_what_makes_no_task_is_named(changes, complaint):
    with pytest.raises(TaskError, match=f"task 'walker': .*{complaint}|task 'walker': {complaint}"):
        walker_task(**changes)
