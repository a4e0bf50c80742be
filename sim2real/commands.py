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

import sim2real.adapt.commands
import sim2real.calibrate.commands
import sim2real.close_gap.commands
import sim2real.delta.commands
import sim2real.excite.commands
import sim2real.logs.check_command
import sim2real.logs.commands
import sim2real.twin.trial_command

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def export(
    run: tyro.conf.Positional[Path],
    /,
    out: Path | None = None,
    update: int | None = None,
    check: int = 512,
    json_file: Json = None,
) -> dict[str, Any]:
    """Write a run's policy as one ONNX file that a robot needs nothing else with.

    Example: zerogap export runs/go2 --out policy.onnx

    The file takes what the robot measures and gives joint targets; `zerogap inspect` tells what is in it. It is written once
    its targets are those that the environment sent, on as many observations as are to be checked.

    Args:
        run: a run's directory.
        out: the file to write; RUN/policy.onnx by default.
        update: export the checkpoint of this update; the newest by default.
        check: on how many observations, recorded in simulation.
        json_file: write what the file says of itself to this file.
    """
    from dataclasses import asdict

    from rl.run import Run
    from sim2real.export.export import export as write_policy

    path = out or run / "policy.onnx"
    with _console.status("exporting"):
        spec = write_policy(Run.open(run), path, update, check)
    print(f"policy     {path} ({path.stat().st_size / 1024:.0f} KiB)")
    print(f"checked    {spec.check.observations} observations: targets within {spec.check.largest_error:.2g} rad of the run's")
    print(f"inspect    zerogap inspect {path}")
    return asdict(spec)


def inspect(policy: tyro.conf.Positional[Path], /, json_file: Json = None) -> dict[str, Any]:
    """Tell what an exported policy is, sees and does, and check its golden pairs.

    Example: zerogap inspect policy.onnx

    Args:
        policy: a file that `zerogap export` wrote.
        json_file: write the same, every digit and the golden pairs, to this file.
    """
    from dataclasses import asdict

    from sim2real.export.describe import describe
    from sim2real.export.policy import Policy

    spec = Policy.load(policy).spec
    print(describe(spec))
    return asdict(spec)


