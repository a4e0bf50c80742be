"""`zerogap calibrate`: from logs of a robot to a model that moves as it does.

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


def calibrate(
    robot: str,
    log: tuple[Path, ...],
    out: Path,
    holdout: tuple[Path, ...] = (),
    holdout_tail: float | None = None,
    free: tuple[str, ...] = (),
    sharing: Literal["joint", "kind", "robot"] | None = None,
    window: float = 0.5,
    seed: int = 0,
    json_file: Json = None,
) -> dict[str, Any]:
    """Find in what a robot differs from its nominal model, from its logs.

    Example: zerogap calibrate --robot so101 --log chirp.mcap multisine.mcap --holdout prbs.mcap --out runs/calibration

    Example with a single recording: zerogap calibrate --robot go2 --log air.mcap --holdout-tail 0.4 --out runs/calibration

    The result is DIR/calibration.json, which `zerogap train`, `eval` and `twin` take as --calibration, and DIR/report.html to
    look at. The errors told are of what was held out: 0.5 s of open-loop simulation at a time. `zerogap logs check` tells first
    whether a log is fit for this, `zerogap excite` makes motions that are worth recording.

    Args:
        robot: go2, so101 or panda, or module:attribute for one of your own.
        log: logs to fit to, the robot hung up or bolted down: those of `zerogap logs import`, or recordings of whatever format
            that reads without being told more.
        out: the directory to write, which must be new or empty.
        holdout: logs to judge by, best of other motions and gains.
        holdout_tail: hold out this last share of each log in time, between 0 and 1, where there is no other recording.
        free: what may differ, of delay, offset, tilt_x, tilt_y, armature, damping, frictionloss, strength, stiffness,
            gain_damping, mass, center_x, center_y, center_z, payload. By default delay, offset, armature, damping,
            frictionloss and strength; for servos, which keep their own gains, stiffness in place of strength.
        sharing: one value for each joint, for all joints that are alike, or for the robot; by default each joint has its
            own, and all have one delay.
        window: length of the windows that are simulated (s).
        seed: of the starts and of the bootstrap.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from envs.registry import make_robot
    from sim2real.calibrate.calibrate import Settings
    from sim2real.calibrate.calibrate import calibrate as fit
    from sim2real.calibrate.parameters import QUANTITIES
    from sim2real.calibrate.report import write_report
    from sim2real.calibrate.windows import CalibrationError
    from sim2real.logs.recordings import read_recordings
    from sim2real.unfinished import expect_new

    expect_new(out)
    if unknown := sorted(set(free) - set(QUANTITIES)):
        raise CalibrationError(f"--free: unknown quantity {unknown[0]!r}; there are {', '.join(QUANTITIES)}")
    described = make_robot(robot)
    logs, held = read_recordings(described, log, holdout, holdout_tail, _say)
    settings = Settings(free or None, dict.fromkeys(free or QUANTITIES, sharing) if sharing else {}, window, seed=seed)
    with Bars(_console) as bar:
        task = bar.add_task("replaying", total=1.0)
        found = fit(described, logs, held, settings, lambda text, share: bar.update(task, description=text, completed=share))
    found.save(out)
    write_report(out / "report.html", found, described, [*logs, *held])
    _print(found)
    print(f"calibration {out / 'calibration.json'}")
    print(f"report      {out / 'report.html'}")
    return found.to_json()


def _print(found: Any) -> None:
    for e in found.estimates:
        marks = [*([] if e.verdict == "identified" else [e.verdict]), *(["at its bound"] if e.at_bound else [])]
        value = f"{e.nominal:9.4g} ->{e.value:9.4g} {e.unit:9}"
        print(f"{e.name:28}{value} {f'[{e.low:.4g}, {e.high:.4g}]':20} {', '.join(marks)}".rstrip())
    for log in found.logs:
        what = f"{Path(log.source).name} {log.excitation}".strip()
        less = f"{100 * (1 - log.rmse_calibrated_rad / log.rmse_nominal_rad):.0f} % less"
        held = "held out" if log.held_out else "fitted"
        print(f"{what:42} {held:9}{log.rmse_nominal_rad:.4f} -> {log.rmse_calibrated_rad:.4f} rad  {less}")
    for warning in found.warnings:
        _say(f"warning: {warning}")
    of = "what was held out" if found.held_out else "what was fitted to"
    print(f"open-loop error over {of}: {found.rmse_nominal_rad:.4f} rad, calibrated {found.rmse_calibrated_rad:.4f} rad")


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"calibrate": calibrate}
