"""Generalised advantage estimation (Schulman et al. 2016, eq. 16)."""

import jax
import jax.numpy as jnp


def advantages(
    reward: jax.Array, value: jax.Array, ended: jax.Array, last_value: jax.Array, gamma: float, lam: float
) -> tuple[jax.Array, jax.Array]:
    """Advantages and the returns that the value function should have given, (T, N) each.

    reward, value, ended: (T, N) of each step: the reward after it, the value before it, whether the episode ended with it. An
    episode that was cut off by time must carry gamma * value of its last observation in its reward. last_value: (N,).
    """
    next_value = jnp.concatenate([value[1:], last_value[None]])
    going = 1.0 - ended.astype(value.dtype)
    delta = reward + gamma * going * next_value - value

    def back(carry: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta, going = step
        carry = delta + gamma * lam * going * carry
        return carry, carry

    _, advantage = jax.lax.scan(back, jnp.zeros_like(last_value), (delta, going), reverse=True)
    return advantage, advantage + value
