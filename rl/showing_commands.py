"""`zerogap eval | play | view | replay | demo`: what a policy has learned, in figures and to look at.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]
Engine = Annotated[str | None, tyro.conf.arg(metavar="native|mjx|warp")]

_console = Console(stderr=True)


def eval_(
    run: tyro.conf.Positional[Path],
    /,
    robots: int = 512,
    seconds: float = 20.0,
    seed: int = 0,
    engine: Engine = None,
    kinds: tuple[str, ...] = (),
    levels: tuple[int, ...] = (),
    calibration: Path | None = None,
    spread: bool = False,
    json_file: Json = None,
) -> dict[str, Any]:
    """Evaluate a run's newest policy on randomised robots from seeds that training never saw.

    Example: zerogap eval runs/go2 --json evaluation.json

    Example, on some of the terrain: zerogap eval runs/rough --kinds slope_up slope_down steps --levels 3

    Args:
        run: a run's directory.
        robots: how many, each with its own draw of model, latencies, commands and pushes.
        seconds: how long each is watched.
        seed: of the evaluation.
        engine: as the run's by default.
        kinds: of terrain, for a task that has a terrain; all by default.
        levels: of its difficulty, from 0; all by default.
        calibration: a directory of `zerogap calibrate`: evaluate on the robot as it was measured; as in training by default.
        spread: draw robots from what that measurement leaves open.
        json_file: write the evaluation to this file.
    """
    from rl.run import calibrated_by

    places = {"kind": kinds, "level": tuple(map(str, levels))}
    told = _evaluate(run, robots, seconds, seed, engine, places, calibrated_by(calibration, spread))
    _print_evaluation(told)
    return told


def play(
    run: tyro.conf.Positional[Path],
    /,
    video: Path | None = None,
    seconds: float = 20.0,
    seed: int = 1,
    width: int = 960,
    height: int = 540,
    kind: str | None = None,
    level: int | None = None,
) -> None:
    """Show a run's policy: in a viewer where there is a display, else as a video.

    Example: zerogap play runs/go2 --video walk.mp4

    Args:
        run: a run's directory.
        video: write an MP4 to this file; RUN/video.mp4 where there is no display.
        seconds: how long.
        seed: of the robot, its commands and the pushes.
        width: of the video (pixels).
        height: of the video (pixels).
        kind: of terrain, for a task that has a terrain; the first by default.
        level: of its difficulty; 0 by default.
    """
    from rl.play import record, view
    from rl.run import Run

    opened = Run.open(run)
    places = _place(kind, level)
    if video is None and _has_display():
        view(opened, seed=seed, places=places)
        return
    path = video or run / "video.mp4"
    with _progress("recording") as advance:
        record(opened, path, seconds=seconds, seed=seed, width=width, height=height, progress=advance, places=places)
    print(f"video      {path}")


def view(
    run: tyro.conf.Positional[Path],
    /,
    envs: int = 4,
    host: str = "127.0.0.1",
    port: int = 8080,
    seed: int = 1,
    engine: Engine = None,
    kind: str | None = None,
    level: int | None = None,
) -> None:
    """Show a run's policy live in a browser: robots side by side, sliders for their commands.

    Example: zerogap view runs/go2 --envs 9

    Serves the page until Ctrl-C. From another machine: ssh -L 8080:127.0.0.1:8080 MACHINE.

    Args:
        run: a run's directory.
        envs: how many robots, each with its own draw of model, latencies, commands and pushes.
        host: the address to listen at; 0.0.0.0 lets in whoever reaches this machine, and asks for no password.
        port: to listen at; 0 for one that is free.
        seed: of the robots, their commands and the pushes.
        engine: as the run's by default.
        kind: of terrain, for a task that has a terrain; the first by default.
        level: of its difficulty; 0 by default.
    """
    from rl.run import Run
    from rl.view import serve

    def say(text: str) -> None:
        _console.print(escape(text), highlight=False, soft_wrap=True)

    serve(Run.open(run), num_envs=envs, host=host, port=port, seed=seed, engine=engine, places=_place(kind, level), say=say)


def replay(file: tyro.conf.Positional[Path], /, video: Path | None = None, json_file: Json = None) -> dict[str, Any]:
    """Show what happened in an environment that diverged, from the file that training dumped.

    Example: zerogap replay runs/go2/crashes/update-120.npz

    Args:
        file: the dump.
        video: also write an MP4 to this file.
        json_file: write the story to this file.
    """
    from rl.play import record_replay
    from sim.crash import load_crash
    from sim.replay import replay_crash

    record = load_crash(file)
    trajectory = replay_crash(record)
    print(trajectory.story)
    if video is not None:
        with _progress("recording") as advance:
            record_replay(record, trajectory, video, advance)
        print(f"video      {video}")
    return {"story": trajectory.story}


def demo(out: Path = Path("runs/demo"), minutes: float = 10.0, seed: int = 0, json_file: Json = None) -> dict[str, Any]:
    """Train the Go2 to walk, evaluate it and film it: what `make demo` runs.

    Example: zerogap demo --out runs/demo

    Args:
        out: the run's directory. If it holds an unfinished demo, that goes on; a finished one is evaluated and filmed anew.
        minutes: of training.
        seed: of the training.
        json_file: write the evaluation to this file.
    """
    from assets.json_file import write_json
    from rl.play import record
    from rl.run import Run
    from rl.train import start_run, train_in_all
    from sim.render import RenderError

    if not train_in_all(out, minutes, lambda: start_run("go2-velocity-flat", out, None, None, seed)):
        raise SystemExit(130)
    run = Run.open(out)
    told = _evaluate(out, 512, 20.0, 0, None)
    write_json(out / "evaluation.json", told)
    video = out / "video.mp4"
    try:
        with _progress("recording a video") as advance:
            record(run, video, seconds=15.0, seed=1, width=640, height=360, progress=advance)
    except RenderError as error:  # a finished training is worth more than its picture
        _console.print(f"[yellow]no video:[/] {error}", highlight=False)
        video = None
    print()
    for label, path in (
        ("checkpoint", run.checkpoints),
        ("curve", out / "curve.png"),
        ("evaluation", out / "evaluation.json"),
        ("video", video),
    ):
        if path is not None:
            print(f"{label:11}{path}")
    _print_evaluation(told)
    return told


def _evaluate(
    run: Path,
    robots: int,
    seconds: float,
    seed: int,
    engine: str | None,
    places: dict[str, tuple[str, ...]] | None = None,
    calibrated: Any = None,
) -> dict[str, Any]:
    import dataclasses

    from rl.evaluate import Evaluator, load_policy
    from rl.run import Run

    opened = Run.open(run)
    trained = opened.hash
    if calibrated is not None:
        opened = dataclasses.replace(opened, calibrated=calibrated)
    with _progress(f"evaluating {robots} robots") as advance:
        ppo, state = load_policy(opened, robots, engine, places=places)
        return Evaluator(ppo, seconds)(state, seed=seed, progress=advance).to_json() | {"run": trained}


def _place(kind: str | None, level: int | None) -> dict[str, tuple[str, ...]]:
    chosen = {"kind": kind, "level": level}
    return {label: (str(value),) for label, value in chosen.items() if value is not None}


def _print_evaluation(told: dict[str, Any]) -> None:
    print(f"robots     {told['robots']} for {told['seconds']:g} s each")
    print(f"falls      {told['falls']} ({told['falls'] / told['robots']:.1%})")
    causes = ", ".join(f"{cause} {count}" for cause, count in told["safety_trips"].items())
    print(f"let down   {told['tripped']} by the robot's safety filter{f': {causes}' if causes else ''}")
    for name, value in told.items():
        if name.endswith(("_error", "_at_rest")):
            print(f"{name:32}{value:.3f}")
    if "groups" in told:
        _print_groups(told["groups"])


def _print_groups(groups: list[dict[str, Any]]) -> None:
    """A row for each place of the task's curriculum."""
    from rich.table import Table

    labels = list(groups[0])[: list(groups[0]).index("robots")]
    errors = [name for name in groups[0] if name.endswith("_error")]
    table = Table(*labels, "robots", "falls", *(name.replace("_", " ") for name in errors))
    for group in sorted(groups, key=lambda group: [group[label] for label in labels]):
        falls = f"{group['falls']} ({group['falls'] / group['robots']:.0%})"
        table.add_row(*(str(group[x]) for x in labels), str(group["robots"]), falls, *(f"{group[x]:.3f}" for x in errors))
    Console().print(table)


class _progress:  # noqa: N801 - reads as a verb: with _progress("recording") as advance
    """A bar on the terminal for work whose share done is told by calling `advance(share)`."""

    def __init__(self, title: str):
        from rich.progress import Progress

        self._bar = Progress(console=_console, transient=False)
        self._title = title

    def __enter__(self) -> Callable[[float], None]:
        self._bar.start()
        task = self._bar.add_task(self._title, total=1.0)
        return lambda share: self._bar.update(task, completed=share)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


COMMANDS: dict[str, Callable[..., Any]] = {"eval": eval_, "play": play, "view": view, "replay": replay, "demo": demo}
