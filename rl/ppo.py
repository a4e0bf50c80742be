"""Proximal policy optimisation (Schulman et al. 2017) with an asymmetric critic; the learning rate follows the KL divergence.

    ppo = PPO(env, PPOConfig())
    state = jax.jit(ppo.init)(key)
    state, metrics = jax.jit(ppo.update, donate_argnums=0)(state)      # one rollout, then a few epochs over it

The actor sees the policy's observation. One that is to be a teacher (`rl.distill`) sees the critic's instead, by
`PPOConfig(actor_observation="critic")`; nothing else differs.

`TrainState` holds everything that training depends on, the environments included: saving it saves the run.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
from flax import struct

from envs.env import Env, EnvState
from rl.advantage import advantages
from rl.minibatches import Minibatches
from rl.networks import Networks, Params, entropy, kl_divergence, log_prob
from rl.normalization import Normalizer
from rl.symmetry import actor_mirror

ActorObservation = Literal["policy", "critic"]


@dataclass(frozen=True)
class PPOConfig:
    rollout_length: int = 12
    """Control steps between updates."""
    epochs: int = 3
    minibatches: int = 4
    """Per epoch (`rl.minibatches`)."""
    gamma: float | None = None
    """Discount per control step; the task's where None."""
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_clip: float = 0.2
    value_weight: float = 1.0
    entropy_weight: float = 0.001
    learning_rate: float = 5e-4
    """To start from."""
    target_kl: float = 0.02
    """How far an update is to move the policy (mean KL divergence in its last epoch); the learning rate follows."""
    learning_rate_range: tuple[float, float] = (1e-5, 3e-3)
    max_gradient_norm: float = 1.0
    actor_hidden: tuple[int, ...] = (128, 128)
    critic_hidden: tuple[int, ...] = (128, 128)
    initial_std: float = 0.5
    averaging: float = 0.95
    """The policy that is evaluated, shown and exported is an exponential moving average of the one that learns, over some
    1 / (1 - averaging) updates: steadier than the last of them (Polyak and Juditsky 1992)."""
    symmetry: bool = True
    """Draw the policy to the mirrored action in the mirrored state, where the robot declares a mirror."""
    symmetry_weight: float = 0.1
    """How strongly: of the squared difference of the two means, in standard deviations, halved and averaged over actions."""
    actor_observation: ActorObservation = "policy"
    """Which of the task's observations the actor sees: "policy", what the robot's own sensors give, or "critic", whatever the
    simulation knows. The latter acts in simulation only."""

    def __post_init__(self) -> None:
        if self.actor_observation not in get_args(ActorObservation):
            expected = " or ".join(map(repr, get_args(ActorObservation)))
            raise ValueError(f"actor_observation is {self.actor_observation!r}, expected {expected}")


class Policy(struct.PyTreeNode):
    """What of a `TrainState` acts."""

    average: Params
    policy_normalizer: Normalizer


class TrainState(struct.PyTreeNode):
    params: Params
    average: Params
    """The moving average of the actor's parameters."""
    optimizer: Any
    learning_rate: jax.Array
    policy_normalizer: Normalizer
    """Of what the actor sees."""
    critic_normalizer: Normalizer
    env: EnvState
    key: jax.Array
    """Raw key data."""
    updates: jax.Array
    skipped: jax.Array
    """Gradient steps that were skipped as their gradient was not finite."""

    @property
    def policy(self) -> Policy:
        return Policy(self.average, self.policy_normalizer)


def warm_start(state: TrainState, learned: TrainState) -> TrainState:
    """`state` with what another one's actor and critic have learned. The optimiser's moments are not theirs: they are of
    another task's gradients."""
    names = ("params", "average", "policy_normalizer", "critic_normalizer")
    return state.replace(**{name: getattr(learned, name) for name in names})


