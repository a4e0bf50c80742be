"""Control steps a second of the Go2 (flat ground, body collisions, four substeps of 5 ms), engine by engine, in one run.

Every engine gets the same model, the same start, and joint targets drawn uniformly around the default pose: `raw` is
`mujoco.batch.Batch` in a Python loop, without JAX; `native`, `mjx` and `warp` are our engines inside `jax.jit`; `env` is the
whole environment with observations, rewards, randomisation and resets; `train` is PPO, rollout and learning together.
Compilation is timed apart, and memory is what the compiled program takes.

On a CPU the contenders take turns, several times, so that a machine whose speed drifts does not favour one; medians are quoted.
On an accelerator each case of `benchmarks.cases` is measured by itself, as not all find room beside each other: the engine
alone, the environment and training, `warp_8192`, `warp_8192_env`, `warp_8192_train` and so on.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
from benchmarks.cases import Case, cases
from benchmarks.contender import environment, stepped
from benchmarks.machine import machine, memory_of
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

Call = Callable[[], float]
"""Steps for a while and returns control steps a second."""


@dataclass(frozen=True)
class Contender:
    """Something that steps, compiled."""

    call: Call
    num_envs: int
    compile_seconds: float | None = None
    memory_bytes: int | None = None
    """On its device; None where that is not known."""


Plan = dict[str, Callable[[], Contender]]
"""How each contender is made, by name."""


def on_cpu() -> Plan:
    """All engines beside `raw`. Warp is far slower on a CPU; a smaller batch of its is no slower per environment."""
    sizes = {"native": _ENVS, "mjx": _ENVS, "warp": 64}
    return {
        "raw": partial(_raw, _ENVS),
        **{engine: partial(_engine, engine, size) for engine, size in sizes.items()},
        "env": partial(_environment, "native", _ENVS),
        "train": partial(_training, "native", DEFAULT_NUM_ENVS["native"]),
    }


def on_accelerator(case: Case) -> Plan:
    """An engine by itself, and with ever more around it."""
    name, settings = f"{case.engine}_{case.num_envs}", (case.engine, case.num_envs)
    kinds = {name: _engine, f"{name}_env": _environment, f"{name}_train": _training}
    return {kind: partial(make, *settings) for kind, make in kinds.items()}


def run(out: Path) -> dict[str, Any]:
    on_a_cpu = jax.default_backend() == "cpu"
    plans = [on_cpu()] if on_a_cpu else [on_accelerator(case) for case in cases()]
    figures: dict[str, Any] = {"machine": machine(), "envs": _ENVS if on_a_cpu else cases()[0].num_envs, "substeps": _SUBSTEPS}
    with Progress() as bar:
        task = bar.add_task("", total=sum(len(plan) * (1 + _TURNS) for plan in plans) + len(_GROWTH))

        def at(what: str) -> None:
            bar.update(task, description=what, advance=1)

        for plan in plans:
            figures |= measure(plan, at)
        figures |= _ratios(figures)
        figures["growth"] = []
        for size in _GROWTH:
            at(f"measuring {size} environments")
            contender = _engine(default_engine(), size)
            rate = statistics.median(contender.call() for _ in range(3))
            figures["growth"].append({"envs": size, "steps_per_s": rate})
    write_json(out / "throughput.json", figures)
    _plot(figures, out / "throughput.png")
    for name, value in figures.items():
        if name.endswith(("_steps_per_s", "_of_raw", "_over_mjx", "_of_engine")):
            print(f"{name:28}{value:,.2f}" if value < 100 else f"{name:28}{value:,.0f}")
    return figures


def measure(plan: Plan, at: Callable[[str], None]) -> dict[str, Any]:
    """Makes the contenders, lets them take turns and tells their figures; each step of that is told to `at` first."""
    figures: dict[str, Any] = {}
    contenders: dict[str, Contender] = {}
    for name, make in plan.items():
        at(f"compiling {name}")
        try:
            contenders[name] = made = make()
        except PhysicsError as error:
            figures[f"{name}_absent"] = str(error)
            continue
        figures[f"{name}_envs"] = made.num_envs
        figures[f"{name}_compile_seconds"] = made.compile_seconds
        figures[f"{name}_memory_bytes"] = made.memory_bytes
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(_TURNS):
        for name, contender in contenders.items():
            at(f"measuring {name}")
            rates[name].append(contender.call())
    for name, values in rates.items():
        figures[f"{name}_steps_per_s"] = statistics.median(values)
        figures[f"{name}_steps_per_s_all"] = values
    return figures


def _ratios(figures: dict[str, Any]) -> dict[str, float]:
    """Medians over the turns, of what was measured in the same one."""

    def ratio(name: str, other: str) -> float:
        return statistics.median(
            a / b for a, b in zip(figures[f"{name}_steps_per_s_all"], figures[f"{other}_steps_per_s_all"], strict=True)
        )

    names = [name.removesuffix("_steps_per_s") for name in figures if name.endswith("_steps_per_s")]
    told = {f"{name}_of_raw": ratio(name, "raw") for name in names if "raw" in names and name in ("native", "env", "train")}
    if {"native", "mjx"} <= set(names):
        told["native_over_mjx"] = ratio("native", "mjx")
    for name in names:
        engine, _, kind = name.rpartition("_")
        if kind in ("env", "train") and engine in names:
            told[f"{name}_of_engine"] = ratio(name, engine)
    return told


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
    return Contender(lambda: _until(_SECONDS, len(targets) * num_envs, call), num_envs)


def _engine(engine: str, num_envs: int) -> Contender:
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
    return Contender(lambda: _until(_SECONDS, steps * num_envs, call), num_envs, compile_seconds, memory_of(compiled))


def _environment(engine: str, num_envs: int) -> Contender:
    compile_seconds, steps, call = environment(make_env(make_task("go2-velocity-flat"), num_envs, engine), reach=0.7)
    for _ in range(5):
        call()
    return Contender(lambda: _until(_SECONDS, steps, call), num_envs, compile_seconds)


def _training(engine: str, num_envs: int) -> Contender:
    ppo = PPO(make_env(make_task("go2-velocity-flat"), num_envs, engine), PPOConfig())
    began = time.perf_counter()
    state = jax.jit(ppo.init)(jax.random.key(0))
    compiled = jax.jit(ppo.update, donate_argnums=0).lower(state).compile()
    compile_seconds = time.perf_counter() - began
    holder = [state]

    def call() -> None:
        holder[0], _ = jax.block_until_ready(compiled(holder[0]))

    for _ in range(3):
        call()
    rate = partial(_until, _SECONDS, ppo.steps_per_update, call)
    return Contender(rate, num_envs, compile_seconds, memory_of(compiled))


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    names = [name.removesuffix("_steps_per_s") for name in figures if name.endswith("_steps_per_s")]
    colours = ["0.6" if name == "raw" else "#1f77b4" for name in names]
    bars = left.bar(names, [figures[f"{n}_steps_per_s"] for n in names], color=colours)
    left.bar_label(bars, fmt="{:,.0f}", fontsize="small")
    left.tick_params(axis="x", rotation=0 if len(names) < 8 else 60)
    device = figures["machine"]["accelerator"] or figures["machine"]["processor"]
    left.set(ylabel="control steps a second", title=f"{figures['envs']} Go2s, {device}")
    growth = figures["growth"]
    right.plot([g["envs"] for g in growth], [g["steps_per_s"] for g in growth], marker="o")
    right.set(xscale="log", xlabel="environments", title="growth", ylim=(0, None))
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
