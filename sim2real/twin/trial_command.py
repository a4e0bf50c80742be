"""The verb `zerogap trial`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

_console = Console(stderr=True)


def trial(
    policy: tyro.conf.Positional[Path],
    /,
    gap: Path | None = None,
    calibration: Path | None = None,
    task: str | None = None,
    episodes: int = 16,
    seconds: float = 20.0,
    seed: int = 0,
    video: Path | None = None,
    json_file: Json = None,
) -> dict[str, Any]:
    """Judge an exported policy on a twin by its task's rewards, as fast as the simulation goes.

    Example: zerogap trial policy.onnx --gap gap.toml --json trial.json

    What `zerogap eval` tells of a policy in the training's simulation, this tells of it on a twin, with its own motors, sensors
    and delays. There is neither a runtime nor a safety filter in between; `zerogap twin` and `zerogap deploy` have both.

    Args:
        policy: a file of `zerogap export`.
        gap: a TOML file that says how the twin differs from the nominal robot; see `zerogap twin --help`.
        calibration: a directory of `zerogap calibrate`: it differs as was measured. What the gap gives counts before that.
        task: whose commands and rewards these are; that of the policy by default.
        episodes: how many, with other commands and other noise each.
        seconds: how long each is.
        seed: of the first episode; the next one's is greater by one.
        video: write an MP4 of the first episode to this file.
        json_file: write the figures to this file.
    """
    from assets.bars import Bars
    from envs.measured import Measured
    from envs.registry import make_task
    from sim2real.deploy.onnx_pilot import OnnxPilot
    from sim2real.export.policy import Policy
    from sim2real.twin.gap import Gap
    from sim2real.twin.gap_file import load_gap
    from sim2real.twin.measured import measured_gap
    from sim2real.twin.trial import Stage, try_policy
    from sim2real.twin.video import VideoTape

    opened = Policy.load(policy)
    known = load_gap(gap) if gap is not None else Gap()
    if calibration is not None:
        known = measured_gap(Measured.load(calibration), make_task(task or opened.spec.task).robot, known)
    with Bars(_console) as bar:
        row = bar.add_task(f"trying {policy.name}", total=1.0)
        told = try_policy(
            policy,
            known,
            task=task,
            episodes=episodes,
            seconds=seconds,
            seed=seed,
            progress=lambda share: bar.update(row, completed=share),
        )
    if video is not None:
        tapes: list[VideoTape] = []

        def watcher(twin: Any) -> VideoTape:
            tapes.append(VideoTape(twin))
            return tapes[0]

        Stage(make_task(told.task), known).play(OnnxPilot(opened), seed, seconds, watcher)
        with _console.status("recording a video"):
            tapes[0].record(video)
    figures = told.to_json()
    print(f"robots     {episodes} for {seconds:g} s each")
    print(f"falls      {told.falls} ({told.falls / episodes:.1%})")
    print(f"return     {told.return_per_second:.3f} a second")
    for name in sorted({name for episode in told.episodes for name in episode.metrics}):
        print(f"{name:32}{figures[name]:.3f}")
    if video is not None:
        print(f"video      {video}")
    return figures


COMMANDS: dict[str, Callable[..., Any]] = {"trial": trial}