class Rollout(struct.PyTreeNode):
    """Steps of all environments, (T, N, ...). `value` and `log_prob` are those of the time of acting."""

    policy: jax.Array
    """What the actor saw."""
    critic: jax.Array
    drawn: jax.Array
    """What the action was made of (`Networks.action`)."""
    log_prob: jax.Array
    mean: jax.Array
    value: jax.Array
    reward: jax.Array
    ended: jax.Array


class Samples(struct.PyTreeNode):
    """What an update learns from, (T, N, ...): observations are normalised.

    `old_log_prob` and `old_mean` are the acting policy's.
    """

    policy: jax.Array
    mirrored: jax.Array | None
    """What the actor would have seen in the mirror, where it is drawn to symmetry."""
    drawn: jax.Array
    old_log_prob: jax.Array
    old_mean: jax.Array
    critic: jax.Array
    old_value: jax.Array
    advantage: jax.Array
    target: jax.Array


class PPO:
    def __init__(self, env: Env, config: PPOConfig):
        self.env = env
        self.config = config
        self._gamma = env.task.discount if config.gamma is None else config.gamma
        self.networks = networks_of(config, env)
        self._minibatches = Minibatches(config.minibatches, config.rollout_length, env.num_envs, env.devices)
        self._optimizer = optax.chain(optax.clip_by_global_norm(config.max_gradient_norm), optax.scale_by_adam(eps=1e-5))
        mirrored = config.symmetry and env.task.robot.mirror is not None
        self._mirror = actor_mirror(env, config.actor_observation) if mirrored else None

    @property
    def steps_per_update(self) -> int:
        return self.config.rollout_length * self.env.num_envs

    def init(self, key: jax.Array) -> TrainState:
        key_params, key_env, key = jax.random.split(key, 3)
        sizes = self.env.observation_size
        seen = sizes[self.config.actor_observation]
        params = self.networks.init(key_params, seen, sizes["critic"])
        return TrainState(
            params=params,
            average={"actor": params["actor"]},
            optimizer=self._optimizer.init(params),
            learning_rate=jnp.float32(self.config.learning_rate),
            policy_normalizer=Normalizer.of(seen),
            critic_normalizer=Normalizer.of(sizes["critic"]),
            env=self.env.staggered(self.env.reset(key_env), jax.random.fold_in(key_env, 1)),
            key=jax.random.key_data(key),
            updates=jnp.int32(0),
            skipped=jnp.int32(0),
        )

    def seen(self, env: EnvState) -> jax.Array:
        """What the actor sees of the environments."""
        return env.observation[self.config.actor_observation]

    def act_in(self, state: TrainState | Policy, env: EnvState) -> jax.Array:
        """`act` for what the actor sees of the environments."""
        return self.act(state, self.seen(env))

    def act(self, state: TrainState | Policy, observation: jax.Array) -> jax.Array:
        """The averaged policy's mean action, without exploration, for what the actor sees."""
        mean, _ = self.networks.policy(state.average, state.policy_normalizer(observation))
        return self.networks.action(mean)

    def update(self, state: TrainState) -> tuple[TrainState, dict[str, jax.Array]]:
        """One rollout and the learning from it. Metrics are scalars."""
        key, key_rollout, key_learn = jax.random.split(jax.random.wrap_key_data(state.key), 3)
        env, rollout, metrics = self.collect(state, key_rollout)
        last_value = self.networks.value(state.params, state.critic_normalizer(env.observation["critic"]))
        advantage, target = advantages(
            rollout.reward, rollout.value, rollout.ended, last_value, self._gamma, self.config.gae_lambda
        )
        samples = self._samples(state, rollout, advantage, target)
        learned, losses = self._learn(state, samples, key_learn)
        decay, actor = self.config.averaging, {"actor": learned.params["actor"]}
        learned = learned.replace(
            average=jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, actor),
            policy_normalizer=state.policy_normalizer.update(rollout.policy),
            critic_normalizer=state.critic_normalizer.update(rollout.critic),
            env=env,
            key=jax.random.key_data(key),
            updates=state.updates + 1,
        )
        variance = jnp.var(target)
        explained = 1 - jnp.var(target - rollout.value) / jnp.maximum(variance, 1e-8)
        return learned, metrics | losses | {"explained_variance": explained}

    def collect(self, state: TrainState, key: jax.Array) -> tuple[EnvState, Rollout, dict[str, jax.Array]]:
        """Act in all environments for a rollout's length. Metrics are scalars."""
        params, gamma = state.params, self._gamma

        def step(env: EnvState, key: jax.Array) -> tuple[EnvState, tuple[Rollout, dict[str, jax.Array]]]:
            seen, critic = self.seen(env), env.observation["critic"]
            mean, std = self.networks.policy(params, state.policy_normalizer(seen))
            drawn = mean + std * jax.random.normal(key, mean.shape)
            value = self.networks.value(params, state.critic_normalizer(critic))
            env = self.env.step(env, self.networks.action(drawn))
            ended = env.terminated | env.truncated
            # Time ran out, the world did not end: the reward goes on as the value of where the robot stood.
            bootstrap = self.env.devices.each(
                self._value_where, (params, state.critic_normalizer), env.last_critic_observation, env.truncated
            )
            taken = Rollout(
                policy=seen,
                critic=critic,
                drawn=drawn,
                log_prob=log_prob(mean, std, drawn),
                mean=mean,
                value=value,
                reward=env.reward + gamma * bootstrap * env.truncated,
                ended=ended,
            )
            # Not yet over the environments: that would have the devices wait for each other in every step.
            return env, (taken, step_metrics(env))

        env, (rollout, metrics) = jax.lax.scan(step, state.env, jax.random.split(key, self.config.rollout_length))
        return env, rollout, {name: over_all(name, value) for name, value in metrics.items()}

    def _value_where(self, critic: tuple[Params, Normalizer], _: Any, observation: jax.Array, mask: jax.Array) -> jax.Array:
        """Values of the observations; anything where mask holds nowhere."""
        params, normalizer = critic
        return jax.lax.cond(
            mask.any(), lambda: self.networks.value(params, normalizer(observation)), lambda: jnp.zeros(mask.shape)
        )

    def _samples(self, state: TrainState, rollout: Rollout, advantage: jax.Array, target: jax.Array) -> Samples:
        mirror = self._mirror
        return Samples(
            policy=state.policy_normalizer(rollout.policy),
            mirrored=None if mirror is None else state.policy_normalizer(mirror.observation(rollout.policy)),
            drawn=rollout.drawn,
            old_log_prob=rollout.log_prob,
            old_mean=rollout.mean,
            critic=state.critic_normalizer(rollout.critic),
            old_value=rollout.value,
            # Over the rollout, not over each minibatch: there devices would have to wait for each other.
            advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8),
            target=target,
        )

    def _learn(self, state: TrainState, samples: Samples, key: jax.Array) -> tuple[TrainState, dict[str, jax.Array]]:
        config = self.config
        old_std = self.networks.policy(state.params, samples.policy[:1])[1]

        def minibatch(carry, order):
            params, optimizer, skipped = carry
            batch = self._minibatches.take(order, samples)
            gradient, aux = self.env.devices.mean(self._gradient, (params, old_std), batch)
            finite = jnp.isfinite(optax.tree.norm(gradient))
            updates, new_optimizer = self._optimizer.update(gradient, optimizer, params)
            new_params = jax.tree.map(lambda p, u: p - state.learning_rate * u, params, updates)
            keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)  # noqa: E731
            skipped = skipped + (1 - finite.astype(jnp.int32))
            return (keep(new_params, params), keep(new_optimizer, optimizer), skipped), aux

        def epoch(carry, key):
            return jax.lax.scan(minibatch, carry, self._minibatches.orders(key))

        carry = (state.params, state.optimizer, state.skipped)
        carry, aux = jax.lax.scan(epoch, carry, jax.random.split(key, config.epochs))
        params, optimizer, skipped = carry
        losses = {name: value.mean() for name, value in aux.items()} | {"kl": aux["kl"][-1].mean()}
        # One step of the rate per update: within an update the divergence has yet to build up, and would mislead.
        factor = jnp.clip(jnp.sqrt(config.target_kl / jnp.maximum(losses["kl"], 1e-6)), 1 / 1.5, 1.5)
        rate = jnp.clip(state.learning_rate * factor, *config.learning_rate_range)
        losses |= {"learning_rate": rate, "std": old_std.mean(), "skipped_updates": skipped}
        return state.replace(params=params, optimizer=optimizer, learning_rate=rate, skipped=skipped), losses

    def _gradient(self, shared: tuple[Params, jax.Array], batch: Samples) -> tuple[Params, dict[str, jax.Array]]:
        params, old_std = shared
        (_, aux), gradient = jax.value_and_grad(self._loss, has_aux=True)(params, batch, old_std)
        return gradient, aux

    def _loss(self, params: Params, batch: Samples, old_std: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """PPO's clipped surrogate (eq. 7), a clipped value error, an entropy bonus and a pull to symmetry: means over a batch,
        whose advantages were standardised with the whole rollout's."""
        config, advantage = self.config, batch.advantage
        mean, std = self.networks.policy(params, batch.policy)
        ratio = jnp.exp(log_prob(mean, std, batch.drawn) - batch.old_log_prob)
        clipped = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
        policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))

        value = self.networks.value(params, batch.critic)
        near = batch.old_value + jnp.clip(value - batch.old_value, -config.value_clip, config.value_clip)
        value_loss = 0.5 * jnp.mean(jnp.maximum(jnp.square(value - batch.target), jnp.square(near - batch.target)))

        bonus = entropy(std)
        loss = policy_loss + config.value_weight * value_loss - config.entropy_weight * bonus
        if self._mirror is not None and batch.mirrored is not None:
            # Held still: robots come to the mirrored state too, and learn to follow from there. It saves half of the gradients.
            image = jax.lax.stop_gradient(self._mirror.action(self.networks.policy(params, batch.mirrored)[0]))
            loss += config.symmetry_weight * asymmetry(mean, image, std)
        kl = jnp.mean(kl_divergence(batch.old_mean, old_std, mean, std))
        aux = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": bonus,
            "kl": kl,
            "clipped": jnp.mean((jnp.abs(ratio - 1) > config.clip).astype(jnp.float32)),
        }
        return loss, aux


