"""The verbs of the command line that concern recordings: `zerogap logs import|ls|info|plot`.

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


def import_(
    source: tyro.conf.Positional[Path],
    /,
    out: Path,
    format: Literal["mcap", "ros2", "lerobot", "go2-csv", "so101-csv", "csv"] | None = None,
    robot: str | None = None,
    map: Path | None = None,
    topic: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROLE=/NAME")] = (),
    units: Literal["degrees", "normalised", "rad"] | None = None,
    calibration: Path | None = None,
    episode: int | None = None,
    payload: float | None = None,
    excitation: str | None = None,
    serial: str | None = None,
    base: Literal["held", "free"] | None = None,
    licence: str | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Read a recording of a robot, and store it as a log: an MCAP file, which Foxglove and PlotJuggler show, too.

    Example: zerogap logs import walk.mcap --out logs/walk.mcap

    Example, of any CSV file: zerogap logs import run7.csv --map columns.toml --out logs/run7.mcap

    Formats are mcap, a log of `zerogap deploy` or a stored one, even if it breaks off; ros2, a ROS 2 bag; lerobot, a LeRobot v3
    data set; go2-csv and so101-csv, the published recordings of a Go2 in the air and of SO-101 motions; csv, any CSV file. What
    its columns mean is then told by a mapping file. For example:

        robot = "go2"
        [time]
        column = "t"
        unit = "ms"                               # or rate = 200.0 (Hz), where there are no stamps
        [rows]
        only = { state = 2 }                      # or first = 100, last = 8000
        [streams.position]
        columns = "q{}"                           # q0, q1, ...; or one for all, or a list
        unit = "deg"
        sign = { "*_calf_joint" = -1 }            # as scale and offset, by patterns or one number
        [streams.stiffness]
        value = 20.0                              # never changed

    Nothing is overwritten. A stream that was not recorded is not made up.

    Args:
        source: the recording, a file or a folder.
        out: the log to write, a new file. Several episodes are written beside one another, with their numbers.
        format: of the recording; by default told by its looks.
        robot: go2, so101 or panda, or module:attribute for one of your own; by default as the recording says.
        map: the mapping file of a CSV file.
        topic: of a ROS 2 bag, by what is on it: state, target or imu.
        units: of a LeRobot data set, which does not say them itself.
        calibration: of the arm that recorded a LeRobot data set, the file that LeRobot keeps.
        episode: of a LeRobot data set, this one only.
        payload: what the robot carried besides itself (kg), an arm at its tool.
        excitation: what moved it: chirp, multisine, policy; logs of one kind are held out together.
        serial: the serial number of the robot.
        base: whether its base was held, as by bolts or a stand, or free, on its own feet.
        licence: of the recording.
        json_file: write what was stored to this file.
    """
    from dataclasses import replace

    from assets.bars import Bars
    from sim2real.commands import robot_of
    from sim2real.logs.describe import to_json
    from sim2real.logs.importers.importer import Wanted
    from sim2real.logs.importers.registry import import_logs
    from sim2real.logs.robot_log import RobotLogError
    from sim2real.logs.store import read_stored, write_log

    if out.exists():
        raise RobotLogError(f"{out} exists already: choose another file with --out")
    told = {"payload": payload, "excitation": excitation, "serial": serial, "licence": licence}
    told["is_suspended"] = None if base is None else base == "held"
    given = {name: value for name, value in told.items() if value is not None}
    with Bars(_console) as progress:
        task = progress.add_task(f"reading {escape(source.name)}", total=1.0)
        wanted = Wanted(
            robot=None if robot is None else robot_of(robot),
            map=map,
            calibration=calibration,
            units=units,
            topics=_topics(topic),
            episode=episode,
            advance=lambda share: progress.update(task, completed=share),
            say=_say,
        )
        logs = [replace(log, info=replace(log.info, **given)) for log in import_logs(source, format, wanted)]
        paths = [out] if len(logs) == 1 else [out.with_stem(f"{out.stem}-{number:03d}") for number in range(len(logs))]
        for path in paths:
            if path.exists():
                raise RobotLogError(f"{path} exists already: choose another file with --out")
        task = progress.add_task("writing", total=1.0)
        for done, (log, path) in enumerate(zip(logs, paths, strict=True)):
            write_log(log, path, lambda share, done=done: progress.update(task, completed=(done + share) / len(logs)))
    stored = [read_stored(path) for path in paths]
    for log in stored:
        streams = ", ".join(f"{name} {stream.samples}" for name, stream in log.streams.items())
        print(f"{log.path}  {log.info.robot}, {log.seconds:.1f} s: {streams}")
        if log.info.time_base == "nominal":
            _say(f"warning: {log.path}: its stamps are computed, not recorded; see `zerogap logs check {log.path}`")
    return {"logs": [to_json(log) for log in stored]}


