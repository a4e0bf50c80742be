"""The whole loop over seeds: what a gap takes of a policy's return, and how much of that is earned again.

The policy is that of `make demo` (runs/demo), or of the run that ZEROGAP_CLOSE_GAP_RUN names; the gap is that of
`make close-gap`. Each seed, of the recordings' noise, the fits, both trainings and the trials, is a loop of its own: 60 s of
logs, calibration, correction, adaptation and control. Where one was stopped it goes on.

lost                of the return on the twin without a gap, what the gap takes
regained            of that, what the adapted policy earns again; and the control, which was trained on for as long
above_control       return a second beside the control's, mean over seeds with its 95 % interval (Student's t)
seconds             of a loop
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from assets.json_file import write_json
from benchmarks.seeds import seed_by_seed, seed_count
from rl.run import Run, RunError
from sim2real.close_gap.loop import Settings, close_gap
from sim2real.close_gap.page import write_story

TASK = "go2-velocity-flat"
GAP = Path(__file__).parent / "gaps" / "go2.toml"
SEEDS = 5
_FEWER, _RUN = "ZEROGAP_CLOSE_GAP_SEEDS", "ZEROGAP_CLOSE_GAP_RUN"

# What the figures are to reach.
LEAST_LOST, LEAST_REGAINED, MOST_SECONDS = 0.3, 0.6, 3600.0

_FIGURES = ("lost_share", "regained_corrected", "regained_control", "seconds", "return_without_gap", "return_before")
_FIGURES += ("return_after", "return_control", "rmse_nominal_rad", "rmse_calibrated_rad", "rmse_delta_rad")


def run(out: Path) -> dict[str, Any]:
    directory = Path(os.environ.get(_RUN) or "runs/demo")
    if not (directory / "run.json").is_file():
        raise RunError(f"{directory} has no policy that walks: train one by `make demo`, or name a run by {_RUN}")

    def one(seed: int) -> dict[str, Any]:
        loop = out / f"close-gap-{seed}"
        told = close_gap(TASK, GAP, loop, Settings(run=directory, seed=seed))
        write_story(told, loop, loop / "index.html")
        return {"seed": seed, **{name: told[name] for name in _FIGURES}}

    def tell(row: dict[str, Any]) -> str:
        return (
            f"lost {row['lost_share']:.0%}, regained {row['regained_corrected']:.0%} (control"
            f" {row['regained_control']:.0%}), {row['seconds'] / 60:.0f} min"
        )

    same = {"run": Run.open(directory).hash, "gap": GAP.read_text()}
    figures = seed_by_seed(out / "close_gap.partial.json", same, seed_count(_FEWER, SEEDS), one, tell)
    rows = figures["runs"]
    for name in _FIGURES:
        figures[f"median_{name}"] = float(np.median([row[name] for row in rows]))
    above = np.array([row["return_after"] - row["return_control"] for row in rows])
    figures["above_control"] = float(above.mean())
    figures["above_control_interval"] = _interval(above)
    write_json(out / "close_gap.json", figures)
    _plot(rows, out / "close_gap.png")
    return figures


def _interval(values: np.ndarray) -> tuple[float, float] | None:
    """Of the mean, 95 %; None for a single seed."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    names = {"return_without_gap": "no gap", "return_before": "before", "return_control": "control", "return_after": "adapted"}
    for row in rows:
        axis.plot([row[name] for name in names], ".-", color="#1f77b4", alpha=0.5)
    axis.set_xticks(range(len(names)), list(names.values()))
    axis.set(ylabel="return on the twin (1/s)", title=f"{len(rows)} seeds")
    axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