def asymmetry(mean: jax.Array, image: jax.Array, std: jax.Array) -> jax.Array:
    """How far actions (..., actions) are from those of the mirror, in standard deviations (Yu, Turk and Liu 2018).

    To learn from mirrored samples would do the same, but only while the policy would act in the mirror as it was mirrored to:
    once it has a gait that begins with one leg, most of such samples are clipped.
    """
    return 0.5 * jnp.mean(jnp.square((mean - image) / jax.lax.stop_gradient(std)))


def networks_of(config: PPOConfig, env: Env) -> Networks:
    """The networks that a configuration asks for."""
    hidden = config.actor_hidden, config.critic_hidden
    return Networks.of(env.num_actions, *hidden, config.initial_std, env.task.action_limit)


def step_metrics(env: EnvState) -> dict[str, jax.Array]:
    """Of each environment, the figures of the step that was taken last."""
    return env.metrics | {"reward": env.reward, "ended": env.terminated | env.truncated, "failed": env.terminated}


def over_all(name: str, value: jax.Array) -> jax.Array:
    """Of a figure of all steps and environments, the sum if it counts something, else the mean.

    A metric of the task is NaN where it does not count, and so is its mean where it counts nowhere.
    """
    if name in ("ended", "failed") or name.startswith("failed/"):
        return value.sum()
    return jnp.nanmean(value) if name.startswith("metric/") else value.mean()
