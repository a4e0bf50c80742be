"""Environments that diverged, and one that did not, on the native engine; and how to compile what is run only once."""

import importlib.util
from collections.abc import Iterator

import jax
import pytest

from tests.sim.hopper import Crash, simulate


@pytest.fixture(scope="session")
def crash() -> Crash:
    return simulate(damping=-3.0)


@pytest.fixture(scope="session")
def sound() -> Crash:
    return simulate(damping=0.1)


@pytest.fixture(scope="module")
def quick_to_compile() -> Iterator[None]:
    """For tests of which XLA's optimisations would take longer than all that is simulated."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session", autouse=True)
def _warp_compiles_quickly() -> None:
    """Nor is it worth while to optimise Warp's kernels."""
    if importlib.util.find_spec("warp") is not None:
        import warp

        warp.config.optimization_level = 0
