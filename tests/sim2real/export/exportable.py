"""Runs of tasks that are small enough to be exported in a test; their policies were made, not learned."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Motor, Robot
from envs.registry import make_env
from envs.task import CommandTerm, PolicyTerm, Task
from envs.terms import observations
from rl.checkpoint import Checkpoints
from rl.distill import DistillConfig
from rl.normalization import Normalizer
from rl.ppo import PPO, PPOConfig, TrainState
from rl.run import Distillation, Run
from sim.randomization import JointOffset, Latency, Mass, Randomization, SensorBias, SensorNoise, Uniform
from tests.envs.walker import ROBOT, walker_task

SMALL = PPOConfig(minibatches=1, actor_hidden=(16, 8), critic_hidden=(4,))
HISTORY = 3

NOISY = Randomization(
    model=(Mass(Uniform(0.8, 1.2)), JointOffset(Uniform(-0.05, 0.05))),
    action_latency=Latency(Uniform(0.005, 0.02), Uniform(-0.002, 0.002), longest=0.021),
    observation_latency=Latency(Uniform(0.0, 0.02), Uniform(-0.002, 0.002), longest=0.025),
    noise=SensorNoise(joint_position=0.01, joint_velocity=0.2, angular_velocity=0.1, orientation=0.03),
    bias=SensorBias(angular_velocity=0.05, orientation=0.02),
)


def robot(**changes) -> Robot:
    return dataclasses.replace(ROBOT, **({"motors": (Motor(1), Motor(0, -1))} | changes))


def walking() -> Task:
    """All readings are seen, the gravity through a turn; episodes of ten steps, every mechanism of the environment at work."""
    task = walker_task(robot=robot(), randomization=NOISY, episode_seconds=0.2, action_limit=4.0)
    gravity = PolicyTerm("projected_gravity", observations.projected_gravity, scale=2.0)
    return dataclasses.replace(task, policy_observation=(*task.policy_observation, gravity))


def heading() -> Task:
    """A command whose two entries are a unit vector."""

    def sample(key: jax.Array) -> jax.Array:
        angle = jax.random.uniform(key, minval=-1.0, maxval=1.0)
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    def nearest(command: jax.Array) -> jax.Array:
        return command / jnp.maximum(jnp.linalg.norm(command), 1e-6)

    command = CommandTerm(("cosine", "sine"), sample, (0.05, 0.05), nearest=nearest, default=(1.0, 0.0))
    return dataclasses.replace(walking(), command=command)


def referring() -> Task:
    """The policy sees what is worked out of its command."""

    def reference(command: jax.Array) -> dict[str, jax.Array]:
        return {"angle": 3.0 * command, "square": jnp.square(command[0])}

    task = walking()
    terms = (
        PolicyTerm("sine", lambda sensed, _: jnp.sin(sensed.reference["angle"])),
        PolicyTerm("way", lambda sensed, _: sensed.joint_position - sensed.reference["square"]),
    )
    command = dataclasses.replace(task.command, reference=reference)
    return dataclasses.replace(task, command=command, policy_observation=(*task.policy_observation, *terms))


def without_imu() -> Task:
    return dataclasses.replace(walking(), robot=robot(imu_site=None))


def without_motors() -> Task:
    return dataclasses.replace(walking(), robot=ROBOT)


def made_ppo(task: Task, num_envs: int = 1, config: PPOConfig = SMALL) -> PPO:
    return PPO(make_env(task, num_envs, "native"), config)


def made_state(ppo: PPO, seed: int = 0) -> TrainState:
    """A policy with actions of all sizes, some at their limit, and a normaliser that matters. There are no environments."""
    draw = np.random.default_rng(seed)
    sizes = ppo.env.observation_size
    seen = sizes[ppo.config.actor_observation]
    shapes = jax.eval_shape(lambda key: ppo.networks.init(key, seen, sizes["critic"]), jax.random.key(0))

    def drawn(shape: tuple[int, ...], spread: float) -> jax.Array:
        return jnp.asarray(draw.normal(size=shape) * spread, jnp.float32)

    params = jax.tree.map(lambda x: drawn(x.shape, 2.0 / x.shape[0] ** 0.5), shapes)
    normalizer = Normalizer(jnp.float32(50.0), drawn((seen,), 0.3), 5 + jnp.square(drawn((seen,), 8.0)))
    nothing = jnp.zeros(1)
    return TrainState(
        params=params,
        average={"actor": params["actor"]},
        optimizer=nothing,
        learning_rate=nothing,
        policy_normalizer=normalizer,
        critic_normalizer=Normalizer.of(sizes["critic"]),
        env=nothing,  # pyright: ignore[reportArgumentType]
        key=nothing,
        updates=jnp.int32(7),
        skipped=nothing,
    )


def fresh_run(directory: Path, task: str) -> Run:
    """A run directory of a task of that name, with the checkpoint of a policy that has learned nothing yet."""
    run = Run.create(directory, task, "native", 16, 0, SMALL)
    ppo = made_ppo(run.make_task())
    sizes = ppo.env.observation_size
    params = ppo.networks.init(jax.random.key(0), sizes["policy"], sizes["critic"])
    state = made_state(ppo).replace(params=params, average={"actor": params["actor"]})
    Checkpoints(run.checkpoints).save(state.replace(policy_normalizer=Normalizer.of(sizes["policy"])))
    return run


def made_run(directory: Path, task: str, config: PPOConfig = SMALL, student: bool = False, history: int | None = None) -> Run:
    """A run directory with one checkpoint; `task` is a function of this file."""
    distillation = Distillation("runs/teacher", "0123456789abcdef", 9, config, DistillConfig()) if student else None
    name = f"tests.sim2real.export.exportable:{task}"
    run = Run.create(directory, name, "native", 16, 0, config, history=history, distillation=distillation)
    ppo = made_ppo(run.make_task(), config=config)
    Checkpoints(run.checkpoints).save(made_state(ppo))
    return run
