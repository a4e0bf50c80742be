"""A small robot with a floating base for tests of environments, and a task that shows all that an environment does.

Its policy order is not the model's, its IMU is mounted askew and off centre, and one joint has no limits.
"""

import jax
import jax.numpy as jnp
import mujoco

from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from envs.env import Env
from envs.task import CommandTerm, CriticTerm, InitialState, MemoryTerm, PolicyTerm, RewardTerm, Task, TerminationTerm
from envs.terms import observations
from sim.native import NativePhysics

NUM_ENVS = 6
TIMESTEP, DT = 0.005, 0.02
SUBSTEPS = 4

WALKER = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body name="trunk" pos="0 0 .3">
      <freejoint/>
      <geom name="trunk" type="box" size=".15 .1 .04" mass="3" contype="0" conaffinity="1"/>
      <site name="imu" pos=".05 -.02 .03" euler=".2 .3 .5"/>
      <body name="left" pos="0 .1 0">
        <joint name="left" axis="0 1 0" range="-1 1" limited="true" damping=".1" armature=".01"/>
        <geom name="left_shin" type="capsule" fromto="0 0 0 0 0 -.2" size=".02" mass=".3" contype="0" conaffinity="1"/>
        <geom name="left_foot" type="sphere" pos="0 0 -.25" size=".05" mass=".1" contype="0" conaffinity="1"/>
      </body>
      <body name="right" pos="0 -.1 0">
        <joint name="right" axis="0 1 0" damping=".1" armature=".01"/>
        <geom name="right_shin" type="capsule" fromto="0 0 0 0 0 -.2" size=".02" mass=".3" contype="0" conaffinity="1"/>
        <geom name="right_foot" type="sphere" pos="0 0 -.25" size=".05" mass=".1" contype="0" conaffinity="1"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

ROBOT = Robot(
    name="walker",
    spec=lambda: mujoco.MjSpec.from_string(WALKER),
    joints=("right", "left"),
    default_pose=(0.1, -0.2),
    stiffness=(30.0, 20.0),
    damping=(0.5, 0.4),
    effort_limits=(20.0, 20.0),
    velocity_limits=(20.0, 20.0),
    action_scale=(0.5, 0.25),
    motors=(),
    base="trunk",
    imu_site="imu",
    feet=("right_foot", "left_foot"),
    standing_height=0.3,
)

# An action beyond this ends the episode, so that a test can end it when it likes.
STOP = 5.0


def walker_task(**changes) -> Task:
    told = {
        "name": "walker",
        "description": "show what an environment does",
        "robot": ROBOT,
        "scene": lambda: scene_spec(ROBOT, timestep=TIMESTEP),
        "command": CommandTerm(("speed (m/s)",), lambda key: jax.random.uniform(key, (1,)), (0.05, 0.05)),
        "policy_observation": (
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity),
            PolicyTerm("imu_quaternion", lambda sensed, robot: sensed.imu_quaternion),
            PolicyTerm("angular_velocity", observations.angular_velocity),
            PolicyTerm("command", observations.command),
            PolicyTerm("last_action", observations.last_action),
        ),
        "critic_observation": (
            CriticTerm("qpos", lambda view: view.qpos),
            CriticTerm("qvel", lambda view: view.qvel, scale=0.5),
            CriticTerm("command", lambda view: view.command),
            CriticTerm("foot_force", lambda view: view.foot_force),
            CriticTerm("age", lambda view: view.memory["age"]),
        ),
        "rewards": (
            RewardTerm("alive", lambda view: jnp.float32(1.0), 2.0),
            RewardTerm("command", lambda view: view.command[0], 1.0),
            RewardTerm("effort", lambda view: jnp.square(view.action[1]), -100.0),
        ),
        "terminations": (TerminationTerm("stopped", lambda view: view.action[0] > STOP),),
        "memory": (MemoryTerm("age", lambda layout: jnp.zeros(()), lambda view: view.memory["age"] + view.dt),),
        "initial_state": InitialState(0.1, 0.2, 0.3, 0.4, 0.05),
        "control_seconds": DT,
        "minimum_reward": -5.0,
        "termination_cost": 3.0,
    }
    return Task(**(told | changes))


def make_env(task: Task, num_envs: int = NUM_ENVS) -> Env:
    return Env(task, NativePhysics(compile_for_physics(task.scene()), num_envs, num_threads=2))


def policy_terms(observation: jax.Array) -> dict[str, jax.Array]:
    """The latest frame of a policy observation of the walker by its terms' names, each (num_envs, size)."""
    frame = observation[:, -14:]
    sizes = {
        "joint_position": 2,
        "joint_velocity": 2,
        "imu_quaternion": 4,
        "angular_velocity": 3,
        "command": 1,
        "last_action": 2,
    }
    terms, start = {}, 0
    for name, size in sizes.items():
        terms[name] = frame[:, start : start + size]
        start += size
    return terms
