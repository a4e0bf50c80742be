"""The verb `zerogap excite`. Heavy imports stay inside the function, as `zerogap --help` reads this file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def excite(
    robot: tyro.conf.Positional[str],
    /,
    kind: Literal["chirp", "multisine", "prbs", "steps", "holds"],
    out: Path,
    seconds: float = 30.0,
    rate: float | None = None,
    joints: str = "*",
    order: Literal["together", "in-turn"] = "together",
    band: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="LOW HIGH")] = None,
    amplitude: float | None = None,
    stiffness: float = 1.0,
    damping: float = 1.0,
    seed: int = 0,
    plot: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Make a motion worth recording, within a robot's limits, for `zerogap deploy` to play.

    Example: zerogap excite go2 --kind chirp --out chirp.csv --plot chirp.png

    Then hang the robot up or bolt it down: zerogap deploy chirp.csv --driver go2 --address enp3s0 --log chirp.mcap

    The motion begins and ends at rest in the robot's default pose. It keeps within the joints' ranges with a margin, within
    half of their speeds and nine tenths of their torques, and off the safety filter; it is rehearsed in simulation, and moves
    less where the robot would touch itself or the floor that it is bolted to. A calibration wants several kinds, one of them
    with other gains, to be held out.

    Args:
        robot: go2, so101 or panda, or module:attribute for one of your own.
        kind: chirp, a sine up and down the band; multisine, many sines at once; prbs, between two levels at random; steps, of
            many sizes; holds, of poses for gravity and friction, each reached from below and from above.
        out: the motion's file, which must be new: a CSV that a spreadsheet opens.
        seconds: how long, ways to the motion and back included.
        rate: targets a second (Hz); 500, and 50 for the SO-101, by default: what their drivers take.
        joints: those that move, by a pattern such as '*_calf_joint'; the others stay in the default pose.
        order: all joints at once, each in a way of its own that is uncorrelated with the others'; or one after another.
        band: lowest and highest frequency (Hz); 0.1 to 10, or what time and rate allow, by default.
        amplitude: of each joint at most (rad); the robot's action scale by default, and all of its range for holds.
        stiffness: of the joints' controllers, in units of the robot's own.
        damping: likewise.
        seed: of what is random.
        plot: write a picture of time courses and spectrum to this file (PNG), which must be new.
        json_file: write the figures to this file.
    """
    from sim2real.commands import robot_of
    from sim2real.excite.design import Wish, design
    from sim2real.excite.motion import MotionError
    from sim2real.excite.motion_file import save_motion
    from sim2real.excite.picture import plot_design
    from sim2real.excite.report import tell

    for option, path in (("out", out), ("plot", plot)):
        if path is not None and path.exists():
            raise MotionError(f"{path} exists already: give --{option} another name, or move it away")
    if out.suffix.lower() != ".csv":
        raise MotionError(f"--out is {out}: expected a name that ends in .csv, by which `zerogap deploy` knows a motion")
    described = robot_of(robot)
    wish = Wish(
        kind=kind,
        seconds=seconds,
        rate=rate if rate is not None else _DRIVER_RATES.get(described.name, 500.0),
        joints=joints,
        band=band,
        amplitude=amplitude,
        stiffness=stiffness,
        damping=damping,
        order=order,
        seed=seed,
    )
    with _console.status("shaping and rehearsing the motion"):
        made = design(described, wish)
        save_motion(made.motion, out)
        if plot is not None:
            plot_design(made, plot)
    told = tell(made)
    _print(told)
    print(f"motion     {out}")
    if plot is not None:
        print(f"picture    {plot}")
    return told


_DRIVER_RATES = {"so101": 50.0}
"""Of robots whose driver takes fewer commands a second than 500 (Hz)."""


def _print(told: dict[str, Any]) -> None:
    print(f"{told['robot']}: {told['kind']}, {told['seconds']:.1f} s at {told['rate']:g} Hz, seed {told['seed']}")
    if told["band"] is not None:
        print("band       {:.3g} to {:.3g} Hz".format(*told["band"]))
    print("excited    {:.3g} to {:.3g} Hz: there lie nine tenths of the power".format(*told["excited"]))
    width = max(len(joint["joint"]) for joint in told["joints"])
    print(f"{'joint':{width}}  targets (rad)     velocity (rad/s)  torque (N m)      simulated torque (N m)")
    for joint in told["joints"]:
        columns = (
            f"{joint['lowest']:.2f} to {joint['highest']:.2f}",
            f"{joint['velocity']:.2f} of {joint['velocity_limit']:.4g}",
            f"{joint['torque']:.2f} of {joint['torque_limit']:.4g}",
            f"{joint['simulated_torque']:.2f}",
        )
        print(f"{joint['joint']:{width}}  {''.join(f'{column:18}' for column in columns)}".rstrip())
    for note in told["notes"]:
        _console.print(f"[yellow]less:[/] {escape(note)}", highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"excite": excite}
