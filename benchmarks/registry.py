"""Benchmarks by name. Each runs, writes NAME.json and NAME.png into a directory, and returns what it wrote."""

import difflib
import importlib
from pathlib import Path
from typing import Any

from rl.run import RunError

BENCHMARKS = {
    "throughput": "control steps a second: raw Batch, native, mjx, warp; and how native grows with the number of environments",
    "parallel": "what training in two processes costs against one, and whether they learn the same",
    "rough": "an hour of training on rough ground: falls, errors and distance on every kind and level of it",
    "walk": "minutes from nothing to walking over five seeds, and where the time goes",
    "ppo": "our PPO against brax's, on the same environment and engine and on MJX-JAX: steps a second, return over time",
    "peers": "environment steps a second beside EnvPool's and MuJoCo Playground's, where they are installed",
    "distill": "teacher and student against training directly for as long, over three seeds",
    "recovery": "a leg's hidden constants found from 30 s of a multisine: errors, intervals, prediction; over twenty seeds",
    "structural": "a leg and the Go2 with gaps that no parameter explains: what calibration takes off, and what the correction",
    "close_gap": "the whole loop over five seeds: what a gap takes of a policy's return, and what adapting it regains",
    "push": "pushing objects that were never weighed: nominal, blindly varied and predicted materials, over five seeds",
    "materials": "what objects are made of, on held-out families: the predictor beside four simpler ways; over three seeds",
    "deploy": "a policy on the twin: inference, latency, period error and overruns of 60 s at the robot's rate",
}


def run_benchmark(name: str, out: Path) -> dict[str, Any]:
    """Run a benchmark by name; raises RunError with the nearest names where there is none."""
    if name not in BENCHMARKS:
        near = difflib.get_close_matches(name, BENCHMARKS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RunError(f"unknown benchmark {name!r}: {hint}there are: {', '.join(BENCHMARKS)}")
    out.mkdir(parents=True, exist_ok=True)
    return importlib.import_module(f"benchmarks.{name}").run(out)
