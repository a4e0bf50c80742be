"""A task small enough to be solved in a test: one joint that is to follow a commanded angle."""

import jax
import jax.numpy as jnp
import mujoco

from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from envs.env import Env
from envs.task import CommandTerm, CriticTerm, InitialState, MetricTerm, PolicyTerm, RewardTerm, Task
from envs.terms import observations
from sim.native import NativePhysics
from sim.randomization import Mass, Randomization, Uniform

ARM = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body name="arm" pos="0 0 1">
      <joint name="hinge" axis="0 1 0" range="-3 3" limited="true" damping="0.2" armature="0.01"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02" mass="0.2" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
</mujoco>
"""


def arm() -> Robot:
    return Robot(
        name="hinge",
        spec=lambda: mujoco.MjSpec.from_string(ARM),
        joints=("hinge",),
        default_pose=(0.0,),
        stiffness=(20.0,),
        damping=(0.5,),
        effort_limits=(20.0,),
        velocity_limits=(20.0,),
        action_scale=(0.5,),
        motors=(),
        base="arm",
    )


def tracking_task(**changes) -> Task:
    """Follow an angle within +-1 rad. Optimal is to act (angle - default) / scale, up to gravity's sag."""
    robot = arm()
    told = {
        "name": "hinge-track",
        "description": "follow an angle",
        "robot": robot,
        "scene": lambda: scene_spec(robot),
        "command": CommandTerm(
            ("angle (rad)",), lambda key: jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0), (0.5, 1.0)
        ),
        "policy_observation": (
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity, 0.1),
            PolicyTerm("command", observations.command),
        ),
        "critic_observation": (
            CriticTerm("joint_position", lambda v: v.joint_position),
            CriticTerm("joint_velocity", lambda v: v.joint_velocity * 0.1),
            CriticTerm("command", lambda v: v.command),
        ),
        "rewards": (RewardTerm("error", lambda v: jnp.square(v.joint_position[0] - v.command[0]), -10.0),),
        "terminations": (),
        "metrics": (MetricTerm("error", lambda v: jnp.abs(v.joint_position[0] - v.command[0])),),
        "randomization": Randomization(model=(Mass(Uniform(0.8, 1.2)),)),
        "initial_state": InitialState(joint_position=0.5),
        "episode_seconds": 2.0,
    }
    return Task(**(told | changes))


def make_env(task: Task, num_envs: int) -> Env:
    return Env(task, NativePhysics(compile_for_physics(task.scene()), num_envs))
