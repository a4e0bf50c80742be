"""Corrections that were made, not learned: of any robot, and as large as one likes."""

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Robot
from envs.delta.features import feature_count
from envs.delta.model import DeltaModel, Kind, Support, make_network

STEPS = 5


def made_model(robot: Robot, kind: Kind = "shared", period: float = 0.02, seed: int = 0) -> DeltaModel:
    """Of random weights, trusted everywhere."""
    n, count, hidden = robot.num_joints, feature_count(STEPS), (8,)
    network = make_network(kind, hidden, n)
    keys = jax.random.split(jax.random.key(seed), 2)
    params = jax.vmap(lambda key: network.init(key, jnp.zeros((1, n, count))))(keys)
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: x + jnp.asarray(1.5 * rng.normal(size=x.shape), jnp.float32), params)
    wide = 1e6 * jnp.ones(n)
    return DeltaModel(
        robot=robot.name,
        joints=robot.joints,
        kind=kind,
        hidden=hidden,
        steps=STEPS,
        period=period,
        bound=0.5,
        action_scale=np.array(robot.action_scale),
        params=params,
        center=rng.normal(size=(n, count)),
        width=1 + rng.uniform(size=(n, count)),
        shrink=rng.uniform(0.5, 1.0, n),
        support=Support(jnp.zeros((n, count)), jnp.stack([jnp.eye(count)] * n), wide, wide),
    )
