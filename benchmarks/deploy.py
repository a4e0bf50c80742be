"""A policy on the twin, cycle by cycle: how long it thinks, how late it answers, how well its periods are kept, and how soon
the robot is damped whatever goes wrong.

The policy is that of `make demo` (runs/demo), or of the run that ZEROGAP_DEPLOY_RUN names. The twin is a process of its own, by
the Go2's own protocol where `zerogap[go2]` is installed and by the twin's own otherwise. It walks and turns for `SECONDS`, and
then meets every fault of `benchmarks.deploy_faults`.

inference_p99_ms       a decision of the policy alone, one after another on one core; `deployment` has those of the loop, which
                       find other programs' data in the caches
latency_p99_ms         from a state's arrival to the sending of the first command that knows of it
period_error_p99_ms    how far a period was from the nominal one
overruns               cycles that ended after the next one should have begun
sent, received         commands that left the runtime, damping included, and that came to the twin intact and were accepted
killed_to_damp_ms      from the twin's end to the first damping command, the longest of `deploy_faults.KILLS`
"""

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from assets.json_file import write_json
from benchmarks.deploy_faults import measure_faults
from benchmarks.machine import machine
from benchmarks.twin_process import TwinProcess
from rl.run import Run, RunError
from sim2real.deploy.deployment import deploy
from sim2real.deploy.machine import Timetable
from sim2real.deploy.onnx_pilot import OnnxPilot
from sim2real.deploy.sources import Script
from sim2real.deploy.timing import Durations
from sim2real.export.export import export
from sim2real.export.policy import Policy
from sim2real.realtime import realtime

SECONDS = 60.0
_RUN = "ZEROGAP_DEPLOY_RUN"
_DECISIONS = 20_000
_OBSERVATIONS = 10_000  # on which the exported policy is compared with the environment
_ADDRESSES = {"local": "127.0.0.1:5471", "go2-dds": "lo/1"}  # the first is not the twin's own: one may be running

# Of forward velocity (m/s), sideways velocity (m/s) and yaw rate (rad/s), each from its time (s) on.
_WALK = {0: (0.5, 0, 0), 10: (0.5, 0, 0.6), 20: (0.8, 0, 0), 30: (0.3, 0, -0.8), 40: (0.0, 0.3, 0), 50: (-0.4, 0, 0.4)}


def run(out: Path) -> dict[str, Any]:
    console = Console(stderr=True)
    directory = Path(os.environ.get(_RUN) or "runs/demo")
    if not (directory / "run.json").is_file():
        raise RunError(f"{directory} has no policy that walks: train one by `make demo`, or name a run by {_RUN}")
    figures: dict[str, Any] = {"machine": machine(), "run": Run.open(directory).hash, "seconds": SECONDS}
    exported = out / "deploy.onnx"
    spec = export(Run.open(directory), exported, observations=_OBSERVATIONS)
    figures["export"] = {"observations": spec.check.observations, "largest_error_rad": spec.check.largest_error}
    pilot = OnnxPilot(Policy.load(exported))
    alone = _inference(exported)
    figures["inference"] = alone.to_json()
    protocol = "go2-dds" if importlib.util.find_spec("cyclonedds") else "local"
    console.print(f"inference {alone.percentile(99):.3f} ms (p99); {SECONDS:g} s on the twin by {protocol}", highlight=False)
    told, twin = _walk(pilot, protocol, out / f"deploy-{time.strftime('%Y%m%d-%H%M%S')}.mcap")
    damped = measure_faults(pilot, protocol, _ADDRESSES[protocol], out)
    kills = [d.after_fault_ms for d in damped if d.fault == "killed" and d.after_fault_ms is not None]
    figures |= {
        "protocol": protocol,
        "inference_p99_ms": alone.percentile(99),
        "latency_p99_ms": told["latency_p99_ms"],
        "period_error_p99_ms": told["period_error_p99_ms"],
        "overruns": told["overruns"],
        "sent": told["sent"] + told["damped"],
        "received": twin["commands"],
        "falls": twin["falls"],
        "killed_to_damp_ms": max(kills, default=None),
        "faults": [d.to_json() for d in damped],
        "deployment": told | {"log": Path(told["log"]).name},
        "twin": twin,
    }
    write_json(out / "deploy.json", figures)
    _plot(figures, out / "deploy.png")
    return figures


def _inference(path: Path) -> Durations:
    """Decisions one after another on inputs that differ, on one core."""
    policy = Policy.load(path)
    quantities = (*policy.spec.inputs, *policy.spec.history)
    feeds = [
        {q.name: np.array(pair.inputs[q.name], np.float32).reshape(q.shape) for q in quantities} for pair in policy.spec.golden
    ]
    history = policy.begin()
    spent = Durations()
    with realtime():
        for i in range(_DECISIONS):
            begin = time.perf_counter_ns()
            history = policy.step(feeds[i % len(feeds)], history).history
            spent.add(time.perf_counter_ns() - begin)
    return spent


def _walk(pilot: OnnxPilot, protocol: str, log: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the deployment and the twin told."""
    script = Script(np.array(list(_WALK), float), np.array(list(_WALK.values()), float))
    with TwinProcess(protocol, _ADDRESSES[protocol]) as twin:
        result = deploy(pilot, twin.driver(), script, log, Timetable(policy=SECONDS))
        return result, twin.end()


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = {
        "inference alone": figures["inference"],
        "state to command": figures["deployment"]["latency"],
        "period error": figures["deployment"]["period_error"],
    }
    figure, axes = pyplot.subplots(1, len(shown), figsize=(11, 3.2), layout="constrained", sharey=True)
    for axis, (title, told) in zip(axes, shown.items(), strict=True):
        edges, counts = told["histogram"]["edges_ms"], np.array(told["histogram"]["counts"])
        axis.bar(range(len(edges)), counts / max(counts.sum(), 1), color="#1f77b4")
        axis.set_xticks(range(len(edges)), [f"{edge:g}" for edge in edges], rotation=60, fontsize="small")
        axis.set(title=f"{title}: p99 {told['p99_ms']:.3f} ms", xlabel="from (ms)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
