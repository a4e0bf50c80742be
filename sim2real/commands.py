"""The verbs of the command line that concern real robots: each a thin call into a folder beside this file.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


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
    """Run an exported policy on a robot, or on its twin: IDLE, ACQUIRE, STAND, POLICY, and in the end DAMP.

    Example: zerogap deploy policy.onnx --driver twin --command 0.5,0,0 --seconds 20

    Example on a Go2, by keyboard: zerogap deploy policy.onnx --driver go2 --address enp3s0 --keyboard

    Ctrl-C lets the robot down, as does whatever the safety filter trips on: the limits are those of the robot's description. The
    end is an error then. Everything that came in, was decided and went out is in the log, for Foxglove, PlotJuggler and
    `zerogap log`.

    Args:
        policy: a file of `zerogap export`.
        driver: twin, go2, so101, one that an installed distribution brings, or module:attribute for one of your own.
        address: where the robot is: HOST:PORT of a twin, the network interface to a Go2, the serial port of an SO-101.
        option: further options of the driver.
        command: what the policy is asked to do all the time, such as 0.5,0,0; zeros where nothing else is given.
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
    from sim2real.deploy.machine import Timetable
    from sim2real.deploy.onnx_pilot import OnnxPilot
    from sim2real.deploy.sources import choose_source
    from sim2real.drivers.registry import make_driver, read_options
    from sim2real.export.policy import Policy

    pilot = OnnxPilot(Policy.load(policy))
    made = make_driver(driver, read_options(option, address))
    source = choose_source(pilot.command_names, pilot.command_limits, command, script, keyboard, gamepad)
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
            {"policy": str(policy), "run": pilot.run_hash},
            _say,
            (lambda text: status.update(escape(text))) if status is not None else (lambda _: None),
        )
    _print_deployment(told)
    if told["tripped"]:
        _write_and_fail(json_file, told)
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
    if not read.is_complete:
        _say(f"warning: {file} breaks off: whoever wrote it died")
    told = {"robot": read.header.robot, "provenance": read.header.provenance, "cycles": len(read.cycles)}
    told |= {"decisions": len(read.decisions), "events": [vars(event) for event in read.events]}
    return told | {"is_complete": read.is_complete, "commands": again.commands, "same": again.same}


# Behind the commands


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


def _print_deployment(told: dict[str, Any]) -> None:
    print(f"ended      {told['cause']}")
    print(f"sent       {told['sent']} commands after {told['received']} states; {told['decisions']} decisions")
    for name, label in (("period_error", "period"), ("latency", "latency"), ("inference", "inference")):
        figures = told[name]
        if figures["count"]:
            what = " off" if name == "period_error" else ""
            print(f"{label:11}{figures['p50_ms']:.3f} ms{what} (median), {figures['p99_ms']:.3f} (p99), {figures['max_ms']:.3f} (max)")
    print(f"overruns   {told['overruns']}\nlog        {told['log']}")


def _write_and_fail(path: Path | None, told: dict[str, Any]) -> None:
    from rl.run import write_json

    if path is not None:
        write_json(path, told)
    raise SystemExit(1)


COMMANDS: dict[str, Callable[..., Any]] = {"deploy": deploy, "log": log}
