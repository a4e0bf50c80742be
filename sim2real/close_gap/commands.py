"""`zerogap close-gap`: from a policy and a gap to a policy without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def close_gap(
    task: tyro.conf.Positional[str],
    /,
    gap: Path,
    out: Path = Path("runs/close-gap"),
    run: Path | None = None,
    minutes: float = 10.0,
    steps: int = 2_000_000,
    seconds: float = 20.0,
    episodes: int = 16,
    seed: int = 0,
    delta: bool = True,
    json_file: Json = None,
) -> dict[str, Any]:
    """Measure and close the gap between a simulation and a twin that differs from it: the whole loop, as with a real robot.

    Example: zerogap close-gap go2-velocity-flat --gap gap.toml --run runs/demo --out runs/close-gap

    The policy is deployed on the twin, which is another process; the twin plays motions and is recorded; the logs are checked;
    the simulation is calibrated, and what that leaves is learned; the policy is adapted, and deployed again. OUT/index.html
    shows all of it, OUT/close_gap.json has the figures. Ctrl-C ends; the same command goes on where it was. An hour on two
    cores.

    Args:
        task: one of `zerogap list`, or module:attribute for one of your own.
        gap: a TOML file that says how the twin differs from the nominal robot; see `zerogap twin --help`.
        out: the directory of what comes out, which must be new, or hold the same loop unfinished.
        run: a run of `zerogap train`, whose policy is adapted; one is trained by default.
        minutes: of that training.
        steps: control steps of each of the two trainings that adapt it.
        seconds: of each deployment and each trial.
        episodes: trials on the twin that each policy is judged by.
        seed: of everything random.
        delta: learn what the calibration leaves, as a correction of the action.
        json_file: write the figures to this file.
    """
    from sim2real.close_gap.loop import FILE, Settings
    from sim2real.close_gap.loop import close_gap as run_loop
    from sim2real.close_gap.page import write_story

    settings = Settings(run, minutes, steps, seconds, episodes, seed, delta)
    try:
        told = run_loop(task, gap, out, settings, _say)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on with it")
        raise SystemExit(130) from None
    page = out / "index.html"
    write_story(told, out, page)
    print(f"gap        took {told['lost_share']:.0%} of what the policy earns on the twin")
    for name in ("corrected", "control"):
        if (share := told[f"regained_{name}"]) is not None:
            print(f"regained   {share:.0%} of that, {'adapted' if name == 'corrected' else 'by as much training without'}")
    print(f"page       {page}\nfigures    {out / FILE}")
    return told


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"close-gap": close_gap}
