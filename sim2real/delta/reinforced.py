"""The same correction learned by PPO, to compare with: `learn_by_ppo(robot, parts, architecture, ...)`.

found = learn_by_ppo(robot, parts, Architecture(), physics_steps=5_000_000, seed=0)
found.errors(part), found.simulated
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from assets.robots.robot import Robot
from envs.delta.features import History
from rl.ppo import PPO, Policy, PPOConfig
from sim2real.delta.log_env import LogEnv, as_env
from sim2real.delta.part import Part
from sim2real.delta.training import Architecture

NUM_ENVS = 256
CONFIG = PPOConfig(
    rollout_length=16,
    epochs=4,
    minibatches=4,
    entropy_weight=1e-4,
    learning_rate=1e-3,
    actor_hidden=(64, 64),
    critic_hidden=(128, 128),
    initial_std=0.5,
    symmetry=False,
)


@dataclass(frozen=True, eq=False)
class Reinforced:
    env: LogEnv
    ppo: PPO
    policy: Policy
    simulated: int
    """Physics steps that it took."""

    def errors(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """As `Part.errors`, and the corrections in units of action, (windows, control steps, num_joints)."""

        def correct(history: History) -> jax.Array:
            return self.env.correction(self.ppo.act(self.policy, self.env.see(history, part.gain))) / np.maximum(
                part.gain, 1e-6
            )

        compiled = jax.jit(correct)
        found = part.follow(lambda history: np.asarray(compiled(history)))
        return found.run.positions - part.replay.measured, found.given[:, part.steps_run.before :]


def learn_by_ppo(
    robot: Robot,
    parts: Sequence[Part],
    architecture: Architecture,
    physics_steps: int,
    seed: int = 0,
    num_envs: int = NUM_ENVS,
    told: Callable[[float], None] = lambda share: None,
) -> Reinforced:
    """On the windows of the parts, for so many physics steps."""
    env = LogEnv(robot, parts, architecture, num_envs)
    ppo = PPO(as_env(env), CONFIG)
    state = jax.jit(ppo.init)(jax.random.key(seed))
    update = jax.jit(ppo.update, donate_argnums=0)
    each = ppo.steps_per_update * env.physics_steps
    updates = max(1, physics_steps // each)
    for i in range(updates):
        state, _ = update(state)
        told((i + 1) / updates)
    return Reinforced(env, ppo, state.policy, updates * each)
