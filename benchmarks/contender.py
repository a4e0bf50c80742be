"""One environment of the `peers` benchmark, stepped with random actions in a process of its own.

    python contender.py envpool Go1JoystickFlatTerrain-v1

Peers pin other versions of JAX, NumPy and MuJoCo than ours, so this file runs in any interpreter: it needs the standard library
and what the contender needs. It speaks JSON, a line a message. First it tells what it is, {"envs": 64, "substeps": 5, ...}, or
why it cannot be, {"absent": "..."}. Then it answers each {"seconds": 2.0} by stepping for about that long, and telling
{"steps": 12800, "seconds": 2.03}, until its input ends. Whatever a library prints goes to standard error.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[[], None]
"""Steps all environments a few times, and returns when that is done."""

Contender = tuple[dict[str, Any], int, Call]
"""What it is, environment steps of a call, the call."""

_ACTIONS = 10  # drawn beforehand and repeated, so that no contender's drawing is timed
_REACH = 1.0  # actions are uniform within +- this: for the Go1 and our Go2 alike +-0.5 rad around the default pose

# EnvPool's numbers of environments and of those that a step waits for. It is measured with whichever does best.
_ENVPOOL_SIZES = ((2, 2), (16, 16), (64, 64), (64, 32))
_CHOOSING_SECONDS = 1.0


class AbsentError(Exception):
    """The contender cannot run here; the message says why and what to do."""


def stepped(seconds: float, steps_per_call: int, call: Call) -> tuple[int, float]:
    """Calls again and again for at least `seconds`; environment steps, and the seconds that they took."""
    began, steps = time.perf_counter(), 0
    while True:
        call()
        steps += steps_per_call
        spent = time.perf_counter() - began
        if spent >= seconds:
            return steps, spent


def environment(env: Any, reach: float) -> tuple[float, int, Call]:
    """All of our environment's robots under random actions: seconds of compilation, steps of a call, the call."""
    import jax

    actions = jax.random.uniform(jax.random.key(0), (_ACTIONS, env.num_envs, env.num_actions), minval=-reach, maxval=reach)

    def advance(state: Any) -> Any:
        def step(state: Any, action: jax.Array) -> Any:
            state = env.step(state, action)
            return state, (state.reward.sum(), state.observation["policy"].sum())

        return jax.lax.scan(step, state, actions)

    began = time.perf_counter()
    state = jax.jit(env.reset)(jax.random.key(0))
    compiled = jax.jit(advance, donate_argnums=0).lower(state).compile()
    seconds = time.perf_counter() - began
    holder = [state]

    def call() -> None:
        holder[0], _ = jax.block_until_ready(compiled(holder[0]))

    return seconds, _ACTIONS * env.num_envs, call


def zerogap(task_name: str, num_envs: str, timestep: str, touching: str = "all") -> Contender:
    """Our own environment on `native`, with time steps of that many seconds; `touching` "feet" collides with those only."""
    from dataclasses import replace

    from assets.robots.robot import RobotError
    from envs.registry import make_env, make_task

    try:
        task = make_task(task_name)
    except RobotError as error:
        raise AbsentError(str(error)) from None

    env = make_env(replace(task, scene=lambda: scene_of(task, float(timestep), touching)), int(num_envs), "native")
    seconds, steps, call = environment(env, _REACH)
    told = {"envs": env.num_envs, "substeps": env.num_substeps, "timestep": float(timestep), "compile_seconds": seconds}
    return told | {"touching": touching, "version": _version("mujoco")}, steps, call


def scene_of(task: Any, timestep: float, touching: str) -> Any:
    """A task's scene with another time step (s), in which all of the robot collides or its "feet" only."""
    spec = task.scene()
    spec.option.timestep = timestep
    for geom in spec.geoms:
        if touching == "feet" and geom.name not in task.robot.feet:
            geom.conaffinity = 0  # a ground has none either: it meets by its contype
    return spec


def envpool(task_id: str) -> Contender:
    """EnvPool with a thread a core, in the size and mode of `_ENVPOOL_SIZES` that steps fastest."""
    _expect("envpool", "pip install 'envpool>=1.2.5', which has MuJoCo Playground's tasks")
    library = importlib.import_module("envpool")
    if task_id not in library.list_all_envs():
        raise AbsentError(f"EnvPool {_version('envpool')} has no {task_id}: pip install 'envpool>=1.2.5'")
    best: tuple[float, Contender] | None = None
    for num_envs, batch_size in _ENVPOOL_SIZES:
        found = _envpool(library, task_id, num_envs, batch_size)
        _warm_up(found[2])
        steps, seconds = stepped(_CHOOSING_SECONDS, found[1], found[2])
        if best is None or steps / seconds > best[0]:
            best = steps / seconds, found
    assert best is not None
    return best[1]


