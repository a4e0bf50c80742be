"""Which engine simulates: chosen by name, or by what the machine has."""

import difflib
import importlib.util

import jax
import mujoco

from sim.physics import ENGINES, Physics, PhysicsError


def default_engine() -> str:
    """`native` on a CPU, `warp` on an NVIDIA GPU where it is installed, else `mjx`."""
    if jax.default_backend() == "cpu":
        return "native"
    has_warp = importlib.util.find_spec("mujoco_warp") is not None
    return "warp" if has_warp and jax.default_backend() in ("gpu", "cuda") else "mjx"


def check_engine(engine: str) -> None:
    """Raise PhysicsError, with the nearest name, where there is no such engine."""
    if engine not in ENGINES:
        near = difflib.get_close_matches(engine, ENGINES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise PhysicsError(f"unknown engine {engine!r}: {hint}there are: {', '.join(ENGINES)}")


def make_physics(model: mujoco.MjModel, num_envs: int, engine: str | None = None) -> Physics:
    """`num_envs` simulations of `model` on the named engine, or on this machine's best."""
    if num_envs < 1:
        raise PhysicsError(f"num_envs must be at least 1, found {num_envs}")
    engine = engine or default_engine()
    check_engine(engine)
    # Each engine imports its own libraries, which a user of another need not have.
    if engine == "native":
        from sim.native import NativePhysics

        return NativePhysics(model, num_envs)
    if engine == "mjx":
        from sim.mjx import MjxPhysics

        return MjxPhysics(model, num_envs)
    if importlib.util.find_spec("mujoco_warp") is None:
        raise PhysicsError("the warp engine needs MuJoCo Warp: pip install 'zerogap[warp]'")
    from sim.warp import WarpPhysics

    return WarpPhysics(model, num_envs)
