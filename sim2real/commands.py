"""The verbs of the command line that concern real robots: each a thin call into a folder beside this file.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def twin(
    robot: tyro.conf.Positional[str],
    /,
    gap: Path | None = None,
    protocol: Literal["local", "go2-dds", "so101-serial"] = "local",
    address: str | None = None,
    seconds: float | None = None,
    speed: float = 1.0,
    as_fast_as_possible: bool = False,
    rate: float = 500.0,
    seed: int = 0,
    start: Literal["lying", "standing", "hanging"] = "lying",
    view: bool = False,
    port: int = 8080,
    video: Path | None = None,
    log: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Simulate a robot in real time, which speaks its protocol and awaits commands, as `zerogap deploy` gives them.

    Example: zerogap twin go2 --view

    Example, with a gap and the Go2's own protocol: zerogap twin go2 --gap gap.toml --protocol go2-dds --video walk.mp4

    A gap is a TOML file that says in what this robot differs from the nominal one. For example:

        [payload]
        mass = 2.0                                # kg
        [motor]
        strength = { "*" = 0.9, "FL_*" = 0.8 }
        [joints]
        backlash = 0.01                           # rad
        [command_messages]
        latency = 0.004                           # s

    The sections are links, payload, contact, joints, motor, encoder, imu, command_messages, state_messages and fault; their
    entries, with units, are those of sim2real/twin/gap.py. Ctrl-C ends.

    Args:
        robot: go2, so101 or panda, or module:attribute for one of your own.
        gap: how it differs from the nominal robot; not at all by default.
        protocol: what it speaks: local, the driver twin's, for any robot; go2-dds, the driver go2's; so101-serial, so101's.
        address: where it is found: HOST:PORT for local, 127.0.0.1:5470 by default. Another than this machine's own lets in
            whoever reaches it.
        seconds: simulate for so long; until Ctrl-C by default.
        speed: simulated time over wall time.
        as_fast_as_possible: do not wait for the clock at all.
        rate: states a second (Hz).
        seed: of noises, jitters and losses.
        start: how a legged robot begins: on its belly, on its feet, or hanging from a stand. An arm lies or stands, in its
            default pose.
        view: show it in a browser.
        port: of that page; 0 for one that is free.
        video: write an MP4 to this file at the end.
        log: write what really happened to this file (.npz).
        json_file: write the figures to this file.
    """
    from contextlib import ExitStack, closing

    from rl.stop import Stop
    from sim.render import RenderError
    from sim2real.twin.gap import Gap
    from sim2real.twin.gap_file import load_gap
    from sim2real.twin.process import TwinLoop, make_server
    from sim2real.twin.simulated import SimulatedRobot
    from sim2real.twin.truth import TruthLog
    from sim2real.twin.video import VideoTape

    known = load_gap(gap) if gap is not None else Gap()
    simulated = SimulatedRobot(_robot(robot), known, seed, rate=rate, start=start)
    tape = VideoTape(simulated) if video is not None else None
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        watchers: list[Any] = [tape] if tape is not None else []
        if view:  # before anyone waits for states
            from sim2real.twin.view import LiveView

            watchers.append(page := stack.enter_context(LiveView(simulated, port=port)))
            _say(f"view at {page.address}")
        server = stack.enter_context(closing(make_server(protocol, simulated, address)))
        if log is not None:
            watchers.append(stack.enter_context(TruthLog(log, simulated, seed)))
        status = stack.enter_context(_console.status("")) if _console.is_terminal else None
        loop = TwinLoop(simulated, server, tuple(watchers), _say, status.update if status is not None else lambda _: None)
        told = loop.run(stop, math.inf if seconds is None else seconds, math.inf if as_fast_as_possible else speed).to_json()
    for name in ("simulated_seconds", "commands", "refused", "falls", "posture", "late_p99_ms", "overruns"):
        value = told[name]
        print(f"{name.replace('_', ' '):20}{f'{value:.3f}'.rstrip('0').rstrip('.') if isinstance(value, float) else value}")
    if tape is not None and video is not None:
        try:
            tape.record(video)
            print(f"video               {video}")
        except RenderError as error:  # what was measured is worth more than its picture
            _say(f"no video: {error}")
    return told


def _robot(name: str) -> Any:
    """The robot of that name; JAX is loaded only to find one from outside."""
    from assets.robots.built_in import ROBOTS

    if name in ROBOTS:
        return ROBOTS[name]()
    from envs.registry import make_robot

    return make_robot(name)


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {"twin": twin}
