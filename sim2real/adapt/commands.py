"""`zerogap adapt`: a policy fine-tuned on the robot as it was measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def adapt(
    run: tyro.conf.Positional[Path],
    /,
    out: Path,
    calibration: Path | None = None,
    delta: Path | None = None,
    gap: Path | None = None,
    steps: int = 3_000_000,
    scale: tuple[float, float] = (0.5, 1.25),
    num_envs: int | None = None,
    seed: int = 0,
    robots: int = 512,
    episodes: int = 16,
    seconds: float = 20.0,
    json_file: Json = None,
) -> dict[str, Any]:
    """Fine-tune a run's policy on the robot as it was measured, and as a control for as long without having been told of it.

    Example: zerogap adapt runs/go2 --calibration runs/calibration --delta runs/delta --out runs/adapted

    Example, judged on a twin: zerogap adapt runs/go2 --calibration runs/calibration --gap gap.toml --out runs/adapted

    Both are evaluated on the corrected simulation and, with --gap, on the twin; the better one is kept: RUN2 is its run, as one
    of `zerogap train` for `eval`, `play` and `export`, and RUN2/policy.onnx its policy, which holds no correction. The other is
    in RUN2/corrected or RUN2/control. Ctrl-C saves what was learned; the same command goes on.

    Args:
        run: a run of `zerogap train`, of which the newest policy is adapted.
        out: the directory of what comes out, which must be new, or hold the same adaptation unfinished.
        calibration: a directory of `zerogap calibrate`: robots are drawn from what it leaves open.
        delta: a directory of `zerogap delta`: robots move by its correction.
        gap: a TOML file that says how a twin differs from the nominal robot, to judge on; see `zerogap twin --help`.
        steps: control steps of each of the two trainings, of all environments together.
        scale: how much of the correction there is, drawn from between these for each episode.
        num_envs: parallel environments; as many as the run has by default.
        seed: of the trainings, and of the evaluations.
        robots: of the evaluation in simulation.
        episodes: on the twin.
        seconds: of each robot and each episode.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from envs.delta.store import load
    from envs.measured import Measured
    from rl.run import Run
    from sim2real.adapt.adapt import POLICY, Settings
    from sim2real.adapt.adapt import adapt as fine_tune
    from sim2real.adapt.picture import plot_adaptation
    from sim2real.twin.gap_file import load_gap

    settings = Settings(steps, scale, num_envs, seed, robots, episodes, seconds)
    opened = Run.open(run)
    measured = Measured.load(calibration) if calibration is not None else None
    correction = load(delta, opened.make_task().robot) if delta is not None else None
    twin = load_gap(gap) if gap is not None else None
    bars: dict[str, Any] = {}
    with Bars(_console) as bar:

        def progress(text: str, share: float) -> None:
            if text not in bars:
                bars[text] = bar.add_task(text, total=1.0)
            bar.update(bars[text], completed=share)

        try:
            adapted = fine_tune(opened, out, settings, measured, correction, twin, _say, progress)
        except KeyboardInterrupt:
            _say("interrupted; what was learned is saved. The same command goes on with it")
            raise SystemExit(130) from None
    picture = out / "adaptation.png"
    plot_adaptation(adapted, picture)
    _print(adapted)
    for label, path in (("run", out), ("policy", out / POLICY), ("picture", picture)):
        print(f"{label:11}{path}")
    return adapted.to_json()


def _print(adapted: Any) -> None:
    from rich.table import Table

    table = Table("return per second", "corrected simulation", "falls", "twin", "falls")
    if adapted.nominal is not None:
        table.add_row("original, no gap", "", "", f"{adapted.nominal.return_per_second:.3f}", str(adapted.nominal.falls))
    for name, score in adapted.scores.items():
        twin = ("", "") if score.twin is None else (f"{score.twin.return_per_second:.3f}", str(score.twin.falls))
        table.add_row(name, f"{score.simulated:.3f}", str(score.falls), *twin)
    Console().print(table)
    where = "simulation" if adapted.nominal is None else "twin"
    interval = adapted.interval
    sure = f" (95 % interval {interval[0]:+.3f} to {interval[1]:+.3f})" if interval else ""
    print(f"kept       {adapted.kept}: on the {where} corrected earns {adapted.gain:+.3f} a second beside control{sure}")
    for name in ("corrected", "control"):
        if (share := adapted.regained(name)) is not None:
            print(f"regained   {share:.0%} of what the gap took, by {name}")
    if not adapted.is_better:
        _say("warning: neither earns more than the policy did as it was: keep that one, or adapt for more --steps")


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"adapt": adapt}