def _envpool(library: Any, task_id: str, num_envs: int, batch_size: int) -> Contender:
    import numpy as np

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pool = library.make(task_id, env_type="gymnasium", num_envs=num_envs, batch_size=batch_size, num_threads=threads, seed=0)
    shape = (_ACTIONS, batch_size, *pool.action_space.shape)
    actions = np.random.default_rng(0).uniform(-_REACH, _REACH, shape).astype(pool.action_space.dtype)
    if batch_size == num_envs:
        pool.reset()

        def call() -> None:
            for action in actions:
                pool.step(action)
    else:
        pool.async_reset()
        waiting = [pool.recv()[-1]["env_id"]]

        def call() -> None:
            for action in actions:
                pool.send(action, waiting[0])
                waiting[0] = pool.recv()[-1]["env_id"]

    config = pool.config
    timestep = float(config["sim_dt"])
    told = {"envs": num_envs, "batch": batch_size, "substeps": round(float(config["ctrl_dt"]) / timestep), "timestep": timestep}
    return told | {"threads": threads, "version": _version("envpool")}, _ACTIONS * batch_size, call


def playground(task_name: str, num_envs: str) -> Contender:
    """MuJoCo Playground on MJX-JAX, with the wrappers that it trains with."""
    _expect("mujoco_playground", "pip install 'playground==0.2.0': 1.0 is PyTorch and has no MJX-JAX")
    import jax

    library = importlib.import_module("mujoco_playground")
    mjx_env = importlib.import_module("mujoco_playground._src.mjx_env")
    # Its loader would clone some 2 GB in the midst of a benchmark.
    if not mjx_env.MENAGERIE_PATH.exists():
        raise AbsentError(
            f"MuJoCo Playground keeps its copy of MuJoCo Menagerie at {mjx_env.MENAGERIE_PATH}, which does not exist: link a"
            f" checkout there (commit {mjx_env.MENAGERIE_COMMIT_SHA}), or load an environment of it once, with a network"
        )
    env = library.registry.load(task_name, config_overrides={"impl": "jax"})
    wrapped = library.wrapper.wrap_for_brax_training(env, episode_length=1000, action_repeat=1)
    count = int(num_envs)
    actions = jax.random.uniform(jax.random.key(0), (_ACTIONS, count, env.action_size), minval=-_REACH, maxval=_REACH)

    def advance(state: Any) -> Any:
        def step(state: Any, action: jax.Array) -> Any:
            state = wrapped.step(state, action)
            return state, (state.reward.sum(), state.obs["state"].sum())

        return jax.lax.scan(step, state, actions)

    began = time.perf_counter()
    jitted = jax.jit(advance)
    state = jax.jit(wrapped.reset)(jax.random.split(jax.random.PRNGKey(0), count))
    holder = [jax.block_until_ready(jitted(state))[0]]
    holder[0] = jax.block_until_ready(jitted(holder[0]))[0]  # weak types may compile it twice
    seconds = time.perf_counter() - began

    def call() -> None:
        holder[0], _ = jax.block_until_ready(jitted(holder[0]))

    told = {"envs": count, "substeps": env.n_substeps, "timestep": env.sim_dt, "compile_seconds": seconds}
    return told | {"version": f"{_version('playground')}, jax {jax.__version__}"}, _ACTIONS * count, call


KINDS: dict[str, Callable[..., Contender]] = {
    "zerogap": zerogap,
    "envpool": envpool,
    "playground": playground,
}


def main(arguments: list[str]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers, flush=True)

    kind, *settings = arguments
    try:
        told, steps_per_call, call = KINDS[kind](*settings)
    except AbsentError as error:
        tell({"absent": str(error)})
        return
    _warm_up(call)
    tell(told)
    for line in sys.stdin:
        steps, seconds = stepped(json.loads(line)["seconds"], steps_per_call, call)
        tell({"steps": steps, "seconds": seconds})


def _warm_up(call: Call) -> None:
    for _ in range(3):
        call()


def _expect(package: str, remedy: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise AbsentError(f"{package} is not installed in {sys.executable}: {remedy}")


def _version(distribution: str) -> str:
    return f"{distribution} {importlib.metadata.version(distribution)}"


if __name__ == "__main__":
    # The folder of this file holds the other benchmarks, whose names are none of a peer's business.
    sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
    main(sys.argv[1:])
