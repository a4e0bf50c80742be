"""The verbs of the command line that concern real robots: each a thin call into a folder beside this file.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]


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

    from rich.console import Console

    from rl.run import Run
    from sim2real.export.export import export as write_policy

    path = out or run / "policy.onnx"
    with Console(stderr=True).status("exporting"):
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


COMMANDS: dict[str, Callable[..., Any]] = {"export": export, "inspect": inspect}