def twin(
    robot: tyro.conf.Positional[str],
    /,
    gap: Path | None = None,
    calibration: Path | None = None,
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
        calibration: a directory of `zerogap calibrate`: it differs as was measured. What the gap gives counts before that.
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
        video: write an MP4 to this file at the end; of a time in which nobody commands, it shows a second.
        log: write what really happened to this file (.npz).
        json_file: write the figures to this file.
    """
    from contextlib import ExitStack, closing

    from envs.measured import Measured
    from rl.stop import Stop
    from sim.render import RenderError
    from sim2real.twin.gap import Gap
    from sim2real.twin.gap_file import load_gap
    from sim2real.twin.measured import measured_gap
    from sim2real.twin.process import TwinLoop, make_server
    from sim2real.twin.simulated import SimulatedRobot
    from sim2real.twin.truth import TruthLog
    from sim2real.twin.video import VideoTape

    known = load_gap(gap) if gap is not None else Gap()
    if calibration is not None:
        known = measured_gap(Measured.load(calibration), robot_of(robot), known)
    simulated = SimulatedRobot(robot_of(robot), known, seed, rate=rate, start=start)
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


def deploy(
    policy: tyro.conf.Positional[Path],
    /,
    driver: str,
    address: str | None = None,
    option: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    command: Annotated[str | None, tyro.conf.arg(metavar="NUMBERS")] = None,
    script: Path | None = None,
    keyboard: bool = False,
    gamepad: Path | None = None,
    seconds: float | None = None,
    dry_run: bool = False,
    log: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Run an exported policy, or play a motion, on a robot or on its twin: IDLE, ACQUIRE, STAND, POLICY, and in the end DAMP.

    Example: zerogap deploy policy.onnx --driver twin --command 0.5,0,0 --seconds 20

    Example on a Go2, by keyboard: zerogap deploy policy.onnx --driver go2 --address enp3s0 --keyboard

    Example of a motion, to record what a robot does: zerogap deploy chirp.csv --driver twin --log chirp.mcap

    Ctrl-C lets the robot down, as does whatever the safety filter trips on: the limits are those of the robot's description.
    Then the end is an error. Everything that came in, was decided and went out is in the log, for Foxglove, PlotJuggler and
    `zerogap log`.

    Args:
        policy: a file of `zerogap export`; or a motion, a .csv of `zerogap excite`, which takes no command and ends by itself.
            For a motion an arm is bolted down, and a legged robot hangs from a stand with its feet free.
        driver: twin, go2, so101, one that an installed distribution brings, or module:attribute for one of your own.
        address: where the robot is: HOST:PORT of a twin, the network interface to a Go2, the serial port of an SO-101.
        option: further options of the driver.
        command: what the policy is asked to do all the time, such as 0.5,0,0; its default, which `zerogap inspect` shows, where
            nothing else is given.
        script: a CSV file of commands over time: a column `seconds`, and one for each entry by its name.
        keyboard: command by keys.
        gamepad: command by the gamepad of this device, such as /dev/input/js0.
        seconds: let the policy act for so long; until Ctrl-C by default.
        dry_run: read, decide and log, but send nothing to the robot.
        log: write the log to this file, which must be new; runs/deploy/DATE-TIME.mcap by default.
        json_file: write what was measured to this file.
    """
    from contextlib import nullcontext
    from datetime import datetime

    from sim2real.deploy.deployment import deploy as run
    from sim2real.deploy.loop import DeployError
    from sim2real.deploy.machine import Timetable
    from sim2real.deploy.sources import choose_source
    from sim2real.drivers.registry import make_driver, read_options

    if seconds is not None and not 0 < seconds < math.inf:
        raise DeployError(f"--seconds is {seconds:g}, expected more than 0; leave it out to go on until Ctrl-C")

    def report(told: dict[str, Any]) -> None:
        _print_deployment(told)
        if told["tripped"]:
            _write(json_file, told)

    pilot, provenance = _motion_pilot(policy) if policy.suffix.lower() == ".csv" else _policy_pilot(policy)
    made = make_driver(driver, read_options(option, address))
    source = choose_source(pilot.commands, command, script, keyboard, gamepad, _say)
    path = log or Path("runs/deploy") / f"{datetime.now():%Y%m%d-%H%M%S}.mcap"
    if help_ := getattr(source, "help", None):
        _say(help_)
    with _console.status("") if _console.is_terminal else nullcontext() as status:
        told = run(
            pilot,
            made,
            source,
            path,
            Timetable(policy=seconds),
            dry_run,
            provenance,
            _say,
            (lambda text: status.update(escape(text))) if status is not None else (lambda _: None),
            report,
        )
    if told["tripped"]:
        raise SystemExit(1)
    return told


def log(file: tyro.conf.Positional[Path], /, json_file: Json = None) -> dict[str, Any]:
    """Tell what a deployment's log holds, and whether the safety filter lets the same commands out again, bit for bit.

    Example: zerogap log runs/deploy/20261121-190000.mcap

    Args:
        file: a log of `zerogap deploy`.
        json_file: write the same to this file.
    """
    from sim2real.deploy.log_reader import read_log
    from sim2real.deploy.replay import replay

    read = read_log(file)
    again = replay(read)
    for event in read.events:
        print(f"{1e-9 * (event.time_ns - read.events[0].time_ns):9.3f} s  {event.level:8}{event.kind:8}{event.text}")
    seconds = len(read.cycles) * read.header.period
    print(f"cycles     {len(read.cycles)} ({seconds:.1f} s), {len(read.decisions)} decisions of the policy")
    print(f"replay     {again.same} of {again.commands} commands the same, bit for bit")
    if read.header.provenance.get("dry_run") is True:
        print("dry run    nothing was sent to the robot")
    if not read.is_complete:
        _say(f"warning: {file} breaks off: whoever wrote it died")
    told = {"robot": read.header.robot, "provenance": read.header.provenance, "cycles": len(read.cycles)}
    told |= {"decisions": len(read.decisions), "events": [vars(event) for event in read.events]}
    return told | {"is_complete": read.is_complete, "commands": again.commands, "same": again.same}


# Behind the commands


def robot_of(name: str) -> Any:
    """The robot of that name; JAX is loaded only to find one from outside."""
    from assets.robots.built_in import ROBOTS

    if name in ROBOTS:
        return ROBOTS[name]()
    from envs.registry import make_robot

    return make_robot(name)


def _policy_pilot(path: Path) -> tuple[Any, dict[str, Any]]:
    """An exported policy to deploy, and what its log is to tell of it."""
    from sim2real.deploy.onnx_pilot import OnnxPilot
    from sim2real.export.policy import Policy

    pilot = OnnxPilot(Policy.load(path))
    return pilot, {"policy": str(path), "run": pilot.run_hash, "excitation": "policy"}


def _motion_pilot(path: Path) -> tuple[Any, dict[str, Any]]:
    """A motion to deploy, rehearsed in simulation, and what its log is to tell of it."""
    from sim2real.excite.motion_file import load_motion
    from sim2real.excite.motion_pilot import MotionPilot
    from sim2real.excite.rehearsal import Rehearsal, Stage

    motion = load_motion(path, robot_of)
    robot = robot_of(motion.robot)
    with _console.status("rehearsing the motion"):
        pilot = MotionPilot(Rehearsal.of(motion, Stage(robot)))
    where = "hang from a stand, its feet free" if robot.is_floating else "be bolted down, and all around it be free"
    _say(
        f"{path}: {motion.kind}, {motion.seconds:.1f} s. The {robot.name} must {where}: it goes to its default pose, then moves"
    )
    return pilot, {"motion": str(path), **pilot.provenance}


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


def _print_deployment(told: dict[str, Any]) -> None:
    print(f"ended      {told['cause']}")
    out = f"nothing: a dry run, which withheld {told['withheld']}" if told["dry_run"] else f"{told['sent']}"
    overtaken = f", by which {told['overtaken']} were overtaken" if told["overtaken"] else ""
    print(f"sent       {out} commands after {told['received']} states{overtaken}; {told['decisions']} decisions")
    for name, label in (("period_error", "period"), ("latency", "latency"), ("inference", "inference")):
        figures = told[name]
        if figures["count"]:
            what = " off" if name == "period_error" else ""
            median, p99, largest = (figures[f"{share}_ms"] for share in ("p50", "p99", "max"))
            print(f"{label:11}{median:.3f} ms{what} (median), {p99:.3f} (p99), {largest:.3f} (max)")
    print(f"overruns   {told['overruns']}\nlog        {told['log']}")


def _write(path: Path | None, told: dict[str, Any]) -> None:
    from assets.json_file import write_json

    if path is not None:
        write_json(path, told)


COMMANDS: dict[str, Callable[..., Any]] = {
    "export": export,
    "inspect": inspect,
    "twin": twin,
    "deploy": deploy,
    "log": log,
    **sim2real.twin.trial_command.COMMANDS,
    **sim2real.calibrate.commands.COMMANDS,
    **sim2real.delta.commands.COMMANDS,
    **sim2real.adapt.commands.COMMANDS,
    **sim2real.close_gap.commands.COMMANDS,
    **sim2real.logs.commands.COMMANDS,
    **sim2real.excite.commands.COMMANDS,
    **sim2real.logs.check_command.COMMANDS,
}
