"""A task small enough to be solved in a test: one joint that is to follow a commanded angle."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from envs.env import Env
from envs.start import Progress, Start
from envs.task import CommandTerm, CriticTerm, InitialState, MetricTerm, PolicyTerm, RewardTerm, Task
from envs.terms import observations
from envs.view import Layout, View
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
            ("angle (rad)",),
            lambda key: jax.random.uniform(key, (1,), minval=-1.0, maxval=1.0),
            (0.5, 1.0),
            reference=lambda command: {"angle": command},
        ),
        "policy_observation": (
            PolicyTerm("joint_position", observations.joint_position),
            PolicyTerm("joint_velocity", observations.joint_velocity, 0.1),
            PolicyTerm("command", observations.command),
        ),
        "critic_observation": (
            CriticTerm("joint_position", lambda v: v.joint_position),
            CriticTerm("joint_velocity", lambda v: v.joint_velocity * 0.1),
            CriticTerm("command", lambda v: v.reference["angle"]),
        ),
        "rewards": (RewardTerm("error", lambda v: jnp.square(v.joint_position[0] - v.command[0]), -10.0),),
        "terminations": (),
        "metrics": (MetricTerm("error", lambda v: jnp.abs(v.joint_position[0] - v.command[0])),),
        "randomization": Randomization(model=(Mass(Uniform(0.8, 1.2)),)),
        "initial_state": InitialState(joint_position=0.5),
        "episode_seconds": 2.0,
    }
    return Task(**(told | changes))


@dataclass(frozen=True)
class Heavier:
    """Gravity grows by a half a level; an episode that ends near its angle moves up, another down. Places: which environments,
    and how heavy."""

    moves: bool = True
    levels: tuple[int, ...] = (0,)

    def first(self, index: jax.Array) -> Progress:
        return {"level": jnp.array(self.levels)[index % len(self.levels)], "odd": index % 2}

    def judge(self, progress: Progress, view: View, failed: jax.Array) -> Progress:
        near = jnp.abs(view.joint_position[0] - view.command[0]) < 0.5
        step = jnp.where(near & ~failed, 1, -1) * self.moves
        return progress | {"level": jnp.clip(progress["level"] + step, 0, 3)}

    def begin(self, key: jax.Array, start: Start, layout: Layout) -> Start:
        gravity = jnp.array([0.0, 0.0, -9.81]) * (1 + 0.5 * start.curriculum["level"])
        return start.replace(fields=start.fields | {"opt.gravity": gravity})

    def figures(self, progress: Progress) -> dict[str, jax.Array]:
        return {"level": progress["level"].mean()}

    def labels(self, progress: dict[str, np.ndarray]) -> dict[str, str | int]:
        return {"kind": "odd" if progress["odd"] else "even", "level": int(progress["level"])}

    def held(self, places: dict[str, tuple[str, ...]]) -> "Heavier":
        return Heavier(moves=False, levels=tuple(map(int, places.get("level") or "0123")))


def make_env(task: Task, num_envs: int) -> Env:
    return Env(task, NativePhysics(compile_for_physics(task.scene()), num_envs))