def ls(sources: tyro.conf.Positional[tuple[Path, ...]], /, json_file: Json = None) -> dict[str, Any]:
    """List logs in a table.

    Example: zerogap logs ls logs/

    Args:
        sources: logs, or folders with logs in them.
        json_file: write all that is known of them to this file.
    """
    from rich.table import Column, Table

    from sim2real.logs.describe import to_json
    from sim2real.logs.robot_log import RobotLogError
    from sim2real.logs.store import read_stored

    columns = ("robot", "seconds", "streams", "Hz", "excitation", "payload", "content")
    table = Table(Column("log", overflow="fold"), *columns, box=None, pad_edge=False)
    found = []
    for path in _files(sources):
        try:
            stored = read_stored(path)
        except RobotLogError as error:
            if path in sources:
                raise
            _say(f"warning: {error}")
            continue
        found.append(stored)
        rates = sorted({f"{stream.rate:.0f}" for stream in stored.streams.values() if stream.rate}, key=float)
        info, cells = stored.info, (str(path), stored.info.robot, f"{stored.seconds:.1f}", ", ".join(stored.streams))
        more = ("–".join(dict.fromkeys((rates or ["0"])[:: max(len(rates) - 1, 1)])), info.excitation or "?")
        table.add_row(*map(escape, (*cells, *more, f"{info.payload:g} kg", stored.content_hash[:8])))
    if not found:
        raise RobotLogError(f"there is no log in {', '.join(map(str, sources)) or 'nothing'}: `zerogap logs import` makes one")
    Console().print(table)
    return {"logs": [to_json(stored) for stored in found]}


def info(log: tyro.conf.Positional[Path], /, json_file: Json = None) -> dict[str, Any]:
    """Tell all that is known of a log, and whether its content is what it was when it was stored.

    Example: zerogap logs info logs/chirp.mcap

    Args:
        log: a log that `zerogap logs import` stored.
        json_file: write the same to this file.
    """
    from sim2real.logs.describe import describe, to_json
    from sim2real.logs.robot_log import RobotLogError
    from sim2real.logs.store import open_log, read_stored

    stored = read_stored(log)
    found = open_log(log).content_hash
    print(describe(stored))
    if found != stored.content_hash:
        raise RobotLogError(
            f"{log} holds something else than when it was stored: its content is {found}. Copy it anew, or import it"
        )
    return to_json(stored)


def plot(
    log: tyro.conf.Positional[Path],
    /,
    out: Path,
    joints: tuple[str, ...] = (),
    seconds: tuple[float, float] | None = None,
) -> None:
    """Draw a log: each joint's position against its target, its velocity, and its torque or current where there is one.

    Example: zerogap logs plot logs/chirp.mcap --out chirp.png --joints 'FL_*' --seconds 2 5

    Args:
        log: a log that `zerogap logs import` stored.
        out: the picture, .png, .pdf or .svg; one of that name is replaced.
        joints: those whose names match one of these patterns; all by default.
        seconds: from when to when of the log; all of it by default.
    """
    from sim2real.logs.plot import plot_log
    from sim2real.logs.store import open_log

    with _console.status("drawing"):
        plot_log(open_log(log), out, joints, seconds)
    print(f"picture    {out}")


def _topics(texts: tuple[str, ...]) -> dict[str, str]:
    from sim2real.logs.robot_log import RobotLogError

    topics: dict[str, str] = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if not equals or not role or not name or role in topics:
            raise RobotLogError(f"--topic {text}: expected ROLE=/NAME, each role once")
        topics[role] = name
    return topics


def _files(sources: tuple[Path, ...]) -> list[Path]:
    return [path for source in sources for path in (sorted(source.rglob("*.mcap")) if source.is_dir() else [source])]


def _say(text: str) -> None:
    _console.print(escape(text), highlight=False, soft_wrap=True)


COMMANDS: dict[str, Callable[..., Any]] = {
    "logs import": import_,
    "logs ls": ls,
    "logs info": info,
    "logs plot": plot,
}
