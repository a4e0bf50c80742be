"""What a policy is given and what becomes of its actions, recorded in simulation: what an exported policy is held against.

    recording = record(ppo, state.policy, num_steps=64)
    recording.inputs["joint_position"], recording.target            # (num_steps, num_envs, num_joints)
    error = largest_error(policy, recording)                        # of an exported policy's targets (rad)

Readings are late, noisy and biased as the policy's are in training, the robots and commands drawn as in evaluation.
"""

import dataclasses
import math
from dataclasses import dataclass

import jax
import numpy as np

from envs.env import Env, EnvState
from envs.proprioception import Proprioception
from envs.task import PolicyTerm
from rl.evaluate import evaluation_key
from rl.ppo import PPO
from rl.ppo import Policy as Learned
from sim2real.export.policy import Policy

# So few steps are run that compiling them well would take far longer.
_QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0}

_READINGS = tuple(x.name for x in dataclasses.fields(Proprioception) if x.name not in ("tracked", "reference"))


@dataclass(frozen=True, eq=False)
class Recording:
    """Of all robots at all control steps, (num_steps, num_envs, ...)."""

    inputs: dict[str, np.ndarray]
    """By the names of `Proprioception`: as the policy was given them."""
    fresh: np.ndarray
    """Whether an episode begins here, bool."""
    frames: np.ndarray
    """What the policy saw, its latest observations, oldest first."""
    action: np.ndarray
    """The network's output."""
    followed: np.ndarray
    """What of it the environment followed, and told the policy of next."""
    target: np.ndarray
    """What the environment sent to the joints (rad)."""

    @property
    def observations(self) -> int:
        return self.fresh.size


def record(ppo: PPO, learned: Learned, num_steps: int, seed: int = 0) -> Recording:
    """The policy acts in all of `ppo.env`'s environments."""
    # Terms that show the readings themselves: they are what the policy's own terms are given.
    shown = tuple(PolicyTerm(f"{name} as read", lambda sensed, _, name=name: getattr(sensed, name)) for name in _READINGS)
    task = ppo.env.task
    # The targets that are asked for are held against each other, not what a correction makes the simulated robot do of them.
    shown_task = dataclasses.replace(task, policy_observation=(*task.policy_observation, *shown), correction=None)
    env = Env(shown_task, ppo.env.physics)
    count = task.observation_history
    size = ppo.env.observation_size["policy"] // count

    def step(state: EnvState, _: None) -> tuple[EnvState, tuple[jax.Array, ...]]:
        seen = state.observation["policy"].reshape(env.num_envs, count, -1)
        frames = seen[..., :size]
        action = ppo.act(learned, frames.reshape(env.num_envs, -1))
        following, last = env.step_and_last(state, action)
        return following, (seen[:, -1, size:], state.time == 0, frames, action, last.last_action, last.targets[:, 0])

    start = jax.jit(env.reset, compiler_options=_QUICK_TO_COMPILE)(evaluation_key(seed))
    steps = jax.jit(lambda state: jax.lax.scan(step, state, None, length=num_steps)[1], compiler_options=_QUICK_TO_COMPILE)
    rows = steps(start)
    read, fresh, frames, action, followed, target = jax.device_get(rows)
    lengths = {"imu_quaternion": 4, "angular_velocity": 3, "command": len(task.command.names), "last_action": env.num_actions}
    ends = np.cumsum([lengths.get(name, env.num_joints) for name in _READINGS])
    inputs = dict(zip(_READINGS, np.split(read, ends[:-1], axis=-1), strict=True))
    return Recording(inputs, fresh, frames, action, followed, target)


def largest_error(policy: Policy, recording: Recording) -> float:
    """How far the targets of the policy are from those that the environment sent (rad), when it is given the readings and keeps
    its own history; NaN where one is no number."""
    worst = 0.0
    for robot in range(recording.fresh.shape[1]):
        history = policy.begin()
        for i in range(len(recording.fresh)):
            if recording.fresh[i, robot]:
                history = policy.begin()
            target, _, history = policy.step({k: x[i, robot] for k, x in recording.inputs.items()}, history)
            error = float(np.max(np.abs(target - recording.target[i, robot])))
            if math.isnan(error):
                return error
            worst = max(worst, error)
    return worst
