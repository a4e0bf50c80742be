"""`zerogap delta`: from logs to a correction of the action that makes the simulation move as the robot does.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def delta(
    robot: str,
    log: tuple[Path, ...],
    out: Path,
    holdout: tuple[Path, ...] = (),
    holdout_tail: float | None = None,
    calibration: Path | None = None,
    kind: Literal["shared", "whole-body"] = "shared",
    ppo: float = 0.0,
    seed: int = 0,
    json_file: Json = None,
) -> dict[str, Any]:
    """Learn what calibration leaves of the gap: a correction of the action, from a short history of joint states and targets.

    Example: zerogap delta --robot so101 --log chirp.mcap multisine.mcap --holdout prbs.mcap --calibration runs/calibration
        --out runs/delta

    DIR/delta.json says what was learned from what and how far each simulation is from the logs, over 0.5 s of open-loop
    simulation at a time: the nominal one, the calibrated one, that with the correction, and one whose states a network puts
    right. DIR/report.html is that to look at, and DIR/delta.png its picture.
    The correction fades to zero where the logs say nothing, and an exported policy does not hold it.

    Args:
        robot: go2, so101 or panda, or module:attribute for one of your own.
        log: logs to learn from, the robot hung up or bolted down: those of `zerogap logs import`, or recordings of whatever
            format that reads without being told more.
        out: the directory to write, which must be new or empty.
        holdout: logs to judge by, best of other motions.
        holdout_tail: hold out this last share of each log in time, between 0 and 1, where there is no other recording.
        calibration: what `zerogap calibrate` wrote; without it, all of the gap is left to the correction.
        kind: one network for all joints, each seeing its own history, or one that sees the whole body.
        ppo: also learn it by PPO, to compare, in so many times the simulation steps of the supervised way.
        seed: of the networks and of what each is shown.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from envs.registry import make_robot
    from sim2real.calibrate.calibration import Calibration
    from sim2real.delta.delta import Settings, learn
    from sim2real.delta.picture import plot_delta
    from sim2real.delta.report import write_report
    from sim2real.delta.training import Architecture
    from sim2real.logs.recordings import read_recordings
    from sim2real.unfinished import expect_new

    expect_new(out)
    known = Calibration.load(calibration) if calibration is not None else None
    described = make_robot(robot)
    logs, held = read_recordings(described, log, holdout, holdout_tail, _say)
    with Bars(_console) as bar:
        task = bar.add_task("reading", total=1.0)
        found = learn(
            described,
            logs,
            held,
            known,
            Settings(Architecture(kind), ppo_share=ppo, seed=seed),
            lambda text, share: bar.update(task, description=text, completed=share),
        )
    found.save(out)
    plot_delta(found, out / "delta.png")
    write_report(out / "report.html", found)
    _print(found)
    for name, what in (("delta.json", "correction"), ("delta.png", "picture"), ("report.html", "report")):
        print(f"{what:12}{out / name}")
    return found.to_json()


def _print(found: Any) -> None:
    from sim2real.delta.report import not_corrected, warnings

    names = "".join(f"{name.replace('_', ' '):>18}" for name in found.names)
    print(f"{'open-loop error (mrad)':42}{names}")
    for log in found.logs:
        what = f"{Path(log.source).name} {log.excitation} {'held out' if log.held_out else ''}".strip()
        print(f"{what:42}{''.join(f'{1e3 * log.rmse_rad[name]:18.2f}' for name in found.names)}")
    errors = {name: found.rmse_per_joint(name) for name in found.names}
    for i, joint in enumerate(found.model.joints):
        print(f"{joint:42}{''.join(f'{1e3 * errors[name][i]:18.2f}' for name in found.names)}")
    whole = "".join(f"{1e3 * found.rmse(name):18.2f}" for name in found.names)
    print(f"{'all that is held out' if any(log.held_out for log in found.logs) else 'all':42}{whole}")
    steps = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in found.simulation_steps.items())
    print(f"simulation steps  {steps}")
    for text in [*warnings(found), *not_corrected(found)]:
        _say(text)


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"delta": delta}
