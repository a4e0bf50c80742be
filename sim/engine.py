"""Which engine simulates: chosen by name, or by what the machine has."""

import difflib
import importlib.util
from dataclasses import dataclass, fields

import jax
import mujoco

from sim.devices import Devices
from sim.physics import ENGINES, Physics, PhysicsError
from sim.sharded import ShardedPhysics


@dataclass(frozen=True)
class Room:
    """Sizes of the warp engine's buffers, which it estimates from the model where they are None."""

    contacts_per_env: int | None = None
    """On average over the environments."""
    constraints_per_env: int | None = None
    """Rows, in every environment."""


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


def check_room(engine: str, room: Room) -> None:
    """Raise PhysicsError where room is given for an engine whose memory grows by itself."""
    given = [f.name for f in fields(room) if getattr(room, f.name) is not None]
    if given and engine != "warp":
        raise PhysicsError(
            f"{' and '.join(given)}: only the warp engine's buffers are of a fixed size, not the {engine} engine's"
        )
    for name in given:
        if getattr(room, name) < 1:
            raise PhysicsError(f"{name} must be at least 1, found {getattr(room, name)}")


def check_num_envs(num_envs: int, devices: Devices) -> None:
    """Raise PhysicsError where there are none, or the devices cannot have equally many."""
    if num_envs < 1:
        raise PhysicsError(f"num_envs must be at least 1, found {num_envs}")
    if num_envs % devices.count:
        near = max(1, round(num_envs / devices.count)) * devices.count
        raise PhysicsError(f"{num_envs} environments cannot be divided among {devices.count} devices: {near}, say, can")


def make_physics(
    model: mujoco.MjModel,
    num_envs: int,
    engine: str | None = None,
    room: Room | None = None,
    devices: Devices | None = None,
) -> Physics:
    """`num_envs` simulations of `model` on the named engine, or on this machine's best, divided among the devices."""
    devices = devices or Devices()
    check_num_envs(num_envs, devices)
    engine, room = engine or default_engine(), room or Room()
    check_engine(engine)
    check_room(engine, room)
    part = _make_physics(model, num_envs // devices.count, engine, room, devices)
    return part if devices.count == 1 else ShardedPhysics(part, devices)


def _make_physics(model: mujoco.MjModel, num_envs: int, engine: str, room: Room, devices: Devices) -> Physics:
    # Each engine imports its own libraries, which a user of another need not have.
    if engine == "native":
        if (backend := jax.default_backend()) != "cpu":
            raise PhysicsError(
                f"the native engine computes on the CPU, and JAX on {backend}: choose the engine warp or mjx, or start with"
                " JAX_PLATFORMS=cpu in the environment"
            )
        from sim.native import NativePhysics

        return NativePhysics(model, num_envs, devices=devices)
    if engine == "mjx":
        from sim.mjx import MjxPhysics

        return MjxPhysics(model, num_envs)
    if importlib.util.find_spec("mujoco_warp") is None:
        raise PhysicsError("the warp engine needs MuJoCo Warp: pip install 'zerogap[warp]'")
    from sim.warp import WarpPhysics

    return WarpPhysics(model, num_envs, room.contacts_per_env, room.constraints_per_env)
