"""Control steps a second of the Go2 (flat ground, body collisions, four substeps of 5 ms), engine by engine, in one run.

Every engine gets the same model, the same start, and joint targets drawn uniformly around the default pose: `raw` is
`mujoco.batch.Batch` in a Python loop, without JAX; `native` is our engine inside `jax.jit`; `env` is the whole environment with
observations, rewards, randomisation and resets; `train` is PPO with its usual number of environments, rollout and learning
together. The contenders take turns, several times, so that a machine whose speed drifts does not favour one; medians are
quoted. Compilation is timed apart.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import batch
from rich.progress import Progress

from assets.json_file import write_json
from assets.robots import GO2
from assets.scene import compile_for_physics
from benchmarks.contender import environment, stepped
from benchmarks.machine import machine
from envs.registry import make_env, make_task
from envs.view import Layout
from rl.ppo import PPO, PPOConfig
from rl.train import DEFAULT_NUM_ENVS
from sim.engine import default_engine, make_physics
from sim.native import NativePhysics
from sim.physics import PhysicsError

_ENVS = 1024
_SUBSTEPS = 4
_GROWTH = (1, 4, 16, 64, 256, 1024, 4096, 8192)
_TURNS = 5
_SECONDS = 2.0  # of each turn, about

Contender = Callable[[], float]
"""Steps for a while and returns control steps a second."""


def run(out: Path) -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": machine(), "envs": _ENVS, "substeps": _SUBSTEPS}
    contenders: dict[str, Contender] = {}
    with Progress() as bar:
        growth = tuple(n for n in _GROWTH if jax.default_backend() != "cpu" or n <= 8192)
        task = bar.add_task("compiling", total=6 + _TURNS * 6 + len(growth))
        contenders["raw"] = _raw(_ENVS)
        for name, engine in (("native", "native"), ("mjx", "mjx"), ("warp", "warp")):
            bar.update(task, description=f"compiling {name}", advance=1)
            # The interpreter of MJX and Warp on a CPU is far slower; a smaller batch of theirs is no slower per environment.
            num_envs = _ENVS if engine == "native" or jax.default_backend() != "cpu" else {"mjx": 1024, "warp": 64}[engine]
            try:
                contenders[name], seconds = _engine(engine, num_envs)
            except PhysicsError as error:
                figures[f"{name}_absent"] = str(error)
                continue
            figures[f"{name}_compile_seconds"] = seconds
            figures[f"{name}_envs"] = num_envs
        bar.update(task, description="compiling env", advance=1)
        contenders["env"], figures["env_compile_seconds"] = _environment(_ENVS)
        bar.update(task, description="compiling train", advance=1)
        contenders["train"], figures["train_compile_seconds"] = _training()
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(_TURNS):
            for name, contender in contenders.items():
                bar.update(task, description=f"measuring {name}", advance=1)
                rates[name].append(contender())
        for name, values in rates.items():
            figures[f"{name}_steps_per_s"] = statistics.median(values)
            figures[f"{name}_steps_per_s_all"] = values
        for name in ("native", "env", "train"):
            if name not in rates:
                continue
            paired = [n / r for n, r in zip(rates[name], rates["raw"], strict=True)]
            figures[f"{name}_of_raw"] = statistics.median(paired)
        if {"native", "mjx"} <= rates.keys():
            figures["native_over_mjx"] = statistics.median(n / m for n, m in zip(rates["native"], rates["mjx"], strict=True))
        figures["growth"] = []
        for n in growth:
            bar.update(task, description=f"measuring {n} environments", advance=1)
            contender, _ = _engine("native" if jax.default_backend() == "cpu" else None, n)
            figures["growth"].append({"envs": n, "steps_per_s": statistics.median(contender() for _ in range(3))})
    write_json(out / "throughput.json", figures)
    _plot(figures, out / "throughput.png")
    ratios = ("native_of_raw", "env_of_raw", "train_of_raw", "native_over_mjx")
    for name in (*ratios, *(f"{name}_steps_per_s" for name in contenders)):
        if name in figures:
            print(f"{name:24}{figures[name]:,.2f}" if figures[name] < 100 else f"{name:24}{figures[name]:,.0f}")
    return figures


def _model() -> tuple[mujoco.MjModel, np.ndarray]:
    model = compile_for_physics(make_task("go2-velocity-flat").scene())
    return model, Layout.of(GO2, model).start_qpos()


def _targets(num_envs: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    home = np.array(GO2.default_pose, np.float32)
    return (home + rng.uniform(-0.2, 0.2, (steps, num_envs, home.size))).astype(np.float32)


def _until(seconds: float, steps_per_call: int, call: Callable[[], None]) -> float:
    steps, spent = stepped(seconds, steps_per_call, call)
    return steps / spent


def _raw(num_envs: int) -> Contender:
    model, qpos = _model()
    model = NativePhysics(model, 1).model  # the same options
    simulations = batch.Batch(model, nsim=num_envs)
    simulations.bind("qpos")[...] = qpos
    simulations.bind("sensordata")
    ctrl = simulations.bind("ctrl")
    targets = _targets(num_envs, 10)

    def call() -> None:
        for target in targets:
            ctrl[...] = target
            simulations.step(nstep=_SUBSTEPS)

    for _ in range(5):
        call()
    return lambda: _until(_SECONDS, len(targets) * num_envs, call)


def _engine(engine: str | None, num_envs: int) -> tuple[Contender, float]:
    model, qpos = _model()
    physics = make_physics(model, num_envs, engine)
    steps = 10 if physics.name == "native" or jax.default_backend() != "cpu" else 2
    targets = jnp.asarray(_targets(num_envs, steps))

    @jax.jit
    def start():
        state = physics.init({})
        every = jnp.ones(num_envs, bool)
        return physics.reset(state, every, jnp.broadcast_to(qpos, (num_envs, model.nq)), state.qvel, {})

    def advance(state):
        return jax.lax.scan(lambda s, ctrl: (physics.step(s, ctrl, _SUBSTEPS), None), state, targets)[0]

    began = time.perf_counter()
    state = jax.block_until_ready(start())
    compiled = jax.jit(advance, donate_argnums=0).lower(state).compile()
    compile_seconds = time.perf_counter() - began
    holder = [compiled(state)]

    def call() -> None:
        holder[0] = jax.block_until_ready(compiled(holder[0]))

    for _ in range(5 if physics.name == "native" else 1):
        call()
    return lambda: _until(_SECONDS, steps * num_envs, call), compile_seconds


def _environment(num_envs: int) -> tuple[Contender, float]:
    compile_seconds, steps, call = environment(make_env(make_task("go2-velocity-flat"), num_envs), reach=0.7)
    for _ in range(5):
        call()
    return lambda: _until(_SECONDS, steps, call), compile_seconds


def _training() -> tuple[Contender, float]:
    num_envs = DEFAULT_NUM_ENVS[default_engine()]
    ppo = PPO(make_env(make_task("go2-velocity-flat"), num_envs), PPOConfig())
    began = time.perf_counter()
    state = jax.jit(ppo.init)(jax.random.key(0))
    compiled = jax.jit(ppo.update, donate_argnums=0).lower(state).compile()
    compile_seconds = time.perf_counter() - began
    holder = [state]

    def call() -> None:
        holder[0], _ = jax.block_until_ready(compiled(holder[0]))

    for _ in range(3):
        call()
    return lambda: _until(_SECONDS, ppo.steps_per_update, call), compile_seconds


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    names = [n for n in ("raw", "native", "env", "train", "mjx", "warp") if f"{n}_steps_per_s" in figures]
    bars = left.bar(names, [figures[f"{n}_steps_per_s"] for n in names], color=["0.6", *["#1f77b4"] * (len(names) - 1)])
    left.bar_label(bars, fmt="{:,.0f}")
    left.set(ylabel="control steps a second", title=f"{figures['envs']} Go2s, {figures['machine']['processor']}")
    growth = figures["growth"]
    right.plot([g["envs"] for g in growth], [g["steps_per_s"] for g in growth], marker="o")
    right.set(xscale="log", xlabel="environments", title="growth", ylim=(0, None))
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
