"""Training of one member of an ensemble: cross entropy of the class, and beta-NLL of the properties.

    member = Training(Encodings.of(data, train, seed=0), TrainConfig(samples=60_000), folder / "member_0.npz")
    for step, metrics in member.run(): ...
    member.params

It is stored as it goes, and goes on from there exactly: the same batches, the same optimiser, the same result. The optimiser is
Muon (Jordan, 2024, with the scale of Liu et al., Muon is scalable for LLM training, 2025), which took half of Adam's steps.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from assets.materials.errors import MaterialError
from assets.materials.model.arrays import filled, named, read_arrays, write_arrays
from assets.materials.model.batches import Batch, Encodings, order
from assets.materials.model.encoding import Scales, scaled
from assets.materials.model.network import Belief, Network

_BETA = 0.5
_ADAM_LIKE = 0.2  # size of an update over the rate, by which rates are as Adam's
_CLASS_WEIGHT = 2.0


@dataclass(frozen=True)
class TrainConfig:
    samples: int = 256_000
    """That are passed, each sample of the data several times or less."""
    batch: int = 16
    rate: float = 3e-3
    """Of Muon, at its highest; from there it falls to nothing as a cosine."""
    base: int = 24
    seed: int = 0
    store_every: int = 250
    """Steps."""

    def __post_init__(self) -> None:
        if min(self.samples, self.batch, self.base) < 1 or not 0 < self.rate < 1 or self.seed < 0:
            raise MaterialError(
                f"samples, batch and base must be positive, the rate within 0 and 1 and the seed 0 or more, found {self}"
            )

    @property
    def steps(self) -> int:
        return max(1, self.samples // self.batch)


class State(NamedTuple):
    params: Any
    optimiser: Any
    step: jax.Array


class Training:
    def __init__(self, encodings: Encodings, config: TrainConfig, path: Path | None = None):
        """On those samples; `path` is the file of its state, from which it goes on where there is one."""
        self.encodings, self.config, self.path = encodings, config, path
        self.network = Network(base=config.base)
        warm = min(200, config.steps // 10 + 1)
        schedule = optax.warmup_cosine_decay_schedule(0.0, config.rate, warm, max(config.steps, warm + 1), 0.0)
        self.optimiser = optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.contrib.muon(schedule, adam_b2=0.99, weight_decay=1e-4, consistent_rms=_ADAM_LIKE),
        )
        self.state = self._begun()
        self._card = f"{asdict(config)} {encodings.digest}"
        if path is not None and path.exists():
            card, arrays = read_arrays(path)
            if card != self._card:
                raise MaterialError(
                    f"{path} is of a training with other settings or data; give another folder, or the same again"
                )
            self.state = filled(self.state, arrays, str(path))
        self._update = jax.jit(partial(_update, self.network, self.optimiser, encodings.scales), donate_argnums=0)

    @property
    def params(self) -> Any:
        return self.state.params

    @property
    def done(self) -> int:
        """Steps."""
        return int(self.state.step)

    def run(self, until: int | None = None) -> Iterator[tuple[int, dict[str, float]]]:
        """Train to the end, or to that step; gives the step and its losses, some of them."""
        steps = self.config.steps if until is None else min(until, self.config.steps)
        began, first = time.monotonic(), self.done
        for step in range(first, steps):
            self.state, metrics = self._update(self.state, self._batch(step))
            last = step + 1 == steps
            if (step + 1) % self.config.store_every == 0 or last:
                self.store()
            if (step + 1) % 20 == 0 or last:
                told = {name: float(value) for name, value in metrics.items()}
                yield step + 1, told | {"seconds_a_step": (time.monotonic() - began) / (step + 1 - first)}

    def store(self) -> None:
        if self.path is not None:
            write_arrays(self.path, self._card, named(self.state), replace=True)

    def _batch(self, step: int) -> Batch:
        seed = self.config.seed
        rows = order(len(self.encodings), self.config.batch, step, seed)
        return self.encodings.batch(rows, np.random.default_rng([seed, 2, step]))

    def _begun(self) -> State:
        first = self.encodings.batch(np.zeros(1, int), np.random.default_rng(0), asked=1)
        params = jax.jit(self.network.init)(jax.random.key(self.config.seed), *scaled(first.encoded, self.encodings.scales))
        return State(params, self.optimiser.init(params), jnp.zeros((), jnp.int32))


def _update(
    network: Network, optimiser: optax.GradientTransformation, scales: Scales, state: State, batch: Batch
) -> tuple[State, dict[str, jax.Array]]:
    def total(params: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        belief = network.apply(params, *scaled(batch.encoded, scales))
        return losses(belief, batch.label, batch.target)  # pyright: ignore[reportArgumentType]

    (_, metrics), gradients = jax.value_and_grad(total, has_aux=True)(state.params)
    updates, inner = optimiser.update(gradients, state.optimiser, state.params)
    return State(optax.apply_updates(state.params, updates), inner, state.step + 1), metrics


def losses(belief: Belief, label: jax.Array, target: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss and its parts; unknown labels (-1) and targets (NaN) count for nothing.

    beta-NLL weighs the likelihood of each value by its variance to the power beta, or else what is uncertain at first is never
    learnt (Seitzer et al., On the pitfalls of heteroscedastic uncertainty estimation, 2022, eq. 5).
    """
    known = label >= 0
    entropy = optax.softmax_cross_entropy_with_integer_labels(belief.logits, jnp.maximum(label, 0))
    entropy = jnp.where(known, entropy, 0).sum() / jnp.maximum(known.sum(), 1)
    right = jnp.where(known, belief.logits.argmax(-1) == label, False).sum() / jnp.maximum(known.sum(), 1)
    told = ~jnp.isnan(target)
    error = jnp.where(told, belief.mean - jnp.where(told, target, 0), 0)
    likelihood = 0.5 * (error**2 * jnp.exp(-belief.log_variance) + belief.log_variance)
    weight = jax.lax.stop_gradient(jnp.exp(_BETA * belief.log_variance))
    likelihood = jnp.where(told, weight * likelihood, 0).sum() / jnp.maximum(told.sum(), 1)
    total = _CLASS_WEIGHT * entropy + likelihood * target.shape[-1]
    metrics = {"loss": total, "entropy": entropy, "accuracy": right, "error": jnp.abs(error).sum() / jnp.maximum(told.sum(), 1)}
    return total, metrics
