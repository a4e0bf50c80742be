"""A task whose policy cannot see what it is to act by: the speed of a joint, which only two of its positions tell."""

import dataclasses

import jax
import jax.numpy as jnp

from envs.task import CommandTerm, CriticTerm, InitialState, MemoryTerm, PolicyTerm, Task
from envs.terms import observations
from rl.networks import Params
from rl.normalization import Normalizer
from rl.ppo import PPOConfig
from tests.rl.tracking import tracking_task

DT = 0.02

# The teacher's action: its gains on the position (rad), on the speed over the last control step (rad/s) and on the command.
POSITION, SPEED, COMMAND = -0.6, -0.15, 1.4

TEACHER = PPOConfig(rollout_length=16, actor_hidden=(), critic_hidden=(8,), actor_observation="critic")
STUDENT = PPOConfig(rollout_length=16, actor_hidden=(), critic_hidden=(8,))


def hidden_task(**changes) -> Task:
    """The policy sees position and command, the critic the speed as well: how far the joint went in the last control step."""
    told = {
        "policy_observation": (
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("command", observations.command),
        ),
        "critic_observation": (
            CriticTerm("joint_position", lambda v: v.joint_position),
            CriticTerm("speed", lambda v: (v.memory["positions"][1] - v.memory["positions"][0]) / v.dt),
            CriticTerm("command", lambda v: v.command),
        ),
        "memory": (
            MemoryTerm(
                "positions",
                lambda layout: jnp.zeros(2),
                lambda v: jnp.stack([v.memory["positions"][1], v.joint_position[0]]),
            ),
        ),
        # At zero, as the memory has it, and in motion: a joint that only follows goes where its command is, whatever its speed.
        "initial_state": InitialState(joint_velocity=10.0),
        "command": CommandTerm(
            ("angle (rad)",), lambda key: jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0), (0.1, 0.3)
        ),
        "episode_seconds": 0.3,
    }
    return tracking_task(**(told | changes))


def task_of_another_robot() -> Task:
    task = hidden_task()
    return dataclasses.replace(task, robot=dataclasses.replace(task.robot, name="stranger"))


def teacher_actor() -> tuple[Params, Normalizer]:
    """The linear teacher and a normaliser that changes nothing, up to 50 in each entry."""
    spread = 10.0
    kernel = spread * jnp.array([[POSITION], [SPEED], [COMMAND]])
    actor = {"params": {"MLP_0": {"Dense_0": {"kernel": kernel, "bias": jnp.zeros(1)}}, "raw_std": jnp.zeros(1)}}
    return {"actor": actor}, Normalizer(jnp.float32(1.0), jnp.zeros(3), jnp.full(3, spread**2))
