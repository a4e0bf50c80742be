"""Data parallel training: what two processes on this machine's cores cost against one, and whether they learn the same.

One process has all cores, then two processes share them, each with half of the environments and, where that can be arranged,
half of the cores; they meet on the loopback interface and add their gradients. The two ways take turns. `overhead` is what two
processes lose of the rate of one, `parameter_difference` how far their parameters are apart after the same updates from the
same seed: the largest difference over the largest parameter.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.progress import Progress

from assets.json_file import write_json
from benchmarks.machine import machine
from envs.registry import make_env, make_task
from rl.learner import shardings
from rl.ppo import PPO, PPOConfig
from rl.run import RunError
from sim.devices import Devices, join_processes

TASK = "go2-velocity-flat"
ENVS = 512
PROCESSES = 2
_TURNS = 5
_SAME_UPDATES = 5  # after which the parameters are compared: rounding differences grow with every contact
_UPDATES = 20  # that are timed
_PATIENCE = 900.0


def run(out: Path) -> dict[str, Any]:
    rates: dict[int, list[float]] = {1: [], PROCESSES: []}
    difference = 0.0
    with Progress() as bar, tempfile.TemporaryDirectory() as folder:
        task = bar.add_task("", total=_TURNS * len(rates))
        for _ in range(_TURNS):
            parameters = {}
            for count, measured in rates.items():
                bar.update(task, description=f"{count} process{'es' * (count > 1)}")
                rate, parameters[count] = _train_together(count, Path(folder))
                measured.append(rate)
                bar.advance(task)
            one, several = (parameters[count] for count in rates)
            difference = max(difference, float(np.abs(one - several).max() / np.abs(one).max()))
    ratios = [several / one for one, several in zip(*rates.values(), strict=True)]
    figures = {
        "machine": machine(),
        "task": TASK,
        "envs": ENVS,
        "processes": PROCESSES,
        "one_process_steps_per_s": statistics.median(rates[1]),
        "one_process_steps_per_s_all": rates[1],
        "processes_steps_per_s": statistics.median(rates[PROCESSES]),
        "processes_steps_per_s_all": rates[PROCESSES],
        "overhead": 1 - statistics.median(ratios),
        "overhead_all": [1 - ratio for ratio in ratios],
        "parameter_difference": difference,
        "parameter_difference_after_updates": _SAME_UPDATES,
    }
    write_json(out / "parallel.json", figures)
    _plot(figures, out / "parallel.png")
    print(f"overhead                {figures['overhead']:.1%}\nparameter difference    {difference:.1e}")
    return figures


def _train_together(count: int, folder: Path) -> tuple[float, np.ndarray]:
    """Control steps a second of `count` processes, and the parameters after the first updates."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    children = []
    for index in range(count):
        own = set(cores[index::count])
        pin = partial(os.sched_setaffinity, 0, own) if own and count > 1 else None
        command = [
            sys.executable,
            "-m",
            "benchmarks.parallel",
            coordinator,
            str(count),
            str(index),
            str(folder / "parameters.npy"),
        ]
        # Before it starts threads, which are as many as it finds cores.
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=pin))  # noqa: PLW1509
    try:
        told = [child.communicate(timeout=_PATIENCE) for child in children]
    finally:
        for child in children:
            child.kill()
    for child, (_, error) in zip(children, told, strict=True):
        if child.returncode:
            raise RunError(f"a process of the benchmark failed: {error[-500:]}")
    return json.loads(told[0][0].splitlines()[-1])["steps_per_s"], np.load(folder / "parameters.npy", allow_pickle=False)


def _child(coordinator: str, count: int, index: int, path: Path) -> None:
    if count > 1:
        join_processes(coordinator, count, index)
    devices = Devices.all()
    ppo = PPO(make_env(make_task(TASK), ENVS, "native", devices=devices), PPOConfig())
    places = shardings(ppo)
    outputs = None if places is None else (places, devices.sharding(None))
    update = jax.jit(ppo.update, donate_argnums=0, out_shardings=outputs)
    key = np.asarray(jax.random.key_data(jax.random.key(0)))
    state = jax.jit(lambda data: ppo.init(jax.random.wrap_key_data(data)), out_shardings=places)(key)
    for _ in range(_SAME_UPDATES):
        state, _ = update(state)
    if devices.first:
        np.save(path, np.concatenate([np.ravel(x) for x in jax.tree.leaves(jax.device_get(state.params))]))
    began = time.perf_counter()
    for _ in range(_UPDATES):
        state, _ = jax.block_until_ready(update(state))
    print(json.dumps({"steps_per_s": _UPDATES * ppo.steps_per_update / (time.perf_counter() - began)}))


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
    names = ("one process", f"{figures['processes']} processes")
    rates = (figures["one_process_steps_per_s_all"], figures["processes_steps_per_s_all"])
    bars = axes.bar(names, [statistics.median(r) for r in rates], color=["0.6", "#1f77b4"])
    axes.bar_label(bars, fmt="{:,.0f}", padding=12)
    for i, values in enumerate(rates):
        axes.plot([i] * len(values), values, "k_")
    axes.set(ylabel="control steps a second", title=f"{figures['envs']} Go2s, {figures['machine']['processor']}")
    axes.margins(y=0.15)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    from zerogap import _compilation_cache

    _compilation_cache()
    _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
